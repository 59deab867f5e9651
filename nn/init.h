// SPDX-License-Identifier: Apache-2.0
// Initial values of parameters.
#pragma once

#include "nn/nn.h"

// Fills w (float32 or float64) by init. Values are a function of seed, name and place: the order in
// which parameters are made changes nothing.
void nn_init_fill(nn_init init, uint64_t seed, const char *name, tn_tensor *w);
