// SPDX-License-Identifier: Apache-2.0
// Initial values of parameters.
#pragma once

#include "nn/nn.h"

// Fills w (float32 or float64) as init says. A value depends only on seed, name and index: the
// order in which parameters are created does not matter.
void nn_init_fill(nn_init init, uint64_t seed, const char *name, tn_tensor *w);
