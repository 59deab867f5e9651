// SPDX-License-Identifier: Apache-2.0
// Older parameter names of torchvision's Mask R-CNN. Modules use today's names; files written
// before torchvision 0.13 (the published v1 weights) differ in three parts of the model.
#pragma once

#include "nn/nn.h"

// A loader for the part of the model at prefix ("rpn.head"): the same loader, or one that
// translates to the older names if the file uses them.
nn_loader md_mask_rcnn_names(const nn_loader *load, const char *prefix);
