// SPDX-License-Identifier: Apache-2.0
#include "nn/pick.h"

#include <string.h>

tn_status nn_copy(nn_ctx *cx, const tn_tensor *from, tn_tensor *to) {
    TN_TRY(tn_new(cx->step, to, from->dtype, from->rank, from->dim, cx->err));
    if (tn_bytes(from)) memcpy(to->data, from->data, tn_bytes(from));
    return TN_OK;
}

tn_status nn_pick_rows(nn_ctx *cx, const tn_tensor *from, const tn_tensor *index, tn_tensor *to) {
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

void nn_top_scores(const float *p, int64_t classes, int count, int32_t *index, float *scores) {
    int have = 0;
    for (int i = 0; i < count; i++) index[i] = -1, scores[i] = 0;
    for (int64_t t = 0; t < classes; t++) {
        if (have == count && !(p[t] > scores[have - 1])) continue;
        int at = have < count ? have++ : have - 1;
        for (; at > 0 && p[t] > scores[at - 1]; at--)
            index[at] = index[at - 1], scores[at] = scores[at - 1];
        index[at] = (int32_t)t, scores[at] = p[t];
    }
}
