// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/ref.h"

// What chooses between the two types of an operation on real tensors.
#define CHOOSE_void(is_double, name, arguments)                                                    \
    if (is_double)                                                                                 \
        name##_f64 arguments;                                                                      \
    else                                                                                           \
        name##_f32 arguments;
#define CHOOSE_double(is_double, name, arguments)                                                  \
    return is_double ? name##_f64 arguments : name##_f32 arguments;

#define KN_OP(result, name, parameters, arguments)
#define KN_OP_REAL(result, name, type_of, parameters, arguments)                                   \
    result kn_ref_##name parameters {                                                              \
        CHOOSE_##result(type_of->dtype == TN_F64, kn_ref_##name, arguments)                        \
    }
#include "kernels/ops.def"

static const kn_table table = {
    .name = "ref",
    .float64 = true,
#define KN_OP(result, name, parameters, arguments) .name = kn_ref_##name,
#include "kernels/ops.def"
};

const kn_table *kn_ref_table(void) {
    return &table;
}
