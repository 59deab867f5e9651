// SPDX-License-Identifier: Apache-2.0
// Both scores of every box, kept with a result.
#include "api/internal.h"
#include "models/detector/box_codec.h"

#include <string.h>

// Rows of `from` that are wanted, behind each other at *at.
static const float *place(float **at, const tn_tensor *from, const uint8_t *wanted) {
    float *first = *at;
    size_t row = from->rank == 2 ? (size_t)from->dim[1] : 1;
    for (int64_t i = 0; i < from->dim[0]; i++) {
        if (!wanted[i]) continue;
        memcpy(*at, tn_f32(from) + (size_t)i * row, row * sizeof **at);
        *at += row;
    }
    return first;
}

// Which boxes could become detections at all: the model drops smaller ones.
static size_t choose(const md_fvlm *model, const md_fvlm_result *found, uint8_t *wanted) {
    md_frame frame = md_fvlm_frame(md_fvlm_settings(model), found->height, found->width);
    float x = (float)frame.net_width / (float)frame.width;
    float y = (float)frame.net_height / (float)frame.height;
    size_t count = 0;
    for (int64_t i = 0; i < found->all_boxes.dim[0]; i++) {
        const float *box = tn_f32(&found->all_boxes) + 4 * i;
        wanted[i] = (box[2] - box[0]) * x >= MD_BOX_SIDE && (box[3] - box[1]) * y >= MD_BOX_SIDE;
        count += wanted[i];
    }
    return count;
}

tn_status api_result_scores(const lexmask_session *session, const md_fvlm_result *found,
                            const lexmask_scores *how, lexmask_result *result, tn_error *err) {
    size_t names = (size_t)session->names->vocabulary.classes;
    size_t boxes = (size_t)found->all_boxes.dim[0], columns = (size_t)found->all_score1.dim[1];
    size_t floats = boxes * (5 + 2 * columns);
    float *at = tn_alloc(floats * sizeof *at + names + boxes + 1);
    if (!at) return tn_fail(err, TN_ENOMEM, "out of memory for the scores of %zu boxes", boxes);
    uint8_t *base = (uint8_t *)(at + floats), *wanted = base + names;
    memcpy(base, session->base, names);
    result->kept = at;
    result->scores = *how;
    result->scores.base = base;
    result->scores.columns = columns;
    result->scores.count = choose(session->model->fvlm, found, wanted);
    result->scores.boxes = place(&at, &found->all_boxes, wanted);
    result->scores.objectness = place(&at, &found->all_objectness, wanted);
    result->scores.score1 = place(&at, &found->all_score1, wanted);
    if (session->score2 != MD_SCORE2_NONE)
        result->scores.score2 = place(&at, &found->all_score2, wanted);
    return TN_OK;
}

int lexmask_result_scores(const lexmask_result *result, lexmask_scores *scores) {
    if (!result->kept) return 0;
    *scores = result->scores;
    return 1;
}
