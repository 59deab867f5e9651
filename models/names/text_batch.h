// SPDX-License-Identifier: Apache-2.0
// Runs tokenised sentences through the text tower in batches, so that a large product reads the
// tower's weights once. The bits of a result do not depend on the other sentences.
#pragma once

#include "models/clip/clip.h"
#include "models/text/bpe.h"

#define MD_TEXTS_AT_ONCE 512 // enough for large products, few enough to report progress

typedef struct md_text_batch {
    int64_t capacity, context; // maximum number of sentences; maximum number of tokens of each
    int64_t count;             // sentences in it
    int32_t *ids;              // [capacity,context]
    md_clip_text *text;        // [capacity], views of ids
    md_tokens tokens;
} md_text_batch;

// For up to `capacity` sentences of this CLIP. TN_ENOMEM. Release with md_text_batch_deinit.
tn_status md_text_batch_init(md_text_batch *batch, const md_clip *clip, int64_t capacity,
                             tn_error *err);
void md_text_batch_deinit(md_text_batch *batch); // {0} is fine
// Adds a sentence and sets tokens.count and tokens.was_cut for it. Errors as md_bpe_encode.
tn_status md_text_batch_add(md_text_batch *batch, const md_bpe *bpe, const char *sentence,
                            tn_error *err);
// y [count,D], allocated by the caller: unit rows in the order of adding. Empties the batch. Errors
// as md_clip_encode_texts.
tn_status md_text_batch_encode(nn_ctx *cx, const md_clip *clip, md_text_batch *batch, tn_tensor *y);
