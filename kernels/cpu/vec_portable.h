// SPDX-License-Identifier: Apache-2.0
// The vectors of the portable level: four floats in the compilers' vector extension, which becomes
// SSE2, NEON or scalar code. vec_avx512.h documents each function.
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define VW 4
#define MR 4
#define NV 2
#define KC 256 // products are not fused here: longer sums would round too much

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef vi vm;

static inline vf vf_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void vf_store(float *p, vf v) {
    memcpy(p, &v, sizeof v);
}
static inline vf vf_load_n(const float *p, int64_t n) {
    vf v = {0};
    for (int64_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
static inline void vf_store_n(float *p, vf v, int64_t n) {
    for (int64_t i = 0; i < n; i++) p[i] = v[i];
}
static inline vf vf_set(float x) {
    return (vf){x, x, x, x};
}
static inline vf vf_fma(vf a, vf b, vf c) {
    return a * b + c;
}
static inline vf vf_fnma(vf a, vf b, vf c) {
    return c - a * b;
}
static inline vf vf_select(vm m, vf yes, vf no) {
    return (vf)((m & (vi)yes) | (~m & (vi)no));
}
static inline vm vf_gt(vf a, vf b) {
    return a > b;
}
static inline vm vf_ge(vf a, vf b) {
    return a >= b;
}
static inline vm vf_nan(vf a) {
    return a != a;
}
static inline vm vm_or(vm a, vm b) {
    return a | b;
}
static inline vf vf_max(vf a, vf b) {
    return vf_select(a > b, a, b);
}
static inline vf vf_min(vf a, vf b) {
    return vf_select(a < b, a, b);
}
static inline vf vf_abs(vf a) {
    return (vf)((vi)a & (vi){INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX});
}
static inline vf vf_sqrt(vf a) {
    return (vf){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])};
}
static inline vf vf_ldexp(vf x, vf n) {
    vi whole = __builtin_convertvector(n, vi);
    vi half = whole >> 1;
    vi rest = whole - half;
    return x * (vf)((half + 127) << 23) * (vf)((rest + 127) << 23);
}
// Adding 1.5 * 2^23 drops the fraction bits.
static inline vf vf_round(vf x) {
    vf magic = vf_set(12582912.0f);
    return (x + magic) - magic;
}
static inline float vf_sum(vf v) {
    return (v[0] + v[2]) + (v[1] + v[3]);
}
static inline float vf_max_lane(vf v) {
    float a = v[0] > v[1] ? v[0] : v[1], b = v[2] > v[3] ? v[2] : v[3];
    return a > b ? a : b;
}
static inline vf vf_load_u8(const uint8_t *p) {
    return (vf){p[0], p[1], p[2], p[3]};
}
static inline void vf_transpose(vf r[VW]) {
    vf a = r[0], b = r[1], c = r[2], d = r[3];
    for (int i = 0; i < VW; i++) r[i] = (vf){a[i], b[i], c[i], d[i]};
}
static inline bool vm_any(vm m) {
    return (m[0] | m[1] | m[2] | m[3]) != 0;
}
static inline float vf_first(vf v) {
    return v[0];
}
