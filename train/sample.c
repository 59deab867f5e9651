// SPDX-License-Identifier: Apache-2.0
// One picture with its objects, as network input.
#include "train/loader.h"

#include "io/image/image.h"
#include "kernels/kernels.h"
#include "train/order.h"

#include <string.h>

#define MIN_SIDE 1.0f // pixels per side: smaller objects are dropped

static void mirror_rows(tn_tensor *image) {
    int64_t h = image->dim[0], w = image->dim[1];
    for (int64_t y = 0; y < h; y++) {
        uint8_t *row = tn_u8(image) + y * w * 3;
        for (int64_t a = 0, b = w - 1; a < b; a++, b--) {
            uint8_t pixel[3];
            memcpy(pixel, row + 3 * a, 3);
            memcpy(row + 3 * a, row + 3 * b, 3);
            memcpy(row + 3 * b, pixel, 3);
        }
    }
}

// Renders the frame of the picture: resized, mirrored, cropped. Only the crop is computed, so its
// position is mirrored instead.
static tn_status show(kn_ctx *kn, const tr_frame *f, const tn_tensor *picture, tn_arena *arena,
                      tn_tensor *image, tn_error *err) {
    TN_TRY(tn_new(arena, image, TN_U8, TN_DIMS(f->net_h, f->net_w, 3), err));
    int64_t left = f->flip ? f->scaled_w - f->net_w - f->left : f->left;
    kn_resize_u8 cfg = {KN_BILINEAR, NULL, f->scaled_h, f->scaled_w, f->top, left};
    kn_resize_u8_window_fwd(kn, &cfg, picture, image);
    if (f->flip) mirror_rows(image);
    return TN_OK;
}

typedef struct filler {
    const tr_loader_options *options;
    tn_arena *arena, *scratch;
    const tr_frame *frame;
    io_rle *masks;
    tr_sample *out;
} filler;

// *kept: false if the object is outside the input or turns out to be unusable.
static tn_status add_object(filler *f, const tr_object *object, bool *kept, tn_error *err) {
    const io_coco_object *o = object->source;
    const tr_frame *frame = f->frame;
    md_truth *truth = &f->out->truth;
    int64_t at = truth->boxes.dim[0], w = frame->width, h = frame->height;
    float *to = tn_f32(&truth->boxes) + 4 * at;
    double box[4];
    *kept = false;
    if (!tr_object_box(o, w, h, box) || !tr_frame_box(frame, box, to)) return TN_OK;
    if (f->masks) {
        const io_coco_image *image = f->out->picture->source;
        bool judged = image->w > 0 && image->h > 0;
        if (!judged && tr_object_mask_state(o, w, h, f->scratch) != TR_OBJECTS_USED) return TN_OK;
        TN_TRY(tr_frame_mask(frame, &o->shape, f->arena, f->scratch, &f->masks[at], err));
        uint32_t b[4];
        io_rle_box(&f->masks[at], b);
        if (!b[2]) return TN_OK;
        if (tr_frame_cuts(frame, box)) { // the visible part may be smaller than the clipped box
            to[0] = (float)b[0], to[2] = (float)(b[0] + b[2]);
            to[1] = (float)b[1], to[3] = (float)(b[1] + b[3]);
        }
    }
    tn_i32(&truth->labels)[at] = object->label;
    *kept = to[2] - to[0] >= MIN_SIDE && to[3] - to[1] >= MIN_SIDE;
    return TN_OK;
}

static tn_status add_objects(filler *f, tn_error *err) {
    tr_sample *out = f->out;
    const tr_picture *picture = out->picture;
    int64_t max = (int64_t)picture->count;
    TN_TRY(tn_new(f->arena, &out->truth.boxes, TN_F32, TN_DIMS(max, 4), err));
    TN_TRY(tn_new(f->arena, &out->truth.labels, TN_I32, TN_DIMS(max), err));
    if (f->options->masks) {
        f->masks = tn_arena_alloc(f->arena, (picture->count + 1) * sizeof *f->masks);
        if (!f->masks)
            return tn_fail(err, TN_ENOMEM, "out of memory for %zu masks", picture->count);
    }
    out->truth.masks = f->masks;
    out->truth.boxes.dim[0] = 0;
    for (size_t i = 0; i < picture->count; i++) {
        bool kept;
        TN_TRY(add_object(f, &picture->objects[i], &kept, err));
        out->truth.boxes.dim[0] += kept;
        out->cut += !kept;
    }
    out->truth.labels.dim[0] = out->truth.boxes.dim[0];
    return TN_OK;
}

static tn_status read_picture(const tr_loader_options *options, size_t index, tn_tensor *picture,
                              tn_error *err) {
    char *path = tr_dataset_path(options->data, index);
    if (!path) return tn_fail(err, TN_ENOMEM, "out of memory for a path");
    const io_coco_image *said = options->data->pictures[index].source;
    tn_status status = io_image_read(path, 0, picture, err);
    // Over the limit of pixels or of memory: this file's fault in both cases.
    if (status == TN_ENOMEM) {
        status = TN_EFORMAT;
        if (err) err->status = status;
    }
    if (status == TN_OK && said->w > 0 && said->h > 0 &&
        (picture->dim[0] != said->h || picture->dim[1] != said->w)) {
        status = tn_fail(err, TN_EINVAL, "%s: %lld x %lld pixels, expected %d x %d", path,
                         (long long)picture->dim[1], (long long)picture->dim[0], said->w, said->h);
        tn_free(picture->data);
    }
    tn_free(path);
    return status;
}

tn_status tr_sample_load(kn_ctx *kn, const tr_loader_options *options, size_t picture,
                         int64_t position, tn_arena *arena, tn_arena *scratch, tn_tensor *image,
                         tr_sample *out, tn_error *err) {
    TN_CHECK(picture < options->data->count, "picture %zu of %zu", picture, options->data->count);
    tn_tensor pixels;
    TN_TRY(read_picture(options, picture, &pixels, err));
    tn_rng rng = tr_rng(options->seed, TR_STREAM_AUGMENT, position);
    *out = (tr_sample){.position = position, .picture = &options->data->pictures[picture]};
    out->frame = tr_frame_draw(&options->augment, pixels.dim[0], pixels.dim[1], &rng);
    tn_status status = show(kn, &out->frame, &pixels, arena, image, err);
    tn_free(pixels.data);
    filler f = {options, arena, scratch, &out->frame, NULL, out};
    return status == TN_OK ? add_objects(&f, err) : status;
}
