// SPDX-License-Identifier: Apache-2.0
#include "models/fvlm/fvlm_choose.h"

#include "models/detector/box_codec.h"
#include "nn/pick.h"

#include <math.h>
#include <string.h>

// ---- candidates --------------------------------------------------------------------------------

// Pairs of a box and a requested name.
static int64_t list_candidates(const md_fvlm_regions *f, int64_t names, float threshold,
                               nn_candidate *list) {
    int64_t columns = f->fused.dim[1], n = 0;
    for (int64_t i = 0; i < f->boxes.dim[0]; i++) {
        if (!md_box_has_sides(tn_f32(&f->boxes) + 4 * i, MD_BOX_SIDE)) continue;
        const float *score = tn_f32(&f->fused) + i * columns;
        for (int64_t t = 0; t < names; t++)
            if (score[t] > threshold) list[n++] = (nn_candidate){score[t], (int32_t)i, (int32_t)t};
    }
    return n;
}

// ---- class-agnostic ----------------------------------------------------------------------------

double md_fvlm_object_score(const md_fvlm_regions *f, int64_t i, bool background, double power) {
    double object = (double)tn_f32(&f->objectness)[i];
    if (!background) return object;
    int64_t columns = f->score1.dim[1];
    return (1 - (double)tn_f32(&f->score1)[(i + 1) * columns - 1]) * pow(object, power);
}

// Each box keeps only its most likely name. Its score is md_fvlm_object_score; if there is a second
// score, the geometric mean of that and the name's fused score, which is lower on a part of an
// object than on the whole; without a background, the sum of all names' scores.
static void make_agnostic(const md_fvlm_regions *f, const md_vocabulary *vocabulary, double power) {
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
        if (background && f->score2.data)
            sum = sqrt((double)y[best] * md_fvlm_object_score(f, i, true, power));
        else if (background)
            sum = md_fvlm_object_score(f, i, true, power);
        memset(y, 0, (size_t)columns * sizeof *y);
        y[best] = (float)sum;
    }
}

// ---- result ------------------------------------------------------------------------------------

// Scores of each chosen pair, and the best names of its box.
static tn_status describe(nn_ctx *cx, const md_fvlm_regions *f, int64_t classes,
                          const tn_tensor *box, md_found *out) {
    int64_t n = box->dim[0], columns = f->fused.dim[1];
    TN_TRY(tn_new(cx->step, &out->score1, TN_F32, TN_DIMS(n), cx->err));
    if (f->score2.data) TN_TRY(tn_new(cx->step, &out->score2, TN_F32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &out->best, TN_I32, TN_DIMS(n, MD_BEST), cx->err));
    TN_TRY(tn_new(cx->step, &out->best_scores, TN_F32, TN_DIMS(n, MD_BEST), cx->err));
    for (int64_t i = 0; i < n; i++) {
        int64_t row = tn_i32(box)[i] * columns, name = tn_i32(&out->labels)[i];
        tn_f32(&out->score1)[i] = tn_f32(&f->score1)[row + name];
        if (f->score2.data) tn_f32(&out->score2)[i] = tn_f32(&f->score2)[row + name];
        nn_top_scores(tn_f32(&f->fused) + row, classes, MD_BEST, tn_i32(&out->best) + i * MD_BEST,
                      tn_f32(&out->best_scores) + i * MD_BEST);
    }
    return TN_OK;
}

tn_status md_fvlm_choose(nn_ctx *cx, const md_fvlm_config *config, const md_fvlm_regions *f,
                         const md_vocabulary *vocabulary, const md_fvlm_options *options,
                         md_found *out) {
    nn_select_rules rules = options->rules;
    int64_t asked = vocabulary->classes - vocabulary->others;
    nn_candidate *list;
    nn_selected best;
    if (options->agnostic) {
        make_agnostic(f, vocabulary, config->fusion_objectness);
        rules.agnostic = true;
        // A part often gets another name than the whole, and a box with another name is often not a
        // part.
        rules.inside = 1;
    }
    TN_TRY(nn_candidates_new(cx, f->boxes.dim[0], asked, &list));
    int64_t n = list_candidates(f, asked, (float)rules.score, list);
    TN_TRY(nn_select_rows(cx, &rules, &f->boxes, list, n, asked, &best));
    out->count = best.rows.dim[0];
    out->boxes = best.boxes, out->scores = best.scores, out->labels = best.labels;
    TN_TRY(nn_pick_rows(cx, &f->objectness, &best.rows, &out->objectness));
    return describe(cx, f, asked, &best.rows, out);
}
