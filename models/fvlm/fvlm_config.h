// SPDX-License-Identifier: Apache-2.0
// What an F-VLM model is made of: its configuration, as config.json keeps it (docs/model-config.md
// is the schema) and as the presets give it.
#pragma once

#include "models/detector/anchors.h"

#define MD_FVLM_SIZE_LEAST 16 // pixels a side that a picture may have
#define MD_FVLM_SIZE_MOST 8192
#define MD_FVLM_MAPS 4     // maps that a pyramid is made of
#define MD_FVLM_LEVELS 5   // levels of the pyramid: one more
#define MD_FVLM_PROMPTS 80 // sentences of a class at most
#define MD_FVLM_DEEP 2     // coarsest maps of a stem that may have residual blocks…
#define MD_FVLM_BLOCKS 8   // …and how many at most

typedef enum md_pyramid {
    MD_PYRAMID_VIT4,   // four blocks of a ViT: up 4, up 2, as it is, down 2, then an FPN (F-ViT)
    MD_PYRAMID_SIMPLE, // the same four from one map, each by itself (ViTDet, Li et al. 2022)
    MD_PYRAMID_SINGLE, // one map, resampled to four sizes, then an FPN
    MD_PYRAMID_STEM,   // four blocks of a ViT: up 2, as it is, down 2, down 4, each with what
                       // trained convolutions see in the picture itself, then an FPN
    MD_PYRAMID_RESNET, // the four stages of a ResNet, then an FPN
} md_pyramid;

typedef enum md_norm { MD_NORM_NONE, MD_NORM_BATCH, MD_NORM_GROUP } md_norm;
#define MD_NORM_GROUPS 32 // of a group norm

typedef enum md_score2 {
    MD_SCORE2_NONE,     // score 1 alone
    MD_SCORE2_CROP,     // CLIP on pieces of the picture
    MD_SCORE2_EMBED,    // regions of the patch embeddings through the whole encoder
    MD_SCORE2_DENSE,    // regions of the last block's value path
    MD_SCORE2_MASKCLS,  // a class token for each box, which sees the box's patches alone
    MD_SCORE2_ATTNPOOL, // regions of the last stage through a ResNet's attention pool
} md_score2;

typedef enum md_background {
    MD_BACKGROUND_TEXT,
    MD_BACKGROUND_LEARNED,
    MD_BACKGROUND_NONE
} md_background;
typedef enum md_fvlm_loss { MD_LOSS_SOFTMAX, MD_LOSS_COSINE } md_fvlm_loss;

// Names of fields are those of config.json, with the object's name in front where it has one.
typedef struct md_fvlm_config {
    char clip_path[1024];      // absolute, or relative to the model's folder
    char clip_sha256[65];      // of the file with CLIP's weights, in hex; "" where not yet known
    char clip_tokenizer[1024]; // likewise a path; "": looked for in and beside the CLIP
    int64_t clip_heads, clip_text_heads; // 0: from its file, as md_clip_options
    int clip_activation;                 // 0 from its file, 1 gelu, 2 quick_gelu, 3 gelu_tanh

    int64_t picture_size; // S: pictures are brought to S x S, the rest of the square is empty

    int64_t tower_window; // tokens a side that see each other; 0: all do
    int tower_positions;  // 0: CLIP's, stretched over the picture; 1: over each window

    md_pyramid pyramid_kind;
    int pyramid_taps;                    // number of them: 4 for vit4, stem and resnet, else 1
    int64_t pyramid_tap[MD_FVLM_MAPS];   // block, counted from 0; -1: the embeddings; resnet: stage
    double pyramid_stride[MD_FVLM_MAPS]; // pixels from one place of a map to the next
    int64_t pyramid_channels;
    md_norm pyramid_norm;   // of every trainable part that has a norm
    int64_t pyramid_blocks; // stem: residual blocks of each of its two coarsest maps

    double anchor_size[MD_FVLM_LEVELS], anchor_ratio[MD_ANCHORS]; // pixels; height/width
    int anchor_ratios;

    int64_t rpn_convs, rpn_before, rpn_after; // boxes of a level before suppression, of all after
    double rpn_nms;

    int64_t box_convs, box_fcs, box_width, box_size; // box_size: bins of a region a side
    double box_context; // sides of what it sees of a box, in sides of the box
    int64_t box_rounds; // times that a box is moved, each from where the one before left it
    int64_t mask_convs, mask_size;

    double score1_scale; // what cosines are multiplied with before the softmax
    bool score1_learned; // …is where training begins
    md_score2 score2_mode;
    double score2_scale;
    int64_t score2_top;   // boxes that get a score 2; the others are dropped…
    double score2_nms;    // …as are those that overlap a better one by more, whatever their names
    int score2_positions; // embed: 0 scene, 1 own
    double score2_context; // crop: side of the square in longer sides of the box

    md_background background_kind;
    char background_text[512];
    int prompts;
    char prompt[MD_FVLM_PROMPTS][256]; // "a photo of {}"; a single "imagenet80" is the ensemble

    double fusion_alpha, fusion_beta; // weight of score 2 for names trained on, for all others
    double fusion_objectness;         // the score is multiplied with objectness to this power
    bool fusion_renormalise;

    double limits_score, limits_nms;
    int64_t limits_top;
    double limits_soft;   // overlap with a better one of its name above which a score fades
    double limits_inside; // share of a box within a better one of its name above which it goes

    // Where a training run begins; flags of `lexmask train` say otherwise.
    md_fvlm_loss training_loss;
    double training_background; // weight of the background in the cross-entropy
    double training_lr, training_decay, training_clip;
    int64_t training_batch, training_steps, training_warmup;
    double training_jitter[2]; // scale of the picture, from … to
    bool training_flip;

    char **base_name; // [base_names] names that the adapters were trained on; owned
    int64_t base_names;
    char contrast[1024]; // file of the names that the CLIP was trained on, one a line: beside the
                         // names that are asked for they compete for a box; "": none
} md_fvlm_config;

// "seed", "fvlm-rn50", "fvit-b16", "fvit-l14", "small". False for another name. clip_path is
// "clip", the hash is empty, there are no base names.
bool md_fvlm_preset(const char *name, md_fvlm_config *out);
extern const char *const md_fvlm_presets[]; // their names, NULL at the end

// Every key of the schema must be there and no other; every value is checked by itself and against
// the others (what depends on the CLIP is checked when a model is made). Release with
// md_fvlm_config_deinit. TN_EIO, TN_EFORMAT "FILE: pyramid.taps[2]: …", TN_ENOMEM.
tn_status md_fvlm_config_read(const char *path, md_fvlm_config *out, tn_error *err);
// The checks alone, for a configuration that flags have changed; name is what errors call it.
tn_status md_fvlm_config_check(const md_fvlm_config *config, const char *name, tn_error *err);
// Written whole or not at all; what is read back is equal to the last bit. TN_EIO, TN_ENOMEM.
tn_status md_fvlm_config_write(const char *path, const md_fvlm_config *config, tn_error *err);
// The same text, from tn_alloc.
tn_status md_fvlm_config_text(const md_fvlm_config *config, char **text, size_t *bytes,
                              tn_error *err);
tn_status md_fvlm_config_copy(const md_fvlm_config *from, md_fvlm_config *to, tn_error *err);
// Copies of the names; those there were are gone. TN_ENOMEM.
tn_status md_fvlm_config_set_base(md_fvlm_config *config, const char *const *name, int64_t count,
                                  tn_error *err);
void md_fvlm_config_deinit(md_fvlm_config *config);

bool md_fvlm_score2(const char *name, md_score2 *out); // "none|crop|embed|dense|maskcls|attnpool"
const char *md_fvlm_score2_name(md_score2 mode);
const char *md_fvlm_pyramid_name(md_pyramid kind);
// Convolutions of a stem, each of stride 2, down to the last of pyramid.strides; 0: those strides
// are no powers of two, or begin below 2.
int md_fvlm_stem_convs(const md_fvlm_config *config);
