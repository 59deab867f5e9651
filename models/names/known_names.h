// SPDX-License-Identifier: Apache-2.0
// The names that a model was trained on beside those that somebody asks it for. "The same" means
// what it means to CLIP: equal after cleaning (models/text/text_clean.h).
#pragma once

#include "models/names/prompts.h"

// The names, and behind them the classes of `others` of which no synonym is the same as one of
// them. Release with md_names_deinit. TN_ENOMEM.
tn_status md_names_join(const md_names *names, const md_names *others, md_names *out,
                        tn_error *err);
// among[classes] of the caller: 1 where one of a class's synonyms is the same as one of `others`.
// TN_ENOMEM.
tn_status md_names_among(const md_names *names, const md_names *others, uint8_t *among,
                         tn_error *err);

#define MD_NEAR 3
// Which classes of `known` are written most like the text, best first, by the letter triples that
// they share (Dice's coefficient: a slip of the pen and a missing word both leave most of them): at
// most MD_NEAR, none that is under 0.45. *count may be 0. TN_EINVAL: a text that is no UTF-8.
// TN_ENOMEM.
tn_status md_names_near(const md_names *known, const char *text, int64_t near[MD_NEAR], int *count,
                        tn_error *err);
