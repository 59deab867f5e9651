// SPDX-License-Identifier: Apache-2.0
#include "io/weights/safetensors.h"

#include "io/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define CHUNK 16384 // elements that are converted at a time

// In the published library's order of types, which is its sort order.
static const struct {
    tn_dtype dtype;
    const char *name;
} types[] = {
    {TN_BOOL, "BOOL"}, {TN_U8, "U8"},   {TN_I8, "I8"},   {TN_I16, "I16"}, {TN_F16, "F16"},
    {TN_BF16, "BF16"}, {TN_I32, "I32"}, {TN_F32, "F32"}, {TN_F64, "F64"}, {TN_I64, "I64"},
};
_Static_assert(sizeof types / sizeof *types == TN_DTYPES, "every type has a name");

static size_t order_of(tn_dtype dtype) {
    size_t i = 0;
    while (types[i].dtype != dtype) i++;
    return i;
}

const char *io_safetensors_type(tn_dtype dtype) {
    return types[order_of(dtype)].name;
}

typedef struct item {
    const io_tensor *tensor;
    tn_dtype dtype; // in the file that is written
    size_t count;   // elements
} item;

typedef struct output {
    const char *path;
    item *items;
    size_t count;
    io_text_pair *meta;
    size_t meta_count;
    char *text; // the header
    size_t used, capacity;
    tn_error *err;
} output;

static bool is_floating(tn_dtype dtype) {
    return dtype == TN_F32 || dtype == TN_F64 || dtype == TN_F16 || dtype == TN_BF16;
}

// ---- the header

static tn_status put(output *out, const char *text, size_t bytes) {
    if (bytes > out->capacity - out->used) {
        size_t capacity = 2 * (out->used + bytes) + 4096;
        char *bigger = tn_realloc(out->text, out->used, capacity);
        if (!bigger) return tn_fail(out->err, TN_ENOMEM, "%s: out of memory", out->path);
        out->text = bigger;
        out->capacity = capacity;
    }
    memcpy(out->text + out->used, text, bytes);
    out->used += bytes;
    return TN_OK;
}

static tn_status put_text(output *out, const char *text) {
    return put(out, text, strlen(text));
}

static tn_status put_number(output *out, uint64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return put_text(out, text);
}

static bool is_utf8(const char *text) {
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    utf8proc_int32_t point;
    while (*p) {
        utf8proc_ssize_t bytes = utf8proc_iterate(p, -1, &point);
        if (bytes < 1) return false;
        p += bytes;
    }
    return true;
}

static tn_status put_string(output *out, const char *text) {
    static const char plain[] = "\"\\\b\f\n\r\t", escaped[] = "\"\\bfnrt";
    if (!is_utf8(text))
        return tn_fail(out->err, TN_EINVAL, "%s: cannot write: a name or text is not UTF-8",
                       out->path);
    TN_TRY(put(out, "\"", 1));
    for (; *text; text++) {
        const char *special = strchr(plain, *text);
        char code[8] = {*text};
        if (special)
            snprintf(code, sizeof code, "\\%c", escaped[special - plain]);
        else if ((unsigned char)*text < ' ')
            snprintf(code, sizeof code, "\\u%04x", (unsigned)*text);
        TN_TRY(put_text(out, code));
    }
    return put(out, "\"", 1);
}

static tn_status put_meta(output *out) {
    TN_TRY(put_text(out, "\"__metadata__\":{"));
    for (size_t i = 0; i < out->meta_count; i++) {
        if (i) TN_TRY(put_text(out, ","));
        TN_TRY(put_string(out, out->meta[i].key));
        TN_TRY(put_text(out, ":"));
        TN_TRY(put_string(out, out->meta[i].value));
    }
    return put_text(out, "}");
}

static tn_status put_entry(output *out, const item *it, uint64_t *offset) {
    uint64_t end = *offset + it->count * tn_dtype_size(it->dtype);
    TN_TRY(put_string(out, it->tensor->name));
    TN_TRY(put_text(out, ":{\"dtype\":\""));
    TN_TRY(put_text(out, io_safetensors_type(it->dtype)));
    TN_TRY(put_text(out, "\",\"shape\":["));
    for (int i = 0; i < it->tensor->rank; i++) {
        if (i) TN_TRY(put_text(out, ","));
        TN_TRY(put_number(out, (uint64_t)it->tensor->dim[i]));
    }
    TN_TRY(put_text(out, "],\"data_offsets\":["));
    TN_TRY(put_number(out, *offset));
    TN_TRY(put_text(out, ","));
    TN_TRY(put_number(out, end));
    *offset = end;
    return put_text(out, "]}");
}

static tn_status put_header(output *out) {
    uint64_t offset = 0;
    TN_TRY(put_text(out, "{"));
    if (out->meta_count) TN_TRY(put_meta(out));
    for (size_t i = 0; i < out->count; i++) {
        if (i || out->meta_count) TN_TRY(put_text(out, ","));
        TN_TRY(put_entry(out, &out->items[i], &offset));
    }
    TN_TRY(put_text(out, "}"));
    while (out->used % 8) TN_TRY(put_text(out, " "));
    return TN_OK;
}

// ---- order

static int by_type_and_name(const void *a, const void *b) {
    const item *x = a, *y = b;
    size_t order_x = order_of(x->dtype), order_y = order_of(y->dtype);
    if (order_x != order_y) return order_x > order_y ? -1 : 1; // the widest first
    return strcmp(x->tensor->name, y->tensor->name);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const item *)a)->tensor->name, ((const item *)b)->tensor->name);
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const io_text_pair *)a)->key, ((const io_text_pair *)b)->key);
}

static tn_status check_names(output *out) {
    if (out->count) qsort(out->items, out->count, sizeof *out->items, by_name);
    for (size_t i = 0; i < out->count; i++) {
        const char *name = out->items[i].tensor->name;
        if (strcmp(name, "__metadata__") == 0)
            return tn_fail(out->err, TN_EINVAL, "%s: a tensor cannot be called '%s'", out->path,
                           name);
        if (i && by_name(&out->items[i - 1], &out->items[i]) == 0)
            return tn_fail(out->err, TN_EINVAL, "%s: two tensors are called '%s'", out->path, name);
    }
    if (out->meta_count) qsort(out->meta, out->meta_count, sizeof *out->meta, by_key);
    for (size_t i = 1; i < out->meta_count; i++)
        if (by_key(&out->meta[i - 1], &out->meta[i]) == 0)
            return tn_fail(out->err, TN_EINVAL, "%s: two metadata keys are called '%s'", out->path,
                           out->meta[i].key);
    return TN_OK;
}

static tn_status prepare(output *out, const io_tensor *tensors, const io_text_pair *meta, int as) {
    out->items = tn_alloc_zero(out->count + 1, sizeof *out->items);
    out->meta = tn_alloc_zero(out->meta_count + 1, sizeof *out->meta);
    if (!out->items || !out->meta)
        return tn_fail(out->err, TN_ENOMEM, "%s: out of memory", out->path);
    for (size_t i = 0; i < out->count; i++) {
        item *it = &out->items[i];
        it->tensor = &tensors[i];
        it->dtype =
            as != IO_AS_STORED && is_floating(tensors[i].dtype) ? (tn_dtype)as : tensors[i].dtype;
        bool sized = tn_count_checked(tensors[i].rank, tensors[i].dim, &it->count);
        TN_CHECK(sized, "the shape of '%s' overflows", tensors[i].name);
    }
    if (out->meta_count) memcpy(out->meta, meta, out->meta_count * sizeof *meta);
    TN_TRY(check_names(out));
    if (out->count) qsort(out->items, out->count, sizeof *out->items, by_type_and_name);
    return put_header(out);
}

// ---- the elements

static bool is_infinite(const void *at, tn_dtype dtype) {
    double value;
    tn_convert(at, dtype, &value, TN_F64, 1);
    return isinf(value);
}

static tn_status check_range(const output *out, const item *it, const char *from, const char *to,
                             size_t count) {
    size_t from_size = tn_dtype_size(it->tensor->dtype), to_size = tn_dtype_size(it->dtype);
    for (size_t i = 0; i < count; i++) {
        if (!is_infinite(to + i * to_size, it->dtype)) continue;
        if (!is_infinite(from + i * from_size, it->tensor->dtype))
            return tn_fail(out->err, TN_EINVAL,
                           "%s: tensor '%s' has values that are too large for %s", out->path,
                           it->tensor->name, tn_dtype_name(it->dtype));
    }
    return TN_OK;
}

static tn_status write_item(const output *out, io_writer *writer, const item *it, char *buffer) {
    const char *from = it->tensor->data;
    size_t from_size = tn_dtype_size(it->tensor->dtype), to_size = tn_dtype_size(it->dtype);
    if (it->dtype == it->tensor->dtype)
        return io_write(writer, from, it->count * from_size, out->err);
    for (size_t at = 0, n; at < it->count; at += n) {
        n = it->count - at < CHUNK ? it->count - at : CHUNK;
        tn_convert(from + at * from_size, it->tensor->dtype, buffer, it->dtype, n);
        if (to_size < from_size || it->dtype == TN_F16)
            TN_TRY(check_range(out, it, from + at * from_size, buffer, n));
        TN_TRY(io_write(writer, buffer, n * to_size, out->err));
    }
    return TN_OK;
}

static tn_status write_all(const output *out, io_writer *writer) {
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)out->used >> 8 * i);
    TN_TRY(io_write(writer, length, sizeof length, out->err));
    TN_TRY(io_write(writer, out->text, out->used, out->err));
    char *buffer = tn_alloc(CHUNK * sizeof(double));
    if (!buffer) return tn_fail(out->err, TN_ENOMEM, "%s: out of memory", out->path);
    tn_status status = TN_OK;
    for (size_t i = 0; status == TN_OK && i < out->count; i++)
        status = write_item(out, writer, &out->items[i], buffer);
    tn_free(buffer);
    return status;
}

static tn_status write_file(const output *out) {
    io_writer writer;
    TN_TRY(io_writer_open(&writer, out->path, out->err));
    tn_status status = write_all(out, &writer);
    if (status == TN_OK) return io_writer_commit(&writer, out->err);
    io_writer_abort(&writer);
    return status;
}

tn_status io_safetensors_write(const char *path, const io_tensor *tensors, size_t count,
                               const io_text_pair *meta, size_t meta_count, int as, tn_error *err) {
    TN_CHECK(as == IO_AS_STORED || is_floating((tn_dtype)as), "as %d is no floating type", as);
    output out = {.path = path, .count = count, .meta_count = meta_count, .err = err};
    tn_status status = prepare(&out, tensors, meta, as);
    if (status == TN_OK) status = write_file(&out);
    tn_free(out.items);
    tn_free(out.meta);
    tn_free(out.text);
    return status;
}
