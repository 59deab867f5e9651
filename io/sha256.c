// SPDX-License-Identifier: Apache-2.0
#include "io/sha256.h"

#include "io/file.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
static const uint32_t constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int by) {
    return x >> by | x << (32 - by);
}

static void expand(const uint8_t *bytes, uint32_t w[64]) {
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)bytes[4 * t] << 24 | (uint32_t)bytes[4 * t + 1] << 16 |
               (uint32_t)bytes[4 * t + 2] << 8 | bytes[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        uint32_t a = w[t - 15], b = w[t - 2];
        uint32_t s0 = rotate(a, 7) ^ rotate(a, 18) ^ a >> 3;
        uint32_t s1 = rotate(b, 17) ^ rotate(b, 19) ^ b >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
}

void io_sha256_portable(uint32_t state[8], const uint8_t *bytes, size_t blocks) {
    for (; blocks; blocks--, bytes += 64) {
        uint32_t w[64];
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        expand(bytes, w);
        for (int t = 0; t < 64; t++) {
            uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
            uint32_t one = h + s1 + ((e & f) ^ (~e & g)) + constant[t] + w[t];
            uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
            uint32_t two = s0 + ((a & b) ^ (a & c) ^ (b & c));
            h = g, g = f, f = e, e = d + one;
            d = c, c = b, b = a, a = one + two;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#if defined(__x86_64__)
// The instructions keep the state as (a,b,e,f) and (c,d,g,h), and do four rounds on four words.
__attribute__((target("sha,sse4.1"))) static void
with_instructions(uint32_t state[8], const uint8_t *bytes, size_t blocks) {
    const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (; blocks; blocks--, bytes += 64) {
        const __m128i abef0 = abef, cdgh0 = cdgh;
        __m128i w[4]; // the last 16 words
        for (int g = 0; g < 16; g++) {
            __m128i *now = &w[g % 4], last = w[(g + 3) % 4];
            if (g < 4) {
                *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)bytes + g), order);
            } else {
                __m128i part = _mm_sha256msg1_epu32(*now, w[(g + 1) % 4]);
                part = _mm_add_epi32(part, _mm_alignr_epi8(last, w[(g + 2) % 4], 4));
                *now = _mm_sha256msg2_epu32(part, last);
            }
            __m128i sum = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)constant + g));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef0), cdgh = _mm_add_epi32(cdgh, cdgh0);
    }
    uint32_t x[4], y[4];
    _mm_storeu_si128((__m128i *)x, abef);
    _mm_storeu_si128((__m128i *)y, cdgh);
    state[0] = x[3], state[1] = x[2], state[4] = x[1], state[5] = x[0];
    state[2] = y[3], state[3] = y[2], state[6] = y[1], state[7] = y[0];
}

static bool has_instructions(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}
#else
#define with_instructions io_sha256_portable
static bool has_instructions(void) {
    return false;
}
#endif

io_sha256_blocks *io_sha256_instructions(void) {
    static atomic_int known; // 0: unknown; 1: no; 2: yes
    int has = atomic_load_explicit(&known, memory_order_relaxed);
    if (!has) {
        has = 1 + has_instructions();
        atomic_store_explicit(&known, has, memory_order_relaxed);
    }
    return has == 2 ? with_instructions : NULL;
}

static void hash_blocks(uint32_t state[8], const uint8_t *bytes, size_t blocks) {
    io_sha256_blocks *fast = io_sha256_instructions();
    (fast ? fast : io_sha256_portable)(state, bytes, blocks);
}

void io_sha256_init(io_sha256 *hash) {
    *hash = (io_sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                  0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void io_sha256_add(io_sha256 *hash, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    size_t used = hash->count % 64;
    hash->count += count;
    if (used + count < 64) {
        if (count) memcpy(hash->block + used, at, count);
        return;
    }
    if (used) {
        size_t part = 64 - used;
        memcpy(hash->block + used, at, part);
        hash_blocks(hash->state, hash->block, 1);
        at += part, count -= part;
    }
    hash_blocks(hash->state, at, count / 64);
    if (count % 64) memcpy(hash->block, at + count / 64 * 64, count % 64);
}

void io_sha256_end(io_sha256 *hash, uint8_t out[IO_SHA256]) {
    uint64_t bits = hash->count * 8;
    uint8_t tail[72] = {
        0x80}; // a one bit, zeros up to 8 bytes before a block's end, then the length in bits
    size_t zeros = (119 - hash->count % 64) % 64;
    for (int i = 0; i < 8; i++) tail[1 + zeros + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
    io_sha256_add(hash, tail, 1 + zeros + 8);
    for (int i = 0; i < IO_SHA256; i++)
        out[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void io_sha256_memory(const void *bytes, size_t count, uint8_t out[IO_SHA256]) {
    io_sha256 hash;
    io_sha256_init(&hash);
    io_sha256_add(&hash, bytes, count);
    io_sha256_end(&hash, out);
}

tn_status io_sha256_file(const char *path, uint8_t out[IO_SHA256], tn_error *err) {
    io_map map;
    TN_TRY(io_map_open(path, &map, err));
    io_sha256_memory(map.bytes, map.count, out);
    io_map_close(&map);
    return TN_OK;
}

const char *io_sha256_text(const uint8_t digest[IO_SHA256], char out[IO_SHA256_HEX]) {
    for (size_t i = 0; i < IO_SHA256; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return out;
}
