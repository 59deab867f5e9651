// SPDX-License-Identifier: Apache-2.0
// What the modules with an epilogue (bias, residual, activation) share when they are recorded.
#pragma once

#include "nn/tape.h"

// Whether the gradient of act is computed from its input, which then has to be kept. The others'
// is computed from the output.
bool nn_act_keeps_input(kn_act act);
// Room for the activation's input where it has to be kept, else y itself: *pre. Where memory is
// out, the tape is told, and the layer runs as in inference. Returns whether pre is not y.
bool nn_record_pre(nn_ctx *cx, kn_act act, tn_tensor *y, tn_tensor *pre);
// The gradient of what went into act, from that of y; also given to residual (data NULL: none).
// dy->data is NULL when there is nothing to do.
tn_status nn_record_take(nn_ctx *cx, kn_act act, const tn_tensor *pre, const tn_tensor *y,
                         const tn_tensor *residual, tn_tensor *dy);
