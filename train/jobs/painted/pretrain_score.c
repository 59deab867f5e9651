// SPDX-License-Identifier: Apache-2.0
// How well a CLIP that is being trained names crops, all names at once.
#include "train/jobs/painted/pretrain_parts.h"

#include <string.h>

#define SCORE_SEED 7 // of crops that no training sees: another key
#define AT_ONCE 128
#define EMPTY_CROPS 256

typedef struct tally {
    int64_t first, among_five, background, crops;
} tally;

tn_status tr_pretrain_bank(tr_pretrainer *t, tn_tensor *rows) {
    nn_ctx cx = {t->job.kn, &t->job.step, t->job.err, NULL};
    int64_t count = t->texts.names + 1;
    size_t mark = tn_arena_mark(&t->job.step);
    md_clip_text *text = tn_arena_alloc(&t->job.step, (size_t)count * sizeof *text);
    if (!text)
        return tn_fail(t->job.err, TN_ENOMEM, "out of memory for %lld texts", (long long)count);
    for (int64_t i = 0; i < count; i++) text[i] = tr_clip_texts_row(&t->texts, i);
    tn_status status = md_clip_encode_texts(&cx, t->clip, text, count, rows);
    tn_arena_reset(&t->job.step, mark);
    return status;
}

static void count_row(const float *score, int64_t names, int32_t name, tally *sum) {
    int64_t better = 0;
    float most = score[0];
    for (int64_t k = 0; k < names; k++) {
        most = score[k] > most ? score[k] : most;
        if (name >= 0) better += score[k] > score[name];
    }
    sum->first += name >= 0 && better == 0;
    sum->among_five += name >= 0 && better < 5;
    sum->background += score[names] > most;
    sum->crops++;
}

// names: of crops [first, first+count); -1 for one without an object.
static tn_status score_crops(tr_pretrainer *t, const tn_tensor *bank, int64_t first, int64_t count,
                             const int32_t *names, tally *sum) {
    const md_clip_config *c = md_clip_settings(t->clip);
    nn_ctx cx = {t->job.kn, &t->job.step, t->job.err, NULL};
    int32_t glyph[AT_ONCE];
    tn_tensor x, rows, scores;
    TN_TRY(tn_new(&t->job.step, &x, TN_F32, TN_DIMS(count, c->image_size, c->image_size, 3),
                  t->job.err));
    TN_TRY(tn_new(&t->job.step, &rows, TN_F32, TN_DIMS(count, c->embed_dim), t->job.err));
    TN_TRY(tn_new(&t->job.step, &scores, TN_F32, TN_DIMS(count, bank->dim[0]), t->job.err));
    for (int64_t i = 0; i < count; i++) glyph[i] = names[i] < 0 ? -1 : t->glyph_of[names[i]];
    TN_TRY(tr_crops_make(&t->crops, kn_pool(t->job.kn), SCORE_SEED, first, count, glyph, 0, &x,
                         t->job.err));
    tr_clip_normalise(&t->task, &x);
    TN_TRY(md_clip_encode_images(&cx, t->clip, &x, &rows));
    kn_matmul_nt_fwd(t->job.kn, 1, &rows, bank, &scores);
    for (int64_t i = 0; i < count; i++)
        count_row(tn_f32(&scores) + i * bank->dim[0], t->texts.names, names[i], sum);
    return TN_OK;
}

static tn_status score_all(tr_pretrainer *t, const tn_tensor *bank, int64_t count, bool empty,
                           tally *sum) {
    for (int64_t from = 0; from < count && !tr_job_interrupted(&t->job); from += AT_ONCE) {
        int32_t names[AT_ONCE];
        int64_t n = count - from < AT_ONCE ? count - from : AT_ONCE;
        size_t mark = tn_arena_mark(&t->job.step);
        for (int64_t i = 0; i < n; i++) names[i] = empty ? -1 : (int32_t)(from + i);
        TN_TRY(score_crops(t, bank, (empty ? (int64_t)1 << 40 : 0) + from, n, names, sum));
        tn_arena_reset(&t->job.step, mark);
    }
    return TN_OK;
}

tn_status tr_pretrain_score(void *self, int64_t step, tr_value *out, size_t *count, tn_error *err) {
    tr_pretrainer *t = self;
    (void)step;
    (void)err;
    tally objects = {0}, empty = {0};
    tn_tensor bank;
    *count = 0;
    tn_arena_reset(&t->job.step, 0);
    TN_TRY(tn_new(&t->job.step, &bank, TN_F32, 2, t->bank->value.dim, t->job.err));
    TN_TRY(tr_pretrain_bank(t, &bank));
    TN_TRY(score_all(t, &bank, t->texts.names, false, &objects));
    TN_TRY(score_all(t, &bank, EMPTY_CROPS, true, &empty));
    if (tr_job_interrupted(&t->job)) return TN_OK;
    const tr_value values[] = {
        {"top1", (double)objects.first / (double)objects.crops},
        {"top5", (double)objects.among_five / (double)objects.crops},
        {"lost", (double)objects.background / (double)objects.crops},
        {"empty", (double)empty.background / (double)empty.crops},
    };
    memcpy(out, values, sizeof values);
    *count = sizeof values / sizeof *values;
    return TN_OK;
}
