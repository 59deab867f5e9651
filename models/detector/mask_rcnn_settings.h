// SPDX-License-Identifier: Apache-2.0
// A detector's settings: torchvision's defaults, overridden by the file's metadata.
#pragma once

#include "models/detector/mask_rcnn.h"

#define MD_MASK_RCNN_METADATA "lexmask.maskrcnn" // key in safetensors' __metadata__: JSON as text

// Fills everything of config that is not read from the tensors, except category names. TN_EFORMAT
// names file, key, what was found and what was expected.
tn_status md_mask_rcnn_read_settings(const io_weights *file, md_mask_rcnn_config *config,
                                     tn_error *err);
// Sets config->category for config->classes (names are allocated from arena): from the metadata's
// "categories" (TN_EFORMAT if their number differs), COCO's for 91 classes, else numbers.
tn_status md_mask_rcnn_read_categories(const io_weights *file, tn_arena *arena,
                                       md_mask_rcnn_config *config, tn_error *err);
