// SPDX-License-Identifier: Apache-2.0
// lexmask eval: COCO's twelve figures of a results file or of a model, LVIS's, base and novel
// names, recall.
#include "tools/commands.h"
#include "tools/eval/eval_model.h"
#include "tools/eval/eval_sweep.h"
#include "tools/shared/progress.h"
#include "tools/shared/wanted_names.h"

#include <string.h>

static struct {
    const char *gt, *results, *pictures, *results_out;
    tool_eval_options how;
    int64_t limit;
} o;

static const tool_option table[] = {
    {"gt", TOOL_TEXT, "FILE", "COCO annotations: the true objects", &o.gt},
    {"data", TOOL_TEXT, "FILE", "the same as --gt", &o.gt},
    {"results", TOOL_TEXT, "FILE", "COCO results: the detections", &o.results},
    {"pictures", TOOL_TEXT, "DIR", "with a model: the pictures' folder", &o.pictures},
    {"results-out", TOOL_TEXT, "FILE", "with a model: write its results there", &o.results_out},
    {"limit", TOOL_INT, "N", "with a model or kept scores: only the first N pictures; default all",
     &o.limit, 1, 1000000000},
    {"type", TOOL_CHOICE, "bbox|segm", "compare boxes or masks; default bbox", &o.how.type,
     .choices = "bbox|segm"},
    {"json", TOOL_FLAG, NULL, "print {\"stats\":[12 figures]} in full precision", &o.how.json},
    {"per-class", TOOL_FLAG, NULL, "also the figures per area and per class", &o.how.per_class},
    {"plots", TOOL_TEXT, "DIR", "write precision over recall as PNGs into this folder",
     &o.how.plots},
    {"agnostic", TOOL_FLAG, NULL,
     "class-agnostic: compare boxes whatever their class; an F-VLM scores each box once, by "
     "objectness",
     &o.how.agnostic},
    {"recall", TOOL_FLAG, NULL,
     "also the recall of the best 100 and 1000 per picture, whatever their names", &o.how.recall},
    {"lvis", TOOL_FLAG, NULL,
     "LVIS's thirteen figures, as the lvis package computes them; the annotations are LVIS's",
     &o.how.lvis},
    {"split", TOOL_CHOICE, "NAME",
     "also AP of base and novel names, over the pictures that hold one of them; coco-ovd: the 48 "
     "and 17 names of open-vocabulary COCO",
     &o.how.split, .choices = IO_SPLIT_COCO_OVD},
    {"base", TOOL_TEXT, "FILE", "the same, with the base names in a file, one per line",
     &o.how.base},
    {"novel", TOOL_TEXT, "FILE", "with --base: the novel names; default: all others", &o.how.novel},
    {"scores", TOOL_TEXT, "DIR",
     "folder of both scores of every box: an F-VLM's are kept there, and --sweep reads them",
     &tool_sweep_chosen.scores, .used_by = TOOL_FVLM},
    {"sweep", TOOL_FLAG, NULL,
     "try weights of the two scores, scales and thresholds on kept scores: a table, with --plots a "
     "picture",
     &tool_sweep_chosen.wanted},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static const tool_option_group *const shared[] = {
    &tool_model_group,   &tool_clip_group,  &tool_clip_more_group,
    &tool_names_group,   &tool_look_group,  &tool_find_group,
    &tool_compute_group, &tool_sweep_group, NULL};

static tn_status open_truth(unsigned want, io_coco **out, tn_error *err) {
    TN_TRY(io_coco_open(o.gt, want, out, err));
    if (o.limit) io_coco_keep_first(*out, (size_t)o.limit);
    return TN_OK;
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
                     : open_truth(f->want, &f->truth, &f->error[0]);
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
    size_t strangers = 0, boxes = 0;
    char notes[1024];
    io_coco_notes(f->truth, notes, sizeof notes);
    for (char *at = notes, *line; (line = strsep(&at, "\n"));)
        if (*line) tool_note("%s: %s", o.gt, line);
    for (size_t i = 0; i < f->results->object_count; i++) {
        strangers += io_coco_find_category(f->truth, f->results->objects[i].category_id) < 0;
        boxes += f->results->objects[i].shape.kind == IO_COCO_NONE;
    }
    if (boxes && !strcmp(o.how.type, "segm"))
        tool_note("%s: %zu of %zu results have no segmentation: their boxes were compared as masks "
                  "(as in pycocotools)",
                  o.results, boxes, f->results->object_count);
    if (strangers)
        tool_note("%s: %zu of %zu results are of categories that %s does not have; they were left "
                  "out",
                  o.results, strangers, f->results->object_count, o.gt);
    if (figures->zero_ids)
        tool_note("%s: %zu annotations have the id 0, which counts as never found (as in "
                  "pycocotools)",
                  o.gt, figures->zero_ids);
}

// The model's results become a file, which is then evaluated like any other.
static tn_status run_model(tool_eval_run *run, tn_error *err) {
    io_coco *data = NULL;
    io_coco_split names = {0};
    tool_data_model model = {0};
    bool has_split;
    tool_chosen.novel = o.how.novel;
    tool_chosen.keep_scores = tool_sweep_chosen.scores != NULL,
    tool_chosen.agnostic = o.how.agnostic;
    tool_catch_signals();
    tn_status status = open_truth(0, &data, err);
    if (status == TN_OK) status = tool_merge_categories(data, err);
    if (status == TN_OK) status = tool_eval_split(&o.how, data, &has_split, &names, err);
    *run = (tool_eval_run){.data = data,
                           .split = status == TN_OK && has_split ? &names : NULL,
                           .pictures = o.pictures,
                           .results_out = o.results_out,
                           .scores_out = tool_sweep_chosen.scores,
                           .masks = !strcmp(o.how.type, "segm"),
                           .proposals = o.how.recall};
    if (status == TN_OK) status = tool_data_model_open(data, run->split, &model, err);
    if (status == TN_OK) status = tool_eval_run_model(run, &model, err);
    tool_data_model_close(&model);
    io_coco_split_deinit(&names);
    io_coco_close(data);
    run->data = NULL, run->split = NULL;
    return status;
}

static tn_status evaluate(const tool_eval_run *run, tn_error *err) {
    tn_pool *pool;
    files f = {.want = tool_eval_want(&o.how)};
    TN_TRY(tn_pool_open((int)tool_context.threads, &pool, err));
    tn_status status = read_files(&f, pool, err);
    if (status == TN_OK && run->pictures) status = tool_merge_categories(f.truth, err);
    tool_evaluation evaluation = {.options = &o.how, .truth = f.truth};
    if (status == TN_OK)
        status = tool_eval_split(&o.how, f.truth, &evaluation.has_split, &evaluation.names, err);
    if (status == TN_OK) {
        status = tool_evaluate(&evaluation, f.results->objects, f.results->object_count, pool, err);
        if (status != TN_OK) tn_fail_prefix(err, "%s, %s", o.gt, o.results);
    }
    if (status == TN_OK && run->proposals)
        status =
            tool_evaluate_proposals(&evaluation, run->proposal, run->proposal_count, pool, err);
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

// --pictures alone: the model that comes with the program looks at them.
static bool by_model(void) {
    return tool_model_given() || ((o.pictures || o.results_out) && !o.results);
}

static const char *misuse_of_sweep(bool model) {
    if (!tool_sweep_chosen.scores) return "which scores? Give --scores DIR with --sweep";
    if (o.results) return "--sweep makes its own results, of --scores";
    if (model && o.how.json) return "--sweep with a model prints tables: --json for one at a time";
    if (!strcmp(o.how.type, "segm")) return "--sweep compares boxes: the kept scores have no masks";
    if (o.how.lvis || o.how.agnostic) return "--sweep goes without --lvis and --agnostic";
    if (!model && (o.how.per_class || o.how.recall))
        return "--sweep goes without --per-class and --recall";
    return tool_eval_misuse(&o.how);
}

static const char *misuse(const tool_list *words) {
    (void)words;
    if (!o.gt) return "compare with what? Give --gt FILE, COCO annotations";
    bool model = by_model();
    const char *wrong = model ? NULL : tool_model_unused();
    if (!tool_sweep_chosen.wanted && tool_given_of(&tool_sweep_group))
        return "lists of values go with --sweep";
    if (!wrong && tool_sweep_chosen.wanted) wrong = misuse_of_sweep(model);
    if (wrong || (tool_sweep_chosen.wanted && !model)) return wrong;
    if (tool_sweep_chosen.scores && !model) return "--scores goes with --sweep, or with an F-VLM";
    if (!o.results && !model)
        return "evaluate what? Give --results FILE, COCO results, or --model DIR --pictures DIR";
    if (o.results && model) return "--results or a model, not both";
    if (o.results && o.limit) return "--limit goes with a model: results are evaluated whole";
    if (!model && (o.pictures || o.results_out))
        return "--pictures and --results-out go with a model";
    if (model && !o.pictures) return "where are the pictures? Give --pictures DIR";
    if (model && !o.results_out) return "where shall the results go? Give --results-out FILE";
    if (model) wrong = tool_model_misuse();
    return wrong ? wrong : tool_eval_misuse(&o.how);
}

static int sweep(void) {
    tn_error err = {0};
    tn_pool *pool;
    io_coco *truth = NULL;
    tool_catch_signals();
    if (tn_pool_open((int)tool_context.threads, &pool, &err) != TN_OK) return tool_failed(&err);
    tn_status status = open_truth(0, &truth, &err);
    if (status == TN_OK) status = tool_sweep(truth, &o.how, &tool_sweep_chosen, pool, &err);
    io_coco_close(truth);
    tn_pool_close(pool);
    return status == TN_OK ? 0 : tool_failed(&err);
}

static int finish(void) {
    if (tool_sweep_chosen.wanted && !by_model()) return sweep();
    tn_error err = {0};
    tool_eval_run run = {0};
    tn_status status = TN_OK;
    if (by_model()) {
        status = run_model(&run, &err);
        o.results = o.results_out;
    }
    if (status == TN_OK) status = evaluate(&run, &err);
    tool_eval_run_deinit(&run);
    if (status != TN_OK) return tool_failed(&err);
    if (run.broken)
        tool_error("%zu pictures could not be read: nothing was found in them", run.broken);
    if (tool_sweep_chosen.wanted) {
        printf("\n");
        return sweep();
    }
    return run.broken ? 1 : 0;
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    tool_model_defaults();
    tool_sweep_chosen = (tool_sweep_options){0};
    o.how.type = "bbox";
    int code = tool_parse(self, argc, argv, NULL);
    if (code == TOOL_GO) code = finish();
    tool_model_free();
    return code;
}

const tool_command tool_eval = {
    .name = "eval",
    .summary =
        "COCO's twelve figures of a results file or of a model, as pycocotools computes them",
    .usage = "--gt FILE (--results FILE | [--model DIR] --pictures DIR --results-out FILE)\n"
             "      [--type bbox|segm] [--json] [--per-class] [--plots DIR]\n"
             "      [--lvis | --split coco-ovd | --base FILE [--novel FILE]] [--recall]\n"
             "   or: --gt FILE --sweep --scores DIR [--alphas A,B,…] [--betas A,B,…] …",
    .details =
        "A dash in a table stands for a figure without true objects; JSON has -1 there, as\n"
        "pycocotools. APs, APm and APl are AP of small (up to 32x32 pixels), medium (up to 96x96)\n"
        "and large objects.\n\nWith a split, the figures are of its names only, over the pictures "
        "that hold one of them.\nR50 is the recall at an IoU of 0.5: if it is low, boxes are "
        "wrong, "
        "not names. A model looks\nfor the names of all categories of the annotations, or of the "
        "split; in closed mode its\nown classes are matched with the categories by name. --recall "
        "also prints the recall of a\nmodel's proposals.\n",
    .examples = "  lexmask eval --gt instances_val2017.json --results results.json\n"
                "  lexmask eval --gt instances_val2017.json --results results.json --type segm "
                "--per-class\n"
                "  lexmask eval --gt instances_val2017.json --results results.json --json "
                "--plots curves\n"
                "  lexmask eval --gt instances_val2017.json --results results.json --split "
                "coco-ovd --recall\n"
                "  lexmask eval --gt lvis_v1_val.json --results results.json --type segm --lvis\n",
    .misuse = misuse,
    .run = run,
    .options = options,
    .shared = shared,
};
