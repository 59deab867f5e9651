// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/clip_options.h"

#include "io/published.h"

static tn_status open_all(const tool_clip_choice *choice, bool with_tokenizer, tool_clip *out,
                          tn_error *err) {
    char path[4096], vocabulary[4096];
    if (!choice->clip) return tn_fail(err, TN_EINVAL, "which CLIP? Give --clip FILE or DIR");
    TN_TRY(md_published_resolve(choice->clip, path, sizeof path, err));
    TN_TRY(kn_open(tool_device, NULL, (int)choice->threads, &out->kn, err));
    TN_TRY(tn_arena_init_large(&out->step, err));
    md_clip_options options = {choice->heads, choice->text_heads, choice->activation};
    TN_TRY(md_clip_open(path, &options, out->kn, &out->clip, err));
    const char *assumed = md_clip_settings(out->clip)->assumed;
    if (assumed[0]) tool_note("%s", assumed);
    out->cx = (nn_ctx){.kn = out->kn, .step = &out->step, .err = err};
    if (!with_tokenizer) return TN_OK;
    TN_TRY(md_find_tokenizer(path, choice->tokenizer, vocabulary, sizeof vocabulary, err));
    return md_bpe_open(vocabulary, &out->bpe, err);
}

tn_status tool_clip_open(const tool_clip_choice *choice, bool with_tokenizer, tool_clip *out,
                         tn_error *err) {
    *out = (tool_clip){0};
    tn_status status = open_all(choice, with_tokenizer, out, err);
    if (status != TN_OK) tool_clip_close(out);
    return status;
}

void tool_clip_close(tool_clip *open) {
    md_bpe_close(open->bpe);
    md_clip_close(open->clip);
    tn_arena_deinit(&open->step);
    kn_close(open->kn);
    *open = (tool_clip){0};
}
