// SPDX-License-Identifier: Apache-2.0
#include "train/clip_texts.h"

#include "models/names/prompts.h"
#include "train/order.h"

#include <string.h>

#define FIRST_SHARE 0.4 // share of texts that use the first template

static tn_status add(tr_clip_texts *t, const md_bpe *bpe, int64_t row, const char *text,
                     md_tokens *tokens, tn_error *err) {
    if (md_bpe_encode(bpe, text, strlen(text), t->context, tokens, err) != TN_OK)
        return tn_fail_prefix(err, "\"%s\"", text);
    memcpy(t->ids + row * t->context, tokens->ids, tokens->count * sizeof *tokens->ids);
    t->length[row] = (int32_t)tokens->count;
    return TN_OK;
}

static tn_status fill(tr_clip_texts *t, const md_bpe *bpe, const char *const *name,
                      const char *const *template_text, const char *const *empty, md_tokens *tokens,
                      tn_error *err) {
    for (int64_t k = 0; k < t->templates; k++)
        for (int64_t i = 0; i < t->names; i++) {
            char *text;
            TN_TRY(md_prompt_fill(template_text[k], name[i], &text, err));
            tn_status status = add(t, bpe, k * t->names + i, text, tokens, err);
            tn_free(text);
            TN_TRY(status);
        }
    for (int64_t i = 0; i < t->empties; i++)
        TN_TRY(add(t, bpe, t->templates * t->names + i, empty[i], tokens, err));
    return TN_OK;
}

tn_status tr_clip_texts_make(const md_bpe *bpe, const char *const *name, int64_t names,
                             const char *const *template_text, int64_t templates,
                             const char *const *empty, int64_t empties, int64_t context,
                             tr_clip_texts *t, tn_error *err) {
    TN_CHECK(names >= 1 && templates >= 1 && empties >= 1 && context >= 2, "no texts");
    *t = (tr_clip_texts){names, templates, empties, context, NULL, NULL};
    size_t rows = (size_t)(names * templates + empties);
    md_tokens tokens = {0};
    t->ids = tn_alloc_zero(rows, (size_t)context * sizeof *t->ids);
    t->length = tn_alloc_zero(rows, sizeof *t->length);
    tn_status status = t->ids && t->length
                           ? fill(t, bpe, name, template_text, empty, &tokens, err)
                           : tn_fail(err, TN_ENOMEM, "out of memory for %zu texts", rows);
    md_tokens_deinit(&tokens);
    if (status != TN_OK) tr_clip_texts_free(t);
    return status;
}

void tr_clip_texts_free(tr_clip_texts *t) {
    tn_free(t->ids);
    tn_free(t->length);
    *t = (tr_clip_texts){0};
}

// Chooses the text of a picture.
static int64_t choose(const tr_clip_texts *t, uint64_t seed, int64_t position, int32_t name) {
    tn_rng rng = tr_rng(seed, TR_STREAM_TEXTS, position);
    if (name < 0) return t->templates * t->names + tn_rng_below(&rng, t->empties);
    bool first = tn_rng_unit(&rng) < FIRST_SHARE || t->templates == 1;
    return (first ? 0 : 1 + tn_rng_below(&rng, t->templates - 1)) * t->names + name;
}

tn_status tr_clip_texts_draw(const tr_clip_texts *t, tn_arena *arena, uint64_t seed, int64_t first,
                             int64_t count, const int32_t *names, tr_clip_batch *batch,
                             tn_error *err) {
    int64_t rows = 0, longest = 1;
    bool background = false;
    tn_tensor chosen;
    TN_TRY(tn_new(arena, &batch->picture_names, TN_I32, TN_DIMS(count), err));
    TN_TRY(tn_new(arena, &chosen, TN_I32, TN_DIMS(count), err));
    for (int64_t i = 0; i < count; i++) {
        tn_i32(&batch->picture_names)[i] = names[i] < 0 ? (int32_t)t->names : names[i];
        if (names[i] < 0 && background) continue;
        background = background || names[i] < 0;
        int64_t text = choose(t, seed, first + i, names[i]);
        tn_i32(&chosen)[rows++] = (int32_t)text;
        if (t->length[text] > longest) longest = t->length[text];
    }
    TN_TRY(tn_new(arena, &batch->ids, TN_I32, TN_DIMS(rows, longest), err));
    TN_TRY(tn_new(arena, &batch->place, TN_I32, TN_DIMS(rows), err));
    TN_TRY(tn_new(arena, &batch->text_names, TN_I32, TN_DIMS(rows), err));
    for (int64_t i = 0; i < rows; i++) {
        int64_t text = tn_i32(&chosen)[i], inside = text / t->names;
        memcpy(tn_i32(&batch->ids) + i * longest, t->ids + text * t->context,
               (size_t)longest * sizeof(int32_t)); // zeros after the end
        tn_i32(&batch->place)[i] = t->length[text] - 1;
        tn_i32(&batch->text_names)[i] =
            (int32_t)(inside < t->templates ? text % t->names : t->names);
    }
    return TN_OK;
}

md_clip_text tr_clip_texts_row(const tr_clip_texts *t, int64_t row) {
    int64_t text = row < t->names ? row : t->templates * t->names;
    return (md_clip_text){t->ids + text * t->context, t->length[text]};
}
