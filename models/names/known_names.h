// SPDX-License-Identifier: Apache-2.0
// Combines the names that a model was trained on with requested ones. Names are "the same" if they
// are the same to CLIP: equal after cleaning (models/text/text_clean.h).
#pragma once

#include "models/names/prompts.h"

// The names, followed by the classes of `others` of which no synonym is the same as one of them.
// Release with md_names_deinit. TN_ENOMEM.
tn_status md_names_join(const md_names *names, const md_names *others, md_names *out,
                        tn_error *err);
// among [classes], allocated by the caller: 1 if a synonym of the class is the same as one of
// `others`. TN_ENOMEM.
tn_status md_names_mark_shared(const md_names *names, const md_names *others, uint8_t *among,
                               tn_error *err);

#define MD_MAX_SIMILAR 3
// The classes of `known` whose spelling is most similar to the text, best first, by common letter
// triples (Dice's coefficient: a typing error and a missing word both leave most of them). At most
// MD_MAX_SIMILAR, none with less than 0.45. *count may be 0. TN_EINVAL: text is not UTF-8.
// TN_ENOMEM.
tn_status md_names_similar(const md_names *known, const char *text, int64_t near[MD_MAX_SIMILAR],
                           int *count, tn_error *err);
