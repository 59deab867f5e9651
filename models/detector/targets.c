// SPDX-License-Identifier: Apache-2.0
#include "models/detector/targets.h"

#include "nn/real.h"

#include <string.h>

md_assignment md_rpn_assignment(void) {
    md_assignment how = {{0.7, 0.3, true}, {256, 0.5}, {0}};
    memcpy(how.weights, md_rpn_weights, sizeof how.weights);
    return how;
}

md_assignment md_roi_assignment(void) {
    md_assignment how = {{0.5, 0.5, false}, {512, 0.25}, {0}};
    memcpy(how.weights, md_roi_weights, sizeof how.weights);
    return how;
}

static void check_truth(const md_truth *truth) {
    int64_t g = truth->boxes.dim[0];
    TN_CHECK(truth->boxes.rank == 2 && tn_has_shape(&truth->labels, 1, &g),
             "%lld boxes and their labels", (long long)g);
}

static tn_status new_zero(tn_arena *arena, tn_tensor *out, tn_dtype dtype, int64_t rows,
                          int64_t columns, tn_error *err) {
    TN_CHECK(dtype == TN_F32 || dtype == TN_F64, "targets of %s", tn_dtype_name(dtype));
    TN_TRY(tn_new(arena, out, dtype, columns > 1 ? 2 : 1, (int64_t[]){rows, columns}, err));
    memset(out->data, 0, tn_bytes(out)); // all zero bits are 0.0
    return TN_OK;
}

static void encode_row(const md_assignment *how, const float *from, const float *to,
                       tn_tensor *deltas, int64_t row) {
    if (deltas->dtype == TN_F32)
        md_box_encode_f32(how->weights, from, to, (float *)deltas->data + 4 * row);
    else
        md_box_encode_f64(how->weights, from, to, (double *)deltas->data + 4 * row);
}

static tn_status choose(tn_arena *arena, const md_assignment *how, const tn_tensor *match,
                        tn_rng *rng, const md_choice *fed, md_choice *out, tn_error *err) {
    int64_t n = match->dim[0];
    if (fed) {
        *out = *fed;
        for (int64_t i = 0; i < fed->index.dim[0]; i++) {
            int32_t at = tn_i32(&fed->index)[i];
            TN_CHECK(at >= 0 && at < n && (!i || at > tn_i32(&fed->index)[i - 1]),
                     "choice %lld is %d of %lld", (long long)i, at, (long long)n);
        }
        return TN_OK;
    }
    TN_CHECK(rng, "neither random numbers nor a choice");
    tn_tensor label;
    TN_TRY(tn_new(arena, &label, TN_I32, TN_DIMS(n), err));
    for (int64_t i = 0; i < n; i++) {
        int32_t m = tn_i32(match)[i];
        tn_i32(&label)[i] = m >= 0 ? 1 : m == MD_BELOW ? 0 : -1;
    }
    return md_sample(arena, &how->sampler, rng, &label, out, err);
}

tn_status md_rpn_targets_make(tn_pool *pool, tn_arena *arena, const md_assignment *how,
                              const tn_tensor *anchors, const md_truth *truth, tn_rng *rng,
                              const md_choice *fed, tn_dtype dtype, md_rpn_targets *out,
                              tn_error *err) {
    check_truth(truth);
    int64_t n = anchors->dim[0];
    TN_TRY(tn_new(arena, &out->match, TN_I32, TN_DIMS(n), err));
    TN_TRY(md_match(pool, arena, &how->matcher, &truth->boxes, anchors, &out->match, err));
    TN_TRY(choose(arena, how, &out->match, rng, fed, &out->choice, err));
    TN_TRY(new_zero(arena, &out->objectness, dtype, n, 1, err));
    TN_TRY(new_zero(arena, &out->weight, dtype, n, 1, err));
    TN_TRY(new_zero(arena, &out->deltas, dtype, n, 4, err));
    TN_TRY(new_zero(arena, &out->delta_weight, dtype, n, 4, err));
    out->choice.positives = 0;
    for (int64_t i = 0; i < out->choice.index.dim[0]; i++) {
        int32_t at = tn_i32(&out->choice.index)[i], to = tn_i32(&out->match)[at];
        nn_real_set(&out->weight, at, 1);
        if (to < 0) continue;
        out->choice.positives++;
        nn_real_set(&out->objectness, at, 1);
        encode_row(how, tn_f32(anchors) + 4 * at, tn_f32(&truth->boxes) + 4 * to, &out->deltas, at);
        for (int k = 0; k < 4; k++) nn_real_set(&out->delta_weight, 4 * (int64_t)at + k, 1);
    }
    return TN_OK;
}

static tn_status new_roi_targets(tn_arena *arena, int64_t rois, int64_t positives, tn_dtype dtype,
                                 md_roi_targets *out, tn_error *err) {
    TN_TRY(tn_new(arena, &out->rois, TN_F32, TN_DIMS(rois, 4), err));
    TN_TRY(tn_new(arena, &out->label, TN_I32, TN_DIMS(rois), err));
    TN_TRY(tn_new(arena, &out->match, TN_I32, TN_DIMS(rois), err));
    TN_TRY(new_zero(arena, &out->deltas, dtype, rois, 4, err));
    TN_TRY(new_zero(arena, &out->box_weight, dtype, rois, 4, err));
    TN_TRY(tn_new(arena, &out->positive, TN_I32, TN_DIMS(positives), err));
    TN_TRY(tn_new(arena, &out->mask_rois, TN_F32, TN_DIMS(positives, 4), err));
    return tn_new(arena, &out->mask_box, TN_I32, TN_DIMS(positives), err);
}

// all [R'+G,4], match [R'+G]: writes the chosen ones into out.
static void fill_roi_targets(const md_assignment *how, const tn_tensor *all, const tn_tensor *match,
                             const md_truth *truth, int32_t background, md_roi_targets *out) {
    int64_t p = 0;
    for (int64_t r = 0; r < out->rois.dim[0]; r++) {
        int32_t at = tn_i32(&out->choice.index)[r], to = tn_i32(match)[at];
        float *roi = tn_f32(&out->rois) + 4 * r;
        memcpy(roi, tn_f32(all) + 4 * at, 4 * sizeof *roi);
        tn_i32(&out->label)[r] = to >= 0 ? tn_i32(&truth->labels)[to] : background;
        tn_i32(&out->match)[r] = to >= 0 ? to : 0;
        if (to < 0) continue;
        encode_row(how, roi, tn_f32(&truth->boxes) + 4 * to, &out->deltas, r);
        for (int k = 0; k < 4; k++) nn_real_set(&out->box_weight, 4 * r + k, 1);
        tn_i32(&out->positive)[p] = (int32_t)r;
        memcpy(tn_f32(&out->mask_rois) + 4 * p, roi, 4 * sizeof *roi);
        tn_i32(&out->mask_box)[p++] = to;
    }
}

// Number of positives in a choice: a fed one may not give it.
static int64_t count_positives(const md_choice *choice, const tn_tensor *match) {
    int64_t positives = 0;
    for (int64_t i = 0; i < choice->index.dim[0]; i++)
        positives += tn_i32(match)[tn_i32(&choice->index)[i]] >= 0;
    return positives;
}

tn_status md_roi_targets_make(tn_pool *pool, tn_arena *arena, const md_assignment *how,
                              const tn_tensor *proposals, const md_truth *truth, int32_t background,
                              tn_rng *rng, const md_choice *fed, tn_dtype dtype,
                              md_roi_targets *out, tn_error *err) {
    check_truth(truth);
    TN_CHECK(tn_has_shape(proposals, 2, (int64_t[]){-1, 4}), "proposals are not [R,4]");
    int64_t r = proposals->dim[0], g = truth->boxes.dim[0];
    tn_tensor all, match;
    TN_TRY(tn_new(arena, &all, TN_F32, TN_DIMS(r + g, 4), err));
    TN_TRY(tn_new(arena, &match, TN_I32, TN_DIMS(r + g), err));
    if (r) memcpy(all.data, tn_f32(proposals), tn_bytes(proposals));
    if (g) memcpy(tn_f32(&all) + 4 * r, tn_f32(&truth->boxes), tn_bytes(&truth->boxes));
    TN_TRY(md_match(pool, arena, &how->matcher, &truth->boxes, &all, &match, err));
    TN_TRY(choose(arena, how, &match, rng, fed, &out->choice, err));
    out->choice.positives = count_positives(&out->choice, &match);
    TN_TRY(
        new_roi_targets(arena, out->choice.index.dim[0], out->choice.positives, dtype, out, err));
    fill_roi_targets(how, &all, &match, truth, background, out);
    return TN_OK;
}
