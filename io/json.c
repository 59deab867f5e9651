// SPDX-License-Identifier: Apache-2.0
#include "io/json.h"

#include "io/file.h"
#include "io/scan.h"

#include <jansson.h>
#include <stdarg.h>
#include <string.h>

// Jansson recurses once per level, so the depth is checked first.
static tn_status check_depth(const char *text, size_t count, const char *name, tn_error *err) {
    size_t line = 1, start = 0;
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < count; i++) {
        char c = text[i];
        if (c == '\n') line++, start = i + 1;
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > IO_JSON_DEPTH)
                return tn_fail(err, TN_EFORMAT,
                               "%s: line %zu, column %zu: nested deeper than %d levels", name, line,
                               i - start + 1, IO_JSON_DEPTH);
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return TN_OK;
}

// Jansson reports the position after a word, or after the sign before it.
static const char *not_json(const char *text, size_t count, const json_error_t *error) {
    static const size_t back[] = {3, 8, 1}; // NaN, Infinity, -Infinity
    size_t position = error->position > 0 ? (size_t)error->position : 0;
    for (size_t i = 0; i < sizeof back / sizeof *back; i++) {
        if (position < back[i] || position > count) continue;
        const char *advice = io_scan_not_json(text + position - back[i], text + count);
        if (advice) return advice;
    }
    return NULL;
}

tn_status io_json_parse(const void *bytes, size_t count, const char *name, io_json *out,
                        tn_error *err) {
    *out = (io_json){0};
    const char *text = count ? bytes : "";
    if (count >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) text += 3, count -= 3; // byte order mark
    TN_TRY(check_depth(text, count, name, err));
    json_error_t error;
    json_t *value = json_loadb(text, count, JSON_REJECT_DUPLICATES, &error);
    if (value) {
        *out = (io_json){.value = value, .file = name};
        return TN_OK;
    }
    if (json_error_code(&error) == json_error_out_of_memory)
        return tn_fail(err, TN_ENOMEM, "%s: out of memory for JSON of %zu bytes", name, count);
    const char *advice = not_json(text, count, &error);
    return tn_fail(err, TN_EFORMAT, "%s: line %d, column %d: %s", name,
                   error.line > 0 ? error.line : 1, error.column > 0 ? error.column : 1,
                   advice ? advice : error.text);
}

tn_status io_json_read(const char *path, size_t max_bytes, io_json *out, tn_error *err) {
    *out = (io_json){0};
    char *text;
    size_t count;
    TN_TRY(io_read_text(path, max_bytes, &text, &count, err));
    tn_status status = io_json_parse(text, count, path, out, err);
    tn_free(text);
    return status;
}

void io_json_close(io_json *document) {
    json_decref(document->value);
    *document = (io_json){0};
}

static size_t put_path(const io_json *value, char *text, size_t bytes) {
    if (!value->parent) return 0;
    size_t used = put_path(value->parent, text, bytes);
    if (used >= bytes) return used;
    char *end = text + used;
    size_t left = bytes - used;
    int more = value->key ? snprintf(end, left, "%s%s", used ? "." : "", value->key)
                          : snprintf(end, left, "[%zu]", value->index);
    return used + (more > 0 ? (size_t)more : 0);
}

const char *io_json_path(const io_json *value, char *text, size_t bytes) {
    if (put_path(value, text, bytes) == 0) snprintf(text, bytes, "top level");
    return text;
}

static const char *file_of(const io_json *value) {
    while (value->parent) value = value->parent;
    return value->file;
}

tn_status io_json_fail(const io_json *value, tn_error *err, const char *format, ...) {
    char path[256], text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return tn_fail(err, TN_EFORMAT, "%s: %s: %s", file_of(value),
                   io_json_path(value, path, sizeof path), text);
}

static const char *found(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a real number";
    case JSON_NULL:
        return "null";
    default:
        return json_is_true(value) ? "true" : "false";
    }
}

bool io_json_is(const io_json *value, io_json_type type) {
    const json_t *v = value->value;
    switch (type) {
    case IO_JSON_OBJECT:
        return json_is_object(v);
    case IO_JSON_ARRAY:
        return json_is_array(v);
    case IO_JSON_STRING:
        return json_is_string(v);
    case IO_JSON_INTEGER:
        return json_is_integer(v);
    case IO_JSON_NUMBER:
        return json_is_number(v);
    case IO_JSON_BOOL:
        return json_is_boolean(v);
    default:
        return true;
    }
}

tn_status io_json_expect(const io_json *value, io_json_type type, tn_error *err) {
    static const char *const names[] = {"an object", "an array", "a string", "an integer",
                                        "a number",  "a bool",   "any value"};
    if (io_json_is(value, type)) return TN_OK;
    return io_json_fail(value, err, "expected %s, found %s", names[type], found(value->value));
}

bool io_json_has(const io_json *object, const char *key) {
    const json_t *value = json_object_get(object->value, key);
    return value && !json_is_null(value);
}

tn_status io_json_get(const io_json *object, const char *key, io_json_type type, io_json *out,
                      tn_error *err) {
    TN_TRY(io_json_expect(object, IO_JSON_OBJECT, err));
    json_t *value = json_object_get(object->value, key);
    if (!value) return io_json_fail(object, err, "there is no '%s'", key);
    *out = (io_json){.value = value, .parent = object, .key = key};
    return io_json_expect(out, type, err);
}

tn_status io_json_as_string(const io_json *value, const char **out, tn_error *err) {
    TN_TRY(io_json_expect(value, IO_JSON_STRING, err));
    *out = json_string_value(value->value);
    return TN_OK;
}

tn_status io_json_as_int(const io_json *value, int64_t low, int64_t high, int64_t *out,
                         tn_error *err) {
    TN_TRY(io_json_expect(value, IO_JSON_INTEGER, err));
    int64_t integer = json_integer_value(value->value);
    if (integer < low || integer > high)
        return io_json_fail(value, err, "%lld, expected %lld to %lld", (long long)integer,
                            (long long)low, (long long)high);
    *out = integer;
    return TN_OK;
}

tn_status io_json_as_number(const io_json *value, double *out, tn_error *err) {
    TN_TRY(io_json_expect(value, IO_JSON_NUMBER, err));
    *out = json_number_value(value->value);
    return TN_OK;
}

tn_status io_json_string(const io_json *object, const char *key, const char **out, tn_error *err) {
    io_json value;
    TN_TRY(io_json_get(object, key, IO_JSON_STRING, &value, err));
    return io_json_as_string(&value, out, err);
}

tn_status io_json_int(const io_json *object, const char *key, int64_t low, int64_t high,
                      int64_t *out, tn_error *err) {
    io_json value;
    TN_TRY(io_json_get(object, key, IO_JSON_INTEGER, &value, err));
    return io_json_as_int(&value, low, high, out, err);
}

tn_status io_json_number(const io_json *object, const char *key, double *out, tn_error *err) {
    io_json value;
    TN_TRY(io_json_get(object, key, IO_JSON_NUMBER, &value, err));
    return io_json_as_number(&value, out, err);
}

tn_status io_json_bool(const io_json *object, const char *key, bool *out, tn_error *err) {
    io_json value;
    TN_TRY(io_json_get(object, key, IO_JSON_BOOL, &value, err));
    *out = json_is_true(value.value);
    return TN_OK;
}

// If `object` is not an object, the getter that follows reports the error.
static bool absent(const io_json *object, const char *key) {
    return io_json_is(object, IO_JSON_OBJECT) && !io_json_has(object, key);
}

tn_status io_json_maybe_string(const io_json *object, const char *key, const char **out,
                               tn_error *err) {
    return absent(object, key) ? TN_OK : io_json_string(object, key, out, err);
}

tn_status io_json_maybe_int(const io_json *object, const char *key, int64_t low, int64_t high,
                            int64_t *out, tn_error *err) {
    return absent(object, key) ? TN_OK : io_json_int(object, key, low, high, out, err);
}

tn_status io_json_maybe_number(const io_json *object, const char *key, double *out, tn_error *err) {
    return absent(object, key) ? TN_OK : io_json_number(object, key, out, err);
}

tn_status io_json_maybe_bool(const io_json *object, const char *key, bool *out, tn_error *err) {
    return absent(object, key) ? TN_OK : io_json_bool(object, key, out, err);
}

size_t io_json_count(const io_json *value) {
    return json_is_array(value->value) ? json_array_size(value->value)
                                       : json_object_size(value->value);
}

tn_status io_json_at(const io_json *array, size_t i, io_json_type type, io_json *out,
                     tn_error *err) {
    TN_TRY(io_json_expect(array, IO_JSON_ARRAY, err));
    json_t *value = json_array_get(array->value, i);
    if (!value)
        return io_json_fail(array, err, "%zu elements, expected more than %zu",
                            json_array_size(array->value), i);
    *out = (io_json){.value = value, .parent = array, .index = i};
    return io_json_expect(out, type, err);
}

bool io_json_each(const io_json *object, void **at, io_json *member) {
    *at = *at ? json_object_iter_next(object->value, *at) : json_object_iter(object->value);
    if (!*at) return false;
    *member = (io_json){
        .value = json_object_iter_value(*at), .parent = object, .key = json_object_iter_key(*at)};
    return true;
}
