// SPDX-License-Identifier: Apache-2.0
// The parameter names that torchvision's Mask R-CNN has had. Modules ask for the names of today;
// files written before torchvision 0.13 (the published v1 weights) use older ones in three places.
#pragma once

#include "nn/nn.h"

// A loader for the part of the model that is called prefix ("rpn.head"): the same loader, or one
// that renames to the older form where the file has that.
nn_loader md_mask_rcnn_names(const nn_loader *load, const char *prefix);
