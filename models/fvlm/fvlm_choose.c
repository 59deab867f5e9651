// SPDX-License-Identifier: Apache-2.0
#include "models/fvlm/fvlm_choose.h"

#include "kernels/rules.h"
#include "models/detector/box_codec.h"
#include "nn/pick.h"

#include <math.h>
#include <string.h>

#define MOST_CANDIDATES 50000 // pairs of box and name that meet in suppression

// ---- candidates --------------------------------------------------------------------------------

// Pairs of box and name above the threshold.
typedef struct pairs {
    tn_tensor box, name, boxes, scores; // int32 [n], int32 [n], [n,4], [n]
} pairs;

static int64_t list_pairs(const md_fvlm_found *f, int64_t classes, float least, pairs *p) {
    int64_t columns = f->fused.dim[1], n = 0;
    for (int64_t i = 0; i < f->boxes.dim[0]; i++) {
        if (!md_box_has_sides(tn_f32(&f->boxes) + 4 * i, MD_BOX_SIDE)) continue;
        for (int64_t t = 0; t < classes; t++) {
            float score = tn_f32(&f->fused)[i * columns + t];
            if (!(score > least)) continue;
            if (p) {
                tn_i32(&p->box)[n] = (int32_t)i, tn_i32(&p->name)[n] = (int32_t)t;
                tn_f32(&p->scores)[n] = score;
            }
            n++;
        }
    }
    return n;
}

static tn_status new_pairs(nn_ctx *cx, const md_fvlm_found *f, int64_t classes, double least,
                           pairs *p) {
    int64_t n = list_pairs(f, classes, (float)least, NULL);
    TN_TRY(tn_new(cx->step, &p->box, TN_I32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &p->name, TN_I32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &p->scores, TN_F32, TN_DIMS(n), cx->err));
    list_pairs(f, classes, (float)least, p);
    if (n > MOST_CANDIDATES) {
        pairs best;
        tn_tensor index;
        TN_TRY(tn_new(cx->step, &index, TN_I32, TN_DIMS(MOST_CANDIDATES), cx->err));
        kn_topk(cx->kn, &p->scores, &index);
        TN_TRY(nn_pick_rows(cx, &p->box, &index, &best.box));
        TN_TRY(nn_pick_rows(cx, &p->name, &index, &best.name));
        TN_TRY(nn_pick_rows(cx, &p->scores, &index, &best.scores));
        *p = best;
    }
    return nn_pick_rows(cx, &f->boxes, &p->box, &p->boxes);
}

// ---- names forgotten ---------------------------------------------------------------------------

double md_fvlm_worth(const md_fvlm_found *f, int64_t i, bool background, double power) {
    double object = (double)tn_f32(&f->objectness)[i];
    if (!background) return object;
    int64_t columns = f->score1.dim[1];
    return (1 - (double)tn_f32(&f->score1)[(i + 1) * columns - 1]) * pow(object, power);
}

// Of each box only the likeliest name is left, with the score that it is any at all: how little it
// is background, and where there is a second score, the mean of that and of how sure the name is
// (geometric): of a part of a thing nothing is as sure as of the whole.
static void forget_names(const md_fvlm_found *f, const md_vocabulary *vocabulary, double power,
                         bool second) {
    int64_t columns = f->fused.dim[1], classes = vocabulary->classes - vocabulary->others;
    bool background = columns == classes + 1 && !vocabulary->others;
    for (int64_t i = 0; i < f->boxes.dim[0]; i++) {
        float *y = tn_f32(&f->fused) + i * columns;
        int64_t best = 0;
        double sum = 0;
        for (int64_t t = 0; t < classes; t++) {
            sum += (double)y[t];
            if (y[t] > y[best]) best = t;
        }
        if (background && second)
            sum = sqrt((double)y[best] * md_fvlm_worth(f, i, true, power));
        else if (background)
            sum = md_fvlm_worth(f, i, true, power);
        memset(y, 0, (size_t)columns * sizeof *y);
        y[best] = (float)sum;
    }
}

// ---- suppression -------------------------------------------------------------------------------

typedef struct suppression {
    const pairs *p;
    bool all; // whatever their names are
    double soft, inside;
} suppression;

static bool same_name(const pairs *p, int32_t a, int32_t b) {
    return tn_i32(&p->name)[a] == tn_i32(&p->name)[b];
}

// What lies within a better box of its name is mostly a part of the same thing.
static bool is_part(const suppression *s, const int32_t *kept, int64_t count, int32_t one) {
    const float *boxes = tn_f32(&s->p->boxes);
    for (int64_t k = 0; k < count && s->inside < 1; k++)
        if (same_name(s->p, kept[k], one) &&
            kn_share_within(boxes + 4 * one, boxes + 4 * kept[k]) > s->inside)
            return true;
    return false;
}

static void best_first(const suppression *s, int32_t *left, int64_t count) {
    const float *score = tn_f32(&s->p->scores);
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        if (kn_comes_before(score[left[i]], left[i], score[left[best]], left[best])) best = i;
    int32_t one = left[best];
    left[best] = left[0], left[0] = one;
}

// What overlaps a better one is worth less, the more it does, and comes later (Bodla et al. 2017,
// "Soft-NMS", the linear form).
static void fade(const suppression *s, int32_t one, const int32_t *left, int64_t count) {
    const float *boxes = tn_f32(&s->p->boxes);
    for (int64_t i = 0; i < count; i++) {
        if (!s->all && !same_name(s->p, one, left[i])) continue;
        float iou = kn_iou(boxes + 4 * one, boxes + 4 * left[i]);
        if ((double)iou > s->soft) tn_f32(&s->p->scores)[left[i]] *= 1 - iou;
    }
}

// keep: pairs, best first, that hard suppression left. The `wanted` best of them over `least` stay.
// Returns how many they are.
static int64_t keep_best(const suppression *s, double least, int64_t wanted, tn_tensor *keep) {
    int32_t *at = tn_i32(keep);
    int64_t kept = 0, count = keep->dim[0];
    for (int64_t i = 0; i < count && kept < wanted; i++) {
        if (s->soft < 1) best_first(s, at + i, count - i);
        int32_t one = at[i];
        if (!(tn_f32(&s->p->scores)[one] > (float)least)) break;
        if (is_part(s, at, kept, one)) continue;
        at[kept++] = one;
        if (s->soft < 1) fade(s, one, at + i + 1, count - i - 1);
    }
    return kept;
}

// ---- the answer --------------------------------------------------------------------------------

// Of each chosen pair: its scores and the best names of its box.
static tn_status describe(nn_ctx *cx, const md_fvlm_found *f, int64_t classes, const tn_tensor *box,
                          md_fvlm_result *out) {
    int64_t n = box->dim[0], columns = f->fused.dim[1];
    TN_TRY(tn_new(cx->step, &out->score1, TN_F32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &out->score2, TN_F32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &out->best, TN_I32, TN_DIMS(n, MD_FVLM_BEST), cx->err));
    TN_TRY(tn_new(cx->step, &out->best_scores, TN_F32, TN_DIMS(n, MD_FVLM_BEST), cx->err));
    for (int64_t i = 0; i < n; i++) {
        int64_t row = tn_i32(box)[i] * columns, name = tn_i32(&out->names)[i];
        tn_f32(&out->score1)[i] = tn_f32(&f->score1)[row + name];
        tn_f32(&out->score2)[i] = tn_f32(&f->score2)[row + name];
        nn_pick_best(tn_f32(&f->fused) + row, classes, MD_FVLM_BEST,
                     tn_i32(&out->best) + i * MD_FVLM_BEST,
                     tn_f32(&out->best_scores) + i * MD_FVLM_BEST);
    }
    return TN_OK;
}

tn_status md_fvlm_choose(nn_ctx *cx, const md_fvlm_config *config, const md_fvlm_found *f,
                         const md_vocabulary *vocabulary, const md_fvlm_options *options,
                         md_fvlm_result *out) {
    const md_thresholds *limits = &options->limits;
    int64_t asked = vocabulary->classes - vocabulary->others;
    bool second = options->mode != MD_SCORE2_NONE;
    pairs p;
    tn_tensor keep, box;
    if (options->agnostic) forget_names(f, vocabulary, config->fusion_objectness, second);
    TN_TRY(new_pairs(cx, f, asked, limits->score, &p));
    TN_TRY(tn_new(cx->step, &keep, TN_I32, TN_DIMS(p.box.dim[0]), cx->err));
    keep.dim[0] =
        kn_nms(cx->kn, limits->nms, &p.boxes, &p.scores, options->agnostic ? NULL : &p.name, &keep);
    // A part often has another name than the whole, and what has another name is often no part.
    double inside = options->agnostic ? 1 : config->limits_inside;
    suppression s = {&p, options->agnostic, config->limits_soft, inside};
    keep.dim[0] = out->count = keep_best(&s, limits->score, limits->top, &keep);
    TN_TRY(nn_pick_rows(cx, &p.box, &keep, &box));
    TN_TRY(nn_pick_rows(cx, &p.boxes, &keep, &out->boxes));
    TN_TRY(nn_pick_rows(cx, &p.scores, &keep, &out->scores));
    TN_TRY(nn_pick_rows(cx, &p.name, &keep, &out->names));
    TN_TRY(nn_pick_rows(cx, &f->objectness, &box, &out->objectness));
    return describe(cx, f, asked, &box, out);
}
