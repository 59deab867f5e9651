// SPDX-License-Identifier: Apache-2.0
#include "models/clip/known_answers.h"

#include <math.h>
#include <string.h>

static double difference(const float *is, const float *known) {
    double largest = 0;
    for (int k = 0; k < MD_KNOWN_DIMS; k++) {
        double d = fabs((double)is[k] - known[k]);
        if (!(d <= largest)) largest = d; // a NaN stays
    }
    return largest;
}

static tn_status check_one(nn_ctx *cx, const md_clip *clip, const md_bpe *bpe, md_tokens *tokens,
                           const md_known_answer *answer, double *largest, tn_error *err) {
    tn_tensor y;
    size_t mark = tn_arena_mark(cx->step);
    TN_TRY(md_bpe_encode(bpe, answer->text, strlen(answer->text), md_clip_settings(clip)->context,
                         tokens, err));
    TN_TRY(tn_new(cx->step, &y, TN_F32, TN_DIMS(1, md_clip_settings(clip)->embed_dim), err));
    md_clip_text text = {tokens->ids, (int64_t)tokens->count};
    TN_TRY(md_clip_encode_texts(cx, clip, &text, 1, &y));
    double d = difference(tn_f32(&y), answer->start);
    if (!(d <= *largest)) *largest = d;
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

tn_status md_known_check(nn_ctx *cx, const md_clip *clip, const md_bpe *bpe, double *largest,
                         tn_error *err) {
    const md_clip_config *c = md_clip_settings(clip);
    if (c->family != MD_CLIP_VIT || c->patch != 32 || c->width != 768 || c->embed_dim != 512)
        return tn_fail(err, TN_EUNSUPPORTED,
                       "no known answers for a CLIP %s: there are some for OpenAI's ViT-B/32",
                       c->name);
    md_tokens tokens = {0};
    tn_status status = TN_OK;
    *largest = 0;
    for (int i = 0; i < MD_KNOWN_ANSWERS && status == TN_OK; i++)
        status = check_one(cx, clip, bpe, &tokens, &md_known_vitb32[i], largest, err);
    md_tokens_deinit(&tokens);
    return status;
}
