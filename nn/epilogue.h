// SPDX-License-Identifier: Apache-2.0
// Recording for modules with an epilogue (bias, residual, activation).
#pragma once

#include "nn/tape.h"

// True if the gradient of act is computed from its input, which then has to be kept; otherwise it
// is computed from the output.
bool nn_act_keeps_input(kn_act act);
// Sets *pre to new memory for the activation's input if it has to be kept, else to y. When memory
// is exhausted, the tape notes that, and the layer runs as in inference. Returns whether pre is not
// y.
bool nn_epilogue_input(nn_ctx *cx, kn_act act, tn_tensor *y, tn_tensor *pre);
// Gradient of the activation's input, from that of y; it is also added to residual (data NULL:
// none). dy->data is NULL if there is nothing to do.
tn_status nn_epilogue_grad(nn_ctx *cx, kn_act act, const tn_tensor *pre, const tn_tensor *y,
                           const tn_tensor *residual, tn_tensor *dy);
