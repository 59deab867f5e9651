// SPDX-License-Identifier: Apache-2.0
// Both scores of every box, stored with a result.
#include "api/internal.h"
#include "models/detector/box_codec.h"

#include <string.h>

// Copies the wanted rows of `from` to *at, consecutively.
static const float *copy_wanted(float **at, const tn_tensor *from, const uint8_t *wanted) {
    float *first = *at;
    size_t row = from->rank == 2 ? (size_t)from->dim[1] : 1;
    for (int64_t i = 0; i < from->dim[0]; i++) {
        if (!wanted[i]) continue;
        memcpy(*at, tn_f32(from) + (size_t)i * row, row * sizeof **at);
        *at += row;
    }
    return first;
}

// Marks the boxes that can become detections: the model drops smaller ones.
static size_t choose(const md_frame *frame, const tn_tensor *boxes, uint8_t *wanted) {
    float x = (float)frame->net_width / (float)frame->width;
    float y = (float)frame->net_height / (float)frame->height;
    size_t count = 0;
    for (int64_t i = 0; i < boxes->dim[0]; i++) {
        const float *box = tn_f32(boxes) + 4 * i;
        wanted[i] = (box[2] - box[0]) * x >= MD_BOX_SIDE && (box[3] - box[1]) * y >= MD_BOX_SIDE;
        count += wanted[i];
    }
    return count;
}

tn_status api_result_scores(const lexmask_session *session, const md_frame *frame,
                            const md_fvlm_scored *scored, const lexmask_scores *how,
                            lexmask_result *result, tn_error *err) {
    size_t names = (size_t)session->names->vocabulary.classes;
    size_t boxes = (size_t)scored->boxes.dim[0], columns = (size_t)scored->score1.dim[1];
    size_t floats = boxes * (5 + 2 * columns);
    float *at = tn_alloc(floats * sizeof *at + names + boxes + 1);
    if (!at) return tn_fail(err, TN_ENOMEM, "out of memory for the scores of %zu boxes", boxes);
    uint8_t *base = (uint8_t *)(at + floats), *wanted = base + names;
    memcpy(base, session->base, names);
    result->kept = at;
    result->scores = *how;
    result->scores.base = base;
    result->scores.columns = columns;
    result->scores.count = choose(frame, &scored->boxes, wanted);
    result->scores.boxes = copy_wanted(&at, &scored->boxes, wanted);
    result->scores.objectness = copy_wanted(&at, &scored->objectness, wanted);
    result->scores.score1 = copy_wanted(&at, &scored->score1, wanted);
    if (scored->score2.data) result->scores.score2 = copy_wanted(&at, &scored->score2, wanted);
    return TN_OK;
}

const lexmask_scores *lexmask_result_scores(const lexmask_result *result) {
    return result && result->kept ? &result->scores : NULL;
}
