// SPDX-License-Identifier: Apache-2.0
// What was probably meant by a word that is not known.
#pragma once

#include "tools/shared/options.h"

// What to say after "no such option" of a name (length characters, without dashes): "; did you
// mean --score?" for the option that other programs call so, else for the one with the fewest
// typing mistakes (swapped, missing, wrong or added letters), else for the one that begins like it;
// "" when none is near.
void tool_suggest_option(const tool_command *command, const char *name, size_t length, char *out,
                         size_t bytes);
// How many typing mistakes make `name` of `word`; SIZE_MAX: too many for it to be meant.
size_t tool_word_distance(const char *name, const char *word);
