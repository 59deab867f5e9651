// SPDX-License-Identifier: Apache-2.0
// Finds the model that is shipped with this program.
#pragma once

#include "tensor/status.h"

// Writes the folder of an F-VLM into out [bytes]: the environment variable LEXMASK_MODEL; else,
// relative to the folder of the running program and of this library, ../share/lexmask/model
// (installed) or ../demo/model and ../../demo/model (a source tree's build/lexmask,
// build/tests/NAME); else PREFIX/share/lexmask/model as configured. TN_EIO: LEXMASK_MODEL names no
// such folder. TN_EINVAL: none found; the text tells the user which options to give.
tn_status md_shipped_model(char *out, size_t bytes, tn_error *err);
