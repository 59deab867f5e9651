// SPDX-License-Identifier: Apache-2.0
// The table of a configuration's fields, for what reads, writes and checks it.
#pragma once

#include "models/fvlm/fvlm_config.h"

#include <string.h>

typedef enum md_field_kind {
    MD_FIELD_TEXT,   // char [room]
    MD_FIELD_INT,    // int64_t within [low, high]
    MD_FIELD_REAL,   // double within [low, high]
    MD_FIELD_BOOL,   // bool
    MD_FIELD_CHOICE, // int: the place in words
    MD_FIELD_INTS,   // int64_t [room]
    MD_FIELD_REALS,  // double [room]
} md_field_kind;

typedef struct md_field {
    const char *group, *key;
    md_field_kind kind;
    size_t at;   // offset in md_fvlm_config
    size_t room; // bytes of a text; most elements of a list
    double low, high;
    const char *const *words;
    size_t count_at; // offset of a list's int count; 0: exactly `room` elements
    int64_t since;   // the version that has it; 0: all do
    double absent;   // an integer's or a real's value in earlier ones
} md_field;

// Fields of one group follow each other.
extern const md_field md_fvlm_fields[];
extern const size_t md_fvlm_field_count;
int md_field_choice(const md_field *field, const char *word); // -1 if it is none of them

#define MD_FVLM_FORMAT "lexmask-fvlm"
#define MD_FVLM_VERSION 6 // the first had no "contrast"; fields say since when they are there
