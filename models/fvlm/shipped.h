// SPDX-License-Identifier: Apache-2.0
// Where the model lies that comes with this program.
#pragma once

#include "tensor/status.h"

// An F-VLM's folder into out [bytes]: that of the environment variable LEXMASK_MODEL; else, seen
// from the folder of the running program and of this library, ../share/lexmask/model (installed)
// or ../demo/model and ../../demo/model (a source tree's build/lexmask, build/tests/NAME); else
// PREFIX/share/lexmask/model as it was configured. TN_EIO: LEXMASK_MODEL names no such folder.
// TN_EINVAL: there is none anywhere; the text says what to give.
tn_status md_shipped_model(char *out, size_t bytes, tn_error *err);
