// SPDX-License-Identifier: Apache-2.0
// Results: what was found in one picture. Masks stay small until one is wanted whole.
#include "api/internal.h"
#include "io/coco/rle.h"

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
    if (!r->detection || !r->rle)
        return tn_fail(err, TN_ENOMEM, "out of memory for %zu detections", n);
    r->count = n;
    TN_TRY(copy(&found->boxes, &r->boxes, err));
    TN_TRY(copy(&found->masks, &r->masks, err));
    return copy(&found->proposals, &r->proposals, err);
}

_Static_assert(MD_BEST <= LEXMASK_TOP, "more names than a detection has room for");

// Row i of found's likeliest names, where it has them.
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
    memcpy(d->box, tn_f32(&found->boxes) + 4 * i, sizeof d->box);
    d->score = tn_f32(&found->scores)[i];
    d->name_score = value_or(&found->name_scores, i, d->score);
    d->objectness = value_or(&found->objectness, i, 1);
    d->score1 = value_or(&found->score1, i, -1);
    d->score2 = value_or(&found->score2, i, -1);
    d->label = tn_i32(&found->labels)[i];
    d->name = session->options.mode == LEXMASK_CLOSED
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
    return result->proposals.rank == 2 ? (size_t)result->proposals.dim[0] : 0;
}

int lexmask_result_proposal_at(const lexmask_result *result, size_t i, float box[4]) {
    if (i >= lexmask_result_proposal_count(result)) return 0;
    memcpy(box, tn_f32(&result->proposals) + 4 * i, 4 * sizeof *box);
    return 1;
}

void lexmask_result_free(lexmask_result *result) {
    if (!result) return;
    for (size_t i = 0; i < result->count; i++) tn_free(atomic_load(&result->rle[i]));
    tn_free(result->rle);
    tn_free(result->detection);
    tn_free(result->boxes.data);
    tn_free(result->masks.data);
    tn_free(result->proposals.data);
    tn_free(result->kept);
    tn_free(result->image.data);
    tn_free(result);
}

size_t lexmask_result_count(const lexmask_result *result) {
    return result->count;
}

const lexmask_detection *lexmask_result_at(const lexmask_result *result, size_t i) {
    return i < result->count ? &result->detection[i] : NULL;
}

void lexmask_result_size(const lexmask_result *result, int *width, int *height) {
    *width = (int)result->image.dim[1];
    *height = (int)result->image.dim[0];
}

const uint8_t *lexmask_result_pixels(const lexmask_result *result) {
    return tn_u8(&result->image);
}

int lexmask_result_has_masks(const lexmask_result *result) {
    return result->masks.data != NULL;
}

// Into uint8 [H,W] of tn_alloc.
static tn_status paste(const lexmask_result *result, size_t i, tn_tensor *out, tn_error *err) {
    if (i >= result->count)
        return tn_fail(err, TN_EINVAL, "detection %zu of %zu", i, result->count);
    if (!lexmask_result_has_masks(result))
        return tn_fail(err, TN_EUNSUPPORTED, "there are no masks: the model is a Faster R-CNN");
    TN_TRY(tn_new_heap(out, TN_U8, TN_DIMS(result->image.dim[0], result->image.dim[1]), err));
    tn_status status = md_mask_paste(0.5, &result->masks, &result->boxes, (int64_t)i, out, err);
    if (status != TN_OK) tn_free(out->data);
    return status;
}

lexmask_status lexmask_result_mask(const lexmask_result *result, size_t i, uint8_t *mask,
                                   size_t stride, lexmask_error *err) {
    tn_error failure = {0};
    tn_tensor pasted;
    size_t width = (size_t)result->image.dim[1];
    if (!stride) stride = width;
    tn_status status =
        stride < width ? tn_fail(&failure, TN_EINVAL,
                                 "a stride of %zu bytes is too short for %zu pixels", stride, width)
                       : paste(result, i, &pasted, &failure);
    if (status != TN_OK) return api_status(status, &failure, err);
    for (size_t y = 0; y < (size_t)result->image.dim[0]; y++)
        memcpy(mask + y * stride, tn_u8(&pasted) + y * width, width);
    tn_free(pasted.data);
    return LEXMASK_OK;
}

// Into text of tn_alloc.
static tn_status make_rle(const lexmask_result *result, size_t i, char **out, tn_error *err) {
    tn_tensor mask;
    TN_TRY(paste(result, i, &mask, err));
    tn_arena arena = {0};
    io_rle rle;
    char *text;
    size_t length;
    // Runs are at most pixels + 1 numbers; their text is at most seven characters a run.
    tn_status status = tn_arena_init(&arena, 24 * ((size_t)tn_count(&mask) + 4096), err);
    if (status == TN_OK) status = io_rle_encode(&mask, &arena, &rle, err);
    if (status == TN_OK) status = io_rle_to_text(&rle, &arena, &text, &length, err);
    if (status == TN_OK && !(*out = tn_strdup(text)))
        status = tn_fail(err, TN_ENOMEM, "out of memory for a mask");
    tn_arena_deinit(&arena);
    tn_free(mask.data);
    return status;
}

// Threads that ask for the same mask at once each make it; the first one's is kept.
static tn_status rle_of(const lexmask_result *result, size_t i, const char **text, tn_error *err) {
    char *made, *kept = NULL;
    if (i >= result->count)
        return tn_fail(err, TN_EINVAL, "detection %zu of %zu", i, result->count);
    if ((*text = atomic_load(&result->rle[i]))) return TN_OK;
    TN_TRY(make_rle(result, i, &made, err));
    if (atomic_compare_exchange_strong(&result->rle[i], &kept, made)) {
        *text = made;
    } else {
        *text = kept;
        tn_free(made);
    }
    return TN_OK;
}

lexmask_status lexmask_result_rle(const lexmask_result *result, size_t i, const char **text,
                                  lexmask_error *err) {
    tn_error failure = {0};
    return api_status(rle_of(result, i, text, &failure), &failure, err);
}
