// SPDX-License-Identifier: Apache-2.0
// The box head and its predictor: torchvision's TwoMLPHead (fc6, fc7) or FastRCNNConvFCHead
// (convolutions with batch norm, then linear layers), then FastRCNNPredictor.
#pragma once

#include "nn/blocks/conv_norm.h"
#include "nn/linear.h"

#define MD_BOX_LAYERS 8

typedef struct md_box_head {
    int convs, fcs;
    nn_conv conv[MD_BOX_LAYERS];
    nn_linear fc[MD_BOX_LAYERS]; // the first reads whole regions; its columns are reordered to
                                 // channels-last
    nn_linear logits, deltas;    // T and 4T rows
    int64_t classes, size;       // T; a region has size x size bins (7)
} md_box_head;

// head, predictor: "roi_heads.box_head", "roi_heads.box_predictor". channels: the pyramid's.
tn_status md_box_head_load(const nn_loader *load, const char *head, const char *predictor,
                           int64_t channels, double bn_eps, md_box_head *out);
// x [R,size,size,C] -> logits [R,T], deltas [R,4T], allocated by the caller. Uses cx->step.
tn_status md_box_head_fwd(nn_ctx *cx, const md_box_head *head, const tn_tensor *x,
                          tn_tensor *logits, tn_tensor *deltas);
