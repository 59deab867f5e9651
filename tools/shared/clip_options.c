// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/clip_options.h"

#include "io/published.h"
#include "tools/shared/model_kinds.h"

tool_clip_choice tool_clip_chosen;

static const tool_option file_row[] = {
    {"clip", TOOL_TEXT, "FILE|DIR",
     "CLIP: OpenAI's .pt, a Hugging Face or OpenCLIP folder, or the name of a pulled one",
     &tool_clip_chosen.clip, .used_by = TOOL_CROP},
};

static const tool_option more_rows[] = {
    {"tokenizer", TOOL_TEXT, "FILE",
     "CLIP's vocabulary: bpe_simple_vocab_16e6.txt.gz, tokenizer.json or a folder; default: looked "
     "for in and beside the CLIP",
     &tool_clip_chosen.tokenizer, .used_by = TOOL_NAMED},
    {"heads", TOOL_INT, "N", "attention heads of CLIP's image tower, if its file does not say",
     &tool_clip_chosen.heads, 1, 1024, .used_by = TOOL_CROP},
    {"text-heads", TOOL_INT, "N", "attention heads of CLIP's text tower, likewise",
     &tool_clip_chosen.text_heads, 1, 1024, .used_by = TOOL_CROP},
    {"activation", TOOL_CHOICE, "KIND", "gelu or quick_gelu, if CLIP's file does not say",
     &tool_clip_chosen.activation, .choices = "gelu|quick_gelu", .used_by = TOOL_CROP},
};

const tool_option_group tool_clip_group = {"the CLIP", file_row, 1};
const tool_option_group tool_clip_more_group = {"of the CLIP", more_rows,
                                                sizeof more_rows / sizeof *more_rows};

static tn_status open_all(const tool_clip_choice *choice, bool with_tokenizer, tool_clip *out,
                          tn_error *err) {
    char path[4096], vocabulary[4096];
    if (!choice->clip) return tn_fail(err, TN_EINVAL, "which CLIP? Give --clip FILE or DIR");
    TN_TRY(md_published_resolve(choice->clip, path, sizeof path, err));
    TN_TRY(tool_context_open(&out->kn, err));
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
