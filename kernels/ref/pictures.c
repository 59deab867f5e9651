// SPDX-License-Identifier: Apache-2.0
// Pooling, resizing by direct sums, normalisation.
#include "kernels/ref/ref.h"
#include "kernels/rules.h"

#include <string.h>

#define SOURCE "kernels/ref/pictures.inc"
#include "kernels/ref/both_types.inc"

// Each step is rounded to float32, as to_tensor and normalize of torchvision do.
void kn_ref_normalize_u8_fwd(kn_ctx *cx, const float *mean, const float *std, const tn_tensor *x,
                             tn_tensor *y) {
    (void)cx;
    int64_t channels = tn_last(x);
    for (int64_t i = 0; i < tn_count(x); i++) {
        float unit = (float)tn_u8(x)[i] / 255.0f;
        float centred = unit - mean[i % channels];
        tn_f32(y)[i] = centred / std[i % channels];
    }
}
