// SPDX-License-Identifier: Apache-2.0
// lexmask report: how true boxes are named, class by class.
#include "tensor/alloc.h"
#include "tools/commands.h"
#include "tools/eval/eval_output.h"
#include "tools/eval/report_output.h"
#include "tools/shared/progress.h"
#include "tools/shared/wanted_names.h"

#include <string.h>

static struct {
    const char *gt, *results, *named, *pictures, *matrix, *named_out;
    tool_eval_options parts; // base and novel names
    double iou;
    int64_t limit, digits;
    bool json, all_classes;
} o;

static const tool_option table[] = {
    {"gt", TOOL_TEXT, "FILE", "COCO annotations: the true boxes and their classes", &o.gt},
    {"results", TOOL_TEXT, "FILE",
     "COCO results: a box is named by the best result that overlaps it enough", &o.results},
    {"iou", TOOL_REAL, "X", "with --results: the least overlap; default 0.5", &o.iou, 0, 1},
    {"named", TOOL_TEXT, "FILE", "a name per box: [{\"annotation_id\":7,\"category_id\":3},…]",
     &o.named},
    {"pictures", TOOL_TEXT, "DIR", "with a model: the pictures' folder", &o.pictures},
    {"limit", TOOL_INT, "N", "with a model: only the first N pictures; default all", &o.limit, 1,
     1000000000},
    {"named-out", TOOL_TEXT, "FILE", "write the name of each box, for --named", &o.named_out},
    {"digits", TOOL_INT, "N", "decimals; default 2", &o.digits, 0, 17},
    {"all-classes", TOOL_FLAG, NULL, "also a row for classes that no box has and none was named",
     &o.all_classes},
    {"split", TOOL_CHOICE, "NAME",
     "also how many boxes of base and of novel names were named right; coco-ovd: the 48 and 17 "
     "names of open-vocabulary COCO",
     &o.parts.split, .choices = IO_SPLIT_COCO_OVD},
    {"base", TOOL_TEXT, "FILE", "the same, with the base names in a file, one per line",
     &o.parts.base},
    {"novel", TOOL_TEXT, "FILE",
     "with --base: the novel names, which an F-VLM's --beta then holds for; default: all others",
     &o.parts.novel},
    {"json", TOOL_FLAG, NULL, "print JSON in full precision, with the confusion matrix", &o.json},
    {"matrix", TOOL_TEXT, "FILE", "write the confusion matrix as PNG", &o.matrix},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

// Boxes are given, so that nothing says how objects are found.
static const tool_option_group *const shared[] = {&tool_model_group,
                                                  &tool_clip_group,
                                                  &tool_clip_more_group,
                                                  &tool_names_group,
                                                  &tool_look_group,
                                                  &tool_compute_group,
                                                  NULL};

static tn_status name_by_results(const io_coco *truth, int64_t *named, tn_error *err) {
    io_coco *results;
    TN_TRY(io_coco_results_open(o.results, 0, &results, err));
    tn_status status = ev_name_by_results(truth, results, o.iou < 0 ? 0.5 : o.iou, named, err);
    if (status != TN_OK) tn_fail_prefix(err, "%s, %s", o.gt, o.results);
    io_coco_close(results);
    return status;
}

static tn_status name_by_model(const io_coco *truth, int64_t *named, float *score, size_t *broken,
                               tn_error *err) {
    tool_data_model model;
    tool_catch_signals();
    tool_chosen.novel = o.parts.novel;
    TN_TRY(tool_data_model_open(truth, NULL, &model, err));
    tn_status status = tool_report_name(&model, truth, o.pictures, named, score, broken, err);
    tool_data_model_close(&model);
    return status;
}

static tn_status show(const io_coco *truth, const io_coco_split *names, const int64_t *named,
                      const float *score, tn_error *err) {
    ev_report report;
    if (o.named_out) TN_TRY(io_coco_named_write(o.named_out, truth, named, score, err));
    tn_status status = ev_report_make(truth, named, o.all_classes, &report, err);
    if (status != TN_OK) {
        tn_fail_prefix(err, "%s", o.gt);
        return status;
    }
    if (o.matrix) status = tool_report_matrix(o.matrix, &report, err);
    if (status == TN_OK)
        status = tool_report_print(truth, &report, names, named, (int)o.digits, o.json, err);
    ev_report_deinit(&report);
    return status;
}

static tn_status report(const io_coco *truth, size_t *broken, tn_error *err) {
    int64_t *named = tn_alloc_zero(truth->object_count + 1, sizeof *named);
    float *score = tn_alloc_zero(truth->object_count + 1, sizeof *score);
    io_coco_split names;
    bool has_split;
    tn_status status = tool_eval_split(&o.parts, truth, &has_split, &names, err);
    if (status == TN_OK && (!named || !score))
        status = tn_fail(err, TN_ENOMEM, "out of memory for %zu boxes", truth->object_count);
    else if (status == TN_OK && o.results)
        status = name_by_results(truth, named, err);
    else if (status == TN_OK && o.named)
        status = io_coco_named_read(o.named, truth, named, err);
    else if (status == TN_OK)
        status = name_by_model(truth, named, score, broken, err);
    bool by_model = !o.results && !o.named;
    if (status == TN_OK)
        status = show(truth, has_split ? &names : NULL, named, by_model ? score : NULL, err);
    io_coco_split_deinit(&names);
    tn_free(named);
    tn_free(score);
    return status;
}

static const char *misuse(const tool_list *words) {
    (void)words;
    bool model = tool_model_given() || (o.pictures && !o.results && !o.named);
    if (!o.gt) return "name which boxes? Give --gt FILE, COCO annotations";
    if (!o.results && !o.named && !model)
        return "named by whom? Give --results FILE, --named FILE, or --model DIR --pictures DIR";
    if ((o.results != NULL) + (o.named != NULL) + model > 1)
        return "--results, --named or a model: one of them";
    if (model && !o.pictures) return "where are the pictures? Give --pictures DIR";
    if (!model && o.pictures) return "--pictures goes with a model";
    if (!model && o.limit) return "--limit goes with a model";
    if (!o.results && o.iou >= 0) return "--iou goes with --results";
    const char *wrong = model ? tool_model_misuse() : tool_model_unused();
    return wrong ? wrong : tool_eval_misuse(&o.parts);
}

// What became of categories.
static void tell(const io_coco *truth) {
    char notes[1024];
    if (!truth->merged) return;
    io_coco_notes(truth, notes, sizeof notes);
    for (char *at = notes, *line; (line = strsep(&at, "\n"));) tool_note("%s: %s", o.gt, line);
}

static int finish(void) {
    tn_error err = {0};
    io_coco *truth;
    size_t broken = 0;
    if (io_coco_open(o.gt, 0, &truth, &err) != TN_OK) return tool_failed(&err);
    if (o.limit) io_coco_keep_first(truth, (size_t)o.limit);
    bool by_model = !o.results && !o.named;
    tn_status status = by_model ? tool_merge_categories(truth, &err) : TN_OK;
    tell(truth);
    if (status == TN_OK) status = report(truth, &broken, &err);
    io_coco_close(truth);
    if (status != TN_OK) return tool_failed(&err);
    if (broken) tool_error("%zu pictures could not be read; their boxes were left out", broken);
    return broken ? 1 : 0;
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    tool_model_defaults();
    tool_chosen.background = "none";
    o.iou = -1, o.digits = 2;
    int code = tool_parse(self, argc, argv, NULL);
    if (code == TOOL_GO) code = finish();
    tool_model_free();
    return code;
}

const tool_command tool_report = {
    .name = "report",
    .summary = "how true boxes are named: precision, recall and F1 per class",
    .usage = "--gt FILE (--results FILE | --named FILE | [--model DIR] --pictures DIR) [OPTIONS]",
    .details =
        "The table is scikit-learn's classification_report. Crowds are left out. A box that no\n"
        "result overlaps has no name: it lowers the recall, and \"micro avg\" replaces "
        "\"accuracy\", as\nin scikit-learn. A model names every box: no background competes, "
        "unless --background gives\na sentence for it.\n",
    .examples = "  lexmask report --gt instances_val2017.json --results results.json\n"
                "  lexmask report --gt instances_val2017.json --named named.json --matrix "
                "confusion.png --json\n"
                "  lexmask report --gt instances_val2017.json --pictures val2017 --clip "
                "ViT-B-32.pt \\\n"
                "      --detector maskrcnn_resnet50_fpn_coco.pth --named-out named.json\n",
    .misuse = misuse,
    .run = run,
    .options = options,
    .shared = shared,
};
