// SPDX-License-Identifier: Apache-2.0
// What a training run left in its folder.
#pragma once

#include "io/sha256.h"

// The first and the last value that log.jsonl has under a key; NaN where it has none.
double run_first_of(const char *folder, const char *key);
double run_last_of(const char *folder, const char *key);
// Two runs left the same checkpoint, model and vocabulary.
void run_assert_same(const char *folder, const char *other);
// SHA-256 of a file in the folder.
void run_digest(const char *folder, const char *name, uint8_t out[IO_SHA256]);
