// SPDX-License-Identifier: Apache-2.0
// The configuration of an F-VLM model, as stored in config.json (docs/model-config.md is the
// schema) and as in the presets.
#pragma once

#include "models/detector/anchors.h"

#define MD_FVLM_MIN_SIZE 16 // minimum pixels per side of the network's input
#define MD_FVLM_MAX_SIZE 8192
#define MD_FVLM_MAPS 4     // maps that a pyramid is built from
#define MD_FVLM_LEVELS 5   // levels of the pyramid: one more
#define MD_FVLM_PROMPTS 80 // maximum sentences per class
#define MD_FVLM_DEEP 2     // coarsest maps of a stem that may have residual blocks…
#define MD_FVLM_BLOCKS 8   // …and the maximum number per map

typedef enum md_pyramid {
    MD_PYRAMID_VIT4,   // four blocks of a ViT: up 4, up 2, unchanged, down 2, then an FPN (F-ViT)
    MD_PYRAMID_SIMPLE, // the same four from one map, each independently (ViTDet, Li et al. 2022)
    MD_PYRAMID_SINGLE, // one map, resampled to four sizes, then an FPN
    MD_PYRAMID_STEM,   // four blocks of a ViT: up 2, unchanged, down 2, down 4, each with
                       // features of trained convolutions on the picture, then an FPN
    MD_PYRAMID_RESNET, // the four stages of a ResNet, then an FPN
} md_pyramid;

typedef enum md_norm { MD_NORM_NONE, MD_NORM_BATCH, MD_NORM_GROUP } md_norm;
#define MD_NORM_GROUPS 32 // of a group norm

typedef enum md_score2 {
    MD_SCORE2_NONE,     // score 1 only
    MD_SCORE2_CROP,     // CLIP on crops of the picture
    MD_SCORE2_EMBED,    // regions of the patch embeddings through the whole encoder
    MD_SCORE2_DENSE,    // regions of the last block's value path
    MD_SCORE2_MASKCLS,  // a class token per box, which attends to the box's patches only
    MD_SCORE2_ATTNPOOL, // regions of the last stage through a ResNet's attention pool
} md_score2;

typedef enum md_background {
    MD_BACKGROUND_TEXT,
    MD_BACKGROUND_LEARNED,
    MD_BACKGROUND_NONE
} md_background;
typedef enum md_fvlm_loss { MD_LOSS_SOFTMAX, MD_LOSS_COSINE } md_fvlm_loss;

// Fields are named as in config.json, with the object's name in front.
typedef struct md_fvlm_config {
    char clip_path[1024];      // absolute, or relative to the model's folder
    char clip_sha256[65];      // of the file with CLIP's weights, in hex; "" if not yet known
    char clip_tokenizer[1024]; // likewise a path; "": searched in and beside the CLIP
    int64_t clip_heads, clip_text_heads; // 0: from its file, see md_clip_options
    int clip_activation;                 // 0 from its file, 1 gelu, 2 quick_gelu, 3 gelu_tanh

    int64_t picture_size; // S: pictures are resized and padded to S x S

    int64_t tower_window; // tokens per side of an attention window; 0: global attention
    int tower_positions;  // 0: CLIP's, resampled over the picture; 1: repeated in each window

    md_pyramid pyramid_kind;
    int pyramid_taps;                    // number of taps: 4 for vit4, stem and resnet, else 1
    int64_t pyramid_tap[MD_FVLM_MAPS];   // block, counted from 0; -1: the embeddings; resnet: stage
    double pyramid_stride[MD_FVLM_MAPS]; // pixels between positions of a map
    int64_t pyramid_channels;
    md_norm pyramid_norm;   // for all trainable parts with a norm
    int64_t pyramid_blocks; // stem: residual blocks on each of its two coarsest maps

    double anchor_size[MD_FVLM_LEVELS], anchor_ratio[MD_ANCHORS]; // pixels; height/width
    int anchor_ratios;

    int64_t rpn_convs, rpn_before,
        rpn_after; // boxes per level before suppression, in total after it
    double rpn_nms;

    int64_t box_convs, box_fcs, box_width, box_size; // box_size: bins per side of a region
    double box_context; // side of the head's region relative to the box
    int64_t box_rounds; // refinement rounds, each from the previous round's box
    int64_t mask_convs, mask_size;

    double score1_scale; // factor of cosines before the softmax
    bool score1_learned; // if learned: its initial value
    md_score2 score2_mode;
    double score2_scale;
    int64_t score2_top; // boxes that get a score 2; the others are dropped…
    double score2_nms;  // …as are those with a higher IoU with a better one, whatever their names
    int score2_positions;  // embed: 0 scene, 1 own
    double score2_context; // crop: side of the square relative to the longer side of the box

    md_background background_kind;
    char background_text[512];
    int prompts;
    char prompt[MD_FVLM_PROMPTS][256]; // "a photo of {}"; a single "imagenet80" is the ensemble

    double fusion_alpha, fusion_beta; // weight of score 2 for base names, for all others
    double fusion_objectness;         // exponent of the objectness factor of the score
    bool fusion_renormalise;

    double limits_score, limits_nms;
    int64_t limits_top;
    double limits_soft; // IoU with a better box of the same name above which a score is decayed
    double
        limits_inside; // fraction inside a better box of the same name above which a box is dropped

    // Defaults of a training run; flags of `lexmask train` override them.
    md_fvlm_loss training_loss;
    double training_background; // weight of background regions in the cross-entropy
    double training_lr, training_decay, training_clip;
    int64_t training_batch, training_steps, training_warmup;
    double training_jitter[2]; // range of the picture's scale
    bool training_flip;

    char **base_name; // names that the adapters were trained on; owned
    int64_t base_names;
    char contrast[1024]; // file of the names that the CLIP was trained on, one per line: they
                         // compete with the requested names for a box; "": none
} md_fvlm_config;

// "seed", "fvlm-rn50", "fvit-b16", "fvit-l14", "small". False for another name. clip_path is
// "clip", the hash is empty, there are no base names.
bool md_fvlm_preset(const char *name, md_fvlm_config *out);
extern const char *const md_fvlm_presets[]; // their names, NULL at the end

// Every key of the schema is required and no other is allowed; every value is checked by itself and
// against the others (checks against the CLIP happen when a model is made). Release with
// md_fvlm_config_deinit. TN_EIO, TN_EFORMAT "FILE: pyramid.taps[2]: …", TN_ENOMEM.
tn_status md_fvlm_config_read(const char *path, md_fvlm_config *out, tn_error *err);
// Only the checks, for a configuration changed by flags; name appears in error texts.
tn_status md_fvlm_config_check(const md_fvlm_config *config, const char *name, tn_error *err);
// The file is replaced as a whole or not at all; reading it back gives identical values. TN_EIO,
// TN_ENOMEM.
tn_status md_fvlm_config_write(const char *path, const md_fvlm_config *config, tn_error *err);
// The same text, from tn_alloc.
tn_status md_fvlm_config_text(const md_fvlm_config *config, char **text, size_t *bytes,
                              tn_error *err);
tn_status md_fvlm_config_copy(const md_fvlm_config *from, md_fvlm_config *to, tn_error *err);
// Copies the names and frees the previous ones. TN_ENOMEM.
tn_status md_fvlm_config_set_base(md_fvlm_config *config, const char *const *name, int64_t count,
                                  tn_error *err);
void md_fvlm_config_deinit(md_fvlm_config *config);

bool md_fvlm_score2(const char *name, md_score2 *out); // "none|crop|embed|dense|maskcls|attnpool"
const char *md_fvlm_score2_name(md_score2 mode);
const char *md_fvlm_pyramid_name(md_pyramid kind);
// Number of stride-2 convolutions of a stem, down to the last of pyramid.strides; 0: those strides
// are not powers of two, or begin below 2.
int md_fvlm_stem_convs(const md_fvlm_config *config);
