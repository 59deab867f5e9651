// SPDX-License-Identifier: Apache-2.0
// Access to single elements of a float32 or float64 tensor: for small tensors and code that runs
// once.
#pragma once

#include "tensor/tensor.h"

static inline double nn_real(const tn_tensor *t, int64_t i) {
    TN_CHECK(t->dtype == TN_F32 || t->dtype == TN_F64, "tensor is %s", tn_dtype_name(t->dtype));
    return t->dtype == TN_F64 ? ((const double *)t->data)[i] : (double)((const float *)t->data)[i];
}

static inline void nn_real_set(tn_tensor *t, int64_t i, double value) {
    TN_CHECK(t->dtype == TN_F32 || t->dtype == TN_F64, "tensor is %s", tn_dtype_name(t->dtype));
    if (t->dtype == TN_F64)
        ((double *)t->data)[i] = value;
    else
        ((float *)t->data)[i] = (float)value;
}
