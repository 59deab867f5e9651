// SPDX-License-Identifier: Apache-2.0
// The vectors of the AVX-512 level (F, BW, VL, DQ). vec_avx2.h and vec_portable.h define the same
// names, so that each kernel is written once, in an .inc file, and compiled for each level. + - * /
// and comparisons of whole vectors use the compiler's operators.
#pragma once

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define VW 16 // floats in a vector
#define MR 14 // rows and vectors of the register tile: 28 of 32 registers accumulate
#define NV 2
// Steps of K per block of A. With more steps C is stored less often, but a panel of B, NV VW wide,
// must stay in the first-level cache.
#define KC 96 // about as fast as 256, and shorter sums round less

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

static inline __mmask16 vm_first(int64_t n) {
    return (__mmask16)((1u << n) - 1);
}
static inline vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, vf v) {
    _mm512_storeu_ps(p, v);
}
// The first n < VW floats; the rest read as zero and are not written.
static inline vf vf_load_n(const float *p, int64_t n) {
    return _mm512_maskz_loadu_ps(vm_first(n), p);
}
static inline void vf_store_n(float *p, vf v, int64_t n) {
    _mm512_mask_storeu_ps(p, vm_first(n), v);
}
static inline vf vf_set(float x) {
    return _mm512_set1_ps(x);
}
// a*b + c and c - a*b, rounded once here and with AVX2, twice in the portable level
static inline vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf vf_fnma(vf a, vf b, vf c) {
    return _mm512_fnmadd_ps(a, b, c);
}
// The second operand if either is NaN.
static inline vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
static inline vm vf_gt(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}
static inline vm vf_ge(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
static inline vm vf_nan(vf a) {
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
static inline vm vm_or(vm a, vm b) {
    return (vm)(a | b);
}
static inline vf vf_select(vm m, vf yes, vf no) {
    return _mm512_mask_blend_ps(m, no, yes);
}
static inline vf vf_abs(vf a) {
    return _mm512_abs_ps(a);
}
static inline vf vf_sqrt(vf a) {
    return _mm512_sqrt_ps(a);
}
// x * 2^n for integer n in [-252, 254]
static inline vf vf_ldexp(vf x, vf n) {
    return _mm512_scalef_ps(x, n);
}
static inline vf vf_round(vf x) { // to the nearest integer, |x| < 2^22
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline float vf_sum(vf v) {
    return _mm512_reduce_add_ps(v);
}
static inline float vf_max_lane(vf v) {
    return _mm512_reduce_max_ps(v);
}
// VW bytes as floats
static inline vf vf_load_u8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
// Transposes in place.
static inline void vf_transpose(vf r[VW]) {
    __m512d t[16];
    for (int i = 0; i < 16; i += 4) {
        for (int j = 0; j < 4; j += 2) {
            t[i + j] = _mm512_castps_pd(_mm512_unpacklo_ps(r[i + j], r[i + j + 1]));
            t[i + j + 1] = _mm512_castps_pd(_mm512_unpackhi_ps(r[i + j], r[i + j + 1]));
        }
    }
    vf u[4][4]; // u[i][c]: lanes of four hold columns c, c+4, c+8, c+12 of rows 4i..4i+3
    for (int i = 0; i < 4; i++) {
        u[i][0] = _mm512_castpd_ps(_mm512_unpacklo_pd(t[4 * i], t[4 * i + 2]));
        u[i][1] = _mm512_castpd_ps(_mm512_unpackhi_pd(t[4 * i], t[4 * i + 2]));
        u[i][2] = _mm512_castpd_ps(_mm512_unpacklo_pd(t[4 * i + 1], t[4 * i + 3]));
        u[i][3] = _mm512_castpd_ps(_mm512_unpackhi_pd(t[4 * i + 1], t[4 * i + 3]));
    }
    for (int c = 0; c < 4; c++) {
        vf a = _mm512_shuffle_f32x4(u[0][c], u[1][c], 0x88), b;
        b = _mm512_shuffle_f32x4(u[2][c], u[3][c], 0x88);
        r[c] = _mm512_shuffle_f32x4(a, b, 0x88);
        r[c + 8] = _mm512_shuffle_f32x4(a, b, 0xdd);
        a = _mm512_shuffle_f32x4(u[0][c], u[1][c], 0xdd);
        b = _mm512_shuffle_f32x4(u[2][c], u[3][c], 0xdd);
        r[c + 4] = _mm512_shuffle_f32x4(a, b, 0x88);
        r[c + 12] = _mm512_shuffle_f32x4(a, b, 0xdd);
    }
}
// Two products at a time (AVX512_BF16). Not every processor of this level has it: functions marked
// VEC_PAIRS must run only where it does. A lane holds two bfloat16, the first in its lower half.
#define VEC_PAIRS __attribute__((target("avx512bf16")))
VEC_PAIRS static inline vf vf_dot_pairs(vf a, vf b, vf c) {
    return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
}
// 32 floats, in order.
VEC_PAIRS static inline vf vf_as_pairs(vf first, vf second) {
    return (vf)_mm512_cvtne2ps_pbh(second, first);
}
// Lane by lane.
VEC_PAIRS static inline vf vf_pair_lanes(vf first, vf second) {
    __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(first));
    __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(second));
    return (vf)_mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}
static inline bool vm_any(vm m) {
    return m != 0;
}
static inline float vf_first(vf v) {
    return _mm512_cvtss_f32(v);
}
