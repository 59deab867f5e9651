// SPDX-License-Identifier: Apache-2.0
// Results: what was found in one picture, with masks kept small until somebody wants them whole.
#include "api/internal.h"
#include "io/coco/rle.h"

#include <stdatomic.h>
#include <string.h>

// A result of `count` detections; boxes and masks are copied, the picture is taken over.
static tn_status new_result(const tn_tensor *image, int64_t count, const tn_tensor *boxes,
                            const tn_tensor *masks, lexmask_result **out, tn_error *err) {
    lexmask_result *r = tn_alloc_zero(1, sizeof *r);
    if (!r) return tn_fail(err, TN_ENOMEM, "out of memory for a result");
    size_t n = (size_t)count;
    tn_status status = TN_OK;
    r->detection = tn_alloc_zero(n, sizeof *r->detection);
    r->rle = tn_alloc_zero(n, sizeof *r->rle);
    if (!(r->detection && r->rle))
        status = tn_fail(err, TN_ENOMEM, "out of memory for %zu detections", n);
    if (status == TN_OK) status = tn_new_heap(&r->boxes, TN_F32, 2, boxes->dim, err);
    if (status == TN_OK) status = tn_new_heap(&r->masks, TN_F32, 3, masks->dim, err);
    if (status != TN_OK) {
        lexmask_result_free(r);
        return status;
    }
    if (n) {
        memcpy(r->boxes.data, boxes->data, tn_bytes(boxes));
        memcpy(r->masks.data, masks->data, tn_bytes(masks));
    }
    for (size_t i = 0; i < n; i++)
        memcpy(r->detection[i].box, tn_f32(boxes) + 4 * i, sizeof r->detection[i].box);
    r->count = n;
    r->image = *image;
    *out = r;
    return TN_OK;
}

tn_status api_result_proposals(lexmask_result *result, const tn_tensor *boxes, tn_error *err) {
    TN_TRY(tn_new_heap(&result->proposals, TN_F32, 2, boxes->dim, err));
    if (tn_bytes(boxes)) memcpy(result->proposals.data, boxes->data, tn_bytes(boxes));
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

tn_status api_result_closed(const lexmask_session *session, const tn_tensor *image,
                            const md_detections *found, lexmask_result **out, tn_error *err) {
    TN_TRY(new_result(image, found->count, &found->boxes, &found->masks, out, err));
    for (int64_t i = 0; i < found->count; i++) {
        lexmask_detection *d = &(*out)->detection[i];
        d->score = d->name_score = tn_f32(&found->scores)[i];
        d->objectness = 1;
        d->score1 = d->score2 = -1, d->novel = -1;
        d->label = tn_i32(&found->labels)[i];
        d->name = lexmask_model_class_at(session->model, (size_t)d->label);
    }
    return TN_OK;
}

_Static_assert(MD_CROP_BEST <= LEXMASK_TOP && MD_FVLM_BEST <= LEXMASK_TOP,
               "more names than a detection has room for");

// new_result with the proposals that it was chosen from.
static tn_status new_from_proposals(const tn_tensor *image, int64_t count, const tn_tensor *boxes,
                                    const tn_tensor *masks, const tn_tensor *proposals,
                                    lexmask_result **out, tn_error *err) {
    TN_TRY(new_result(image, count, boxes, masks, out, err));
    tn_status status = api_result_proposals(*out, proposals, err);
    if (status != TN_OK) {
        (*out)->image = (tn_tensor){0}; // stays the caller's
        lexmask_result_free(*out);
    }
    return status;
}

// Detection i is called names[i]; row i of best [R,K] are its likeliest names, -1 after the last.
static void set_names(const lexmask_session *session, int64_t i, const tn_tensor *names,
                      const tn_tensor *best, const tn_tensor *best_scores, lexmask_detection *d) {
    int64_t most = best->dim[1];
    const int32_t *label = tn_i32(best) + i * most;
    d->label = tn_i32(names)[i];
    d->name = lexmask_names_at(session->names, (size_t)d->label);
    for (int64_t k = 0; k < most && label[k] >= 0; k++) {
        d->top_label[k] = label[k];
        d->top_score[k] = tn_f32(best_scores)[i * most + k];
        d->top_count = (int)k + 1;
    }
}

tn_status api_result_crop(const lexmask_session *session, const tn_tensor *image,
                          const md_crop_result *found, lexmask_result **out, tn_error *err) {
    TN_TRY(new_from_proposals(image, found->count, &found->boxes, &found->masks, &found->proposals,
                              out, err));
    for (int64_t i = 0; i < found->count; i++) {
        lexmask_detection *d = &(*out)->detection[i];
        d->score = tn_f32(&found->scores)[i];
        d->objectness = tn_f32(&found->objectness)[i];
        d->score1 = d->score2 = -1, d->novel = -1;
        d->name_score = tn_f32(&found->best_scores)[i * MD_CROP_BEST];
        set_names(session, i, &found->names, &found->best, &found->best_scores, d);
    }
    return TN_OK;
}

tn_status api_result_fvlm(const lexmask_session *session, const tn_tensor *image,
                          const md_fvlm_result *found, lexmask_result **out, tn_error *err) {
    TN_TRY(new_from_proposals(image, found->count, &found->boxes, &found->masks, &found->proposals,
                              out, err));
    for (int64_t i = 0; i < found->count; i++) {
        lexmask_detection *d = &(*out)->detection[i];
        d->score = d->name_score = tn_f32(&found->scores)[i];
        d->objectness = tn_f32(&found->objectness)[i];
        d->score1 = tn_f32(&found->score1)[i];
        d->score2 = session->score2 == MD_SCORE2_NONE ? -1 : tn_f32(&found->score2)[i];
        set_names(session, i, &found->names, &found->best, &found->best_scores, d);
        d->novel = session->parted ? !session->base[d->label] : -1;
    }
    return TN_OK;
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
    return result->masks.dim[1] > 0;
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
