// SPDX-License-Identifier: Apache-2.0
// safetensors: 8 bytes with the length of a JSON header, the header, the elements. As the published
// library does, a file is refused unless its tensors cover the bytes after the header exactly,
// without gaps and without overlap. github.com/huggingface/safetensors describes the format.
#include "io/json.h"
#include "io/weights/weights_file.h"

#include <stdlib.h>
#include <string.h>

#define MAX_HEADER 100000000 // bytes; the published library's limit

static const struct {
    const char *name;
    tn_dtype dtype;
} types[] = {
    {"F32", TN_F32}, {"F16", TN_F16}, {"BF16", TN_BF16}, {"I64", TN_I64}, {"F64", TN_F64},
    {"I32", TN_I32}, {"I16", TN_I16}, {"I8", TN_I8},     {"U8", TN_U8},   {"BOOL", TN_BOOL},
};

typedef struct span {
    uint64_t from, to; // relative to the end of the header
    const char *name;
} span;

typedef struct reader {
    io_weights *file;
    const char *path;
    const uint8_t *data; // at the end of the header
    uint64_t data_bytes;
    span *spans;
    size_t span_count;
    tn_error *err;
} reader;

static tn_status read_type(const reader *in, const io_json *entry, tn_dtype *out) {
    const char *name;
    TN_TRY(io_json_string(entry, "dtype", &name, in->err));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) {
            *out = types[i].dtype;
            return TN_OK;
        }
    return tn_fail(in->err, TN_EUNSUPPORTED, "%s: tensor '%s' has type %s, which is not supported",
                   in->path, entry->key, name);
}

static tn_status read_shape(const reader *in, const io_json *entry, io_tensor *out) {
    io_json shape, size;
    TN_TRY(io_json_get(entry, "shape", IO_JSON_ARRAY, &shape, in->err));
    if (io_json_count(&shape) > TN_MAX_RANK)
        return tn_fail(in->err, TN_EUNSUPPORTED,
                       "%s: tensor '%s' has %zu dimensions, expected at most %d", in->path,
                       entry->key, io_json_count(&shape), TN_MAX_RANK);
    out->rank = (int)io_json_count(&shape);
    for (int i = 0; i < out->rank; i++) {
        TN_TRY(io_json_at(&shape, (size_t)i, IO_JSON_INTEGER, &size, in->err));
        TN_TRY(io_json_as_int(&size, 0, INT64_MAX, &out->dim[i], in->err));
    }
    return TN_OK;
}

static tn_status read_span(const reader *in, const io_json *entry, const io_tensor *tensor,
                           span *out) {
    io_json offsets, end;
    int64_t at[2];
    TN_TRY(io_json_get(entry, "data_offsets", IO_JSON_ARRAY, &offsets, in->err));
    if (io_json_count(&offsets) != 2)
        return io_json_fail(&offsets, in->err, "%zu numbers, expected 2", io_json_count(&offsets));
    for (size_t i = 0; i < 2; i++) {
        TN_TRY(io_json_at(&offsets, i, IO_JSON_INTEGER, &end, in->err));
        TN_TRY(io_json_as_int(&end, 0, INT64_MAX, &at[i], in->err));
    }
    *out = (span){(uint64_t)at[0], (uint64_t)at[1], entry->key};
    if (out->from > out->to || out->to > in->data_bytes)
        return io_json_fail(&offsets, in->err,
                            "[%lld,%lld], expected a part of the %llu bytes after the header",
                            (long long)at[0], (long long)at[1], (unsigned long long)in->data_bytes);
    char shape[160];
    size_t count, bytes;
    if (!tn_count_checked(tensor->rank, tensor->dim, &count) ||
        !tn_mul_size(count, tn_dtype_size(tensor->dtype), &bytes))
        return io_json_fail(entry, in->err, "the shape %s overflows",
                            tn_shape_text(tensor->rank, tensor->dim, shape, sizeof shape));
    if (bytes != out->to - out->from)
        return io_json_fail(entry, in->err, "%llu bytes, expected %zu for %s %s",
                            (unsigned long long)(out->to - out->from), bytes,
                            tn_dtype_name(tensor->dtype),
                            tn_shape_text(tensor->rank, tensor->dim, shape, sizeof shape));
    return TN_OK;
}

static tn_status read_entry(reader *in, const io_json *entry) {
    io_tensor tensor = {.name = entry->key};
    TN_TRY(io_json_expect(entry, IO_JSON_OBJECT, in->err));
    TN_TRY(read_type(in, entry, &tensor.dtype));
    TN_TRY(read_shape(in, entry, &tensor));
    span *at = &in->spans[in->span_count];
    TN_TRY(read_span(in, entry, &tensor, at));
    in->span_count++;
    tensor.data = in->data + at->from;
    return io_weights_add(in->file, in->path, &tensor, in->err);
}

static tn_status read_metadata(reader *in, const io_json *pairs) {
    TN_TRY(io_json_expect(pairs, IO_JSON_OBJECT, in->err));
    io_json pair;
    const char *value;
    for (void *at = NULL; io_json_each(pairs, &at, &pair);) {
        TN_TRY(io_json_as_string(&pair, &value, in->err));
        TN_TRY(io_weights_add_meta(in->file, in->path, pair.key, value, in->err));
    }
    return TN_OK;
}

static int by_place(const void *a, const void *b) {
    const span *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return x->to < y->to ? -1 : x->to > y->to;
}

static tn_status check_cover(const reader *in) {
    uint64_t end = 0;
    const char *before = "the header";
    if (in->span_count) qsort(in->spans, in->span_count, sizeof *in->spans, by_place);
    for (size_t i = 0; i < in->span_count; i++) {
        const span *at = &in->spans[i];
        if (at->from != end)
            return tn_fail(in->err, TN_EFORMAT,
                           "%s: tensor '%s' starts at byte %llu of the data, %s %s, expected %llu",
                           in->path, at->name, (unsigned long long)at->from,
                           at->from < end ? "inside" : "with a gap after", before,
                           (unsigned long long)end);
        end = at->to;
        before = at->name;
    }
    if (end != in->data_bytes)
        return tn_fail(in->err, TN_EFORMAT,
                       "%s: %llu bytes of data after the header, expected %llu", in->path,
                       (unsigned long long)in->data_bytes, (unsigned long long)end);
    return TN_OK;
}

static tn_status read_header(reader *in, const io_json *header) {
    TN_TRY(io_json_expect(header, IO_JSON_OBJECT, in->err));
    in->spans = tn_alloc_zero(io_json_count(header) + 1, sizeof *in->spans);
    if (!in->spans) return io_out_of_memory(in->path, in->err);
    io_json entry;
    for (void *at = NULL; io_json_each(header, &at, &entry);)
        TN_TRY(strcmp(entry.key, "__metadata__") == 0 ? read_metadata(in, &entry)
                                                      : read_entry(in, &entry));
    return check_cover(in);
}

static tn_status read_safetensors(io_weights *file, const char *path, const io_map *map,
                                  tn_error *err) {
    uint64_t length = 0;
    if (map->count < 8)
        return tn_fail(err, TN_EFORMAT, "%s: %zu bytes, expected a length of 8", path, map->count);
    for (int i = 7; i >= 0; i--) length = length << 8 | map->bytes[i];
    if (length > MAX_HEADER)
        return tn_fail(err, TN_EFORMAT, "%s: a header of %llu bytes, expected at most %d", path,
                       (unsigned long long)length, MAX_HEADER);
    if (length > map->count - 8)
        return tn_fail(err, TN_EFORMAT,
                       "%s: a header of %llu bytes, but only %zu follow the length", path,
                       (unsigned long long)length, map->count - 8);
    reader in = {.file = file,
                 .path = path,
                 .data = map->bytes + 8 + length,
                 .data_bytes = map->count - 8 - length,
                 .err = err};
    char name[512];
    io_json header;
    snprintf(name, sizeof name, "%s: header", path);
    TN_TRY(io_json_parse(map->bytes + 8, (size_t)length, name, &header, err));
    tn_status status = read_header(&in, &header);
    file->format = "safetensors";
    tn_free(in.spans);
    io_json_close(&header);
    return status;
}

// The length of the header is far below 2^32, and the header starts with a brace.
static bool is_safetensors(const io_map *map) {
    static const uint8_t zeros[4];
    return map->count >= 8 && memcmp(map->bytes + 4, zeros, 4) == 0 &&
           (map->count == 8 || map->bytes[8] == '{');
}

const io_weights_reader io_safetensors = {is_safetensors, read_safetensors};
