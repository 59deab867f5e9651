// SPDX-License-Identifier: Apache-2.0
// LVIS's figures (Gupta et al., "LVIS: A dataset for large vocabulary instance segmentation",
// 2019), computed and printed as by the lvis package, from an evaluation with ev_coco_options.lvis.
#pragma once

#include "eval/cocoeval.h"

// AP, AP50, AP75, APs, APm, APl, APr, APc, APf, AR@300, ARs@300, ARm@300, ARl@300
enum { EV_LVIS_STATS = 13 };
extern const char *const ev_lvis_names[EV_LVIS_STATS];

// -1 if there are no truths. TN_ENOMEM.
tn_status ev_lvis_stats(const io_coco *truth, const ev_coco *coco, double stats[EV_LVIS_STATS],
                        tn_error *err);
// Writes the package's thirteen lines; at most bytes-1 characters and a 0.
void ev_lvis_text(const double stats[EV_LVIS_STATS], char *text, size_t bytes);
