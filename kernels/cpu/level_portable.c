// SPDX-License-Identifier: Apache-2.0
// The portable level: every kernel of level.inc on vectors of 4 floats, for any processor.
#include "kernels/cpu/vec_portable.h"

#define LEVEL_NAME "portable"
#define LEVEL_TABLE kn_portable_table
#include "kernels/cpu/level.inc"
