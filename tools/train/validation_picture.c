// SPDX-License-Identifier: Apache-2.0
#include "tools/train/validation_picture.h"

#include "draw/draw.h"
#include "io/image/image.h"
#include "tensor/alloc.h"

#include <string.h>

#define GAP 8 // white pixels between the two

static tn_status draw_half(const tn_tensor *picture, const tr_shown_object *objects, size_t count,
                           tn_tensor *out, tn_error *err) {
    io_draw_item *items = tn_alloc_zero(count + 1, sizeof *items);
    if (!items) return tn_fail(err, TN_ENOMEM, "out of memory for a drawing");
    for (size_t i = 0; i < count; i++) {
        const tr_shown_object *o = &objects[i];
        items[i] =
            (io_draw_item){.score = o->score, .colour = o->label, .name = o->name, .mask = o->mask};
        memcpy(items[i].box, o->box, sizeof o->box);
    }
    tn_status status = io_draw_detections(picture, items, count, out, err);
    tn_free(items);
    return status;
}

static void put_half(const tn_tensor *half, tn_tensor *sheet, int64_t left) {
    size_t row = 3 * (size_t)half->dim[1];
    for (int64_t y = 0; y < half->dim[0]; y++)
        memcpy(tn_u8(sheet) + 3 * (y * sheet->dim[1] + left), tn_u8(half) + (size_t)y * row, row);
}

static tn_status draw_both(const tr_shown *shown, tn_tensor *half, tn_tensor *sheet,
                           tn_error *err) {
    memset(sheet->data, 255, tn_bytes(sheet));
    TN_TRY(draw_half(shown->picture, shown->truth, shown->truths, half, err));
    put_half(half, sheet, 0);
    TN_TRY(draw_half(shown->picture, shown->found, shown->founds, half, err));
    put_half(half, sheet, half->dim[1] + GAP);
    return io_png_write(shown->path, sheet, err);
}

tn_status tool_validation_picture(void *user, const tr_shown *shown, tn_error *err) {
    (void)user;
    int64_t height = shown->picture->dim[0], width = shown->picture->dim[1];
    tn_tensor half = {0}, sheet = {0};
    tn_status status = tn_new_heap(&half, TN_U8, TN_DIMS(height, width, 3), err);
    if (status == TN_OK)
        status = tn_new_heap(&sheet, TN_U8, TN_DIMS(height, 2 * width + GAP, 3), err);
    if (status == TN_OK) status = draw_both(shown, &half, &sheet, err);
    tn_free(half.data);
    tn_free(sheet.data);
    return status;
}
