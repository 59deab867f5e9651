// SPDX-License-Identifier: Apache-2.0
// Checks how broken input is refused.
#pragma once

#include "tensor/status.h"

// Fails the test, naming the case, unless status says that the input is bad (TN_EFORMAT,
// TN_EUNSUPPORTED, TN_EIO), err has the same status, and its text names the file and, if part is
// not NULL, contains part.
void broken_is_refused(const char *name, const char *path, tn_status status, const tn_error *err,
                       const char *part);
// The same for opening weights, which must take less than a second.
void broken_weights(const char *name, const char *path, const char *part);
// Opens a file that may be good or broken: reads every element, or checks the refusal.
void broken_or_good_weights(const char *name, const char *path);
// Opens a good file with the first, second, … allocation failing until none fails: TN_ENOMEM each
// time. Returns the number of failures.
int broken_memory_weights(const char *path);
