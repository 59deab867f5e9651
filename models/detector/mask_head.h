// SPDX-License-Identifier: Apache-2.0
// The mask head and its predictor: torchvision's MaskRCNNHeads (with or without batch norm) and
// MaskRCNNPredictor.
#pragma once

#include "nn/blocks/conv_norm.h"
#include "nn/deconv.h"

#define MD_MASK_CONVS 8
#define MD_MASK_ROI 14 // bins of a region; torchvision's, not stored in the file

typedef struct md_mask_head {
    int convs;
    nn_conv conv[MD_MASK_CONVS];
    nn_deconv up;   // then ReLU
    nn_conv logits; // 1x1, T channels
} md_mask_head;

// head, predictor: "roi_heads.mask_head", "roi_heads.mask_predictor"; the head's loader may rename
// tensors. channels: the pyramid's. classes: T, as in the box head.
tn_status md_mask_head_load(const nn_loader *head_load, const char *head,
                            const nn_loader *predictor_load, const char *predictor,
                            int64_t channels, int64_t classes, double bn_eps, md_mask_head *out);
// x [R,14,14,C] -> y [R,28,28,T] from cx->step, before the sigmoid. Can be recorded on a tape.
tn_status md_mask_head_logits(nn_ctx *cx, const md_mask_head *head, const tn_tensor *x,
                              tn_tensor *y);
// x [R,14,14,C], labels int32 [R] in [0,T) -> y [R,28,28], the probability of each region's own
// class, allocated by the caller. Uses cx->step.
tn_status md_mask_head_fwd(nn_ctx *cx, const md_mask_head *head, const tn_tensor *x,
                           const tn_tensor *labels, tn_tensor *y);
