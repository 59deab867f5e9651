// SPDX-License-Identifier: Apache-2.0
// Broken input: what every refusal must be like.
#pragma once

#include "tensor/status.h"

// Fails the test, naming the case, unless status says that the input is bad (TN_EFORMAT,
// TN_EUNSUPPORTED, TN_EIO), err agrees, and its text names the file and, when part is not NULL,
// contains part.
void broken_is_refused(const char *name, const char *path, tn_status status, const tn_error *err,
                       const char *part);
