// SPDX-License-Identifier: Apache-2.0
// A detector's settings: torchvision's defaults, the metadata of the file over them.
#pragma once

#include "models/detector/mask_rcnn.h"

#define MD_MASK_RCNN_METADATA "lexmask.maskrcnn" // safetensors' __metadata__ key: JSON as text

// Fills everything of config that is not told by the tensors, category names aside.
// TN_EFORMAT names file, key, what was found and what was expected.
tn_status md_mask_rcnn_read_settings(const io_weights *file, md_mask_rcnn_config *config,
                                     tn_error *err);
// Sets config->category for config->classes (names live in arena): from the metadata's
// "categories" (TN_EFORMAT when their number is another), COCO's for 91, else numbers.
tn_status md_mask_rcnn_read_categories(const io_weights *file, tn_arena *arena,
                                       md_mask_rcnn_config *config, tn_error *err);
