// SPDX-License-Identifier: Apache-2.0
// Masks of a result, pasted at full size on first use. Thread-safe.
#include "api/internal.h"
#include "io/coco/rings.h"
#include "io/coco/rle.h"

#include <stdatomic.h>
#include <string.h>

// Checks that detection i exists and has a mask, and that out is given.
static tn_status check(const lexmask_result *result, size_t i, const void *out, tn_error *err) {
    if (!result || !out) return tn_fail(err, TN_EINVAL, "%s is NULL", result ? "mask" : "result");
    if (i >= result->count)
        return tn_fail(err, TN_EINVAL, "detection %zu of %zu", i, result->count);
    if (lexmask_result_has_masks(result)) return TN_OK;
    return tn_fail(err, TN_EUNSUPPORTED, "there are no masks: the model is a Faster R-CNN");
}

// Pastes into uint8 [H,W] from tn_alloc.
static tn_status paste(const lexmask_result *result, size_t i, tn_tensor *out, tn_error *err) {
    TN_TRY(tn_new_heap(out, TN_U8, TN_DIMS(result->image.dim[0], result->image.dim[1]), err));
    tn_status status = md_mask_paste(0.5, &result->masks, &result->boxes, (int64_t)i, out, err);
    if (status != TN_OK) tn_free(out->data);
    return status;
}

static tn_status copy_mask(const lexmask_result *result, size_t i, uint8_t *mask, size_t stride,
                           tn_error *err) {
    tn_tensor pasted;
    TN_TRY(check(result, i, mask, err));
    size_t width = (size_t)result->image.dim[1];
    if (!stride) stride = width;
    if (stride < width)
        return tn_fail(err, TN_EINVAL, "a stride of %zu bytes is too short for %zu pixels", stride,
                       width);
    TN_TRY(paste(result, i, &pasted, err));
    for (size_t y = 0; y < (size_t)result->image.dim[0]; y++)
        memcpy(mask + y * stride, tn_u8(&pasted) + y * width, width);
    tn_free(pasted.data);
    return TN_OK;
}

lexmask_status lexmask_result_mask(const lexmask_result *result, size_t i, uint8_t *mask,
                                   size_t stride, lexmask_error *err) {
    tn_error failure = {0};
    return api_status(copy_mask(result, i, mask, stride, &failure), &failure, err);
}

// ---- run lengths -------------------------------------------------------------------------------

// Writes into text from tn_alloc.
static tn_status make_rle(const lexmask_result *result, size_t i, char **out, tn_error *err) {
    tn_tensor mask;
    TN_TRY(paste(result, i, &mask, err));
    tn_arena arena = {0};
    io_rle rle;
    char *text;
    size_t length;
    // There are at most pixels + 1 runs, and at most seven characters per run.
    tn_status status = tn_arena_init(&arena, 24 * ((size_t)tn_count(&mask) + 4096), err);
    if (status == TN_OK) status = io_rle_encode(&mask, &arena, &rle, err);
    if (status == TN_OK) status = io_rle_to_text(&rle, &arena, &text, &length, err);
    if (status == TN_OK && !(*out = tn_strdup(text)))
        status = tn_fail(err, TN_ENOMEM, "out of memory for a mask");
    tn_arena_deinit(&arena);
    tn_free(mask.data);
    return status;
}

// Threads that request the same mask at once each compute it; the first one's is kept.
static tn_status rle_of(const lexmask_result *result, size_t i, const char **text, tn_error *err) {
    char *made, *kept = NULL;
    TN_TRY(check(result, i, text, err));
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

// ---- polygons ----------------------------------------------------------------------------------

// One block from tn_alloc: the struct, followed by its arrays.
static tn_status pack(const io_rings *rings, lexmask_polygons **out, tn_error *err) {
    size_t firsts = (rings->count + 1) * sizeof(size_t);
    size_t points = rings->points * 2 * sizeof(int32_t), outers = rings->count * sizeof(int);
    lexmask_polygons *made = tn_alloc_zero(1, sizeof *made + firsts + points + outers);
    if (!made) return tn_fail(err, TN_ENOMEM, "out of memory for polygons");
    size_t *first = (size_t *)(made + 1);
    int32_t *point = (int32_t *)(first + rings->count + 1);
    int *outer = (int *)(point + 2 * rings->points);
    if (rings->count) {
        memcpy(first, rings->first, firsts);
        memcpy(point, rings->point, points);
        memcpy(outer, rings->outer, outers);
    }
    *made = (lexmask_polygons){sizeof *made, rings->count, first, point, outer};
    *out = made;
    return TN_OK;
}

static tn_status make_polygons(const lexmask_result *result, size_t i, lexmask_polygons **out,
                               tn_error *err) {
    tn_tensor mask;
    io_rings rings;
    TN_TRY(paste(result, i, &mask, err));
    tn_status status = io_rings_trace(&mask, &rings, err);
    tn_free(mask.data);
    if (status != TN_OK) return status;
    status = pack(&rings, out, err);
    io_rings_deinit(&rings);
    return status;
}

static tn_status polygons_of(const lexmask_result *result, size_t i, const lexmask_polygons **out,
                             tn_error *err) {
    lexmask_polygons *made, *kept = NULL;
    TN_TRY(check(result, i, out, err));
    if ((*out = atomic_load(&result->polygons[i]))) return TN_OK;
    TN_TRY(make_polygons(result, i, &made, err));
    if (atomic_compare_exchange_strong(&result->polygons[i], &kept, made)) {
        *out = made;
    } else {
        *out = kept;
        tn_free(made);
    }
    return TN_OK;
}

lexmask_status lexmask_result_polygons(const lexmask_result *result, size_t i,
                                       const lexmask_polygons **polygons, lexmask_error *err) {
    tn_error failure = {0};
    return api_status(polygons_of(result, i, polygons, &failure), &failure, err);
}
