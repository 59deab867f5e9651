// SPDX-License-Identifier: Apache-2.0
// What `lexmask eval` says of an evaluation: pycocotools' lines, tables, JSON, curves.
#pragma once

#include "eval/cocoeval.h"
#include "io/coco.h"

// The twelve lines; per_class: tables by area and by class behind them. Standard output.
tn_status tool_eval_print_text(const io_coco *truth, const ev_coco *figures, bool per_class,
                               tn_error *err);
// {"stats":[…]}, and with per_class "areas" and "classes". Standard output.
tn_status tool_eval_print_json(const io_coco *truth, const ev_coco *figures, bool per_class,
                               tn_error *err);
// Precision over recall as PNGs in the folder, which is made: precision_recall.png (the classes'
// mean at IoUs), areas.png, and one file a class that has objects; *written counts them.
tn_status tool_eval_plot(const char *folder, const io_coco *truth, const ev_coco *figures,
                         size_t *written, tn_error *err);
