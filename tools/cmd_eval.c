// SPDX-License-Identifier: Apache-2.0
// lexmask eval: COCO's twelve figures of a results file, LVIS's, base and novel names, recall.
#include "tools/commands.h"
#include "tools/eval_output.h"

#include <string.h>

static struct {
    const char *gt, *results;
    tool_eval_options how;
    int64_t threads;
} o;

static const tool_option table[] = {
    {"gt", TOOL_TEXT, "FILE", "COCO annotations: what is in the pictures", &o.gt},
    {"results", TOOL_TEXT, "FILE", "COCO results: what was found", &o.results},
    {"type", TOOL_CHOICE, "bbox|segm", "compare boxes or masks; default bbox", &o.how.type,
     .choices = "bbox|segm"},
    {"json", TOOL_FLAG, NULL, "print {\"stats\":[12 figures]} in full precision", &o.how.json},
    {"per-class", TOOL_FLAG, NULL, "the figures of every area and of every class, too",
     &o.how.per_class},
    {"plots", TOOL_TEXT, "DIR", "write precision over recall as PNGs into this folder",
     &o.how.plots},
    {"agnostic", TOOL_FLAG, NULL, "forget the classes, as for proposals", &o.how.agnostic},
    {"recall", TOOL_FLAG, NULL,
     "recall of the best 100 and 1000 a picture, too, whatever their names are", &o.how.recall},
    {"lvis", TOOL_FLAG, NULL,
     "LVIS's thirteen figures of annotations in its form, as the lvis package computes them",
     &o.how.lvis},
    {"split", TOOL_CHOICE, "NAME",
     "AP of base and novel names, too: of those alone, in the pictures that hold one of them; "
     "coco-ovd: the 48 and 17 of open-vocabulary COCO",
     &o.how.split, .choices = IO_SPLIT_COCO_OVD},
    {"base", TOOL_TEXT, "FILE", "the same with the base names in a file, one a line", &o.how.base},
    {"novel", TOOL_TEXT, "FILE", "with --base: the novel names; default: all others", &o.how.novel},
    {"threads", TOOL_INT, "N", "default 0: one a processor", &o.threads, 0, 1024},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

typedef struct files {
    io_coco *truth, *results;
    unsigned want;
    tn_status status[2];
    tn_error error[2];
} files;

static void read_task(void *context, int64_t i, int worker) {
    (void)worker;
    files *f = context;
    f->status[i] = i ? io_coco_results_open(o.results, f->want, &f->results, &f->error[1])
                     : io_coco_open(o.gt, f->want, &f->truth, &f->error[0]);
}

static tn_status read_files(files *f, tn_pool *pool, tn_error *err) {
    tn_pool_run(pool, 2, read_task, f);
    for (int i = 0; i < 2; i++) {
        if (f->status[i] == TN_OK) continue;
        *err = f->error[i];
        return f->status[i];
    }
    return TN_OK;
}

// What pycocotools leaves out without a word.
static void warn(const files *f, const ev_coco *figures) {
    size_t strangers = 0;
    for (size_t i = 0; i < f->results->object_count; i++)
        strangers += io_coco_find_category(f->truth, f->results->objects[i].category_id) < 0;
    if (strangers)
        tool_note("%s: %zu of %zu results are of categories that %s does not have; they were left "
                  "out",
                  o.results, strangers, f->results->object_count, o.gt);
    if (figures->zero_ids)
        tool_note("%s: %zu annotations have the id 0, which counts as never found (as in "
                  "pycocotools)",
                  o.gt, figures->zero_ids);
}

static tn_status evaluate(tn_error *err) {
    tn_pool *pool;
    files f = {.want = tool_eval_want(&o.how)};
    tool_evaluation evaluation = {0};
    TN_TRY(tn_pool_open((int)o.threads, &pool, err));
    tn_status status = read_files(&f, pool, err);
    if (status == TN_OK) {
        status = tool_evaluate(f.truth, f.results->objects, f.results->object_count, &o.how, pool,
                               &evaluation, err);
        if (status != TN_OK) tn_fail_prefix(err, "%s, %s", o.gt, o.results);
    }
    if (status == TN_OK) {
        warn(&f, &evaluation.coco);
        status = tool_evaluation_show(&evaluation, err);
    }
    tool_evaluation_deinit(&evaluation);
    io_coco_close(f.truth);
    io_coco_close(f.results);
    tn_pool_close(pool);
    return status;
}

static const char *misuse(void) {
    if (!o.gt) return "compare with what? Give --gt FILE, COCO annotations";
    if (!o.results) return "evaluate what? Give --results FILE, COCO results";
    return tool_eval_misuse(&o.how);
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    o.how.type = "bbox";
    tn_error err = {0};
    tool_parsed parsed = tool_parse(self, argc, argv, NULL);
    if (parsed == TOOL_HELPED) return 0;
    if (parsed == TOOL_MISUSED) return 2;
    const char *wrong = misuse();
    if (wrong) {
        tool_error("%s", wrong);
        return 2;
    }
    return evaluate(&err) == TN_OK ? 0 : tool_failed(&err);
}

const tool_command tool_eval = {
    .name = "eval",
    .summary = "COCO's twelve figures of a results file, as pycocotools computes them",
    .usage = "--gt FILE --results FILE [--type bbox|segm] [--json] [--per-class] [--plots DIR]\n"
             "      [--lvis | --split coco-ovd | --base FILE [--novel FILE]] [--recall]",
    .details =
        "In the tables a dash stands where there is nothing to be found; in JSON, as in "
        "pycocotools,\nit is -1. APs, APm and APl are those of small (to 32x32 pixels), "
        "medium (to 96x96) and large\nobjects.\n\nWith a split, the "
        "twelve figures are of its names alone, in the pictures that hold one\nof them. R50 is "
        "recall at an IoU of 0.5: a low one says that boxes are wrong, not names.\n",
    .examples = "  lexmask eval --gt instances_val2017.json --results results.json\n"
                "  lexmask eval --gt instances_val2017.json --results results.json --type segm "
                "--per-class\n"
                "  lexmask eval --gt instances_val2017.json --results results.json --json "
                "--plots curves\n"
                "  lexmask eval --gt instances_val2017.json --results results.json --split "
                "coco-ovd --recall\n"
                "  lexmask eval --gt lvis_v1_val.json --results results.json --type segm --lvis\n",
    .run = run,
    .options = options,
};
