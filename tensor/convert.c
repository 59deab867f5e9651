// SPDX-License-Identifier: Apache-2.0
// Conversions between element types. 16-bit floats go through float with round to nearest even;
// every other pair goes through double or int64, so that integers stay exact.
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

static float float_of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of_float(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, mantissa = h & 1023u;
    if (exponent == 31) return float_of_bits(sign | 0x7f800000u | mantissa << 13);
    if (exponent) return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float value = (float)mantissa * 0x1p-24f; // subnormal: exact in float
    return sign ? -value : value;
}

static uint16_t float_to_half(float f) {
    uint32_t bits = bits_of_float(f), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);  // NaN stays NaN
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); // rounds to 65536 or more
    if (magnitude < 0x38800000u) { // subnormal half: let the FPU round to the grid of 2^-24
        float shifted = float_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (bits_of_float(shifted) - 0x3f000000u));
    }
    uint32_t odd = magnitude >> 13 & 1u;
    return (uint16_t)(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

static float bfloat_to_float(uint16_t b) {
    return float_of_bits((uint32_t)b << 16);
}

static uint16_t float_to_bfloat(float f) {
    uint32_t bits = bits_of_float(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static bool is_real(tn_dtype type) {
    return type == TN_F32 || type == TN_F64 || type == TN_F16 || type == TN_BF16;
}

static double real_at(const void *from, tn_dtype type, size_t i) {
    switch (type) {
    case TN_F32:
        return ((const float *)from)[i];
    case TN_F64:
        return ((const double *)from)[i];
    case TN_F16:
        return half_to_float(((const uint16_t *)from)[i]);
    default:
        return bfloat_to_float(((const uint16_t *)from)[i]);
    }
}

static int64_t integer_at(const void *from, tn_dtype type, size_t i) {
    switch (type) {
    case TN_U8:
        return ((const uint8_t *)from)[i];
    case TN_BOOL:
        return ((const uint8_t *)from)[i] != 0;
    case TN_I8:
        return ((const int8_t *)from)[i];
    case TN_I16:
        return ((const int16_t *)from)[i];
    case TN_I32:
        return ((const int32_t *)from)[i];
    default:
        return ((const int64_t *)from)[i];
    }
}

static void put_real(void *to, tn_dtype type, size_t i, double value) {
    switch (type) {
    case TN_F32:
        ((float *)to)[i] = (float)value;
        break;
    case TN_F64:
        ((double *)to)[i] = value;
        break;
    case TN_F16:
        ((uint16_t *)to)[i] = float_to_half((float)value);
        break;
    default:
        ((uint16_t *)to)[i] = float_to_bfloat((float)value);
        break;
    }
}

static int64_t clamp64(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

static void put_integer(void *to, tn_dtype type, size_t i, int64_t value) {
    switch (type) {
    case TN_U8:
        ((uint8_t *)to)[i] = (uint8_t)clamp64(value, 0, UINT8_MAX);
        break;
    case TN_BOOL:
        ((uint8_t *)to)[i] = value != 0;
        break;
    case TN_I8:
        ((int8_t *)to)[i] = (int8_t)clamp64(value, INT8_MIN, INT8_MAX);
        break;
    case TN_I16:
        ((int16_t *)to)[i] = (int16_t)clamp64(value, INT16_MIN, INT16_MAX);
        break;
    case TN_I32:
        ((int32_t *)to)[i] = (int32_t)clamp64(value, INT32_MIN, INT32_MAX);
        break;
    default:
        ((int64_t *)to)[i] = value;
        break;
    }
}

static int64_t saturate(double value) {
    if (!(value > -0x1p63)) return isnan(value) ? 0 : INT64_MIN;
    return value >= 0x1p63 ? INT64_MAX : (int64_t)nearbyint(value);
}

// The pairs that whole checkpoints use, converted directly.
static bool convert_fast(const void *from, tn_dtype from_type, float *to, size_t count) {
    const uint16_t *half = from;
    if (from_type == TN_F16)
        for (size_t i = 0; i < count; i++) to[i] = half_to_float(half[i]);
    else if (from_type == TN_BF16)
        for (size_t i = 0; i < count; i++) to[i] = bfloat_to_float(half[i]);
    else
        return false;
    return true;
}

void tn_convert(const void *from, tn_dtype from_type, void *to, tn_dtype to_type, size_t count) {
    if (from_type == to_type) {
        if (count) memcpy(to, from, count * tn_dtype_size(from_type));
        return;
    }
    if (to_type == TN_F32 && convert_fast(from, from_type, to, count)) return;
    for (size_t i = 0; i < count; i++) {
        if (!is_real(from_type) && !is_real(to_type))
            put_integer(to, to_type, i, integer_at(from, from_type, i));
        else if (!is_real(from_type))
            put_real(to, to_type, i, (double)integer_at(from, from_type, i));
        else if (is_real(to_type))
            put_real(to, to_type, i, real_at(from, from_type, i));
        else
            put_integer(to, to_type, i, saturate(real_at(from, from_type, i)));
    }
}
