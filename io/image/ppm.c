// SPDX-License-Identifier: Apache-2.0
// Netpbm's PGM and PPM, plain (P2, P3) and raw (P5, P6), brought to 8 bit by rounding
// value*255/maxval. Only the first picture of a file is read.
#include "io/image/codec.h"

#include <math.h>
#include <string.h>

typedef struct ppm {
    const uint8_t *bytes;
    size_t count, at;
    tn_error *err;
} ppm;

static bool is_space(uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_comment(ppm *p) { // # to the end of the line
    while (p->at < p->count && p->bytes[p->at] != '\n' && p->bytes[p->at] != '\r') p->at++;
}

static void skip_space(ppm *p) {
    while (p->at < p->count) {
        if (p->bytes[p->at] == '#')
            skip_comment(p);
        else if (is_space(p->bytes[p->at]))
            p->at++;
        else
            break;
    }
}

static tn_status read_number(ppm *p, const char *what, int64_t *out) {
    skip_space(p);
    size_t start = p->at;
    int64_t value = 0;
    for (; p->at < p->count && p->bytes[p->at] >= '0' && p->bytes[p->at] <= '9'; p->at++) {
        value = value * 10 + (p->bytes[p->at] - '0');
        if (value > INT32_MAX)
            return tn_fail(p->err, TN_EFORMAT, "byte %zu: %s is over %d", start, what, INT32_MAX);
    }
    if (p->at == start && p->at == p->count)
        return tn_fail(p->err, TN_EFORMAT, "data ends early at byte %zu, expected %s", start, what);
    if (p->at == start)
        return tn_fail(p->err, TN_EFORMAT, "byte %zu: 0x%02x, expected %s", start, p->bytes[start],
                       what);
    if (p->at < p->count && !is_space(p->bytes[p->at]) && p->bytes[p->at] != '#')
        return tn_fail(p->err, TN_EFORMAT, "byte %zu: 0x%02x, expected white space after %s", p->at,
                       p->bytes[p->at], what);
    *out = value;
    return TN_OK;
}

// As PIL does it, halves to even included.
static uint8_t to_byte(int64_t value, int64_t max) {
    return (uint8_t)rint((double)value / (double)max * 255);
}

static tn_status too_bright(ppm *p, size_t at, int64_t value, int64_t max) {
    return tn_fail(p->err, TN_EFORMAT, "byte %zu: sample %lld, expected at most %lld", at,
                   (long long)value, (long long)max);
}

static tn_status read_plain(ppm *p, int64_t samples, int64_t max, uint8_t *to) {
    for (int64_t i = 0; i < samples; i++) {
        int64_t value;
        TN_TRY(read_number(p, "a sample", &value));
        if (value > max) return too_bright(p, p->at, value, max);
        to[i] = to_byte(value, max);
    }
    return TN_OK;
}

static tn_status read_raw(ppm *p, int64_t samples, int64_t max, uint8_t *to) {
    const uint8_t *from = p->bytes + p->at;
    int size = max > 255 ? 2 : 1;
    for (int64_t i = 0; i < samples; i++) {
        int64_t value = size == 2 ? from[2 * i] << 8 | from[2 * i + 1] : from[i];
        if (value > max) return too_bright(p, p->at + (size_t)(i * size), value, max);
        to[i] = to_byte(value, max);
    }
    return TN_OK;
}

// The shortest file that can hold the samples: refused here, a header alone takes no memory.
static tn_status check_length(ppm *p, bool plain, int64_t samples, int64_t max) {
    int64_t need = plain ? 2 * samples - 1 : samples * (max > 255 ? 2 : 1);
    if ((int64_t)(p->count - p->at) >= need) return TN_OK;
    return tn_fail(p->err, TN_EFORMAT,
                   "data ends early: %zu bytes behind the header, expected at least %lld",
                   p->count - p->at, (long long)need);
}

static void grey_to_rgb(uint8_t *pixels, int64_t count) { // in place, from the back
    for (int64_t i = count - 1; i >= 0; i--) memset(pixels + 3 * i, pixels[i], 3);
}

tn_status io_ppm_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                        tn_error *err) {
    ppm p = {bytes, count, 2, err};
    bool plain = bytes[1] < '4', grey = bytes[1] == '2' || bytes[1] == '5';
    int64_t width, height, max;
    if (count > 2 && !is_space(bytes[2]) && bytes[2] != '#')
        return tn_fail(err, TN_EFORMAT, "byte 2: 0x%02x, expected white space", bytes[2]);
    TN_TRY(read_number(&p, "the width", &width));
    TN_TRY(read_number(&p, "the height", &height));
    TN_TRY(read_number(&p, "the largest value", &max));
    if (max < 1 || max > 65535)
        return tn_fail(err, TN_EFORMAT, "largest value %lld, expected 1..65535", (long long)max);
    if (p.at < count && bytes[p.at] == '#') skip_comment(&p);
    if (p.at < count) p.at++; // the one white space before raw samples
    tn_tensor picture;
    if (width < 1 || height < 1 || height > max_pixels / width)
        return io_picture_new(width, height, max_pixels, &picture, err); // says what is wrong
    int64_t samples = width * height * (grey ? 1 : 3);
    TN_TRY(check_length(&p, plain, samples, max));
    TN_TRY(io_picture_new(width, height, max_pixels, &picture, err));
    tn_status status = plain ? read_plain(&p, samples, max, picture.data)
                             : read_raw(&p, samples, max, picture.data);
    if (status != TN_OK) {
        tn_free(picture.data);
        return status;
    }
    if (grey) grey_to_rgb(picture.data, width * height);
    *out = picture;
    return TN_OK;
}
