// SPDX-License-Identifier: Apache-2.0
// JSON from outside: parsed by Jansson, read by getters that report what is wrong and where.
// Duplicate keys, nesting deeper than IO_JSON_DEPTH, NUL in a string and invalid UTF-8 are refused;
// a byte order mark is skipped. Errors read "FILE: line 3, column 7: ..." while parsing and "FILE:
// vision_config.hidden_size: expected an integer, found a string" afterwards.
#pragma once

#include "tensor/status.h"

#define IO_JSON_DEPTH 64

struct json_t; // Jansson's; <jansson.h> is faster for large documents

// A value and its path. Borrowed from the document; parent, key and file must live while it is
// used, which holds if parents are variables of the calling functions.
typedef struct io_json {
    struct json_t *value;
    const struct io_json *parent; // NULL for the document
    const char *key;              // the member's name; NULL for an element of an array
    size_t index;                 // index in the array
    const char *file;             // name of the document in errors
} io_json;

typedef enum io_json_type {
    IO_JSON_OBJECT,
    IO_JSON_ARRAY,
    IO_JSON_STRING,
    IO_JSON_INTEGER,
    IO_JSON_NUMBER, // an integer or a real
    IO_JSON_BOOL,
    IO_JSON_ANY,
} io_json_type;

// Reads a document from a file or from memory (name is used in errors and must stay valid, as must
// path). max_bytes as io_read_text. TN_EIO, TN_EFORMAT, TN_ENOMEM. Close it after TN_OK.
tn_status io_json_read(const char *path, size_t max_bytes, io_json *out, tn_error *err);
tn_status io_json_parse(const void *bytes, size_t count, const char *name, io_json *out,
                        tn_error *err);
void io_json_close(io_json *document); // everything obtained from it becomes invalid

bool io_json_is(const io_json *value, io_json_type type);
// TN_EFORMAT "FILE: path.to.value: expected an object, found a string" if it has another type.
tn_status io_json_expect(const io_json *value, io_json_type type, tn_error *err);
// Sets err to TN_EFORMAT "FILE: path.to.value: " + the text: for values that are wrong for another
// reason.
tn_status io_json_fail(const io_json *value, tn_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Members. `object` must be an object, else TN_EFORMAT.
bool io_json_has(const io_json *object, const char *key); // exists and is not null
tn_status io_json_get(const io_json *object, const char *key, io_json_type type, io_json *out,
                      tn_error *err);
// The string is owned by the document.
tn_status io_json_string(const io_json *object, const char *key, const char **out, tn_error *err);
tn_status io_json_int(const io_json *object, const char *key, int64_t low, int64_t high,
                      int64_t *out, tn_error *err); // TN_EFORMAT outside [low, high]
tn_status io_json_number(const io_json *object, const char *key, double *out, tn_error *err);
tn_status io_json_bool(const io_json *object, const char *key, bool *out, tn_error *err);

// The same for optional members: if absent or null, *out is unchanged, so set the default first.
tn_status io_json_maybe_string(const io_json *object, const char *key, const char **out,
                               tn_error *err);
tn_status io_json_maybe_int(const io_json *object, const char *key, int64_t low, int64_t high,
                            int64_t *out, tn_error *err);
tn_status io_json_maybe_number(const io_json *object, const char *key, double *out, tn_error *err);
tn_status io_json_maybe_bool(const io_json *object, const char *key, bool *out, tn_error *err);

// Number of elements of an array or members of an object (0 for anything else).
size_t io_json_count(const io_json *value);
tn_status io_json_at(const io_json *array, size_t i, io_json_type type, io_json *out,
                     tn_error *err);
// Iterates over all members in file order: for (void *at = NULL; io_json_each(&object, &at,
// &member);). member.key is the name.
bool io_json_each(const io_json *object, void **at, io_json *member);

// The value itself as a C value.
tn_status io_json_as_int(const io_json *value, int64_t low, int64_t high, int64_t *out,
                         tn_error *err);
tn_status io_json_as_number(const io_json *value, double *out, tn_error *err);
tn_status io_json_as_string(const io_json *value, const char **out, tn_error *err);

// Writes "text_config.layers[3]" to text ("top level" for the document). Returns text.
const char *io_json_path(const io_json *value, char *text, size_t bytes);
