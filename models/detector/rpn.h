// SPDX-License-Identifier: Apache-2.0
// The region proposal network (Ren et al., "Faster R-CNN", NeurIPS 2015), in torchvision's form:
// one or more 3x3 convolutions, then an objectness and four deltas per anchor and cell.
#pragma once

#include "models/detector/anchors.h"
#include "models/detector/frame.h"
#include "nn/blocks/conv_norm.h"

#define MD_RPN_CONVS 8

typedef struct md_rpn {
    int convs;
    nn_conv conv[MD_RPN_CONVS];
    nn_conv objectness, deltas; // A and 4A channels
} md_rpn;

// prefix: "rpn.head". channels: the pyramid's. TN_EFORMAT names the tensor, also if its number of
// anchors differs from that of `anchors`.
tn_status md_rpn_load(const nn_loader *load, const char *prefix, int64_t channels,
                      const md_anchors *anchors, double bn_eps, md_rpn *out);
// One level: x [N,h,w,C] -> logits [N,h,w,A], deltas [N,h,w,4A], from cx->step.
tn_status md_rpn_fwd(nn_ctx *cx, const md_rpn *rpn, const tn_tensor *x, tn_tensor *logits,
                     tn_tensor *deltas);

typedef struct md_rpn_limits {
    int64_t before, after; // boxes kept per level before suppression, and in total after it
    double nms, score;     // IoU above which a box is suppressed; lowest score kept
} md_rpn_limits;

// Levels of one picture -> proposals, best first: boxes [R,4] network, inside the picture, and
// scores [R] in 0..1, R <= limits->after. The steps of torchvision's filter_proposals: the best of
// each level are decoded and clipped, those with a side under 0.001 pixels are dropped, then
// suppression within each level.
tn_status md_rpn_propose(nn_ctx *cx, const md_rpn *rpn, const md_anchors *anchors,
                         const md_rpn_limits *limits, const md_frame *frame,
                         const tn_tensor *levels, tn_tensor *boxes, tn_tensor *scores);
// The same from md_rpn_fwd's outputs per level: logits [1,h,w,A], deltas [1,h,w,4A] float32.
tn_status md_rpn_filter(nn_ctx *cx, const md_anchors *anchors, const md_rpn_limits *limits,
                        const md_frame *frame, const tn_tensor *logits, const tn_tensor *deltas,
                        tn_tensor *boxes, tn_tensor *scores);
