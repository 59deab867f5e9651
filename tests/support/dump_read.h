// SPDX-License-Identifier: Apache-2.0
// Reads the file of a dumped layer (docs/dumps.md) in the form that kernels take, and compares
// results. Any error fails the test with the file's name and the level.
#pragma once

#include "tests/support/dump_kinds.h"
#include "tests/support/levels.h"
#include "tests/support/test.h"

#define DUMP_BAR 1e-5       // max|difference| / max|expected| in float32
#define DUMP_BAR_WIDE 1e-12 // and in float64

#define DUMP_FAIL(d, ...)                                                                          \
    do {                                                                                           \
        print_error("%s at level %s: ", io_weights_path((d)->file), kn_level((d)->cx));            \
        fail_msg(__VA_ARGS__);                                                                     \
    } while (0)

void dump_check(const dump *d, tn_status status, const tn_error *err);
bool dump_has(const dump *d, const char *name);
tn_tensor dump_raw(const dump *d, const char *name);
// As float32 (float64 if d->wide), in the order of the file.
tn_tensor dump_real(const dump *d, const char *name);
// A picture [N,C,H,W], transposed to [N,H,W,C].
tn_tensor dump_picture(const dump *d, const char *name);
tn_tensor dump_whole(const dump *d, const char *name); // int32

double dump_number(const dump *d, const char *key, double otherwise);
bool dump_flag(const dump *d, const char *key);
// An array of at most `room` numbers; returns their number (0 if absent).
int dump_numbers(const dump *d, const char *key, double *out, int room);
// Two numbers, down and along; both are `otherwise` if absent.
void dump_pair(const dump *d, const char *key, int otherwise, int *down, int *along);
// Two numbers (down and along, for both sides), or four: top, left, bottom, right.
void dump_pads(const dump *d, int *top, int *left, int *bottom, int *right);
// Index of the value among the names; 0 if absent.
int dump_choice(const dump *d, const char *key, const char *const *names, int count);
kn_act dump_activation(const dump *d, const char *key);
kn_filter dump_filter(const dump *d);

void dump_expect(const dump *d, const tn_tensor *got, const tn_tensor *want);
// With another tolerance for float32.
void dump_expect_within(const dump *d, double bar, const tn_tensor *got, const tn_tensor *want);
// Memory for a result of that shape, filled with NaN.
tn_tensor dump_like(const tn_tensor *t);
