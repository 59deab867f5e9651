// SPDX-License-Identifier: Apache-2.0
// The AVX-512 level (F, BW, VL, DQ): every kernel of level.inc on vectors of 16 floats.
// The same lines as in level_avx2.c: the names that differ must be macros before level.inc.
#if defined(__AVX512F__)
#include "kernels/cpu/vec_avx512.h"

#define LEVEL_NAME "avx512"
#define LEVEL_TABLE kn_avx512_table
#include "kernels/cpu/level.inc"
#else // not x86
#include "kernels/table.h"

const kn_table *kn_avx512_table(void) {
    return NULL;
}
#endif
