// SPDX-License-Identifier: Apache-2.0
// CLIP's own way from a picture to a tensor: torchvision's Resize, CenterCrop, ToTensor, Normalize.
#include "models/clip/clip.h"

#include <math.h>
#include <string.h>

// The part [left,right) x [top,bottom) of x, in memory of its own unless it is all of x.
static tn_status cut(nn_ctx *cx, const tn_tensor *from, const int64_t box[4], tn_tensor *out) {
    const tn_tensor source = *from, *x = &source; // from may be out
    int64_t h = x->dim[0], w = x->dim[1], c = x->dim[2];
    TN_CHECK(box[0] >= 0 && box[1] >= 0 && box[0] < box[2] && box[1] < box[3] && box[2] <= w &&
                 box[3] <= h,
             "the box %lld,%lld,%lld,%lld in a picture of %lldx%lld", (long long)box[0],
             (long long)box[1], (long long)box[2], (long long)box[3], (long long)w, (long long)h);
    int64_t width = box[2] - box[0], height = box[3] - box[1];
    if (width == w) { // whole rows lie together
        *out = tn_slice(x, box[1], height);
        return TN_OK;
    }
    TN_TRY(tn_new(cx->step, out, TN_U8, TN_DIMS(height, width, c), cx->err));
    for (int64_t y = 0; y < height; y++)
        memcpy(tn_u8(out) + y * width * c, tn_u8(x) + ((box[1] + y) * w + box[0]) * c,
               (size_t)(width * c));
    return TN_OK;
}

// Where a centre crop begins: torchvision's int(round((side - size) / 2.0)), halves to even, or
// transformers' (side - size) // 2. The two differ where half the difference is 1.5, 3.5, 5.5 ...
static int64_t crop_from(const md_clip_config *c, int64_t side) {
    int64_t left_over = side - c->image_size; // never negative: see resize in clip_config.c
    return c->crop_floor ? left_over / 2 : (int64_t)rint((double)left_over / 2);
}

static tn_status preprocess(nn_ctx *cx, const md_clip_config *c, const tn_tensor *image,
                            const int64_t *box, tn_tensor *y) {
    tn_tensor x = *image;
    if (box) TN_TRY(cut(cx, image, box, &x));
    int64_t h = x.dim[0], w = x.dim[1], size = c->image_size;
    // The longer side as torchvision has it: int(resize * long / short), a double division.
    int64_t to_h = c->resize, to_w = c->resize;
    if (w > h && !c->resize_square) to_w = (int64_t)((double)(c->resize * w) / (double)h);
    if (h > w && !c->resize_square) to_h = (int64_t)((double)(c->resize * h) / (double)w);
    kn_resize_u8 window = {.filter = c->interpolation,
                           .height = to_h,
                           .width = to_w,
                           .top = crop_from(c, to_h),
                           .left = crop_from(c, to_w)};
    tn_tensor kept;
    TN_TRY(tn_new(cx->step, &kept, TN_U8, TN_DIMS(size, size, x.dim[2]), cx->err));
    kn_resize_u8_window_fwd(cx->kn, &window, &x, &kept);
    kn_normalize_u8_fwd(cx->kn, c->mean, c->std, &kept, y);
    return TN_OK;
}

tn_status md_clip_preprocess(nn_ctx *cx, const md_clip *clip, const tn_tensor *image,
                             const int64_t box[4], tn_tensor *y) {
    return md_clip_preprocess_for(cx, md_clip_settings(clip), image, box, y);
}

tn_status md_clip_preprocess_for(nn_ctx *cx, const md_clip_config *c, const tn_tensor *image,
                                 const int64_t box[4], tn_tensor *y) {
    TN_CHECK(tn_has_shape(image, TN_DIMS(-1, -1, 3)) && tn_count(image) > 0, "image of rank %d",
             image->rank);
    TN_CHECK(tn_has_shape(y, TN_DIMS(c->image_size, c->image_size, 3)), "y of rank %d", y->rank);
    size_t mark = tn_arena_mark(cx->step);
    tn_status status = preprocess(cx, c, image, box, y);
    tn_arena_reset(cx->step, mark);
    return status;
}
