// SPDX-License-Identifier: Apache-2.0
// Classification by text: the cosine of each row with the embedding of each name, times a
// temperature, as CLIP classifies (Radford et al. 2021).
#pragma once

#include "nn/params.h"

typedef struct nn_classifier {
    tn_tensor background; // [D], any length, a learned name behind the others; data NULL: none
    tn_tensor log_scale;  // [], logits are exp(log_scale) * cosine; data NULL: cosines
    nn_param *background_param, *log_scale_param; // NULL: frozen, or none
} nn_classifier;

// "prefix.background" [channels] and "prefix.logit_scale" [], each where it is asked for. Without a
// file the background begins as load->init says for [1,D], the scale as `scale`. Errors as nn_load.
tn_status nn_classifier_load(const nn_loader *load, const char *prefix, int64_t channels,
                             bool background, bool learned_scale, double scale,
                             nn_classifier *classifier);
// x [R,D], text [T,D] of unit rows, of x's type -> y [R,T], with a learned background [R,T+1], from
// cx->step. text must stay as it is under a tape. TN_ENOMEM.
tn_status nn_classifier_fwd(nn_ctx *cx, const nn_classifier *classifier, const tn_tensor *text,
                            const tn_tensor *x, tn_tensor *y);
