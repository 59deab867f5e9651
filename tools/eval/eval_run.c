// SPDX-License-Identifier: Apache-2.0
// What `lexmask eval` computes, of a file's results or of a model's.
#include "tools/eval/eval_output.h"
#include "tools/shared/options.h"

#include <string.h>

const char *tool_eval_misuse(const tool_eval_options *o) {
    bool split = o->split || o->base;
    if (o->agnostic && o->per_class) return "--agnostic forgets the classes that --per-class lists";
    if (o->split && o->base) return "--split or --base, not both";
    if (o->novel && !o->base) return "--novel goes with --base";
    if (o->agnostic && split) return "--agnostic forgets the names that are base and novel";
    if (o->lvis && (split || o->agnostic))
        return "--lvis evaluates all classes, by name: it goes without --split, --base, --agnostic";
    return NULL;
}

unsigned tool_eval_want(const tool_eval_options *o) {
    return (!strcmp(o->type, "segm") ? IO_COCO_SHAPES : 0) | (o->lvis ? IO_COCO_LVIS : 0);
}

tn_status tool_eval_split(const tool_eval_options *o, const io_coco *truth, bool *has,
                          io_coco_split *out, tn_error *err) {
    *has = o->split || o->base;
    *out = (io_coco_split){0};
    if (o->split) return io_coco_split_named(o->split, truth, out, err);
    if (o->base) return io_coco_split_files(o->base, o->novel, truth, out, err);
    return TN_OK;
}

tn_status tool_evaluate_proposals(tool_evaluation *e, const io_coco_object *proposals, size_t count,
                                  tn_pool *pool, tn_error *err) {
    ev_coco_options boxes = {0}; // proposals have no masks
    e->has_proposals = true;
    return ev_recall_evaluate(e->truth, proposals, count, e->has_split ? &e->names : NULL, &boxes,
                              pool, &e->proposals, err);
}

tn_status tool_evaluate(tool_evaluation *e, const io_coco_object *results, size_t count,
                        tn_pool *pool, tn_error *err) {
    const tool_eval_options *o = e->options;
    ev_coco_options how = {
        .masks = !strcmp(o->type, "segm"), .agnostic = o->agnostic, .lvis = o->lvis};
    const io_coco_split *names = e->has_split ? &e->names : NULL;
    if (names)
        TN_TRY(ev_split_evaluate(e->truth, results, count, names, &how, pool, &e->coco, &e->split,
                                 err));
    else
        TN_TRY(ev_coco_evaluate(e->truth, results, count, &how, pool, &e->coco, err));
    if (o->lvis) TN_TRY(ev_lvis_stats(e->truth, &e->coco, e->lvis, err));
    if (!o->recall) return TN_OK;
    return ev_recall_evaluate(e->truth, results, count, names, &how, pool, &e->recall, err);
}

tn_status tool_evaluation_show(const tool_evaluation *e, tn_error *err) {
    if (e->options->plots) {
        size_t written;
        TN_TRY(tool_eval_plot(e->options->plots, e->truth, &e->coco, &written, err));
        tool_note("%s: %zu pictures", e->options->plots, written);
    }
    return (e->options->json ? tool_eval_print_json : tool_eval_print_text)(e, err);
}

void tool_evaluation_deinit(tool_evaluation *e) {
    ev_coco_deinit(&e->coco);
    io_coco_split_deinit(&e->names);
}
