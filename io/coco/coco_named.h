// SPDX-License-Identifier: Apache-2.0
// Names that were given to annotations: a JSON array of {"annotation_id":7,"category_id":3}, with
// null, or no entry at all, for an annotation that was given none. Other members ("score") are
// skipped.
#pragma once

#include "io/coco/coco.h"

enum { IO_COCO_UNNAMED = -1 };

// named[i]: index of the category that annotation i was given, or IO_COCO_UNNAMED; object_count of
// them, of the caller. TN_EFORMAT names file, line and byte: an annotation or a category that the
// data set does not have, an annotation that is there twice. TN_EIO, TN_ENOMEM.
tn_status io_coco_named_read(const char *path, const io_coco *coco, int64_t *named, tn_error *err);
// Those that are not crowds, nor under IO_COCO_UNNAMED; whole or not at all. score may be NULL.
// TN_EIO, TN_ENOMEM.
tn_status io_coco_named_write(const char *path, const io_coco *coco, const int64_t *named,
                              const float *score, tn_error *err);
