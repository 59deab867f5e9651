// SPDX-License-Identifier: Apache-2.0
#include "io/coco/rle.h"
#include "io/coco/rle_internal.h"

#include <string.h>

static tn_status no_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory for a run-length mask");
}

static bool fits(uint64_t h, uint64_t w) {
    return h <= UINT32_MAX && w <= UINT32_MAX && h * w <= UINT32_MAX - 1;
}

static tn_status check_size(uint64_t h, uint64_t w, tn_error *err) {
    if (fits(h, w)) return TN_OK;
    return tn_fail(err, TN_EFORMAT, "a mask of %llu rows and %llu columns, expected under 2^32",
                   (unsigned long long)h, (unsigned long long)w);
}

static bool differ(uint8_t a, uint8_t b) {
    return !a != !b;
}

// Finds where a row differs from the one above it, skipping words that are equal. The row above the
// first is the last row shifted right by one column: runs continue from column to column.
typedef struct changes {
    const uint8_t *mask;
    int64_t h, w;
    uint32_t *next; // per column, index of its next position
    uint32_t *at;   // positions, NULL while only counting
} changes;

static void change(changes *c, int64_t y, int64_t x) {
    if (c->at) c->at[c->next[x]] = (uint32_t)(x * c->h + y);
    c->next[x]++;
}

static void walk_first_row(changes *c) {
    const uint8_t *last = c->mask + (c->h - 1) * c->w;
    for (int64_t x = 0; x < c->w; x++)
        if (differ(c->mask[x], x ? last[x - 1] : 0)) change(c, 0, x);
}

static void walk(changes *c) {
    walk_first_row(c);
    for (int64_t y = 1; y < c->h; y++) {
        const uint8_t *row = c->mask + y * c->w, *above = row - c->w;
        for (int64_t x = 0; x < c->w;) {
            uint64_t a, b;
            if (x + 8 <= c->w) {
                memcpy(&a, row + x, 8);
                memcpy(&b, above + x, 8);
                if (a == b) {
                    x += 8;
                    continue;
                }
            }
            for (int64_t end = x + 8 < c->w ? x + 8 : c->w; x < end; x++)
                if (differ(row[x], above[x])) change(c, y, x);
        }
    }
}

tn_status io_rle_encode(const tn_tensor *mask, tn_arena *arena, io_rle *out, tn_error *err) {
    TN_CHECK(mask->rank == 2, "a mask of rank %d", mask->rank);
    changes c = {.mask = tn_u8(mask), .h = mask->dim[0], .w = mask->dim[1]};
    TN_TRY(check_size((uint64_t)c.h, (uint64_t)c.w, err));
    size_t start = tn_arena_mark(arena), columns = (size_t)c.w * sizeof *c.next;
    c.next = tn_arena_alloc(arena, columns);
    if (!c.next) return no_memory(err);
    memset(c.next, 0, columns);
    bool empty = c.h == 0 || c.w == 0;
    if (!empty) walk(&c);
    size_t total = 0;
    for (int64_t x = 0; x < c.w; x++) {
        uint32_t here = c.next[x];
        c.next[x] = (uint32_t)total;
        total += here;
    }
    c.at = tn_arena_alloc(arena, (total + 1) * sizeof *c.at);
    if (!c.at) {
        tn_arena_reset(arena, start);
        return no_memory(err);
    }
    if (!empty) walk(&c);
    c.at[total] = (uint32_t)(c.h * c.w);
    uint32_t *counts = (uint32_t *)(void *)(arena->base + start), before = 0;
    for (size_t i = 0; i <= total; i++) { // forwards, so the two may overlap
        uint32_t at = c.at[i];
        counts[i] = at - before;
        before = at;
    }
    io_arena_keep(arena, counts, (total + 1) * sizeof *counts);
    *out = (io_rle){(uint32_t)c.h, (uint32_t)c.w, total + 1, counts};
    return TN_OK;
}

void io_rle_decode(const io_rle *rle, tn_tensor *mask) {
    TN_CHECK(mask->rank == 2 && mask->dim[0] == rle->h && mask->dim[1] == rle->w,
             "cannot decode a mask of %ux%u into another size", rle->h, rle->w);
    uint8_t *to = tn_u8(mask);
    memset(to, 0, tn_bytes(mask));
    uint64_t at = 0;
    for (size_t i = 0; i < rle->count; at += rle->counts[i++]) {
        if (i % 2 == 0) continue;
        uint64_t x = at / rle->h, y = at % rle->h;
        for (uint32_t n = rle->counts[i]; n; n--) {
            to[y * rle->w + x] = 1;
            if (++y == rle->h) y = 0, x++;
        }
    }
}

tn_status io_rle_to_text(const io_rle *rle, tn_arena *arena, char **text, size_t *length,
                         tn_error *err) {
    char *out = tn_arena_alloc(arena, rle->count * 7 + 1); // a difference has 33 bits
    if (!out) return no_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < rle->count; i++) {
        int64_t x = (int64_t)rle->counts[i] - (i > 2 ? (int64_t)rle->counts[i - 2] : 0);
        for (bool more = true; more;) {
            int bits = (int)(x & 31);
            x >>= 5;
            more = bits & 16 ? x != -1 : x != 0; // the sign is the top bit of the last five
            out[n++] = (char)('0' + bits + (more ? 32 : 0));
        }
    }
    out[n] = 0;
    io_arena_keep(arena, out, n + 1);
    *text = out;
    *length = n;
    return TN_OK;
}

// One number of the text; advances *at past it.
static tn_status read_number(const char *text, size_t length, size_t *at, int64_t *out,
                             tn_error *err) {
    int64_t value = 0;
    size_t start = *at;
    for (int shift = 0;; shift += 5) {
        if (*at == length)
            return tn_fail(err, TN_EFORMAT,
                           "run-length text ends inside the number at character %zu", start);
        int bits = (unsigned char)text[*at] - '0';
        if (bits < 0 || bits > 63)
            return tn_fail(err, TN_EFORMAT,
                           "run-length text: byte 0x%02x at character %zu, expected '0'..'o'",
                           (unsigned char)text[*at], *at);
        if (shift > 30)
            return tn_fail(err, TN_EFORMAT,
                           "run-length text: the number at character %zu is "
                           "over 32 bits",
                           start);
        (*at)++;
        value |= (int64_t)(bits & 31) << shift;
        if (bits & 32) continue;
        if (bits & 16) value -= (int64_t)1 << (shift + 5);
        *out = value;
        return TN_OK;
    }
}

static tn_status check_sum(uint64_t sum, uint32_t h, uint32_t w, tn_error *err) {
    if (sum == (uint64_t)h * w) return TN_OK;
    return tn_fail(err, TN_EFORMAT, "runs of %llu pixels, expected %u x %u = %llu",
                   (unsigned long long)sum, h, w, (unsigned long long)h * w);
}

static tn_status from_text(const char *text, size_t length, uint32_t h, uint32_t w,
                           uint32_t *counts, size_t *count, tn_error *err) {
    uint64_t sum = 0;
    size_t n = 0;
    for (size_t at = 0; at < length; n++) {
        size_t start = at;
        int64_t value = 0;
        TN_TRY(read_number(text, length, &at, &value, err));
        if (n > 2) value += counts[n - 2];
        if (value < 0 || value > UINT32_MAX)
            return tn_fail(err, TN_EFORMAT, "run-length text: a run of %lld at character %zu",
                           (long long)value, start);
        counts[n] = (uint32_t)value;
        sum += (uint64_t)value;
    }
    *count = n;
    if (n == 0) return tn_fail(err, TN_EFORMAT, "run-length text is empty");
    return check_sum(sum, h, w, err);
}

tn_status io_rle_from_text(const char *text, size_t length, uint32_t h, uint32_t w, tn_arena *arena,
                           io_rle *out, tn_error *err) {
    TN_TRY(check_size(h, w, err));
    size_t start = tn_arena_mark(arena), bytes, count = 0;
    if (!tn_mul_size(length, sizeof(uint32_t), &bytes)) return no_memory(err);
    uint32_t *counts = tn_arena_alloc(arena, bytes ? bytes : 1);
    if (!counts) return no_memory(err);
    tn_status status = from_text(text, length, h, w, counts, &count, err);
    if (status != TN_OK) {
        tn_arena_reset(arena, start);
        return status;
    }
    io_arena_keep(arena, counts, count * sizeof *counts);
    *out = (io_rle){h, w, count, counts};
    return TN_OK;
}

tn_status io_rle_from_counts(const uint32_t *counts, size_t count, uint32_t h, uint32_t w,
                             tn_arena *arena, io_rle *out, tn_error *err) {
    TN_TRY(check_size(h, w, err));
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += counts[i];
    if (count == 0) return tn_fail(err, TN_EFORMAT, "a mask without runs, expected at least one");
    TN_TRY(check_sum(sum, h, w, err));
    uint32_t *copy = tn_arena_alloc(arena, count * sizeof *copy);
    if (!copy) return no_memory(err);
    memcpy(copy, counts, count * sizeof *copy);
    *out = (io_rle){h, w, count, copy};
    return TN_OK;
}

// Two masks walked in parallel, one segment of equal values at a time.
typedef struct pair {
    const io_rle *a, *b;
    size_t next_a, next_b; // index of the next run
    uint32_t left_a, left_b;
} pair;

static void fill(pair *p) { // skips runs of length 0
    while (!p->left_a && p->next_a < p->a->count) p->left_a = p->a->counts[p->next_a++];
    while (!p->left_b && p->next_b < p->b->count) p->left_b = p->b->counts[p->next_b++];
}

// False at the end. The values in the segment are those of the runs taken last.
static bool next_segment(pair *p, uint32_t *length, bool *in_a, bool *in_b) {
    fill(p);
    uint32_t n = p->left_a < p->left_b ? p->left_a : p->left_b;
    *length = n;
    *in_a = p->next_a % 2 == 0;
    *in_b = p->next_b % 2 == 0;
    p->left_a -= n;
    p->left_b -= n;
    return n > 0;
}

static size_t merge_two(const io_rle *a, const io_rle *b, bool intersect, uint32_t *to) {
    pair p = {.a = a, .b = b};
    uint32_t length, run = 0;
    bool in_a, in_b, inside = false;
    size_t n = 0;
    while (next_segment(&p, &length, &in_a, &in_b)) {
        bool now = intersect ? in_a && in_b : in_a || in_b;
        if (now != inside) {
            to[n++] = run;
            run = 0;
            inside = now;
        }
        run += length;
    }
    to[n++] = run;
    return n;
}

// The result has at most the runs of both, plus one; results alternate between the two halves of
// the scratch.
static tn_status merge(const io_rle *masks, size_t n, bool intersect, tn_arena *arena, io_rle *out,
                       tn_error *err) {
    size_t start = tn_arena_mark(arena), capacity = masks[0].count;
    for (size_t i = 1; i < n; i++) capacity += masks[i].count + 1;
    uint32_t *half[2];
    half[0] = tn_arena_alloc(arena, capacity * sizeof(uint32_t));
    half[1] = half[0] ? tn_arena_alloc(arena, capacity * sizeof(uint32_t)) : NULL;
    if (!half[1]) {
        tn_arena_reset(arena, start);
        return no_memory(err);
    }
    io_rle sum = masks[0];
    for (size_t i = 1; i < n; i++) {
        uint32_t *to = half[(n - 1 - i) % 2]; // the last result goes to the front half
        sum.count = merge_two(&sum, &masks[i], intersect, to);
        sum.counts = to;
    }
    io_arena_keep(arena, half[0], sum.count * sizeof(uint32_t));
    *out = sum;
    return TN_OK;
}

tn_status io_rle_merge(const io_rle *masks, size_t n, bool intersect, tn_arena *arena, io_rle *out,
                       tn_error *err) {
    TN_CHECK(n >= 1, "nothing to merge");
    for (size_t i = 1; i < n; i++)
        if (masks[i].h != masks[0].h || masks[i].w != masks[0].w)
            return tn_fail(err, TN_EINVAL, "masks of %ux%u and %ux%u cannot be merged", masks[0].h,
                           masks[0].w, masks[i].h, masks[i].w);
    if (n == 1)
        return io_rle_from_counts(masks[0].counts, masks[0].count, masks[0].h, masks[0].w, arena,
                                  out, err);
    return merge(masks, n, intersect, arena, out, err);
}

uint32_t io_rle_area(const io_rle *rle) {
    uint32_t area = 0;
    for (size_t i = 1; i < rle->count; i += 2) area += rle->counts[i];
    return area;
}

void io_rle_box(const io_rle *rle, uint32_t box[4]) {
    uint32_t left = rle->w, top = rle->h, right = 0, bottom = 0, at = 0;
    for (size_t i = 0; i + 1 < rle->count; i += 2) {
        uint32_t first = at + rle->counts[i], n = rle->counts[i + 1];
        at = first + n;
        if (!n) continue;
        uint32_t x0 = first / rle->h, y0 = first % rle->h, x1 = x0, y1 = y0 + n - 1;
        if (n > rle->h - y0) { // continues past the bottom of a column
            x1 = (at - 1) / rle->h;
            y0 = 0, y1 = rle->h - 1;
        }
        if (x0 < left) left = x0;
        if (x1 >= right) right = x1 + 1;
        if (y0 < top) top = y0;
        if (y1 >= bottom) bottom = y1 + 1;
    }
    bool empty = right == 0;
    box[0] = empty ? 0 : left;
    box[1] = empty ? 0 : top;
    box[2] = empty ? 0 : right - left;
    box[3] = empty ? 0 : bottom - top;
}

double io_box_iou(const double a[4], const double b[4], bool crowd) {
    double right_a = a[2] + a[0], right_b = b[2] + b[0];
    double w = (right_a < right_b ? right_a : right_b) - (a[0] > b[0] ? a[0] : b[0]);
    if (!(w > 0)) return 0;
    double foot_a = a[3] + a[1], foot_b = b[3] + b[1];
    double h = (foot_a < foot_b ? foot_a : foot_b) - (a[1] > b[1] ? a[1] : b[1]);
    if (!(h > 0)) return 0;
    double area_a = a[2] * a[3], common = w * h;
    return common / (crowd ? area_a : area_a + b[2] * b[3] - common);
}

// The current run of ones of a mask.
typedef struct ones {
    const io_rle *rle;
    size_t run; // odd: runs of ones
    uint32_t start, end;
} ones;

static bool next_ones(ones *o) {
    if ((o->run += 2) >= o->rle->count) return false;
    o->start = o->end + o->rle->counts[o->run - 1];
    o->end = o->start + o->rle->counts[o->run];
    return true;
}

static uint32_t common_pixels(const io_rle *a, const io_rle *b) {
    ones x = {.rle = a, .run = (size_t)-1}, y = {.rle = b, .run = (size_t)-1};
    uint32_t common = 0;
    if (!next_ones(&x) || !next_ones(&y)) return 0;
    for (bool more = true; more;) {
        uint32_t from = x.start > y.start ? x.start : y.start, to = x.end < y.end ? x.end : y.end;
        common += to > from ? to - from : 0;
        more = next_ones(x.end < y.end ? &x : &y);
    }
    return common;
}

double io_rle_iou(const io_rle *a, const io_rle *b, bool crowd) {
    if (a->h != b->h || a->w != b->w) return -1;
    uint32_t common = common_pixels(a, b);
    if (common == 0) return 0;
    uint32_t area = io_rle_area(a);
    return (double)common / (double)(crowd ? area : area + io_rle_area(b) - common);
}
