// SPDX-License-Identifier: Apache-2.0
// The fields of a configuration as data: reading, writing and checking iterate over one table.
#include "models/fvlm/fvlm_schema.h"

#define AT(field) offsetof(md_fvlm_config, field)
#define SIZE(field) sizeof(((md_fvlm_config *)0)->field)
#define TEXT(g, k, f)                                                                              \
    { g, k, MD_FIELD_TEXT, AT(f), SIZE(f), 0, 0, NULL, 0, 0, 0 }
#define INT(g, k, f, low, high)                                                                    \
    { g, k, MD_FIELD_INT, AT(f), 0, low, high, NULL, 0, 0, 0 }
#define REAL(g, k, f, low, high)                                                                   \
    { g, k, MD_FIELD_REAL, AT(f), 0, low, high, NULL, 0, 0, 0 }
#define BOOL(g, k, f)                                                                              \
    { g, k, MD_FIELD_BOOL, AT(f), 0, 0, 0, NULL, 0, 0, 0 }
#define CHOICE(g, k, f, words)                                                                     \
    { g, k, MD_FIELD_CHOICE, AT(f), 0, 0, 0, words, 0, 0, 0 }
#define INTS(g, k, f, count, capacity, low, high)                                                  \
    { g, k, MD_FIELD_INTS, AT(f), capacity, low, high, NULL, AT(count), 0, 0 }
#define REALS(g, k, f, count, capacity, low, high)                                                 \
    { g, k, MD_FIELD_REALS, AT(f), capacity, low, high, NULL, count, 0, 0 }
#define INT_SINCE(version, g, k, f, low, high, otherwise)                                          \
    { g, k, MD_FIELD_INT, AT(f), 0, low, high, NULL, 0, version, otherwise }
#define REAL_SINCE(version, g, k, f, low, high, otherwise)                                         \
    { g, k, MD_FIELD_REAL, AT(f), 0, low, high, NULL, 0, version, otherwise }
#define EXACTLY ((size_t)0) // the list has exactly `capacity` elements

static const char *const activations[] = {"auto", "gelu", "quick_gelu", "gelu_tanh", NULL};
static const char *const positions[] = {"scene", "window", NULL};
static const char *const own_positions[] = {"scene", "own", NULL};
static const char *const pyramids[] = {"vit4", "simple", "single", "stem", "resnet", NULL};
static const char *const norms[] = {"none", "batch", "group", NULL};
static const char *const modes[] = {"none", "crop", "embed", "dense", "maskcls", "attnpool", NULL};
static const char *const backgrounds[] = {"text", "learned", "none", NULL};
static const char *const losses[] = {"softmax", "cosine", NULL};

const md_field md_fvlm_fields[] = {
    TEXT("clip", "path", clip_path),
    TEXT("clip", "sha256", clip_sha256),
    TEXT("clip", "tokenizer", clip_tokenizer),
    INT("clip", "heads", clip_heads, 0, 1024),
    INT("clip", "text_heads", clip_text_heads, 0, 1024),
    CHOICE("clip", "activation", clip_activation, activations),
    INT("picture", "size", picture_size, MD_FVLM_MIN_SIZE, MD_FVLM_MAX_SIZE),
    INT("tower", "window", tower_window, 0, 1024),
    CHOICE("tower", "positions", tower_positions, positions),
    CHOICE("pyramid", "kind", pyramid_kind, pyramids),
    INTS("pyramid", "taps", pyramid_tap, pyramid_taps, MD_FVLM_MAPS, -1, 1023),
    REALS("pyramid", "strides", pyramid_stride, EXACTLY, MD_FVLM_MAPS, 0.5, 1024),
    INT("pyramid", "channels", pyramid_channels, 1, 4096),
    CHOICE("pyramid", "norm", pyramid_norm, norms),
    INT_SINCE(3, "pyramid", "blocks", pyramid_blocks, 0, MD_FVLM_BLOCKS, 0),
    REALS("anchors", "sizes", anchor_size, EXACTLY, MD_FVLM_LEVELS, 1, 8192),
    REALS("anchors", "ratios", anchor_ratio, AT(anchor_ratios), MD_ANCHORS, 0.01, 100),
    INT("rpn", "convs", rpn_convs, 1, 8),
    INT("rpn", "before", rpn_before, 1, 100000),
    INT("rpn", "after", rpn_after, 1, 100000),
    REAL("rpn", "nms", rpn_nms, 0, 1),
    INT("box_head", "convs", box_convs, 0, 8),
    INT("box_head", "fcs", box_fcs, 1, 4),
    INT("box_head", "width", box_width, 1, 16384),
    INT("box_head", "size", box_size, 1, 64),
    INT_SINCE(4, "box_head", "rounds", box_rounds, 1, 8, 1),
    REAL_SINCE(5, "box_head", "context", box_context, 1, 10, 1),
    INT("mask_head", "convs", mask_convs, 0, 8),
    INT("mask_head", "size", mask_size, 2, 64),
    REAL("score1", "scale", score1_scale, 0.01, 1000),
    BOOL("score1", "learned", score1_learned),
    CHOICE("score2", "mode", score2_mode, modes),
    REAL("score2", "scale", score2_scale, 0.01, 1000),
    INT("score2", "top", score2_top, 1, 100000),
    REAL_SINCE(3, "score2", "nms", score2_nms, 0, 1, 1),
    CHOICE("score2", "positions", score2_positions, own_positions),
    REAL("score2", "context", score2_context, 1, 10),
    CHOICE("background", "kind", background_kind, backgrounds),
    TEXT("background", "text", background_text),
    REAL("fusion", "alpha", fusion_alpha, 0, 1),
    REAL("fusion", "beta", fusion_beta, 0, 1),
    REAL("fusion", "objectness", fusion_objectness, 0, 10),
    BOOL("fusion", "renormalise", fusion_renormalise),
    REAL("limits", "score", limits_score, 0, 1),
    REAL("limits", "nms", limits_nms, 0, 1),
    INT("limits", "top", limits_top, 1, 100000),
    REAL_SINCE(6, "limits", "soft", limits_soft, 0, 1, 1),
    REAL_SINCE(3, "limits", "inside", limits_inside, 0, 1, 1),
    CHOICE("training", "loss", training_loss, losses),
    REAL("training", "background", training_background, 0, 100),
    REAL("training", "lr", training_lr, 0, 10),
    REAL("training", "decay", training_decay, 0, 10),
    REAL("training", "clip", training_clip, 0, 1e6),
    INT("training", "batch", training_batch, 1, 65536),
    INT("training", "steps", training_steps, 1, 1000000000),
    INT("training", "warmup", training_warmup, 0, 1000000000),
    REALS("training", "jitter", training_jitter, EXACTLY, 2, 0.01, 10),
    BOOL("training", "flip", training_flip),
};
const size_t md_fvlm_field_count = sizeof md_fvlm_fields / sizeof *md_fvlm_fields;

// Enumerations have the size of int: choices are stored through an int pointer.
_Static_assert(sizeof(md_pyramid) == sizeof(int) && sizeof(md_norm) == sizeof(int) &&
                   sizeof(md_score2) == sizeof(int) && sizeof(md_background) == sizeof(int) &&
                   sizeof(md_fvlm_loss) == sizeof(int),
               "an enumeration is not an int");

static int find(const char *const *words, const char *word) {
    for (int i = 0; words[i]; i++)
        if (!strcmp(words[i], word)) return i;
    return -1;
}

int md_field_choice(const md_field *field, const char *word) {
    return find(field->words, word);
}

bool md_fvlm_score2(const char *name, md_score2 *out) {
    int i = find(modes, name);
    if (i >= 0) *out = (md_score2)i;
    return i >= 0;
}

const char *md_fvlm_score2_name(md_score2 mode) {
    return modes[mode];
}

const char *md_fvlm_pyramid_name(md_pyramid kind) {
    return pyramids[kind];
}
