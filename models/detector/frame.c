// SPDX-License-Identifier: Apache-2.0
#include "models/detector/frame.h"

#include "kernels/rules.h"

#include <math.h>
#include <string.h>

#define MULTIPLE 32 // the pyramid's deepest body stage halves five times

md_frame md_frame_of(int64_t height, int64_t width, int64_t min_size, int64_t max_size) {
    TN_CHECK(height > 0 && width > 0, "picture of %lld x %lld", (long long)height,
             (long long)width);
    double shorter = (double)(height < width ? height : width);
    double longer = (double)(height < width ? width : height);
    double by_min = (double)min_size / shorter, by_max = (double)max_size / longer;
    double scale = by_min < by_max ? by_min : by_max;
    md_frame frame = {.height = height, .width = width};
    // Truncated, as in torchvision; so 427 * (800/427) gives 799. A very long picture keeps at
    // least one pixel.
    frame.net_height = (int64_t)((double)height * scale);
    frame.net_width = (int64_t)((double)width * scale);
    if (frame.net_height < 1) frame.net_height = 1;
    if (frame.net_width < 1) frame.net_width = 1;
    frame.pad_height = (frame.net_height + MULTIPLE - 1) / MULTIPLE * MULTIPLE;
    frame.pad_width = (frame.net_width + MULTIPLE - 1) / MULTIPLE * MULTIPLE;
    return frame;
}

static void scale_boxes(tn_tensor *boxes, float by_x, float by_y) {
    float *box = tn_f32(boxes);
    for (int64_t i = 0; i < tn_rows(boxes); i++, box += 4)
        box[0] *= by_x, box[1] *= by_y, box[2] *= by_x, box[3] *= by_y;
}

void md_frame_to_picture(const md_frame *frame, tn_tensor *boxes) {
    scale_boxes(boxes, (float)frame->width / (float)frame->net_width,
                (float)frame->height / (float)frame->net_height);
}

void md_frame_to_network(const md_frame *frame, tn_tensor *boxes) {
    scale_boxes(boxes, (float)frame->net_width / (float)frame->width,
                (float)frame->net_height / (float)frame->height);
}

tn_status md_frame_given(nn_ctx *cx, const md_frame *frame, const tn_tensor *given,
                         tn_tensor *boxes, tn_tensor *objectness) {
    TN_CHECK(given->rank == 2 && given->dim[1] == 4, "boxes are [P,4]");
    TN_TRY(tn_new(cx->step, boxes, TN_F32, 2, given->dim, cx->err));
    TN_TRY(tn_new(cx->step, objectness, TN_F32, 1, given->dim, cx->err));
    if (tn_bytes(given)) memcpy(boxes->data, given->data, tn_bytes(given));
    md_frame_to_network(frame, boxes);
    for (int64_t i = 0; i < given->dim[0]; i++) tn_f32(objectness)[i] = 1;
    return TN_OK;
}

// Interpolation of one output from two inputs. At 1,000 pixels the last bit of a coordinate is
// already 6e-5 of a pixel, so it is rounded where PyTorch rounds it.
typedef struct tap {
    int64_t at, next;
    float here, there; // weights
} tap;

static tap tap_of(const md_frame *frame, int64_t i, int64_t in, int64_t out) {
    bool fused = kn_resize_fused(false, frame->net_height, frame->net_width);
    float source = kn_resize_centre((float)in / (float)out, i, fused);
    if (source < 0) source = 0;
    tap p = {.at = (int64_t)source};
    if (p.at > in - 1) p.at = in - 1;
    p.next = p.at + (p.at < in - 1);
    p.there = source - (float)p.at;
    if (p.there > 1) p.there = 1;
    p.here = 1 - p.there;
    return p;
}

typedef struct input_job {
    const md_frame *frame;
    const uint8_t *image;
    const float (*value)[3]; // [256] normalised
    const tap *column;       // [net_width]
    float *y;
} input_job;

static void input_row(void *context, int64_t row, int worker) {
    (void)worker;
    const input_job *job = context;
    const md_frame *frame = job->frame;
    float *y = job->y + row * frame->pad_width * 3;
    int64_t filled = row < frame->net_height ? frame->net_width : 0;
    if (filled) {
        tap v = tap_of(frame, row, frame->height, frame->net_height);
        const uint8_t *top = job->image + v.at * frame->width * 3;
        const uint8_t *bottom = job->image + v.next * frame->width * 3;
        for (int64_t x = 0; x < filled; x++) {
            const tap h = job->column[x];
            for (int c = 0; c < 3; c++) {
                float above = job->value[top[h.at * 3 + c]][c] * h.here +
                              job->value[top[h.next * 3 + c]][c] * h.there;
                float below = job->value[bottom[h.at * 3 + c]][c] * h.here +
                              job->value[bottom[h.next * 3 + c]][c] * h.there;
                y[x * 3 + c] = above * v.here + below * v.there;
            }
        }
    }
    for (int64_t i = filled * 3; i < frame->pad_width * 3; i++) y[i] = 0;
}

// A byte has 256 normalised values, so the four neighbours are looked up, and a picture of 100
// megapixels never needs a floating-point copy.
tn_status md_frame_input(nn_ctx *cx, const md_frame *frame, const float mean[3], const float std[3],
                         const tn_tensor *image, tn_tensor *y) {
    TN_CHECK(image->rank == 3 && image->dim[0] == frame->height && image->dim[1] == frame->width &&
                 image->dim[2] == 3,
             "the picture is not the one of the frame");
    TN_TRY(
        tn_new(cx->step, y, TN_F32, TN_DIMS(1, frame->pad_height, frame->pad_width, 3), cx->err));
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor bytes, values;
    tap *column = tn_arena_alloc(cx->step, (size_t)frame->net_width * sizeof *column);
    if (!column)
        return tn_fail(cx->err, TN_ENOMEM, "out of memory for a picture %lld pixels wide",
                       (long long)frame->net_width);
    TN_TRY(tn_new(cx->step, &bytes, TN_U8, TN_DIMS(256, 3), cx->err));
    TN_TRY(tn_new(cx->step, &values, TN_F32, TN_DIMS(256, 3), cx->err));
    for (int i = 0; i < 256 * 3; i++) tn_u8(&bytes)[i] = (uint8_t)(i / 3);
    kn_normalize_u8_fwd(cx->kn, mean, std, &bytes, &values);
    for (int64_t x = 0; x < frame->net_width; x++)
        column[x] = tap_of(frame, x, frame->width, frame->net_width);
    input_job job = {frame, tn_u8(image), (const float(*)[3])tn_f32(&values), column, tn_f32(y)};
    tn_pool_run(kn_pool(cx->kn), frame->pad_height, input_row, &job);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
