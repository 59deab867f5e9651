// SPDX-License-Identifier: Apache-2.0
// Draws a result using public functions only: this library is separate from the one that made it.
#include "lexmask_draw.h"

#include "api/api_status.h"
#include "draw/draw.h"
#include "io/image/image.h"

#include <string.h>

// Full-size masks are held only while they are drawn; for a large picture only those of the best
// detections.
#define MAX_MASK_BYTES ((int64_t)1 << 29)

static tn_status whole_mask(const lexmask_result *result, size_t i, int64_t height, int64_t width,
                            tn_tensor *out, tn_error *err) {
    lexmask_error failure = {0};
    TN_TRY(tn_new_heap(out, TN_U8, TN_DIMS(height, width), err));
    lexmask_status status = lexmask_result_mask(result, i, tn_u8(out), 0, &failure);
    return status == LEXMASK_OK ? TN_OK : tn_fail(err, (tn_status)status, "%s", failure.text);
}

// Detections that are drawn; they come best first.
static size_t count_from(const lexmask_result *result, double lowest) {
    size_t count = 0;
    while (count < lexmask_result_count(result) &&
           (double)lexmask_result_at(result, count)->score >= lowest)
        count++;
    return count;
}

static tn_status draw_items(const lexmask_result *result, size_t count, io_draw_item *items,
                            tn_tensor *masks, const char *path, tn_error *err) {
    int width, height;
    lexmask_result_size(result, &width, &height);
    int64_t fit = MAX_MASK_BYTES / ((int64_t)height * width);
    for (size_t i = 0; i < count; i++) {
        const lexmask_detection *d = lexmask_result_at(result, i);
        items[i] = (io_draw_item){.score = d->score,
                                  .colour = d->label,
                                  .name = d->name,
                                  .tag = d->novel == 1 ? "novel" : NULL};
        memcpy(items[i].box, d->box, sizeof d->box);
        if ((int64_t)i >= fit || !lexmask_result_has_masks(result)) continue;
        TN_TRY(whole_mask(result, i, height, width, &masks[i], err));
        items[i].mask = &masks[i];
    }
    tn_tensor overlay, picture = tn_view((void *)lexmask_result_pixels(result), TN_U8,
                                         TN_DIMS(height, width, 3)); // not modified
    TN_TRY(tn_new_heap(&overlay, TN_U8, 3, picture.dim, err));
    tn_status status = io_draw_detections(&picture, items, count, &overlay, err);
    if (status == TN_OK) status = io_png_write(path, &overlay, err);
    tn_free(overlay.data);
    return status;
}

static tn_status draw(const lexmask_result *result, double lowest, const char *path,
                      tn_error *err) {
    size_t count = count_from(result, lowest);
    io_draw_item *items = tn_alloc_zero(count, sizeof *items);
    tn_tensor *masks = tn_alloc_zero(count, sizeof *masks);
    tn_status status = items && masks ? draw_items(result, count, items, masks, path, err)
                                      : tn_fail(err, TN_ENOMEM, "out of memory for a drawing");
    for (size_t i = 0; masks && i < count; i++) tn_free(masks[i].data);
    tn_free(masks);
    tn_free(items);
    return status;
}

lexmask_status lexmask_result_draw(const lexmask_result *result, double lowest, const char *path,
                                   lexmask_error *err) {
    tn_error failure = {0};
    return api_status(draw(result, lowest, path, &failure), &failure, err);
}
