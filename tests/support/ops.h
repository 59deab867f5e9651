// SPDX-License-Identifier: Apache-2.0
// Runs one case of an operation at every level and compares it with `ref` in float64.
#pragma once

#include "tests/support/levels.h"
#include "tests/support/test.h"

#define OP_INPUTS 6
#define EPS 0x1p-23 // float32: the distance from 1 to the next number

typedef struct op_case {
    const char *what; // for messages
    // Runs the operation on inputs of one real type (float32, or float64 for the oracle).
    void (*run)(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg);
    const void *cfg;
    int inputs;
    tn_tensor in[OP_INPUTS]; // guarded; float32 or integers
    unsigned keep;           // bit i: in[i] is float32 for the oracle too (boxes)
    tn_tensor out;           // type and shape; no data
    bool single;             // the operation has no float64 form: the oracle is `ref` in float32
    double absolute, relative;
    int alias; // the output may be in[alias-1]; 0 for none
} op_case;

// Checks the result of every level, with 1, 2 and 7 threads, twice each, starting from NaN: within
// absolute + relative*|oracle| of the oracle (equal for integers), the same bits every time and
// also if the output is an input; inputs and guard zones are untouched.
void op_check(const op_case *c);
// Number of comparisons so far.
int op_checked(void);

tn_tensor op_shape(tn_dtype dtype, int rank, const int64_t *dim); // for op_case.out

// Tolerance for a sum of `terms` products of numbers up to `a` and `b`, uniform around 0, added one
// after another in float32. The k-th partial sum is about sqrt(k)*a*b/3 and is rounded by up to
// EPS/2 of that, so the error of the sum has a standard deviation of about EPS*terms*a*b/15; half
// of EPS*terms*a*b is seven of these.
double op_sum_tolerance(int64_t terms, double a, double b);

// Loops over sizes that are difficult for vectors, tiles and remainders.
#define EACH(type, name, ...)                                                                      \
    for (const type *name = (const type[]){__VA_ARGS__},                                           \
                    *name##_end = name + sizeof((const type[]){__VA_ARGS__}) / sizeof(type);       \
         name < name##_end; name++)

// A number in [0,n) that depends only on seed and place.
int64_t op_pick(uint64_t seed, uint64_t place, int64_t n);
