// SPDX-License-Identifier: Apache-2.0
// Packs weights from a file into the layout that kernels read.
#pragma once

#include "nn/nn.h"

// Loads `name` as float32 into temporary memory, multiplies row k by scale[k] (NULL: does not
// scale) and packs it into load->arena. rank 2 ([K,C]) or 4 ([K,C,kh,kw]); dim as in nn_load.
// Errors as nn_load.
tn_status nn_pack(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                  const tn_tensor *scale, kn_weight *out, kn_weight *adjoint);
// The same for a weight in memory, whose rows are scaled in place. adjoint is packed if
// load->adjoint is set, and is zero otherwise. TN_ENOMEM.
tn_status nn_pack_tensor(const nn_loader *load, tn_tensor *w, const tn_tensor *scale,
                         kn_weight *out, kn_weight *adjoint);
// True if the adjoint was packed. Aborts with the layer's shape if it was not and a gradient is
// wanted.
void nn_check_adjoint(const kn_weight *w, const kn_weight *adjoint);
