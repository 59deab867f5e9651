// SPDX-License-Identifier: Apache-2.0
// Both scores of every box that a model processed, stored so that other score fusions can be tried
// without the model. A folder: scores.json describes the run. Arrays of P boxes: pictures.npy int64
// [P] (ids; boxes of a picture are consecutive), boxes.npy [P,4] (x1, y1, x2, y2 in the picture),
// objectness.npy [P], score1.npy and, if there is a second score, score2.npy [P,columns] float32:
// probabilities of the names, followed by that of the background if there is one.
#pragma once

#include "io/npy.h"

typedef struct io_scores_head {
    size_t classes;        // T; columns is T, or T+1 with a background
    int64_t *category_ids; // [T]
    uint8_t *base;         // [T] 1: weighted with alpha, 0: with beta
    bool background, has_score2;
    // Settings of the run: fused = p1^(1-w) p2^w, rows optionally normalised to sum 1, times
    // objectness to a power; boxes over score are kept, suppressed over IoU nms, at most top per
    // picture. soft: IoU above which a lower-scored box of the same name is down-weighted. inside:
    // fraction of a box contained in a better one of the same name above which it is dropped. 1:
    // never.
    double alpha, beta, objectness;
    bool renormalise;
    double score, nms, soft, inside;
    int64_t top;
} io_scores_head;

static inline int64_t io_scores_columns(const io_scores_head *head) {
    return (int64_t)head->classes + head->background;
}

typedef struct io_scores {
    io_scores_head head;                                   // owns its arrays
    int64_t count;                                         // P
    tn_tensor pictures, boxes, objectness, score1, score2; // score2.data is NULL if there is none
} io_scores;

// TN_EFORMAT names file and key or position: shapes that do not match, a category listed twice, a
// box that is not finite, a probability outside 0..1. TN_EIO, TN_ENOMEM. Release with
// io_scores_close.
tn_status io_scores_open(const char *folder, io_scores *out, tn_error *err);
void io_scores_close(io_scores *scores); // allowed on zeroed scores

typedef struct io_scores_writer {
    char folder[4096];
    bool has_score2;
    io_npy_rows pictures, boxes, objectness, score1, score2;
} io_scores_writer;
// Makes the folder. scores.json is written first; the arrays get their names when committed.
tn_status io_scores_writer_open(io_scores_writer *writer, const char *folder,
                                const io_scores_head *head, tn_error *err);
// The boxes of one picture: boxes [count,4], objectness [count], score1 and score2 [count,columns]
// (score2 NULL if the head has none).
tn_status io_scores_writer_add(io_scores_writer *writer, int64_t picture, int64_t count,
                               const float *boxes, const float *objectness, const float *score1,
                               const float *score2, tn_error *err);
tn_status io_scores_writer_commit(io_scores_writer *writer, tn_error *err);
void io_scores_writer_abort(io_scores_writer *writer); // may be called after commit
