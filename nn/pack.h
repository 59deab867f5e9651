// SPDX-License-Identifier: Apache-2.0
// From a weight in a file to a weight that kernels read.
#pragma once

#include "nn/nn.h"

// Loads `name` as float32 into memory that lives only for this call, multiplies row k by scale[k]
// (NULL: leaves it) and packs it into load->arena. rank 2 ([K,C]) or 4 ([K,C,kh,kw]); dim as in
// nn_load. Errors as nn_load.
tn_status nn_pack(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                  const tn_tensor *scale, kn_weight *out);
