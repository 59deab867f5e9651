// SPDX-License-Identifier: Apache-2.0
// The AVX2 + FMA level: every kernel of level.inc on vectors of 8 floats.
// The same lines as in level_avx512.c: the names that differ must be macros before level.inc.
#if defined(__AVX2__)
#include "kernels/cpu/vec_avx2.h"

#define LEVEL_NAME "avx2"
#define LEVEL_TABLE kn_avx2_table
#include "kernels/cpu/level.inc"
#else // not x86
#include "kernels/table.h"

const kn_table *kn_avx2_table(void) {
    return NULL;
}
#endif
