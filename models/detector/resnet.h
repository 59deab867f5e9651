// SPDX-License-Identifier: Apache-2.0
// ResNet (He et al., "Deep residual learning", CVPR 2016) as a detector's backbone, with
// torchvision's parameter names: basic or bottleneck blocks, any number and any widths; the stride
// of a bottleneck is in its 3x3 convolution.
#pragma once

#include "nn/blocks/conv_norm.h"

#define MD_RESNET_STAGES 4

typedef struct md_resnet_block {
    int convs;       // 2: basic, 3: bottleneck
    nn_conv conv[3]; // the last one adds the shortcut before its ReLU
    bool projects;   // whether the shortcut is a strided 1x1 convolution
    nn_conv shortcut;
} md_resnet_block;

typedef struct md_resnet {
    nn_conv stem; // 7x7, stride 2; then a 3x3 maximum, stride 2
    int blocks[MD_RESNET_STAGES];
    md_resnet_block *block[MD_RESNET_STAGES]; // in the loader's arena
    int64_t channels[MD_RESNET_STAGES];       // of a stage's output
} md_resnet;

// bn_eps: see nn_batch_norm_eps. TN_EFORMAT names the tensor whose shape does not fit the previous
// one; TN_EUNSUPPORTED for grouped convolutions (ResNeXt).
tn_status md_resnet_load(const nn_loader *load, const char *prefix, double bn_eps, md_resnet *out);
// x [N,H,W,3] -> y[0..3] [N,H/4,W/4,channels[0]] … [N,H/32,W/32,channels[3]], sizes rounded up.
tn_status md_resnet_fwd(nn_ctx *cx, const md_resnet *net, const tn_tensor *x,
                        tn_tensor y[MD_RESNET_STAGES]);
// "ResNet-50" if the depth is one of the paper's, else "ResNet (bottleneck blocks 1,1,1,1)".
const char *md_resnet_describe(const md_resnet *net, char *text, size_t bytes);
