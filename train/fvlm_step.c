// SPDX-License-Identifier: Apache-2.0
#include "train/fvlm_step.h"

#include "train/order.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const tr_fvlm_tally_name[TR_FVLM_TALLIES] = {"regions", "positives"};

typedef struct pass {
    tr_fvlm *task;
    const tr_batch *batch;
    int64_t n;         // pictures
    nn_ctx frozen, cx; // the same arena, without and with the tape
    md_fvlm_features features;
    tn_tensor level[MD_FVLM_LEVELS], logits[MD_FVLM_LEVELS], deltas[MD_FVLM_LEVELS];
    tn_tensor box_deltas, embedding, cosines, masks;
    tr_choices *choices;
    double share;
    tr_measure *measure;
} pass;

// ---- non-finite values -------------------------------------------------------------------------

static bool is_finite(const tn_tensor *t) {
    int64_t count = t->data ? tn_count(t) : 0;
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(t->dtype == TN_F64 ? ((const double *)t->data)[i] : tn_f32(t)[i]))
            return false;
    return true;
}

static bool suspect(pass *p, const tn_tensor *t, int count, const char *name) {
    for (int i = 0; i < count; i++) {
        if (is_finite(&t[i])) continue;
        if (count > 1)
            snprintf(p->task->suspect, sizeof p->task->suspect, "%s %d", name, i);
        else
            snprintf(p->task->suspect, sizeof p->task->suspect, "%s", name);
        return true;
    }
    return false;
}

// In order of computation, so that the first one found is the cause.
static void find_suspect(pass *p) {
    bool found = suspect(p, &p->batch->x, 1, "the pictures") ||
                 suspect(p, p->features.map, MD_FVLM_MAPS, "the frozen features, map") ||
                 suspect(p, p->level, MD_FVLM_LEVELS, "the pyramid, level") ||
                 suspect(p, p->logits, MD_FVLM_LEVELS, "rpn.head.cls_logits, level") ||
                 suspect(p, p->deltas, MD_FVLM_LEVELS, "rpn.head.bbox_pred, level") ||
                 suspect(p, &p->box_deltas, 1, "box_predictor.bbox_pred") ||
                 suspect(p, &p->embedding, 1, "box_predictor.embedding") ||
                 suspect(p, &p->cosines, 1, "the classifier") ||
                 suspect(p, &p->masks, 1, "mask_predictor");
    (void)found;
}

static bool are_finite(const tr_measure *m) {
    for (int i = 0; i < TR_LOSSES; i++)
        if (!isfinite(m->loss[i])) return false;
    return true;
}

// ---- features and proposals --------------------------------------------------------------------

static tn_status as_type(nn_ctx *cx, tn_dtype dtype, tn_tensor *t) {
    if (!t->data || t->dtype == dtype) return TN_OK;
    tn_tensor other;
    TN_TRY(tn_new(cx->step, &other, dtype, t->rank, t->dim, cx->err));
    tn_convert(t->data, t->dtype, other.data, dtype, (size_t)tn_count(t));
    *t = other;
    return TN_OK;
}

static tn_status look(pass *p) {
    const md_fvlm *model = p->task->model;
    const tn_tensor *x = &p->batch->x;
    if (p->task->cache)
        TN_TRY(tr_cache_features(p->task->cache, &p->frozen, model, x, &p->features));
    else
        TN_TRY(md_fvlm_frozen(&p->frozen, model, x, MD_SCORE2_NONE, &p->features));
    for (int i = 0; i < MD_FVLM_MAPS; i++)
        TN_TRY(as_type(&p->frozen, p->task->text.dtype, &p->features.map[i]));
    TN_TRY(as_type(&p->frozen, p->task->text.dtype, &p->features.picture));
    TN_TRY(md_fvlm_pyramid(&p->cx, model, &p->features, p->level));
    return md_fvlm_rpn(&p->cx, model, p->level, p->logits, p->deltas);
}

// Random numbers of a picture: independent of its batch.
static tn_rng numbers(const pass *p, int64_t i, tr_stream stream) {
    return tr_rng(p->task->seed, stream, p->batch->samples[i].position);
}

static tn_status all_anchors(pass *p, tn_tensor *out) {
    const md_anchors *anchors = md_fvlm_anchors(p->task->model);
    int64_t count = 0, side = p->batch->x.dim[1], wide = p->batch->x.dim[2];
    for (int l = 0; l < MD_FVLM_LEVELS; l++) count += tn_count(&p->logits[l]) / p->n;
    TN_TRY(tn_new(p->cx.step, out, TN_F32, TN_DIMS(count, 4), p->cx.err));
    count = 0;
    for (int l = 0; l < MD_FVLM_LEVELS; l++) {
        tn_tensor part = tn_slice(out, count, tn_count(&p->logits[l]) / p->n);
        md_anchors_fill(anchors, l, side, wide, p->logits[l].dim[1], p->logits[l].dim[2], &part);
        count += part.dim[0];
    }
    return TN_OK;
}

static tn_status choose_anchors(pass *p) {
    tn_tensor anchors;
    TN_TRY(all_anchors(p, &anchors));
    for (int64_t i = 0; i < p->n; i++) {
        tn_rng rng = numbers(p, i, TR_STREAM_ANCHORS);
        TN_TRY(md_rpn_targets_make(kn_pool(p->task->kn), p->cx.step, &p->task->anchors, &anchors,
                                   &p->batch->samples[i].truth, &rng, NULL, p->task->text.dtype,
                                   &p->choices->anchors[i], p->cx.err));
    }
    return TN_OK;
}

static tn_status learn_proposals(pass *p) {
    for (int64_t i = 0; i < p->n; i++) {
        tn_tensor logits[MD_FVLM_LEVELS], deltas[MD_FVLM_LEVELS];
        for (int l = 0; l < MD_FVLM_LEVELS; l++) {
            logits[l] = tn_slice(&p->logits[l], i, 1);
            deltas[l] = tn_slice(&p->deltas[l], i, 1);
        }
        TN_TRY(tr_loss_rpn(&p->cx, &p->task->losses, &p->choices->anchors[i], MD_FVLM_LEVELS,
                           logits, deltas, p->share, p->measure->loss));
    }
    return TN_OK;
}

#define REFINED_PROPOSALS 128 // number of best proposals

// Frame of picture i. Results are not mapped back to the original picture, so its own size is not
// needed.
static md_frame frame_of(const pass *p, int64_t i) {
    const tr_frame *frame = &p->batch->samples[i].frame;
    int64_t side = md_fvlm_settings(p->task->model)->picture_size;
    return (md_frame){.net_height = frame->net_h,
                      .net_width = frame->net_w,
                      .pad_height = side,
                      .pad_width = side};
}

// With several refinement rounds, boxes refined by the head are regions too.
static tn_status add_refined_boxes(pass *p, int64_t i, tn_tensor *boxes) {
    md_frame frame = frame_of(p, i);
    int64_t count = boxes->dim[0], refined = count < REFINED_PROPOSALS ? count : REFINED_PROPOSALS;
    tn_tensor all, image;
    if (md_fvlm_settings(p->task->model)->box_rounds < 2 || !count) return TN_OK;
    TN_TRY(tn_new(p->cx.step, &all, TN_F32, TN_DIMS(count + refined, 4), p->cx.err));
    TN_TRY(tn_new(p->cx.step, &image, TN_I32, TN_DIMS(refined), p->cx.err));
    memcpy(all.data, boxes->data, tn_bytes(boxes));
    for (int64_t r = 0; r < refined; r++) tn_i32(&image)[r] = (int32_t)i;
    tn_tensor from = tn_slice(boxes, 0, refined), to = tn_slice(&all, count, refined);
    TN_TRY(md_fvlm_refine_boxes(&p->frozen, p->task->model, p->level, &from, &image, &frame, &to,
                                NULL));
    *boxes = all;
    return TN_OK;
}

static tn_status choose_regions(pass *p) {
    for (int64_t i = 0; i < p->n; i++) {
        const md_truth *truth = &p->batch->samples[i].truth;
        md_roi_targets *to = &p->choices->regions[i];
        tn_tensor boxes, scores;
        md_frame frame = frame_of(p, i);
        tn_rng rng = numbers(p, i, TR_STREAM_REGIONS);
        TN_TRY(md_fvlm_propose(&p->frozen, p->task->model, p->logits, p->deltas, i,
                               &p->task->limits, &frame, &boxes, &scores));
        TN_TRY(add_refined_boxes(p, i, &boxes));
        TN_TRY(md_roi_targets_make(kn_pool(p->task->kn), p->cx.step, &p->task->regions, &boxes,
                                   truth, (int32_t)p->task->names, &rng, NULL, p->task->text.dtype,
                                   to, p->cx.err));
        TN_TRY(md_mask_targets(p->cx.step, truth->masks, truth->boxes.dim[0], &to->mask_rois,
                               &to->mask_box, 2 * md_fvlm_settings(p->task->model)->mask_size,
                               p->task->text.dtype, &p->choices->masks[i], p->cx.err));
    }
    return TN_OK;
}

// ---- regions -----------------------------------------------------------------------------------

// Joins all pictures' boxes into one list: rois of regions, or of masks.
static tn_status join(pass *p, bool masks, tn_tensor *boxes, tn_tensor *image) {
    int64_t count = 0;
    for (int64_t i = 0; i < p->n; i++) {
        const md_roi_targets *c = &p->choices->regions[i];
        count += (masks ? &c->mask_rois : &c->rois)->dim[0];
    }
    TN_TRY(tn_new(p->cx.step, boxes, TN_F32, TN_DIMS(count, 4), p->cx.err));
    TN_TRY(tn_new(p->cx.step, image, TN_I32, TN_DIMS(count), p->cx.err));
    count = 0;
    for (int64_t i = 0; i < p->n; i++) {
        const md_roi_targets *c = &p->choices->regions[i];
        const tn_tensor *from = masks ? &c->mask_rois : &c->rois;
        if (tn_bytes(from)) memcpy(tn_f32(boxes) + 4 * count, tn_f32(from), tn_bytes(from));
        for (int64_t r = 0; r < from->dim[0]; r++) tn_i32(image)[count++] = (int32_t)i;
    }
    return TN_OK;
}

static tn_status class_loss(pass *p, int64_t i, int64_t first, int64_t count) {
    const tr_fvlm *task = p->task;
    const md_roi_targets *targets = &p->choices->regions[i];
    if (task->losses.cosine) {
        tn_tensor embed = tn_slice(&p->embedding, first, count);
        return tr_loss_cosine(&p->cx, &task->losses, targets, task->names, &embed, &task->text,
                              p->share, p->measure->loss);
    }
    tn_tensor cosines = tn_slice(&p->cosines, first, count);
    return tr_loss_classes(&p->cx, &task->losses, targets, task->names, &cosines,
                           md_fvlm_scale1(task->model), p->share, p->measure->loss);
}

static tn_status learn_regions(pass *p) {
    const md_fvlm *model = p->task->model;
    tn_tensor boxes, image, pooled;
    TN_TRY(join(p, false, &boxes, &image));
    if (!boxes.dim[0]) return TN_OK;
    TN_TRY(md_fvlm_box_regions(&p->cx, model, p->level, &boxes, &image, &pooled));
    TN_TRY(md_fvlm_box_fwd(&p->cx, model, &pooled, &p->box_deltas, &p->embedding));
    if (!p->task->losses.cosine)
        TN_TRY(md_fvlm_classify(&p->cx, model, &p->task->text, &p->embedding, &p->cosines));
    for (int64_t i = 0, first = 0; i < p->n; i++) {
        const md_roi_targets *targets = &p->choices->regions[i];
        int64_t count = targets->rois.dim[0];
        if (!count) continue;
        tn_tensor deltas = tn_slice(&p->box_deltas, first, count);
        TN_TRY(
            tr_loss_boxes(&p->cx, &p->task->losses, targets, &deltas, p->share, p->measure->loss));
        TN_TRY(class_loss(p, i, first, count));
        first += count;
        p->measure->tally[TR_TALLY_REGIONS] += count;
        p->measure->tally[TR_TALLY_POSITIVES] += targets->positive.dim[0];
    }
    return TN_OK;
}

static tn_status learn_masks(pass *p) {
    tn_tensor boxes, image, pooled;
    TN_TRY(join(p, true, &boxes, &image));
    if (!boxes.dim[0]) return TN_OK;
    TN_TRY(md_fvlm_mask_regions(&p->cx, p->task->model, p->level, &boxes, &image, &pooled));
    TN_TRY(md_fvlm_mask_fwd(&p->cx, p->task->model, &pooled, &p->masks));
    for (int64_t i = 0, first = 0; i < p->n; i++) {
        int64_t count = p->choices->regions[i].mask_rois.dim[0];
        if (!count) continue;
        tn_tensor logits = tn_slice(&p->masks, first, count);
        TN_TRY(tr_loss_masks(&p->cx, &p->task->losses, &p->choices->masks[i], &logits, p->share,
                             p->measure->loss));
        first += count;
    }
    return TN_OK;
}

// ---- the step ----------------------------------------------------------------------------------

static tn_status learn(pass *p, bool given, bool looked_at) {
    TN_TRY(look(p));
    if (!given) TN_TRY(choose_anchors(p));
    TN_TRY(learn_proposals(p));
    if (!given) TN_TRY(choose_regions(p));
    TN_TRY(learn_regions(p));
    TN_TRY(learn_masks(p));
    p->measure->pictures += p->n;
    if (are_finite(p->measure))
        return looked_at ? nn_tape_backward(&p->cx) : nn_tape_backward_in_place(&p->cx);
    find_suspect(p); // the run stops and reports: these gradients are useless
    return TN_OK;
}

static tn_status learn_part(tr_fvlm *task, const tr_batch *batch, const tr_choices *given,
                            double share, tr_measure *measure, tr_fvlm_seen *seen, tn_error *err) {
    tr_choices choices;
    pass p = {.task = task,
              .batch = batch,
              .n = batch->count,
              .choices = &choices,
              .share = share,
              .measure = measure};
    tn_arena_reset(task->step, 0);
    nn_tape_reset(task->tape);
    if (seen) nn_tape_list_relus(task->tape);
    p.frozen = (nn_ctx){.kn = task->kn, .step = task->step, .err = err};
    p.cx = (nn_ctx){task->kn, task->step, err, task->tape};
    if (given) choices = *given;
    TN_TRY(learn(&p, given != NULL, seen != NULL));
    if (!seen) return TN_OK;
    *seen = (tr_fvlm_seen){.features = p.features, .choices = choices};
    seen->relu = nn_tape_relus(task->tape, &seen->relus);
    return TN_OK;
}

// Only batch norm needs several pictures at once. Otherwise each is processed alone: this takes the
// memory of one, and its maps stay in the processor's caches.
static int64_t group_size(const tr_fvlm *task, const tr_batch *batch, bool whole) {
    bool apart = md_fvlm_settings(task->model)->pyramid_norm != MD_NORM_BATCH && !whole;
    return apart ? 1 : batch->count;
}

tn_status tr_fvlm_learn(tr_fvlm *task, const tr_batch *batch, const tr_choices *given, double share,
                        tr_measure *measure, tr_fvlm_seen *seen, tn_error *err) {
    TN_CHECK(batch->count <= TR_BATCH, "%lld pictures in a batch", (long long)batch->count);
    int64_t count = group_size(task, batch, given || seen);
    task->suspect[0] = 0;
    for (int64_t first = 0; first < batch->count && are_finite(measure); first += count) {
        tr_batch part = *batch;
        part.count = count, part.samples += first, part.x = tn_slice(&batch->x, first, count);
        TN_TRY(learn_part(task, &part, given, share, measure, seen, err));
    }
    return TN_OK;
}

void tr_fvlm_configure(tr_fvlm *task, const md_fvlm *model, uint64_t seed) {
    const md_fvlm_config *config = md_fvlm_settings(model);
    task->model = model;
    task->seed = seed;
    task->losses = tr_loss_default();
    task->losses.cosine = config->training_loss == MD_LOSS_COSINE;
    task->losses.background = config->training_background;
    task->anchors = md_rpn_assignment();
    task->regions = md_roi_assignment();
    task->limits = (md_rpn_limits){
        .before = config->rpn_before, .after = config->rpn_after, .nms = config->rpn_nms};
}
