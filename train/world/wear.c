// SPDX-License-Identifier: Apache-2.0
#include "train/world/wear.h"

#include "io/image/image.h"

#include <math.h>
#include <string.h>

#define MAX_TAPS 64

static bool chance(tn_rng *rng, double p) {
    return tn_rng_unit(rng) < p;
}

tr_wear tr_wear_draw(double hard, tn_rng *rng) {
    tr_wear w = {.resolution = 1};
    w.contrast = (float)(1 + hard * tn_rng_uniform(rng, -0.3, 0.12));
    w.lift = (float)(hard * tn_rng_uniform(rng, -0.1, 0.1));
    double tint = chance(rng, 0.5) ? 0.08 * hard : 0.02;
    for (int c = 0; c < 3; c++) w.tint[c] = (float)(1 + tn_rng_uniform(rng, -tint, tint));
    w.saturation = (float)(1 + hard * tn_rng_uniform(rng, -0.3, 0.25));
    if (chance(rng, 0.2 * hard)) w.blur = tn_rng_uniform(rng, 0.3, 1.3);
    if (chance(rng, 0.12 * hard)) w.resolution = tn_rng_uniform(rng, 0.35, 0.9);
    w.soft = chance(rng, 0.5);
    if (chance(rng, 0.4 * hard)) w.noise = 0.05 * pow(tn_rng_unit(rng), 2);
    if (chance(rng, 0.2 * hard)) w.colour_noise = 0.05 * pow(tn_rng_unit(rng), 2);
    if (chance(rng, 0.45 * hard)) w.quality = (int)tn_rng_uniform(rng, 25, 96);
    w.full_colour = chance(rng, 0.3);
    return w;
}

static void shed_light(tr_canvas *canvas, const tr_wear *w) {
    float *p = canvas->rgb;
    for (size_t i = (size_t)canvas->h * canvas->w; i; i--, p += 3) {
        float grey = 0.3f * p[0] + 0.59f * p[1] + 0.11f * p[2];
        for (int c = 0; c < 3; c++) {
            float v = (grey + (p[c] - grey) * w->saturation) * w->tint[c];
            p[c] = (v - 0.5f) * w->contrast + 0.5f + w->lift;
        }
    }
}

// ---- along one axis ----------------------------------------------------------------------------

typedef struct taps { // filter taps of one output pixel
    int first, count;
    float weight[MAX_TAPS];
} taps;

static double cubic(double x) { // Keys, a = -0.5
    x = fabs(x);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// The filter is widened for shrinking; taps outside are dropped.
static taps taps_of(int at, int from, int to, bool soft) {
    double scale = (double)from / to, wide = fmax(scale, 1), support = (soft ? 1 : 2) * wide;
    double middle = (at + 0.5) * scale;
    int low = (int)fmax(middle - support + 0.5, 0), high = (int)fmin(middle + support + 0.5, from);
    taps t = {.first = low, .count = high - low < MAX_TAPS ? high - low : MAX_TAPS};
    double sum = 0, weight[MAX_TAPS];
    for (int i = 0; i < t.count; i++) {
        double x = (low + i + 0.5 - middle) / wide;
        weight[i] = soft ? fmax(1 - fabs(x), 0) : cubic(x);
        sum += weight[i];
    }
    for (int i = 0; i < t.count; i++) t.weight[i] = (float)(weight[i] / sum);
    return t;
}

static void resize_rows(const float *from, int h, int w, float *to, int new_w, bool soft) {
    for (int x = 0; x < new_w; x++) {
        taps t = taps_of(x, w, new_w, soft);
        for (int y = 0; y < h; y++) {
            const float *at = from + 3 * ((size_t)y * w + t.first);
            float sum[3] = {0};
            for (int i = 0; i < t.count; i++)
                for (int c = 0; c < 3; c++) sum[c] += t.weight[i] * at[3 * i + c];
            memcpy(to + 3 * ((size_t)y * new_w + x), sum, sizeof sum);
        }
    }
}

static void resize_columns(const float *from, int h, int w, float *to, int new_h, bool soft) {
    for (int y = 0; y < new_h; y++) {
        taps t = taps_of(y, h, new_h, soft);
        float *row = to + 3 * (size_t)y * w;
        memset(row, 0, 3 * (size_t)w * sizeof *row);
        for (int i = 0; i < t.count; i++) {
            const float *at = from + 3 * (size_t)(t.first + i) * w;
            for (int x = 0; x < 3 * w; x++) row[x] += t.weight[i] * at[x];
        }
    }
}

static void lose_resolution(tr_canvas *canvas, const tr_wear *wear, float *scratch) {
    int h = canvas->h, w = canvas->w;
    int small_h = (int)fmax(rint(h * wear->resolution), 1);
    int small_w = (int)fmax(rint(w * wear->resolution), 1);
    float *other = scratch + 3 * (size_t)h * w;
    resize_rows(canvas->rgb, h, w, scratch, small_w, true);
    resize_columns(scratch, h, small_w, other, small_h, true);
    resize_columns(other, small_h, small_w, scratch, h, wear->soft);
    resize_rows(scratch, h, small_w, canvas->rgb, w, wear->soft);
}

static void blur(tr_canvas *canvas, double sigma, float *scratch) {
    int radius = (int)ceil(2.5 * sigma), h = canvas->h, w = canvas->w;
    float weight[2 * 16 + 1], sum = 0;
    radius = radius > 16 ? 16 : radius;
    for (int i = -radius; i <= radius; i++)
        sum += weight[i + radius] = (float)exp(-0.5 * i * i / (sigma * sigma));
    for (int i = 0; i <= 2 * radius; i++) weight[i] /= sum;
    for (int axis = 0; axis < 2; axis++) {
        const float *from = axis ? scratch : canvas->rgb;
        float *to = axis ? canvas->rgb : scratch;
        memset(to, 0, 3 * (size_t)h * w * sizeof *to);
        for (int y = 0; y < h; y++)
            for (int i = -radius; i <= radius; i++) {
                float k = weight[i + radius], *row = to + 3 * (size_t)y * w;
                int other = y + i < 0 ? 0 : y + i >= h ? h - 1 : y + i;
                if (axis == 0) {
                    const float *at = from + 3 * (size_t)other * w;
                    for (int x = 0; x < 3 * w; x++) row[x] += k * at[x];
                    continue;
                }
                const float *at = from + 3 * (size_t)y * w;
                for (int x = 0; x < w; x++) {
                    int px = x + i < 0 ? 0 : x + i >= w ? w - 1 : x + i;
                    for (int c = 0; c < 3; c++) row[3 * x + c] += k * at[3 * px + c];
                }
            }
    }
}

// The sum of four bytes approximates a normal distribution at a tenth of the cost.
static float bell(tn_rng *rng) {
    uint32_t u = tn_rng_u32(rng);
    int sum = (int)(u & 255) + (int)(u >> 8 & 255) + (int)(u >> 16 & 255) + (int)(u >> 24);
    return (float)(sum - 510) * (1 / 147.8f);
}

static void add_noise(tr_canvas *canvas, const tr_wear *wear, tn_rng *rng) {
    float grey = (float)wear->noise, colour = (float)wear->colour_noise, *p = canvas->rgb;
    for (size_t i = (size_t)canvas->h * canvas->w; i; i--, p += 3) {
        float same = grey > 0 ? grey * bell(rng) : 0;
        for (int c = 0; c < 3; c++) p[c] += same + (colour > 0 ? colour * bell(rng) : 0);
    }
}

tn_status tr_wear_apply(tr_canvas *canvas, const tr_wear *wear, tn_rng *rng, tn_error *err) {
    size_t values = 3 * (size_t)canvas->h * canvas->w;
    shed_light(canvas, wear);
    if (wear->blur > 0 || wear->resolution < 1) {
        float *scratch = tn_alloc(2 * values * sizeof *scratch);
        if (!scratch) return tn_fail(err, TN_ENOMEM, "out of memory for a picture");
        if (wear->blur > 0) blur(canvas, wear->blur, scratch);
        if (wear->resolution < 1) lose_resolution(canvas, wear, scratch);
        tn_free(scratch);
    }
    if (wear->noise > 0 || wear->colour_noise > 0) add_noise(canvas, wear, rng);
    for (size_t i = 0; i < values; i++) {
        float v = canvas->rgb[i];
        canvas->rgb[i] = v < 0 ? 0 : v > 1 ? 1 : v;
    }
    return TN_OK;
}

tn_status tr_wear_bytes(const tr_canvas *canvas, const tr_wear *wear, uint8_t *out, tn_error *err) {
    size_t values = 3 * (size_t)canvas->h * canvas->w, count;
    for (size_t i = 0; i < values; i++) out[i] = (uint8_t)(canvas->rgb[i] * 255 + 0.5f);
    if (!wear->quality) return TN_OK;
    tn_tensor image = tn_view(out, TN_U8, TN_DIMS(canvas->h, canvas->w, 3)), decoded;
    uint8_t *bytes;
    TN_TRY(io_jpeg_encode(&image, wear->quality, wear->full_colour, &bytes, &count, err));
    tn_status status = io_image_decode(bytes, count, "a JPEG just written", 0, &decoded, err);
    tn_free(bytes);
    if (status != TN_OK) return status;
    memcpy(out, decoded.data, values);
    tn_free(decoded.data);
    return TN_OK;
}
