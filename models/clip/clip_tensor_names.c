// SPDX-License-Identifier: Apache-2.0
#include "models/clip/clip_tensor_names.h"

#include "models/clip/clip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- the tables --------------------------------------------------------------------------------

// A transformer block. A is our prefix, B the other form's.
#define SAME_BLOCK(prefix)                                                                         \
    {prefix ".#.attn.in_proj_weight", prefix ".#.attn.in_proj_weight"},                            \
        {prefix ".#.attn.in_proj_bias", prefix ".#.attn.in_proj_bias"},                            \
        {prefix ".#.attn.out_proj.", prefix ".#.attn.out_proj."},                                  \
        {prefix ".#.ln_1.", prefix ".#.ln_1."}, {prefix ".#.ln_2.", prefix ".#.ln_2."},            \
        {prefix ".#.mlp.c_fc.", prefix ".#.mlp.c_fc."}, {                                          \
        prefix ".#.mlp.c_proj.", prefix ".#.mlp.c_proj."                                           \
    }
#define SAME(name)                                                                                 \
    { name, name }

// Both kinds of image tower under OpenAI's names.
#define SAME_VISUAL                                                                                \
    SAME("visual.class_embedding"), SAME("visual.positional_embedding"), SAME("visual.proj"),      \
        SAME("visual.ln_pre."), SAME("visual.ln_post."),                                           \
        SAME_BLOCK("visual.transformer.resblocks"), SAME("visual.conv#.weight"),                   \
        SAME("visual.bn#."), SAME("visual.layer#.#.conv#.weight"), SAME("visual.layer#.#.bn#."),   \
        SAME("visual.layer#.#.downsample.0.weight"), SAME("visual.layer#.#.downsample.1."),        \
        SAME("visual.attnpool.positional_embedding"), SAME("visual.attnpool.q_proj."),             \
        SAME("visual.attnpool.k_proj."), SAME("visual.attnpool.v_proj."),                          \
        SAME("visual.attnpool.c_proj."), SAME("logit_scale")

static const md_clip_row openai[] = {
    SAME_VISUAL,
    SAME("token_embedding.weight"),
    SAME("positional_embedding"),
    SAME("ln_final."),
    SAME("text_projection"),
    SAME("text_projection.weight"),
    SAME_BLOCK("transformer.resblocks"),
    {NULL, NULL},
};
static const char *const openai_ignored[] = {"input_resolution", "context_length", "vocab_size",
                                             "attn_mask", NULL};
static const char *const openai_towers[] = {
    "visual.",         "transformer.", "token_embedding.",
    "ln_final.",       "text.",        "positional_embedding",
    "text_projection", "logit_bias",   NULL};

// OpenCLIP's models with the text tower as a separate module.
#define TEXT_BLOCK_ROW(part)                                                                       \
    { "transformer.resblocks.#." part, "text.transformer.resblocks.#." part }
static const md_clip_row openclip_text[] = {
    SAME_VISUAL,
    {"token_embedding.weight", "text.token_embedding.weight"},
    {"positional_embedding", "text.positional_embedding"},
    {"ln_final.", "text.ln_final."},
    {"text_projection", "text.text_projection"},
    {"text_projection.weight", "text.text_projection.weight"},
    TEXT_BLOCK_ROW("attn.in_proj_weight"),
    TEXT_BLOCK_ROW("attn.in_proj_bias"),
    TEXT_BLOCK_ROW("attn.out_proj."),
    TEXT_BLOCK_ROW("ln_1."),
    TEXT_BLOCK_ROW("ln_2."),
    TEXT_BLOCK_ROW("mlp.c_fc."),
    TEXT_BLOCK_ROW("mlp.c_proj."),
    {NULL, NULL},
};
static const char *const openclip_ignored[] = {"text.attn_mask", NULL};
static const char *const openclip_towers[] = {"visual.", "text.", "logit_bias", NULL};

#define HF_BLOCK(ours, theirs)                                                                     \
    {ours ".#.attn.", theirs ".#.self_attn."}, {ours ".#.ln_1.", theirs ".#.layer_norm1."},        \
        {ours ".#.ln_2.", theirs ".#.layer_norm2."}, {ours ".#.mlp.c_fc.", theirs ".#.mlp.fc1."},  \
    {                                                                                              \
        ours ".#.mlp.c_proj.", theirs ".#.mlp.fc2."                                                \
    }
static const md_clip_row huggingface[] = {
    {"visual.class_embedding", "vision_model.embeddings.class_embedding"},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
    {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"},
    {"visual.ln_pre.", "vision_model.pre_layrnorm."}, // sic
    {"visual.ln_post.", "vision_model.post_layernorm."},
    {"visual.proj.weight", "visual_projection.weight"},
    HF_BLOCK("visual.transformer.resblocks", "vision_model.encoder.layers"),
    {"token_embedding.weight", "text_model.embeddings.token_embedding.weight"},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
    {"ln_final.", "text_model.final_layer_norm."},
    {"text_projection.weight", "text_projection.weight"},
    HF_BLOCK("transformer.resblocks", "text_model.encoder.layers"),
    {"logit_scale", "logit_scale"},
    {NULL, NULL},
};
static const char *const huggingface_ignored[] = {"vision_model.embeddings.position_ids",
                                                  "text_model.embeddings.position_ids", NULL};
static const char *const huggingface_towers[] = {
    "vision_model.", "text_model.", "visual_projection", "text_projection", "logit_bias", NULL};

// ---- names through a table ---------------------------------------------------------------------

// If name matches the pattern: sets the numbers in place of its '#' and returns the rest of the
// name; else NULL.
static const char *match(const char *pattern, const char *name, long number[4]) {
    int count = 0;
    const char *at = name, *p = pattern;
    for (; *p; p++) {
        if (*p != '#') {
            if (*at++ != *p) return NULL;
            continue;
        }
        char *end;
        if (*at < '0' || *at > '9' || count == 4) return NULL;
        number[count++] = strtol(at, &end, 10);
        at = end;
    }
    bool prefix = p > pattern && p[-1] == '.';
    return prefix || !*at ? at : NULL;
}

static void substitute(const md_clip_row *row, const char *name, char *out, size_t bytes) {
    long number[4];
    for (; row->ours; row++) {
        const char *rest = match(row->ours, name, number);
        if (!rest) continue;
        size_t length = 0;
        int used = 0;
        for (const char *p = row->theirs; *p && length < bytes; p++)
            length +=
                (size_t)(*p == '#' ? snprintf(out + length, bytes - length, "%ld", number[used++])
                                   : snprintf(out + length, bytes - length, "%c", *p));
        if (length < bytes) length += (size_t)snprintf(out + length, bytes - length, "%s", rest);
        TN_CHECK(length < bytes, "the name for %s is too long", name);
        return;
    }
    snprintf(out, bytes, "%s", name); // not of this form: no such tensor in the file
}

static void rename_openclip_text(const char *name, char *out, size_t bytes) {
    substitute(openclip_text, name, out, bytes);
}
void md_clip_huggingface_name(const char *name, char *out, size_t bytes) {
    substitute(huggingface, name, out, bytes);
}

static const md_clip_form forms[] = {
    {"Hugging Face", "text_model.embeddings.token_embedding.weight",
     "vision_model.embeddings.patch_embedding.weight", huggingface, huggingface_ignored,
     huggingface_towers, "config.json", md_clip_huggingface_name},
    {"OpenCLIP", "text.token_embedding.weight", "visual.conv1.weight", openclip_text,
     openclip_ignored, openclip_towers, "open_clip_config.json", rename_openclip_text},
    {"OpenAI", "token_embedding.weight", "visual.conv1.weight", openai, openai_ignored,
     openai_towers, "open_clip_config.json", NULL},
};

const md_clip_form *md_clip_form_of(const io_weights *file) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (io_weights_find(file, forms[i].probe)) return &forms[i];
    return NULL;
}

tn_status md_clip_unwrap(io_weights *file, tn_error *err) {
    for (size_t i = 0; !md_clip_form_of(file) && i < sizeof forms / sizeof *forms; i++) {
        const char *const names[] = {forms[i].probe, forms[i].image, NULL};
        TN_TRY(io_weights_unwrap(file, names, err));
    }
    return TN_OK;
}

static bool known(const md_clip_form *form, const char *name) {
    long number[4];
    for (const char *const *p = form->ignored; *p; p++)
        if (strcmp(*p, name) == 0) return true;
    for (const md_clip_row *row = form->row; row->ours; row++)
        if (match(row->theirs, name, number)) return true;
    for (const char *const *p = form->towers; *p; p++)
        if (strncmp(*p, name, strlen(*p)) == 0) return false;
    return true; // not a part of the towers
}

tn_status md_clip_form_check(const md_clip_form *form, const io_weights *file, tn_error *err) {
    for (size_t i = 0; i < io_weights_count(file); i++) {
        const io_tensor *t = io_weights_at(file, i);
        if (!known(form, t->name))
            return tn_fail(err, TN_EUNSUPPORTED,
                           "%s: tensor '%s' is not part of a CLIP of %s's form",
                           io_weights_path(file), t->name, form->label);
    }
    return TN_OK;
}

int64_t md_clip_form_count(const md_clip_form *form, const io_weights *file, const char *ours) {
    char theirs[NN_NAME];
    long number[4];
    int64_t count = 0, last = -1;
    for (const char *p = ours; *p; p++) last += *p == '#';
    TN_CHECK(last >= 0, "%s has no number", ours);
    const char *pattern = ours;
    for (const md_clip_row *row = form->row; row->ours; row++)
        if (strcmp(row->ours, ours) == 0) pattern = row->theirs;
    snprintf(theirs, sizeof theirs, "%s", pattern);
    for (size_t i = 0; i < io_weights_count(file); i++)
        if (match(theirs, io_weights_at(file, i)->name, number) && number[last] < INT64_MAX &&
            number[last] + 1 > count)
            count = number[last] + 1;
    return count;
}
