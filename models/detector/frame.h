// SPDX-License-Identifier: Apache-2.0
// The transform from a picture to the network's input: torchvision's GeneralizedRCNNTransform.
//
// Two coordinate systems: "picture" is pixels of the original picture; "network" is pixels after
// resizing, before padding. The resized picture is in the upper left corner of the padded one.
#pragma once

#include "nn/nn.h"

typedef struct md_frame {
    int64_t height, width;         // picture
    int64_t net_height, net_width; // resized
    int64_t pad_height, pad_width; // padded: the network's input
} md_frame;

// The sizes of torchvision's GeneralizedRCNNTransform, padded to multiples of 32. It uses the same
// double arithmetic, so a side may be one less than min_size.
md_frame md_frame_of(int64_t height, int64_t width, int64_t min_size, int64_t max_size);
// Converts boxes [R,4] from network to picture coordinates and back, in place, in float32.
void md_frame_to_picture(const md_frame *frame, tn_tensor *boxes);
void md_frame_to_network(const md_frame *frame, tn_tensor *boxes);
// Boxes given by the caller instead of proposals: given [P,4] picture -> boxes [P,4] network and
// objectness [P], all 1, from cx->step. TN_ENOMEM.
tn_status md_frame_given(nn_ctx *cx, const md_frame *frame, const tn_tensor *given,
                         tn_tensor *boxes, tn_tensor *objectness);
// image uint8 [H,W,3] -> y float32 [1,pad_height,pad_width,3] from cx->step: (x/255 - mean)/std,
// bilinear without antialias, zeros outside the picture. TN_ENOMEM.
tn_status md_frame_input(nn_ctx *cx, const md_frame *frame, const float mean[3], const float std[3],
                         const tn_tensor *image, tn_tensor *y);
