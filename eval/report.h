// SPDX-License-Identifier: Apache-2.0
// The classification report: every true box that is not a crowd was given a name; how good are the
// names? Figures and text as in scikit-learn's classification_report.
#pragma once

#include "io/coco/coco_named.h"
#include "tensor/pool.h"

#define EV_LEFT_OUT (-2) // an annotation that does not count, such as a crowd

// Sets named[i] for every annotation: the category of the best-scored result that overlaps its box
// by at least iou, whatever else that result overlaps; IO_COCO_UNNAMED if there is none. Results of
// categories that the data set does not have are ignored. TN_EFORMAT: a result without a box or in
// an unknown picture, an annotation without a box. TN_ENOMEM.
tn_status ev_name_by_results(const io_coco *truth, const io_coco *results, double iou,
                             int64_t *named, tn_error *err);

typedef struct ev_report_row {
    double precision, recall, f1; // 0 if undefined
    int64_t support;              // true boxes
} ev_report_row;

typedef struct ev_report {
    size_t count;        // classes
    size_t *category;    // [count] index of each class in the data set, by ascending id
    const char **name;   // [count] views of the data set, or ids as text if a category has no name
    ev_report_row *rows; // [count]
    // Rows are true classes, columns the given names; the last column: unnamed.
    int64_t *matrix; // [count,count+1]
    int64_t boxes, right, unnamed;
    double accuracy; // right / boxes
    ev_report_row micro, macro, weighted;
    char *ids; // text of ids that replace names
} ev_report;

// named[object_count]: index of the category that each was given, IO_COCO_UNNAMED or EV_LEFT_OUT.
// Classes: those of any box, true or given; all_classes: all of the data set. TN_EFORMAT: no box,
// or one of an unknown category. TN_ENOMEM. Release with ev_report_deinit.
tn_status ev_report_make(const io_coco *truth, const int64_t *named, bool all_classes,
                         ev_report *out, tn_error *err);
// classification_report(truth, named, labels=classes, digits=digits): the third line from the end
// is "accuracy" if no box is unnamed, else "micro avg". *text from tn_alloc. TN_ENOMEM.
tn_status ev_report_text(const ev_report *report, int digits, char **text, tn_error *err);
void ev_report_deinit(ev_report *report); // fine on a cleared one
