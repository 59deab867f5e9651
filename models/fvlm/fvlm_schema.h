// SPDX-License-Identifier: Apache-2.0
// The table of a configuration's fields, used to read, write and check it.
#pragma once

#include "models/fvlm/fvlm_config.h"

#include <string.h>

typedef enum md_field_kind {
    MD_FIELD_TEXT,   // char [capacity]
    MD_FIELD_INT,    // int64_t within [low, high]
    MD_FIELD_REAL,   // double within [low, high]
    MD_FIELD_BOOL,   // bool
    MD_FIELD_CHOICE, // int: index of the word
    MD_FIELD_INTS,   // int64_t [capacity]
    MD_FIELD_REALS,  // double [capacity]
} md_field_kind;

typedef struct md_field {
    const char *group, *key;
    md_field_kind kind;
    size_t at;       // offset in md_fvlm_config
    size_t capacity; // bytes of a text; maximum elements of a list
    double low, high;
    const char *const *words;
    size_t count_at; // offset of a list's int count; 0: exactly `capacity` elements
    int64_t since;   // the first version that has it; 0: all have it
    double absent;   // an integer's or a real's value in earlier versions
} md_field;

// Fields of one group are consecutive.
extern const md_field md_fvlm_fields[];
extern const size_t md_fvlm_field_count;
int md_field_choice(const md_field *field, const char *word); // -1 for an unknown word

#define MD_FVLM_FORMAT "lexmask-fvlm"
#define MD_FVLM_VERSION 6 // version 1 had no "contrast"; see `since` of each field
