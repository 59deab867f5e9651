// SPDX-License-Identifier: Apache-2.0
// The feature pyramid network (Lin et al., "Feature pyramid networks for object detection", CVPR
// 2017), torchvision's FeaturePyramidNetwork with LastLevelMaxPool.
#pragma once

#include "nn/blocks/conv_norm.h"

#define NN_MAX_FPN_LEVELS 7 // maximum number of levels of the body

typedef struct nn_fpn {
    int levels;                       // of the body; the pyramid has one more
    nn_conv inner[NN_MAX_FPN_LEVELS]; // 1x1: a stage's channels to the pyramid's
    nn_conv layer[NN_MAX_FPN_LEVELS]; // 3x3, on the sum
    int64_t channels;
} nn_fpn;

// prefix without a dot at its end: "backbone.fpn" reads "backbone.fpn.inner_blocks.0.0.weight" and
// so on; if "….0.1.weight" exists, the convolution is followed by a norm (nn_conv_norm_load).
// bn_eps: see nn_batch_norm_eps. in: channels of the body's levels, finest first. channels: of the
// pyramid, -1 for the number in the file. TN_EFORMAT names the tensor.
tn_status nn_fpn_load(const nn_loader *load, const char *prefix, int levels, const int64_t *in,
                      int64_t channels, double bn_eps, nn_fpn *out);
// x [N,h,w,in] for each level of the body, finest first -> y, with one level more (every second row
// and column of the last), all with `channels` channels. From cx->step.
tn_status nn_fpn_fwd(nn_ctx *cx, const nn_fpn *fpn, const tn_tensor *x, tn_tensor *y);
