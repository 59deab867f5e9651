// SPDX-License-Identifier: Apache-2.0
// Categories assigned to annotations: a JSON array of {"annotation_id":7,"category_id":3}. null, or
// no entry at all, means unassigned. Other members ("score") are skipped.
#pragma once

#include "io/coco/coco.h"

enum { IO_COCO_UNNAMED = -1 };

// named[i]: index of the category assigned to annotation i, or IO_COCO_UNNAMED; the caller provides
// object_count entries. TN_EFORMAT names file, line and byte: an annotation or a category that the
// data set does not have, an annotation listed twice. TN_EIO, TN_ENOMEM.
tn_status io_coco_named_read(const char *path, const io_coco *coco, int64_t *named, tn_error *err);
// Writes the entries, without crowds and IO_COCO_UNNAMED; the file is replaced as a whole or not at
// all. score may be NULL. TN_EIO, TN_ENOMEM.
tn_status io_coco_named_write(const char *path, const io_coco *coco, const int64_t *named,
                              const float *score, tn_error *err);
