// SPDX-License-Identifier: Apache-2.0
// The parts of an F-VLM, for the files that load and run it.
#pragma once

#include "models/clip/clip_scene.h"
#include "models/detector/rpn.h"
#include "models/fvlm/fvlm.h"
#include "nn/blocks/classifier.h"
#include "nn/blocks/conv_norm.h"
#include "nn/blocks/fpn.h"
#include "nn/blocks/roi_pool.h"
#include "nn/deconv.h"
#include "nn/linear.h"

#define MD_FVLM_CONVS 8
#define MD_FVLM_FCS 4
#define MD_FVLM_STEM 10 // maximum convolutions of a stem: pyramid.strides end at 1024
#define MD_NORM_EPS 1e-5

// From CLIP's maps to the pyramid.
typedef struct md_fvlm_neck {
    nn_deconv up1a, up1b, up2; // vit4, simple: transposed convolutions by factors 4 and 2;
                               // stem: up2
    nn_norm between;           // NN_NORM_NONE: only the activation
    nn_conv lateral[MD_FVLM_MAPS], output[MD_FVLM_MAPS]; // simple
    nn_conv adapter[MD_FVLM_MAPS];                       // single
    nn_conv stem[MD_FVLM_STEM], side[MD_FVLM_MAPS];      // stem…
    nn_conv block[MD_FVLM_DEEP * MD_FVLM_BLOCKS][2];     // …and the blocks of its coarsest maps
    nn_fpn fpn;                                          // all but simple
} md_fvlm_neck;

typedef struct md_fvlm_heads {
    nn_conv conv[MD_FVLM_CONVS];
    nn_linear fc[MD_FVLM_FCS]; // the first reads whole regions
    nn_linear deltas, embedding;
    nn_classifier classifier;
    nn_conv mask[MD_FVLM_CONVS];
    nn_deconv up;
    nn_conv logits;
} md_fvlm_heads;

struct md_fvlm {
    const md_fvlm *of; // NULL, or whose parts all but the arena and the scene are
    md_fvlm_config config;
    md_clip *clip;
    md_names contrast; // no classes: none
    char clip_path[4096], tokenizer[4096];
    tn_arena weights;             // positions and frozen adapters
    md_scene scene;               // for a ViT
    const md_clip_resnet *resnet; // for a ResNet
    md_anchors anchors;
    double stride[MD_FVLM_LEVELS];
    nn_roi_pool pool;
    md_fvlm_neck neck;
    md_rpn rpn;
    md_fvlm_heads head;
    int64_t adapters; // number of values
};

// TN_EFORMAT names a tensor of the adapters that is missing, or that this configuration does not
// have.
tn_status md_fvlm_names_check(const io_weights *file, const md_fvlm_config *config, tn_error *err);
// channels: of CLIP's maps. Errors as nn_load.
tn_status md_fvlm_neck_load(const nn_loader *load, const md_fvlm_config *config,
                            const int64_t *channels, md_fvlm_neck *out);
// 2x2 max pooling; an odd last row or column is kept.
tn_status md_fvlm_halved(nn_ctx *cx, const tn_tensor *x, tn_tensor *y);
tn_status md_fvlm_stem_load(const nn_loader *load, const md_fvlm_config *config,
                            const int64_t *channels, md_fvlm_neck *out);
// The four levels of the pyramid stem, finest first.
tn_status md_fvlm_stem_fwd(nn_ctx *cx, const md_fvlm *model, const md_fvlm_features *features,
                           tn_tensor y[MD_FVLM_MAPS]);
tn_status md_fvlm_rpn_load(const nn_loader *load, const md_fvlm_config *config, md_rpn *out);
tn_status md_fvlm_heads_load(const nn_loader *load, const md_fvlm_config *config, int64_t embed_dim,
                             md_fvlm_heads *out);

static inline bool md_fvlm_learned_background(const md_fvlm *model) {
    return model->config.background_kind == MD_BACKGROUND_LEARNED;
}
