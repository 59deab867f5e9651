// SPDX-License-Identifier: Apache-2.0
// Option structs: defaults, ranges, and which kinds of sessions use each option. Each struct begins
// with its size in the caller's header, which may be another version's.
#pragma once

#include "lexmask.h"
#include "tensor/status.h"

#include <stdbool.h>
#include <stddef.h>

// Kinds of sessions that use an option.
enum { API_CROP = 1, API_CLOSED = 2, API_FVLM = 4, API_ALL = 7 };

// The kind of session of a model and a mode: one of the three bits; 0 for an unknown mode.
unsigned api_kind(bool fvlm, lexmask_mode mode);

// Fills *to from the caller's options (NULL: the defaults) and checks ranges. TN_EINVAL names the
// option and what was expected; TN_EUNSUPPORTED: an option of a newer header is set.
tn_status api_model_options(const lexmask_model_options *given, lexmask_model_options *to,
                            tn_error *err);
tn_status api_names_options(const lexmask_names_options *given, lexmask_names_options *to,
                            tn_error *err);
tn_status api_session_options(const lexmask_session_options *given, lexmask_session_options *to,
                              tn_error *err);
// TN_EINVAL: an option is set that this kind of session does not use.
tn_status api_session_used(const lexmask_session_options *options, unsigned kind, tn_error *err);

// Fills size bytes at `to`: the defaults that both versions know, then zeros, and the size itself.
void api_init_sized(void *to, size_t size, const void *defaults, size_t known);
// Copies up to `known` bytes of the caller's options over *to, which holds the defaults. name is
// used in errors.
tn_status api_take_sized(const void *given, void *to, size_t known, const char *name,
                         tn_error *err);

// A field of a struct of options, and what it may hold.
typedef struct api_option {
    const char *name;
    size_t offset;
    enum { API_INT, API_INT64, API_REAL, API_TEXT } type;
    double low, high;
    bool automatic;   // may be LEXMASK_DEFAULT
    unsigned used_by; // of a session's options
} api_option;

// kind: INT, INT64, REAL or TEXT.
#define API_OPTION(type, name, kind, ...)                                                          \
    { #name, offsetof(type, name), API_##kind, __VA_ARGS__ }

// TN_EINVAL names the first number that is out of its bounds, or not a number. what: "model", …
tn_status api_check(const char *what, const api_option *list, size_t count, const void *options,
                    tn_error *err);

// A new field never goes into the padding at a struct's end, where an older program has anything.
#define API_ENDS_WITH(type, last)                                                                  \
    _Static_assert(offsetof(type, last) + sizeof(((type *)0)->last) == sizeof(type),               \
                   "padding at the end")

// The number of threads for kn_open.
static inline int api_threads(int threads) {
    return threads == LEXMASK_DEFAULT ? 0 : threads;
}
