// SPDX-License-Identifier: Apache-2.0
// Random text that looks like real text.
#pragma once

#include "tensor/rng.h"

const char *tr_word_draw(tn_rng *rng);
// Writes count words with a capital and, if `full`, a final punctuation mark; truncated to fit.
// Returns the length.
size_t tr_sentence_draw(tn_rng *rng, int count, bool full, char *out, size_t bytes);
// A random name such as "Mira Holt".
size_t tr_person_draw(tn_rng *rng, char *out, size_t bytes);
