// SPDX-License-Identifier: Apache-2.0
// Broken input: what every refusal must be like.
#pragma once

#include "tensor/status.h"

// Fails the test, naming the case, unless status says that the input is bad (TN_EFORMAT,
// TN_EUNSUPPORTED, TN_EIO), err agrees, and its text names the file and, when part is not NULL,
// contains part.
void broken_is_refused(const char *name, const char *path, tn_status status, const tn_error *err,
                       const char *part);
// The same for weights that are opened, which must take less than a second.
void broken_weights(const char *name, const char *path, const char *part);
// Opens what may be good or broken after all: reads every element, or checks the refusal.
void broken_or_good_weights(const char *name, const char *path);
// Opens a good file with the first, second, … allocation failing until none fails: TN_ENOMEM each
// time. Returns how many there were.
int broken_memory_weights(const char *path);
