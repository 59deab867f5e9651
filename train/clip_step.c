// SPDX-License-Identifier: Apache-2.0
#include "train/clip_step.h"

#include "nn/real.h"
#include "train/order.h"

#include <math.h>
#include <stdio.h>

typedef struct pixels_job {
    float *x;
    int64_t pixels, piece;
    const float *mean, *std;
} pixels_job;

static void normalise_piece(void *opaque, int64_t task, int worker) {
    const pixels_job *job = opaque;
    int64_t from = task * job->piece, to = from + job->piece;
    (void)worker;
    for (int64_t i = from; i < (to < job->pixels ? to : job->pixels); i++)
        for (int c = 0; c < 3; c++)
            job->x[3 * i + c] = (job->x[3 * i + c] - job->mean[c]) / job->std[c];
}

void tr_clip_normalise(const tr_clip *task, const tn_tensor *x) {
    const md_clip_config *c = md_clip_settings(task->model);
    pixels_job job = {tn_f32(x), tn_count(x) / 3, 1 << 14, c->mean, c->std};
    tn_pool_run(kn_pool(task->kn), (job.pixels + job.piece - 1) / job.piece, normalise_piece, &job);
}

static bool is_finite(const tn_tensor *t) {
    for (int64_t i = 0; i < tn_count(t); i++)
        if (!isfinite(nn_real(t, i))) return false;
    return true;
}

static void find_suspect(tr_clip *task, const tr_clip_batch *batch, const tr_clip_pairs *pairs) {
    const struct {
        const tn_tensor *what;
        const char *name;
    } order[] = {{&batch->pixels, "the pictures"},
                 {&pairs->pictures, "the image tower"},
                 {&pairs->texts, "the text tower"},
                 {&pairs->bank, "the bank of names"}};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (!order[i].what->data || is_finite(order[i].what)) continue;
        snprintf(task->suspect, sizeof task->suspect, "%s", order[i].name);
        return;
    }
}

tn_status tr_clip_learn(tr_clip *task, const tr_clip_batch *batch, double share,
                        tr_measure *measure, tn_error *err) {
    nn_ctx cx = {task->kn, task->step, err, task->tape};
    tr_clip_pairs pairs = {
        .picture_names = batch->picture_names, .text_names = batch->text_names, .bank = task->bank};
    int64_t n = batch->pixels.dim[0];
    task->suspect[0] = 0;
    nn_tape_reset(task->tape);
    tr_clip_normalise(task, &batch->pixels);
    TN_TRY(md_clip_train_images(&cx, task->model, &batch->pixels,
                                batch->keep.data ? &batch->keep : NULL, &pairs.pictures));
    TN_TRY(md_clip_train_texts(&cx, task->model, &batch->ids, &batch->place, &pairs.texts));
    TN_TRY(tr_clip_loss(&cx, &pairs, md_clip_scale(task->model), share * (double)n, measure->loss));
    measure->pictures += n;
    double sum = 0;
    for (int i = 0; i < TR_CLIP_TERMS; i++) sum += measure->loss[i];
    if (isfinite(sum)) return nn_tape_backward(&cx);
    find_suspect(task, batch, &pairs); // the run stops and reports: these gradients are useless
    return TN_OK;
}

tn_status tr_clip_keep(tn_arena *arena, uint64_t seed, int64_t first, int64_t n, int64_t cells,
                       int64_t kept, tn_tensor *keep, tn_error *err) {
    tn_tensor all;
    TN_CHECK(kept >= 1 && kept <= cells, "%lld of %lld patches", (long long)kept, (long long)cells);
    TN_TRY(tn_new(arena, keep, TN_I32, TN_DIMS(n, kept), err));
    size_t mark = tn_arena_mark(arena);
    TN_TRY(tn_new(arena, &all, TN_I32, TN_DIMS(cells), err));
    int32_t *cell = tn_i32(&all), *to = tn_i32(keep);
    for (int64_t i = 0; i < n; i++) {
        tn_rng rng = tr_rng(seed, TR_STREAM_PATCHES, first + i);
        for (int64_t k = 0; k < cells; k++) cell[k] = (int32_t)k;
        for (int64_t k = 0; k < kept; k++) { // the first elements of a random permutation
            int64_t other = k + tn_rng_below(&rng, cells - k);
            *to++ = cell[other];
            cell[other] = cell[k];
        }
    }
    tn_arena_reset(arena, mark);
    return TN_OK;
}

void tr_clip_limit_scale(const tr_clip *task) {
    tn_tensor *scale = &md_clip_scale(task->model)->value;
    if (nn_real(scale, 0) > MD_CLIP_MAX_LOG_SCALE) nn_real_set(scale, 0, MD_CLIP_MAX_LOG_SCALE);
}
