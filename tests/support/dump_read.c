// SPDX-License-Identifier: Apache-2.0
#include "tests/support/dump_read.h"

#include <math.h>
#include <string.h>

void dump_check(const dump *d, tn_status status, const tn_error *err) {
    if (status != TN_OK) DUMP_FAIL(d, "%s", err->text);
}

// ---- contents of a file -----------------------------------------------------------------------

static const int to_last[] = {0, 2, 3, 1}; // [N,C,H,W] -> [N,H,W,C]

bool dump_has(const dump *d, const char *name) {
    return io_weights_find(d->file, name) != NULL;
}

tn_tensor dump_raw(const dump *d, const char *name) {
    const io_tensor *t = io_weights_find(d->file, name);
    if (!t) DUMP_FAIL(d, "no tensor '%s'", name);
    tn_tensor view = tn_view((void *)(uintptr_t)t->data, t->dtype, t->rank, t->dim);
    return guarded_copy(&view);
}

tn_tensor dump_real(const dump *d, const char *name) {
    tn_tensor t = dump_raw(d, name);
    tn_dtype dtype = d->wide ? TN_F64 : TN_F32;
    return t.dtype == dtype ? t : guarded_convert(&t, dtype);
}

tn_tensor dump_picture(const dump *d, const char *name) {
    tn_tensor t = dump_real(d, name);
    if (t.rank != 4) DUMP_FAIL(d, "%s has rank %d, expected [N,C,H,W]", name, t.rank);
    return guarded_permute(&t, to_last);
}

tn_tensor dump_whole(const dump *d, const char *name) {
    tn_tensor t = dump_raw(d, name);
    return t.dtype == TN_I32 ? t : guarded_convert(&t, TN_I32);
}

double dump_number(const dump *d, const char *key, double otherwise) {
    tn_error err;
    dump_check(d, io_json_maybe_number(&d->config, key, &otherwise, &err), &err);
    return otherwise;
}

bool dump_flag(const dump *d, const char *key) {
    tn_error err;
    bool value = false;
    dump_check(d, io_json_maybe_bool(&d->config, key, &value, &err), &err);
    return value;
}

int dump_numbers(const dump *d, const char *key, double *out, int room) {
    tn_error err;
    io_json array, item;
    if (!io_json_has(&d->config, key)) return 0;
    dump_check(d, io_json_get(&d->config, key, IO_JSON_ARRAY, &array, &err), &err);
    int count = (int)io_json_count(&array);
    if (count > room) DUMP_FAIL(d, "%s holds %d numbers, expected at most %d", key, count, room);
    for (int i = 0; i < count; i++) {
        dump_check(d, io_json_at(&array, (size_t)i, IO_JSON_NUMBER, &item, &err), &err);
        dump_check(d, io_json_as_number(&item, &out[i], &err), &err);
    }
    return count;
}

void dump_pair(const dump *d, const char *key, int otherwise, int *down, int *along) {
    double value[2] = {otherwise, otherwise};
    int count = dump_numbers(d, key, value, 2);
    if (count == 1) DUMP_FAIL(d, "%s holds one number, expected two", key);
    *down = (int)value[0];
    *along = (int)value[1];
}

void dump_pads(const dump *d, int *top, int *left, int *bottom, int *right) {
    double value[4] = {0};
    int count = dump_numbers(d, "padding", value, 4);
    *top = (int)value[0], *left = (int)value[1];
    *bottom = (int)value[count == 4 ? 2 : 0], *right = (int)value[count == 4 ? 3 : 1];
}

int dump_choice(const dump *d, const char *key, const char *const *names, int count) {
    tn_error err;
    const char *text = names[0];
    dump_check(d, io_json_maybe_string(&d->config, key, &text, &err), &err);
    for (int i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0) return i;
    DUMP_FAIL(d, "%s is '%s'", key, text);
    return 0;
}

kn_act dump_activation(const dump *d, const char *key) {
    static const char *const names[] = {"linear",     "relu",    "gelu",
                                        "quick_gelu", "sigmoid", "gelu_tanh"};
    return (kn_act)dump_choice(d, key, names, 6);
}

kn_filter dump_filter(const dump *d) {
    static const char *const names[] = {"nearest", "bilinear", "bicubic"};
    return (kn_filter)dump_choice(d, "filter", names, 3);
}

// ---- comparing ---------------------------------------------------------------------------------

// As test_relative_error, in float64.
static double wide_error(const double *a, const double *b, int64_t count) {
    double most = 0, largest = 0;
    for (int64_t i = 0; i < count; i++) {
        double error = fabs(a[i] - b[i]);
        if (!(error <= most)) most = error; // keeps NaN
        if (fabs(b[i]) > largest) largest = fabs(b[i]);
        if (isnan(most)) return most;
    }
    return largest > 0 ? most / largest : most;
}

void dump_expect_within(const dump *d, double bar, const tn_tensor *got, const tn_tensor *want) {
    if (!tn_same_shape(got, want)) DUMP_FAIL(d, "rank or sizes of the result differ from the dump");
    if (got->dtype == TN_F32 || got->dtype == TN_F64) {
        bool wide = got->dtype == TN_F64;
        if (wide) bar = DUMP_BAR_WIDE;
        double error = wide ? wide_error(got->data, want->data, tn_count(want))
                            : test_relative_error(got->data, want->data, (size_t)tn_count(want));
        if (!(error <= bar)) DUMP_FAIL(d, "differs by %g of the largest value, bar %g", error, bar);
    } else if (memcmp(got->data, want->data, tn_bytes(want)) != 0) {
        DUMP_FAIL(d, "differs, expected to be equal");
    }
    guarded_check();
}

void dump_expect(const dump *d, const tn_tensor *got, const tn_tensor *want) {
    dump_expect_within(d, DUMP_BAR, got, want);
}

tn_tensor dump_like(const tn_tensor *t) {
    return guarded_new(t->dtype, t->rank, t->dim);
}
