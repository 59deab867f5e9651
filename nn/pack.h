// SPDX-License-Identifier: Apache-2.0
// From a weight in a file to a weight that kernels read.
#pragma once

#include "nn/nn.h"

// Loads `name` as float32 into memory that lives only for this call, multiplies row k by scale[k]
// (NULL: leaves it) and packs it into load->arena. rank 2 ([K,C]) or 4 ([K,C,kh,kw]); dim as in
// nn_load. Errors as nn_load.
tn_status nn_pack(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                  const tn_tensor *scale, kn_weight *out, kn_weight *adjoint);
// The same of a weight that is in memory; its rows are left multiplied by scale. adjoint is packed
// where load->through asks for it, and is zero otherwise. TN_ENOMEM.
tn_status nn_pack_tensor(const nn_loader *load, tn_tensor *w, const tn_tensor *scale,
                         kn_weight *out, kn_weight *adjoint);
// Whether it was packed; aborts with the layer's shape where a gradient is wanted and it was not.
void nn_check_through(const kn_weight *w, const kn_weight *adjoint);
