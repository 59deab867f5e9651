// SPDX-License-Identifier: Apache-2.0
#include "models/detector/rpn.h"

#include "models/detector/box_codec.h"
#include "nn/pick.h"

#include <stdio.h>
#include <string.h>

#define MIN_SIDE 1e-3f // pixels: smaller proposals are dropped

tn_status md_rpn_load(const nn_loader *load, const char *prefix, int64_t channels,
                      const md_anchors *anchors, double bn_eps, md_rpn *out) {
    char name[NN_NAME], weight[NN_NAME];
    const int64_t conv[4] = {channels, channels, 3, 3}, head[4] = {-1, channels, 1, 1};
    *out = (md_rpn){0};
    do {
        snprintf(name, sizeof name, "%s.conv.%d", prefix, out->convs);
        TN_TRY(nn_conv_norm_load(load, name, bn_eps, conv, kn_conv_same(1, 1), KN_RELU,
                                 &out->conv[out->convs]));
        snprintf(name, sizeof name, "%s.conv.%d.0.weight", prefix, ++out->convs);
    } while (out->convs < MD_RPN_CONVS && nn_has(load, name));
    TN_TRY(nn_conv_bias_load(load, nn_join(name, prefix, ".cls_logits"), head, kn_conv_same(1, 0),
                             KN_LINEAR, &out->objectness));
    int64_t per_cell = out->objectness.w.out;
    for (int l = 0; l < anchors->levels; l++)
        if (md_anchors_per_cell(anchors, l) != per_cell)
            return tn_fail(load->err, TN_EFORMAT,
                           "%s: '%s' has %lld anchors per cell, expected %d for level %d",
                           io_weights_path(load->file), nn_join(weight, name, ".weight"),
                           (long long)per_cell, md_anchors_per_cell(anchors, l), l);
    const int64_t deltas[4] = {4 * per_cell, channels, 1, 1};
    return nn_conv_bias_load(load, nn_join(name, prefix, ".bbox_pred"), deltas, kn_conv_same(1, 0),
                             KN_LINEAR, &out->deltas);
}

tn_status md_rpn_fwd(nn_ctx *cx, const md_rpn *rpn, const tn_tensor *x, tn_tensor *logits,
                     tn_tensor *deltas) {
    int64_t n = x->dim[0], h = x->dim[1], w = x->dim[2];
    TN_TRY(tn_new(cx->step, logits, x->dtype, TN_DIMS(n, h, w, rpn->objectness.w.out), cx->err));
    TN_TRY(tn_new(cx->step, deltas, x->dtype, TN_DIMS(n, h, w, rpn->deltas.w.out), cx->err));
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor hidden[MD_RPN_CONVS];
    for (int i = 0; i < rpn->convs; i++)
        TN_TRY(nn_conv_fwd(cx, &rpn->conv[i], i ? &hidden[i - 1] : x, NULL, &hidden[i]));
    TN_TRY(nn_conv_into(cx, &rpn->objectness, &hidden[rpn->convs - 1], NULL, logits));
    TN_TRY(nn_conv_into(cx, &rpn->deltas, &hidden[rpn->convs - 1], NULL, deltas));
    nn_scope_leave(cx, scope);
    return TN_OK;
}

// ---- proposals --------------------------------------------------------------------------------

// Candidate boxes of all levels, one level after the other.
typedef struct candidates {
    int64_t count;
    tn_tensor boxes, scores, level;
} candidates;

static tn_status new_candidates(nn_ctx *cx, int64_t max, candidates *out) {
    out->count = 0;
    TN_TRY(tn_new(cx->step, &out->boxes, TN_F32, TN_DIMS(max, 4), cx->err));
    TN_TRY(tn_new(cx->step, &out->scores, TN_F32, TN_DIMS(max), cx->err));
    return tn_new(cx->step, &out->level, TN_I32, TN_DIMS(max), cx->err);
}

// Appends the best anchors of one level, decoded. scores hold logits at this point.
static tn_status add_level(nn_ctx *cx, const md_anchors *anchors, int l, int64_t max,
                           const md_frame *frame, const tn_tensor *objectness,
                           const tn_tensor *moves, candidates *all) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor anchor, best, best_anchor, best_delta;
    int64_t n = tn_count(objectness), k = n < max ? n : max;
    tn_tensor logits = tn_reshape(objectness, TN_DIMS(n)),
              deltas = tn_reshape(moves, TN_DIMS(n, 4));
    TN_TRY(tn_new(cx->step, &anchor, TN_F32, TN_DIMS(n, 4), cx->err));
    md_anchors_fill(anchors, l, frame->pad_height, frame->pad_width, objectness->dim[1],
                    objectness->dim[2], &anchor);
    TN_TRY(tn_new(cx->step, &best, TN_I32, TN_DIMS(k), cx->err));
    kn_topk(cx->kn, &logits, &best);
    TN_TRY(nn_pick_rows(cx, &anchor, &best, &best_anchor));
    TN_TRY(nn_pick_rows(cx, &deltas, &best, &best_delta));
    tn_tensor boxes = tn_slice(&all->boxes, all->count, k);
    kn_box_decode_fwd(cx->kn, md_rpn_weights, MD_BOX_CLIP, &best_anchor, &best_delta, &boxes);
    for (int64_t i = 0; i < k; i++) {
        tn_f32(&all->scores)[all->count + i] = tn_f32(&logits)[tn_i32(&best)[i]];
        tn_i32(&all->level)[all->count + i] = l;
    }
    all->count += k;
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

static void move(candidates *all, int64_t to, int64_t from) {
    memcpy(tn_f32(&all->boxes) + 4 * to, tn_f32(&all->boxes) + 4 * from, 4 * sizeof(float));
    tn_f32(&all->scores)[to] = tn_f32(&all->scores)[from];
    tn_i32(&all->level)[to] = tn_i32(&all->level)[from];
}

// Drops small boxes and low scores, keeping the order; then shrinks the tensors.
static void filter(candidates *all, double min_score) {
    int64_t kept = 0;
    for (int64_t i = 0; i < all->count; i++) {
        const float *box = tn_f32(&all->boxes) + 4 * i;
        if (md_box_has_sides(box, MIN_SIDE) && tn_f32(&all->scores)[i] >= (float)min_score)
            move(all, kept++, i);
    }
    all->count = kept;
}

static tn_status collect(nn_ctx *cx, const md_anchors *anchors, const md_rpn_limits *limits,
                         const md_frame *frame, const tn_tensor *logits, const tn_tensor *deltas,
                         candidates *all) {
    int64_t max = 0;
    for (int l = 0; l < anchors->levels; l++) {
        int64_t n = tn_count(&logits[l]);
        max += n < limits->before ? n : limits->before;
    }
    TN_TRY(new_candidates(cx, max, all));
    for (int l = 0; l < anchors->levels; l++)
        TN_TRY(add_level(cx, anchors, l, limits->before, frame, &logits[l], &deltas[l], all));
    kn_act_fwd(cx->kn, KN_SIGMOID, &all->scores, &all->scores);
    kn_box_clip(cx->kn, (double)frame->net_height, (double)frame->net_width, &all->boxes);
    filter(all, limits->score);
    all->boxes = tn_slice(&all->boxes, 0, all->count);
    all->scores = tn_slice(&all->scores, 0, all->count);
    all->level = tn_slice(&all->level, 0, all->count);
    return TN_OK;
}

tn_status md_rpn_filter(nn_ctx *cx, const md_anchors *anchors, const md_rpn_limits *limits,
                        const md_frame *frame, const tn_tensor *logits, const tn_tensor *deltas,
                        tn_tensor *boxes, tn_tensor *scores) {
    for (int l = 0; l < anchors->levels; l++)
        TN_CHECK(logits[l].rank == 4 && logits[l].dim[0] == 1 &&
                     logits[l].dim[3] == md_anchors_per_cell(anchors, l),
                 "one picture at a time, all anchors of a cell");
    size_t mark = tn_arena_mark(cx->step);
    candidates all;
    tn_tensor keep;
    TN_TRY(collect(cx, anchors, limits, frame, logits, deltas, &all));
    TN_TRY(tn_new(cx->step, &keep, TN_I32, TN_DIMS(all.count), cx->err));
    // Not nn_select, which compares few candidates one by one: here thousands of boxes in few
    // groups are compared and hundreds kept; the kernel does this a vector at a time.
    int64_t kept = kn_nms(cx->kn, limits->nms, &all.boxes, &all.scores, &all.level, &keep);
    keep = tn_slice(&keep, 0, kept < limits->after ? kept : limits->after);
    TN_TRY(nn_pick_rows(cx, &all.boxes, &keep, boxes));
    TN_TRY(nn_pick_rows(cx, &all.scores, &keep, scores));
    tn_arena_keep(cx->step, mark, (tn_tensor *const[]){boxes, scores}, 2);
    return TN_OK;
}

tn_status md_rpn_propose(nn_ctx *cx, const md_rpn *rpn, const md_anchors *anchors,
                         const md_rpn_limits *limits, const md_frame *frame,
                         const tn_tensor *levels, tn_tensor *boxes, tn_tensor *scores) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor logits[MD_LEVELS], deltas[MD_LEVELS];
    for (int l = 0; l < anchors->levels; l++)
        TN_TRY(md_rpn_fwd(cx, rpn, &levels[l], &logits[l], &deltas[l]));
    TN_TRY(md_rpn_filter(cx, anchors, limits, frame, logits, deltas, boxes, scores));
    tn_arena_keep(cx->step, mark, (tn_tensor *const[]){boxes, scores}, 2);
    return TN_OK;
}
