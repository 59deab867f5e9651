// SPDX-License-Identifier: Apache-2.0
// Text that looks like text: words put together at random.
#pragma once

#include "tensor/rng.h"

const char *tr_word_draw(tn_rng *rng);
// count words with a capital and, if `full`, an end; cut to fit. Returns its length.
size_t tr_sentence_draw(tn_rng *rng, int count, bool full, char *out, size_t bytes);
// "Mira Holt"
size_t tr_person_draw(tn_rng *rng, char *out, size_t bytes);
