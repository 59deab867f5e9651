// SPDX-License-Identifier: Apache-2.0
// The parts of a Mask R-CNN, for its own files and for tests of intermediate results.
#pragma once

#include "models/detector/box_head.h"
#include "models/detector/mask_head.h"
#include "models/detector/mask_rcnn.h"
#include "models/detector/resnet.h"
#include "models/detector/rpn.h"
#include "nn/blocks/fpn.h"
#include "nn/blocks/roi_pool.h"

struct md_mask_rcnn {
    md_mask_rcnn_config config;
    tn_arena weights; // frozen
    md_resnet body;
    nn_fpn fpn;
    md_rpn rpn;
    md_box_head box;
    md_mask_head mask;
    nn_roi_pool pool;
};

// torchvision's postprocess_detections: logits [R,T], boxes [R,T,4] network -> the detections left
// after threshold and suppression, best first, from cx->step: boxes [D,4] network, scores [D],
// labels int32 [D].
tn_status md_select_detections(nn_ctx *cx, const nn_select_rules *rules, const tn_tensor *logits,
                               const tn_tensor *boxes, tn_tensor *out_boxes, tn_tensor *out_scores,
                               tn_tensor *out_labels);
