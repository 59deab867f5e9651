// SPDX-License-Identifier: Apache-2.0
// A streaming scanner of JSON for files that are too large for a tree: the reader asks for the
// values that it expects, one after the other, and nothing is kept. Stricter than RFC 8259: UTF-8
// must be valid, escapes complete, nesting at most IO_SCAN_DEPTH. The first error is kept: every
// later call does nothing, so a reader's loops end and it checks the status once.
//
//    io_scan_enter(s, '{');
//    for (io_slice key; io_scan_key(s, &key);)
//        if (io_slice_is(key, "id")) io_scan_integer(s, &id);
//        else io_scan_skip(s);
#pragma once

#include "tensor/status.h"

#include <string.h>

#define IO_SCAN_DEPTH 64

typedef struct io_slice { // a part of the input; no 0 at its end
    const char *text;
    size_t length;
} io_slice;

typedef struct io_scan {
    const char *name; // of the file, for errors
    const uint8_t *start, *at, *end;
    int depth;
    bool first; // nothing was read yet in the innermost object or array
    tn_status status;
    tn_error *err;
    char key[64]; // the decoded form of a key with escapes
} io_scan;

// A byte order mark at the start is skipped.
io_scan io_scan_new(const char *name, const void *bytes, size_t count, tn_error *err);

// Sets the error at the given position: file, line, byte, what was found, what was expected.
void io_scan_expected(io_scan *s, const uint8_t *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Sets an error that does not concern the bytes: memory, limits. The text is used unchanged.
void io_scan_fail(io_scan *s, tn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void io_scan_enter(io_scan *s, char open);      // '{' or '['
bool io_scan_key(io_scan *s, io_slice *key);    // false at the end of the object and after an error
bool io_scan_item(io_scan *s);                  // false at the end of the array and after an error
char io_scan_peek(io_scan *s);                  // first byte of the next value, 0 at the end
void io_scan_integer(io_scan *s, int64_t *out); // also 3.0 and 1e3
void io_scan_number(io_scan *s, double *out);   // finite
void io_scan_flag(io_scan *s, bool *out);       // true, false, 0, 1
// The raw string, without quotes; *escapes: it contains escapes to decode.
void io_scan_string(io_scan *s, io_slice *out, bool *escapes);
// Decodes the escapes of a raw string, to at most raw.length bytes. Returns their number.
size_t io_scan_decode(io_slice raw, char *to);
void io_scan_skip(io_scan *s); // any value; it is checked too
void io_scan_end(io_scan *s);  // only white space may follow

// If the bytes from `at` to `end` begin with NaN, Infinity or -Infinity: which program writes that
// and what to do, for an error text; else NULL.
const char *io_scan_not_json(const void *at, const void *end);

static inline bool io_slice_is(io_slice s, const char *text) {
    return s.length == strlen(text) && memcmp(s.text, text, s.length) == 0;
}
