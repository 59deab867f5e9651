// SPDX-License-Identifier: Apache-2.0
// Both scores of every box that a model looked at, kept so that how they are put together can be
// tried again without the model. A folder: scores.json says what was run, and arrays of P boxes lie
// beside it: pictures.npy int64 [P] (ids; the boxes of a picture one after the other), boxes.npy
// [P,4] (x1, y1, x2, y2 of the picture), objectness.npy [P], score1.npy and, where there is a
// second score, score2.npy [P,columns] float32: probabilities of the names, and of the background
// behind them where there is one.
#pragma once

#include "io/npy.h"

typedef struct io_scores_head {
    size_t classes;        // T; columns is T, or T+1 with a background
    int64_t *category_ids; // [T]
    uint8_t *base;         // [T] 1: weighed with alpha, 0: with beta
    bool background, has_score2;
    // With what it was run: fused = p1^(1-w) p2^w, rows brought to sum 1 or not, times objectness
    // to a power; kept when over score, suppressed over nms, the best top of a picture. A score
    // fades from an overlap of soft with a better box of its name on, and a box goes of which more
    // than inside lies within such a one; 1: never.
    double alpha, beta, objectness;
    bool renormalise;
    double score, nms, soft, inside;
    int64_t top;
} io_scores_head;

static inline int64_t io_scores_columns(const io_scores_head *head) {
    return (int64_t)head->classes + head->background;
}

typedef struct io_scores {
    io_scores_head head;                                   // its arrays are owned
    int64_t count;                                         // P
    tn_tensor pictures, boxes, objectness, score1, score2; // score2.data NULL where there is none
} io_scores;

// TN_EFORMAT names file and key or place: shapes that do not go together, a category twice, a box
// that is not finite, a probability outside 0..1. TN_EIO, TN_ENOMEM. Release with io_scores_close.
tn_status io_scores_open(const char *folder, io_scores *out, tn_error *err);
void io_scores_close(io_scores *scores); // fine on one that is all 0

typedef struct io_scores_writer {
    char folder[4096];
    bool has_score2;
    io_npy_rows pictures, boxes, objectness, score1, score2;
} io_scores_writer;
// The folder is made; scores.json is written first, the arrays get their names when committed.
tn_status io_scores_writer_open(io_scores_writer *writer, const char *folder,
                                const io_scores_head *head, tn_error *err);
// The boxes of one picture: boxes [count,4], objectness [count], score1 and score2 [count,columns]
// (score2 NULL where the head says that there is none).
tn_status io_scores_writer_add(io_scores_writer *writer, int64_t picture, int64_t count,
                               const float *boxes, const float *objectness, const float *score1,
                               const float *score2, tn_error *err);
tn_status io_scores_writer_commit(io_scores_writer *writer, tn_error *err);
void io_scores_writer_abort(io_scores_writer *writer); // fine after commit
