// SPDX-License-Identifier: Apache-2.0
// The chosen model, ready to look for the categories of a data set.
#pragma once

#include "io/coco/coco_split.h"
#include "tools/shared/model_choice.h"

typedef struct tool_data_model {
    tool_model open;
    size_t labels;           // names, or in closed mode the detector's classes
    size_t *category;        // [labels] the index of its category
    io_coco_id *category_id; // [labels] and its id
    bool *left_out;          // [labels] it has no category
} tool_data_model;

// With a split, for its base and novel names alone. In closed mode the detector's own classes are
// found among the categories by their names. TN_EFORMAT: a category without a name, or none to look
// for. TN_EINVAL also for an option that the model does not use.
tn_status tool_data_model_open(const io_coco *data, const io_coco_split *split,
                               tool_data_model *out, tn_error *err);
void tool_data_model_close(tool_data_model *model); // fine on one that is all 0

// io_coco_image_path for a picture that must be there: else TN_EIO.
tn_status tool_data_find(const char *folder, const io_coco_image *image, char *path, size_t bytes,
                         tn_error *err);
