// SPDX-License-Identifier: Apache-2.0
// Norms, softmax, activations, sums and table rows.
#include "kernels/ref/ref.h"

#include <math.h>
#include <string.h>

#define SOURCE "kernels/ref/rows.inc"
#include "kernels/ref/both_types.inc"

void kn_ref_gather_rows_fwd(kn_ctx *cx, const tn_tensor *table, const tn_tensor *ids,
                            tn_tensor *y) {
    (void)cx;
    size_t row = (size_t)tn_last(table) * tn_dtype_size(table->dtype);
    for (int64_t i = 0; i < ids->dim[0]; i++)
        memcpy((char *)y->data + (size_t)i * row,
               (const char *)table->data + (size_t)tn_i32(ids)[i] * row, row);
}
