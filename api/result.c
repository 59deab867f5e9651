// SPDX-License-Identifier: Apache-2.0
// Results: the detections of one picture. Masks stay small until one is requested at full size.
#include "api/internal.h"

#include <stdatomic.h>
#include <string.h>

static tn_status copy(const tn_tensor *from, tn_tensor *to, tn_error *err) {
    if (!from->data) return TN_OK;
    TN_TRY(tn_new_heap(to, from->dtype, from->rank, from->dim, err));
    if (tn_bytes(from)) memcpy(to->data, from->data, tn_bytes(from));
    return TN_OK;
}

static tn_status fill(lexmask_result *r, const md_found *found, tn_error *err) {
    size_t n = (size_t)found->count;
    r->detection = tn_alloc_zero(n, sizeof *r->detection);
    r->rle = tn_alloc_zero(n, sizeof *r->rle);
    r->polygons = tn_alloc_zero(n, sizeof *r->polygons);
    if (!r->detection || !r->rle || !r->polygons)
        return tn_fail(err, TN_ENOMEM, "out of memory for %zu detections", n);
    r->count = n;
    TN_TRY(copy(&found->boxes, &r->boxes, err));
    TN_TRY(copy(&found->masks, &r->masks, err));
    return copy(&found->proposals, &r->proposals, err);
}

_Static_assert(MD_BEST <= LEXMASK_TOP, "more names than a detection can hold");

// Row i of found's most likely names, if it has them.
static void set_top(const md_found *found, int64_t i, lexmask_detection *d) {
    if (!found->best.data) return;
    const int32_t *label = tn_i32(&found->best) + i * MD_BEST;
    for (int k = 0; k < MD_BEST && label[k] >= 0; k++) {
        d->top_label[k] = label[k];
        d->top_score[k] = tn_f32(&found->best_scores)[i * MD_BEST + k];
        d->top_count = k + 1;
    }
}

static float value_or(const tn_tensor *t, int64_t i, float other) {
    return t->data ? tn_f32(t)[i] : other;
}

static void describe(const lexmask_session *session, const md_found *found, int64_t i,
                     lexmask_detection *d) {
    d->size = sizeof *d;
    memcpy(d->box, tn_f32(&found->boxes) + 4 * i, sizeof d->box);
    d->score = tn_f32(&found->scores)[i];
    d->name_score = value_or(&found->name_scores, i, d->score);
    d->objectness = value_or(&found->objectness, i, 1);
    d->score1 = value_or(&found->score1, i, -1);
    d->score2 = value_or(&found->score2, i, -1);
    d->label = tn_i32(&found->labels)[i];
    d->name = session->options.mode == LEXMASK_MODE_CLOSED
                  ? lexmask_model_class_at(session->model, (size_t)d->label)
                  : lexmask_names_at(session->names, (size_t)d->label);
    d->novel = session->parted ? !session->base[d->label] : -1;
    set_top(found, i, d);
}

tn_status api_result_new(const lexmask_session *session, const tn_tensor *image,
                         const md_found *found, lexmask_result **out, tn_error *err) {
    lexmask_result *r = tn_alloc_zero(1, sizeof *r);
    if (!r) return tn_fail(err, TN_ENOMEM, "out of memory for a result");
    tn_status status = fill(r, found, err);
    if (status != TN_OK) {
        lexmask_result_free(r);
        return status;
    }
    for (size_t i = 0; i < r->count; i++) describe(session, found, (int64_t)i, &r->detection[i]);
    r->image = *image;
    *out = r;
    return TN_OK;
}

size_t lexmask_result_proposal_count(const lexmask_result *result) {
    return result && result->proposals.rank == 2 ? (size_t)result->proposals.dim[0] : 0;
}

int lexmask_result_proposal_at(const lexmask_result *result, size_t i, float box[4]) {
    if (i >= lexmask_result_proposal_count(result)) return 0;
    memcpy(box, tn_f32(&result->proposals) + 4 * i, 4 * sizeof *box);
    return 1;
}

tn_status api_result_alone(const lexmask_session *session, const md_found alone[2],
                           lexmask_result *result, tn_error *err) {
    for (int i = 0; i < 2; i++) {
        TN_TRY(api_result_new(session, &result->image, &alone[i], &result->alone[i], err));
        result->alone[i]->borrows_image = true;
    }
    return TN_OK;
}

const lexmask_result *lexmask_result_alone(const lexmask_result *result, int score) {
    return result && (score == 1 || score == 2) ? result->alone[score - 1] : NULL;
}

void lexmask_result_free(lexmask_result *result) {
    if (!result) return;
    for (size_t i = 0; i < result->count; i++) tn_free(atomic_load(&result->rle[i]));
    for (size_t i = 0; i < result->count; i++) tn_free(atomic_load(&result->polygons[i]));
    tn_free(result->polygons);
    tn_free(result->rle);
    tn_free(result->detection);
    tn_free(result->boxes.data);
    tn_free(result->masks.data);
    tn_free(result->proposals.data);
    tn_free(result->kept);
    lexmask_result_free(result->alone[0]);
    lexmask_result_free(result->alone[1]);
    if (!result->borrows_image) tn_free(result->image.data);
    tn_free(result);
}

size_t lexmask_result_count(const lexmask_result *result) {
    return result ? result->count : 0;
}

const lexmask_detection *lexmask_result_at(const lexmask_result *result, size_t i) {
    return i < lexmask_result_count(result) ? &result->detection[i] : NULL;
}

void lexmask_result_size(const lexmask_result *result, int *width, int *height) {
    *width = result ? (int)result->image.dim[1] : 0;
    *height = result ? (int)result->image.dim[0] : 0;
}

const uint8_t *lexmask_result_pixels(const lexmask_result *result) {
    return result ? tn_u8(&result->image) : NULL;
}

int lexmask_result_has_masks(const lexmask_result *result) {
    return result && result->masks.data;
}
