// SPDX-License-Identifier: Apache-2.0
// Losses with their gradients, the optimizer's step, the square of a norm.
#include "kernels/ref/ref.h"

#include <math.h>

#define SOURCE "kernels/ref/losses.inc"
#include "kernels/ref/both_types.inc"
