// SPDX-License-Identifier: Apache-2.0
// Reads the results of a training run from its folder.
#pragma once

#include "io/sha256.h"

// The first and the last value of a key in log.jsonl; NaN if there is none.
double run_first_of(const char *folder, const char *key);
double run_last_of(const char *folder, const char *key);
// Asserts that two runs wrote the same checkpoint, model and vocabulary.
void run_assert_same(const char *folder, const char *other);
// SHA-256 of a file in the folder.
void run_digest(const char *folder, const char *name, uint8_t out[IO_SHA256]);
