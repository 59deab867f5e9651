// SPDX-License-Identifier: Apache-2.0
// Classification by text: the cosine similarity of each row with the embedding of each name, times
// a temperature, as in CLIP (Radford et al. 2021).
#pragma once

#include "nn/params.h"

typedef struct nn_classifier {
    tn_tensor background; // [D], of any length, a learned name after the others; data NULL: none
    tn_tensor log_scale;  // [], logits are exp(log_scale) * cosine; data NULL: logits are cosines
    nn_param *background_param, *log_scale_param; // NULL: frozen, or none
} nn_classifier;

// "prefix.background" [channels] and "prefix.logit_scale" [], each if requested. Without a file the
// background is initialised by load->init as [1,D], the scale to `scale`. Errors as nn_load.
tn_status nn_classifier_load(const nn_loader *load, const char *prefix, int64_t channels,
                             bool background, bool learned_scale, double scale,
                             nn_classifier *classifier);
// x [R,D], text [T,D] of unit rows and of the type of x -> y [R,T], or [R,T+1] with a learned
// background, from cx->step. Under a tape text must not change. TN_ENOMEM.
tn_status nn_classifier_fwd(nn_ctx *cx, const nn_classifier *classifier, const tn_tensor *text,
                            const tn_tensor *x, tn_tensor *y);
