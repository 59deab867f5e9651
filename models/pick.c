// SPDX-License-Identifier: Apache-2.0
#include "models/pick.h"

#include <string.h>

tn_status md_pick_rows(nn_ctx *cx, const tn_tensor *from, const tn_tensor *index, tn_tensor *to) {
    tn_tensor shape = *from;
    shape.dim[0] = index->dim[0];
    TN_TRY(tn_new(cx->step, to, from->dtype, from->rank, shape.dim, cx->err));
    size_t row = tn_dtype_size(from->dtype);
    for (int i = 1; i < from->rank; i++) row *= (size_t)from->dim[i];
    for (int64_t i = 0; i < index->dim[0]; i++)
        memcpy((char *)to->data + (size_t)i * row,
               (const char *)from->data + (size_t)tn_i32(index)[i] * row, row);
    return TN_OK;
}
