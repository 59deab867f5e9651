// SPDX-License-Identifier: Apache-2.0
// lexmask eval: COCO's twelve figures of a results file.
#include "tools/commands.h"
#include "tools/eval_output.h"

#include <string.h>

static struct {
    const char *gt, *results, *type, *plots;
    bool json, per_class, agnostic;
    int64_t threads;
} o;

static const tool_option table[] = {
    {"gt", TOOL_TEXT, "FILE", "COCO annotations: what is in the pictures", &o.gt},
    {"results", TOOL_TEXT, "FILE", "COCO results: what was found", &o.results},
    {"type", TOOL_CHOICE, "bbox|segm", "compare boxes or masks; default bbox", &o.type,
     .choices = "bbox|segm"},
    {"json", TOOL_FLAG, NULL, "print {\"stats\":[12 figures]} in full precision", &o.json},
    {"per-class", TOOL_FLAG, NULL, "the figures of every area and of every class, too",
     &o.per_class},
    {"plots", TOOL_TEXT, "DIR", "write precision over recall as PNGs into this folder", &o.plots},
    {"agnostic", TOOL_FLAG, NULL, "forget the classes, as for proposals", &o.agnostic},
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
    for (size_t i = 0; !o.agnostic && i < f->results->object_count; i++)
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

static tn_status show(const files *f, const ev_coco *figures, tn_error *err) {
    if (o.plots) {
        size_t written;
        TN_TRY(tool_eval_plot(o.plots, f->truth, figures, &written, err));
        tool_note("%s: %zu pictures", o.plots, written);
    }
    return (o.json ? tool_eval_print_json : tool_eval_print_text)(f->truth, figures, o.per_class,
                                                                  err);
}

static tn_status evaluate(tn_error *err) {
    tn_pool *pool;
    bool masks = !strcmp(o.type, "segm");
    files f = {.want = masks ? IO_COCO_SHAPES : 0};
    ev_coco figures = {0};
    TN_TRY(tn_pool_open((int)o.threads, &pool, err));
    tn_status status = read_files(&f, pool, err);
    if (status == TN_OK) {
        ev_coco_options how = {.masks = masks, .agnostic = o.agnostic};
        status = ev_coco_evaluate(f.truth, f.results->objects, f.results->object_count, &how, pool,
                                  &figures, err);
        if (status != TN_OK) tn_fail_prefix(err, "%s, %s", o.gt, o.results);
    }
    if (status == TN_OK) {
        warn(&f, &figures);
        status = show(&f, &figures, err);
    }
    ev_coco_deinit(&figures);
    io_coco_close(f.truth);
    io_coco_close(f.results);
    tn_pool_close(pool);
    return status;
}

static const char *misuse(void) {
    if (!o.gt) return "compare with what? Give --gt FILE, COCO annotations";
    if (!o.results) return "evaluate what? Give --results FILE, COCO results";
    if (o.agnostic && o.per_class) return "--agnostic forgets the classes that --per-class lists";
    return NULL;
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    o.type = "bbox";
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
    .usage = "--gt FILE --results FILE [--type bbox|segm] [--json] [--per-class] [--plots DIR]",
    .details = "In the tables a dash stands where there is nothing to be found; in JSON, as in "
               "pycocotools,\nit is -1. APs, APm and APl are those of small (to 32x32 pixels), "
               "medium (to 96x96) and large\nobjects.\n",
    .examples = "  lexmask eval --gt instances_val2017.json --results results.json\n"
                "  lexmask eval --gt instances_val2017.json --results results.json --type segm "
                "--per-class\n"
                "  lexmask eval --gt instances_val2017.json --results results.json --json "
                "--plots curves\n",
    .run = run,
    .options = options,
};
