// SPDX-License-Identifier: Apache-2.0
// Sentences, tokenised one after the other, through the text tower together: a product of many rows
// reads the tower's weights once. A sentence's bits do not depend on its company.
#pragma once

#include "models/clip/clip.h"
#include "models/text/bpe.h"

#define MD_TEXTS_AT_ONCE 512 // enough for large products, few enough to show how far it is

typedef struct md_text_batch {
    int64_t room, context; // sentences that fit; most tokens of each
    int64_t count;         // sentences in it
    int32_t *ids;          // [room,context]
    md_clip_text *text;    // [room], views of ids
    md_tokens tokens;
} md_text_batch;

// For `room` sentences of this CLIP. TN_ENOMEM. Release with md_text_batch_deinit.
tn_status md_text_batch_init(md_text_batch *batch, const md_clip *clip, int64_t room,
                             tn_error *err);
void md_text_batch_deinit(md_text_batch *batch); // {0} is fine
// Adds a sentence; tokens.count and tokens.was_cut then tell of it. Errors as md_bpe_encode.
tn_status md_text_batch_add(md_text_batch *batch, const md_bpe *bpe, const char *sentence,
                            tn_error *err);
// y [count,D] of the caller: unit rows in the order of adding. The batch is empty afterwards.
// Errors as md_clip_encode_texts.
tn_status md_text_batch_encode(nn_ctx *cx, const md_clip *clip, md_text_batch *batch, tn_tensor *y);
