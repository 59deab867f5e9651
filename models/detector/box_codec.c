// SPDX-License-Identifier: Apache-2.0
#include "models/detector/box_codec.h"

#include <math.h>

const double md_rpn_weights[4] = {1, 1, 1, 1};
const double md_roi_weights[4] = {10, 10, 5, 5};

// One text for both types: the order of operations must be torchvision's for equal results.
#define ENCODE(T, LOG)                                                                             \
    do {                                                                                           \
        T from_w = (T)from[2] - (T)from[0], from_h = (T)from[3] - (T)from[1];                      \
        T to_w = (T)to[2] - (T)to[0], to_h = (T)to[3] - (T)to[1];                                  \
        T dx = (T)to[0] + (T)0.5 * to_w - ((T)from[0] + (T)0.5 * from_w);                          \
        T dy = (T)to[1] + (T)0.5 * to_h - ((T)from[1] + (T)0.5 * from_h);                          \
        delta[0] = (T)weights[0] * dx / from_w;                                                    \
        delta[1] = (T)weights[1] * dy / from_h;                                                    \
        delta[2] = (T)weights[2] * LOG(to_w / from_w);                                             \
        delta[3] = (T)weights[3] * LOG(to_h / from_h);                                             \
    } while (0)

void md_box_encode_f32(const double weights[4], const float from[4], const float to[4],
                       float delta[4]) {
    ENCODE(float, logf);
}

void md_box_encode_f64(const double weights[4], const float from[4], const float to[4],
                       double delta[4]) {
    ENCODE(double, log);
}

void md_box_encode(const double weights[4], const tn_tensor *from, const tn_tensor *to,
                   tn_tensor *deltas) {
    int64_t n = deltas->dim[0];
    TN_CHECK(tn_has_shape(from, 2, (int64_t[]){n, 4}) && tn_has_shape(to, 2, (int64_t[]){n, 4}) &&
                 tn_has_shape(deltas, 2, (int64_t[]){n, 4}),
             "boxes and deltas of %lld regions", (long long)n);
    TN_CHECK(deltas->dtype == TN_F32 || deltas->dtype == TN_F64, "deltas are %s",
             tn_dtype_name(deltas->dtype));
    const float *a = tn_f32(from), *b = tn_f32(to);
    for (int64_t i = 0; i < n; i++, a += 4, b += 4)
        if (deltas->dtype == TN_F32)
            md_box_encode_f32(weights, a, b, (float *)deltas->data + 4 * i);
        else
            md_box_encode_f64(weights, a, b, (double *)deltas->data + 4 * i);
}
