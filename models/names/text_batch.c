// SPDX-License-Identifier: Apache-2.0
#include "models/names/text_batch.h"

#include <string.h>

tn_status md_text_batch_init(md_text_batch *batch, const md_clip *clip, int64_t capacity,
                             tn_error *err) {
    int64_t context = md_clip_settings(clip)->context;
    size_t bytes;
    *batch = (md_text_batch){.capacity = capacity, .context = context};
    TN_CHECK(capacity > 0 &&
                 tn_mul_size((size_t)capacity, (size_t)context * sizeof *batch->ids, &bytes),
             "a batch of %lld texts", (long long)capacity);
    batch->ids = tn_alloc(bytes);
    batch->text = tn_alloc((size_t)capacity * sizeof *batch->text);
    if (batch->ids && batch->text) return TN_OK;
    md_text_batch_deinit(batch);
    return tn_fail(err, TN_ENOMEM, "out of memory for %lld texts", (long long)capacity);
}

void md_text_batch_deinit(md_text_batch *batch) {
    tn_free(batch->ids);
    tn_free(batch->text);
    md_tokens_deinit(&batch->tokens);
    *batch = (md_text_batch){0};
}

tn_status md_text_batch_add(md_text_batch *batch, const md_bpe *bpe, const char *sentence,
                            tn_error *err) {
    TN_CHECK(batch->count < batch->capacity, "the batch holds at most %lld",
             (long long)batch->capacity);
    md_tokens *tokens = &batch->tokens;
    TN_TRY(md_bpe_encode(bpe, sentence, strlen(sentence), batch->context, tokens, err));
    int32_t *to = batch->ids + batch->count * batch->context;
    memcpy(to, tokens->ids, tokens->count * sizeof *to);
    batch->text[batch->count++] = (md_clip_text){to, (int64_t)tokens->count};
    return TN_OK;
}

tn_status md_text_batch_encode(nn_ctx *cx, const md_clip *clip, md_text_batch *batch,
                               tn_tensor *y) {
    int64_t count = batch->count;
    batch->count = 0;
    return md_clip_encode_texts(cx, clip, batch->text, count, y);
}
