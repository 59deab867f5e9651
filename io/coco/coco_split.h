// SPDX-License-Identifier: Apache-2.0
// Open-vocabulary splits: which categories of a data set are base (used in training), which are
// novel (only their names are used, in evaluation), and which are ignored.
#pragma once

#include "io/coco/coco.h"

typedef enum io_part { IO_PART_NONE, IO_PART_BASE, IO_PART_NOVEL } io_part;

#define IO_SPLIT_COCO_OVD "coco-ovd"

// The part of a COCO category, by name, in the 48/17 split of open-vocabulary COCO (Bansal et al.,
// "Zero-shot object detection", 2018, as OVR-CNN and F-VLM use it).
io_part io_coco_ovd_part(const char *name);

typedef struct io_coco_split {
    io_part *part; // [categories of the data set], by index
    size_t base, novel;
} io_coco_split;

// A built-in split: "coco-ovd". TN_EINVAL for another name; TN_EFORMAT if the data set lacks one of
// its categories. Release with io_coco_split_deinit.
tn_status io_coco_split_named(const char *name, const io_coco *coco, io_coco_split *out,
                              tn_error *err);
// Reads files of names, one per line; blank lines and lines that begin with '#' are skipped. base
// is required; novel NULL: all categories that are not base. TN_EFORMAT names file and line: a name
// that the data set does not have, a name listed twice or in both files, no name at all. TN_EIO,
// TN_ENOMEM.
tn_status io_coco_split_files(const char *base, const char *novel, const io_coco *coco,
                              io_coco_split *out, tn_error *err);
void io_coco_split_deinit(io_coco_split *split); // allowed on a zeroed split

// The ids of the categories of a part; IO_PART_NONE: of base and novel. *ids from tn_alloc.
tn_status io_coco_split_ids(const io_coco_split *split, const io_coco *coco, io_part part,
                            int64_t **ids, size_t *count, tn_error *err);
// The ids of pictures with at least one object of base or novel. *ids from tn_alloc.
tn_status io_coco_split_images(const io_coco_split *split, const io_coco *coco, int64_t **ids,
                               size_t *count, tn_error *err);
