// SPDX-License-Identifier: Apache-2.0
#include "draw/draw.h"
#include "draw/draw_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t palette[] = {
    0xff5a5f, 0x2f9bff, 0xffb000, 0x22c55e, 0xb45cff, 0x00c8d7, 0xff6fb5, 0xa3d900,
    0xff7a1a, 0x5b6cff, 0x00b894, 0xe0349b, 0xffd93b, 0xc08552, 0x7ad7ff, 0xd4145a,
    0x0f7b6c, 0xc9a6ff, 0x8a9a1f, 0xff9e9e, 0x1f5fbf, 0x7cf2b0, 0x9b1fb3, 0xc0642c,
};

// After its end the palette is repeated lighter, then darker, then pale.
void io_draw_colour(int index, uint8_t rgb[3]) {
    static const struct {
        double part, grey; // fraction of this grey that is mixed in
    } rounds[] = {{0, 0}, {0.45, 255}, {0.35, 0}, {0.6, 200}};
    unsigned n = sizeof palette / sizeof *palette, i = (unsigned)index;
    unsigned round = i / n % (sizeof rounds / sizeof *rounds);
    for (int c = 0; c < 3; c++) {
        double pure = palette[i % n] >> (16 - 8 * c) & 255;
        rgb[c] = (uint8_t)lrint(pure + (rounds[round].grey - pure) * rounds[round].part);
    }
}

void io_canvas_colour(const io_canvas *c, int index, double alpha) {
    uint8_t rgb[3];
    io_draw_colour(index, rgb);
    cairo_set_source_rgba(c->cairo, rgb[0] / 255.0, rgb[1] / 255.0, rgb[2] / 255.0, alpha);
}

void io_canvas_rounded(const io_canvas *c, io_rectangle r, double radius) {
    double most = (r.w < r.h ? r.w : r.h) / 2;
    if (radius > most) radius = most;
    cairo_new_sub_path(c->cairo);
    for (int i = 0; i < 4; i++) { // clockwise from the upper right corner
        double x = i < 2 ? r.x + r.w - radius : r.x + radius;
        double y = i == 1 || i == 2 ? r.y + r.h - radius : r.y + radius;
        cairo_arc(c->cairo, x, y, radius, (i - 1) * M_PI_2, i * M_PI_2);
    }
    cairo_close_path(c->cairo);
}

static void clip_side(double low, double high, double size, double inset, double *from,
                      double *extent) {
    double a = fmin(fmax(low, inset), size - inset), b = fmin(fmax(high, inset), size - inset);
    *from = a;
    *extent = fmax(b - a, 0);
}

bool io_canvas_box(const io_canvas *c, const float box[4], io_rectangle *out) {
    for (int i = 0; i < 4; i++)
        if (!isfinite(box[i])) return false;
    if (box[2] < box[0] || box[3] < box[1]) return false;
    if (box[0] >= c->w || box[1] >= c->h || box[2] < 0 || box[3] < 0) return false;
    double inset = fmin(c->line / 2, fmin(c->w, c->h) / 4);
    clip_side(box[0], box[2], c->w, inset, &out->x, &out->w);
    clip_side(box[1], box[3], c->h, inset, &out->y, &out->h);
    return true;
}

// All sizes scale with the square root of the picture's area. Letters are smaller if there are many
// plates.
static io_canvas canvas_of(cairo_t *cairo, int64_t w, int64_t h, size_t items) {
    double side = sqrt((double)w * (double)h), crowded = items > 8 ? (double)items - 8 : 0;
    double letters = side * 0.027 * fmax(0.7, 1 - 0.012 * crowded);
    io_canvas c = {cairo, (double)w, (double)h, fmax(1.5, side * 0.0055), fmax(9, letters)};
    return c;
}

static tn_status draw_mask(const io_canvas *c, const io_draw_item *item, tn_error *err) {
    tn_status status = io_trace_mask(item->mask, 1 + (int)(c->line / 2), c->cairo, err);
    if (status != TN_OK) {
        cairo_new_path(c->cairo);
        return status;
    }
    io_canvas_colour(c, item->colour, 0.42);
    cairo_fill_preserve(c->cairo);
    cairo_set_line_width(c->cairo, fmax(1, c->line * 0.5));
    io_canvas_colour(c, item->colour, 0.95);
    cairo_stroke(c->cairo);
    return TN_OK;
}

static void draw_box(const io_canvas *c, const io_draw_item *item) {
    io_rectangle box;
    if (!io_canvas_box(c, item->box, &box)) return;
    io_canvas_rounded(c, box, c->line);
    cairo_set_line_width(c->cairo, c->line + fmax(1, c->line * 0.4));
    cairo_set_source_rgba(c->cairo, 0, 0, 0,
                          0.35); // a thin shadow, for backgrounds of the same colour
    cairo_stroke_preserve(c->cairo);
    cairo_set_line_width(c->cairo, c->line);
    io_canvas_colour(c, item->colour, 1);
    cairo_stroke(c->cairo);
}

typedef struct rank {
    double key;
    size_t item;
} rank;

static int by_key(const void *a, const void *b) { // largest first, then in the given order
    const rank *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static void sort_items(rank *ranks, size_t count, size_t *order) {
    qsort(ranks, count, sizeof *ranks, by_key);
    for (size_t i = 0; i < count; i++) order[i] = ranks[i].item;
}

static double area_of(const io_canvas *c, const io_draw_item *item) {
    io_rectangle box;
    return io_canvas_box(c, item->box, &box) ? box.w * box.h : 0;
}

static tn_status draw_items(const io_canvas *c, const io_draw_item *items, size_t count,
                            rank *ranks, size_t *order, tn_error *err) {
    for (size_t i = 0; i < count; i++) ranks[i] = (rank){area_of(c, &items[i]), i};
    sort_items(ranks, count, order); // small objects are drawn over large ones
    for (size_t i = 0; i < count; i++)
        if (items[order[i]].mask) TN_TRY(draw_mask(c, &items[order[i]], err));
    for (size_t i = 0; i < count; i++) draw_box(c, &items[order[i]]);
    for (size_t i = 0; i < count; i++)
        ranks[i] = (rank){isnan(items[i].score) ? 0 : (double)items[i].score, i};
    sort_items(ranks, count, order);
    return io_draw_plates(c, items, order, count < IO_DRAW_MAX_PLATES ? count : IO_DRAW_MAX_PLATES,
                          NULL, NULL, err);
}

static tn_status draw_all(const io_canvas *c, const io_draw_item *items, size_t count,
                          tn_error *err) {
    if (count == 0) return TN_OK;
    rank *ranks = tn_alloc_zero(count, sizeof *ranks);
    size_t *order = tn_alloc_zero(count, sizeof *order);
    tn_status status = ranks && order
                           ? draw_items(c, items, count, ranks, order, err)
                           : tn_fail(err, TN_ENOMEM, "out of memory for %zu items", count);
    tn_free(ranks);
    tn_free(order);
    return status;
}

static void to_surface(const tn_tensor *image, cairo_surface_t *surface) {
    cairo_surface_flush(surface);
    uint8_t *to = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    const uint8_t *from = tn_u8(image);
    for (int64_t y = 0; y < image->dim[0]; y++, to += stride)
        for (int64_t x = 0; x < image->dim[1]; x++, from += 3) {
            uint32_t pixel = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
            memcpy(to + 4 * x, &pixel, 4);
        }
    cairo_surface_mark_dirty(surface);
}

static void from_surface(cairo_surface_t *surface, tn_tensor *out) {
    cairo_surface_flush(surface);
    const uint8_t *from = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    uint8_t *to = tn_u8(out);
    for (int64_t y = 0; y < out->dim[0]; y++, from += stride)
        for (int64_t x = 0; x < out->dim[1]; x++, to += 3) {
            uint32_t pixel;
            memcpy(&pixel, from + 4 * x, 4);
            for (int c = 0; c < 3; c++) to[c] = (uint8_t)(pixel >> (16 - 8 * c));
        }
}

static tn_status cairo_failed(cairo_status_t code, const tn_tensor *image, tn_error *err) {
    bool size = code == CAIRO_STATUS_INVALID_SIZE;
    return tn_fail(err, size ? TN_EUNSUPPORTED : TN_ENOMEM,
                   "cannot draw on a picture of %lldx%lld pixels: %s", (long long)image->dim[1],
                   (long long)image->dim[0], cairo_status_to_string(code));
}

static void check(const tn_tensor *image, const io_draw_item *items, size_t count,
                  const tn_tensor *out) {
    TN_CHECK(image->rank == 3 && image->dtype == TN_U8 && image->dim[2] == 3 && image->dim[0] > 0 &&
                 image->dim[1] > 0,
             "the picture is not uint8 [H,W,3]");
    TN_CHECK(out->dtype == TN_U8 && tn_same_shape(image, out), "the result has another shape");
    for (size_t i = 0; i < count; i++)
        TN_CHECK(!items[i].mask ||
                     (items[i].mask->rank == 2 && items[i].mask->dim[0] == image->dim[0] &&
                      items[i].mask->dim[1] == image->dim[1]),
                 "mask %zu has another size than the picture", i);
}

tn_status io_draw_detections(const tn_tensor *image, const io_draw_item *items, size_t count,
                             tn_tensor *out, tn_error *err) {
    check(image, items, count, out);
    if (image->dim[0] > 32767 || image->dim[1] > 32767)
        return cairo_failed(CAIRO_STATUS_INVALID_SIZE, image, err);
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)image->dim[1], (int)image->dim[0]);
    cairo_status_t code = cairo_surface_status(surface);
    tn_status status;
    if (code != CAIRO_STATUS_SUCCESS) {
        status = cairo_failed(code, image, err);
    } else {
        to_surface(image, surface);
        cairo_t *cairo = cairo_create(surface);
        io_canvas c = canvas_of(cairo, image->dim[1], image->dim[0], count);
        cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
        status = draw_all(&c, items, count, err);
        code = cairo_status(cairo);
        cairo_destroy(cairo);
        if (status == TN_OK && code != CAIRO_STATUS_SUCCESS)
            status = cairo_failed(code, image, err);
        if (status == TN_OK) from_surface(surface, out);
    }
    cairo_surface_destroy(surface);
    return status;
}
