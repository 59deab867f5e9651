// SPDX-License-Identifier: Apache-2.0
#include "io/npy.h"

#include "io/file.h"

#include <string.h>

#define MAGIC "\x93NUMPY"

static const struct {
    const char *name; // kind and size; the byte order precedes it
    tn_dtype dtype;
} types[] = {
    {"f4", TN_F32}, {"f2", TN_F16}, {"f8", TN_F64}, {"i4", TN_I32},  {"i8", TN_I64},
    {"i2", TN_I16}, {"i1", TN_I8},  {"u1", TN_U8},  {"b1", TN_BOOL},
};

// The header is a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
typedef struct parser {
    const char *path, *at, *end;
    bool has_descr, has_order, has_shape, fortran;
    tn_dtype dtype;
    int rank;
    int64_t dim[TN_MAX_RANK];
    tn_error *err;
} parser;

static tn_status wrong(const parser *in, const char *expected) {
    int length = in->end - in->at < 20 ? (int)(in->end - in->at) : 20;
    return tn_fail(in->err, TN_EFORMAT, "%s: header: found '%.*s', expected %s", in->path, length,
                   in->at, expected);
}

static void skip_space(parser *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\t')) in->at++;
}

static bool take(parser *in, const char *token) {
    skip_space(in);
    size_t length = strlen(token);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, token, length) != 0) return false;
    in->at += length;
    return true;
}

// A quoted string without escapes, copied to text.
static bool take_string(parser *in, char *text, size_t bytes) {
    skip_space(in);
    if (in->at == in->end || (*in->at != '\'' && *in->at != '"')) return false;
    const char *start = in->at + 1;
    const char *close = memchr(start, *in->at, (size_t)(in->end - start));
    if (!close || (size_t)(close - start) >= bytes) return false;
    memcpy(text, start, (size_t)(close - start));
    text[close - start] = 0;
    in->at = close + 1;
    return true;
}

static tn_status take_type(parser *in) {
    char text[32];
    const char *start = in->at;
    if (!take_string(in, text, sizeof text)) {
        if (take(in, "["))
            return tn_fail(in->err, TN_EUNSUPPORTED,
                           "%s: records with several fields are not supported", in->path);
        return wrong(in, "a type such as '<f4'");
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (*text && strcmp(text + 1, types[i].name) == 0 &&
            (*text == '<' || (*text == '|' && tn_dtype_size(types[i].dtype) == 1))) {
            in->dtype = types[i].dtype;
            return TN_OK;
        }
    in->at = start;
    if (*text != '<' && *text != '>' && *text != '|') return wrong(in, "a type such as '<f4'");
    return tn_fail(in->err, TN_EUNSUPPORTED, "%s: elements of type '%s' are not supported",
                   in->path, text);
}

static tn_status take_size(parser *in, int64_t *out) {
    int64_t size = 0;
    skip_space(in);
    const char *start = in->at;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++)
        if (__builtin_mul_overflow(size, 10, &size) ||
            __builtin_add_overflow(size, *in->at - '0', &size))
            return wrong(in, "a size below 2^63");
    *out = size;
    return in->at > start ? TN_OK : wrong(in, "a size");
}

static tn_status take_shape(parser *in) {
    if (!take(in, "(")) return wrong(in, "a shape such as (3, 4)");
    in->rank = 0;
    while (!take(in, ")")) {
        if (in->rank == TN_MAX_RANK)
            return tn_fail(in->err, TN_EUNSUPPORTED, "%s: more than %d dimensions", in->path,
                           TN_MAX_RANK);
        TN_TRY(take_size(in, &in->dim[in->rank++]));
        if (!take(in, ",") && (in->at == in->end || *in->at != ')')) return wrong(in, "',' or ')'");
    }
    return TN_OK;
}

static tn_status take_order(parser *in) {
    if (take(in, "True"))
        in->fortran = true;
    else if (take(in, "False"))
        in->fortran = false;
    else
        return wrong(in, "True or False");
    return TN_OK;
}

static tn_status take_item(parser *in) {
    char key[32];
    if (!take_string(in, key, sizeof key)) return wrong(in, "a key in quotes");
    if (!take(in, ":")) return wrong(in, "':'");
    bool *seen;
    tn_status (*value)(parser *);
    if (strcmp(key, "descr") == 0)
        seen = &in->has_descr, value = take_type;
    else if (strcmp(key, "fortran_order") == 0)
        seen = &in->has_order, value = take_order;
    else if (strcmp(key, "shape") == 0)
        seen = &in->has_shape, value = take_shape;
    else
        return tn_fail(in->err, TN_EFORMAT,
                       "%s: header: key '%s', expected descr, fortran_order and shape", in->path,
                       key);
    if (*seen) return tn_fail(in->err, TN_EFORMAT, "%s: header: '%s' occurs twice", in->path, key);
    *seen = true;
    return value(in);
}

static tn_status take_header(parser *in) {
    if (!take(in, "{")) return wrong(in, "'{'");
    while (!take(in, "}")) {
        TN_TRY(take_item(in));
        if (!take(in, ",") && (in->at == in->end || *in->at != '}')) return wrong(in, "',' or '}'");
    }
    skip_space(in);
    if (in->at != in->end) return wrong(in, "the end of the header");
    if (in->has_descr && in->has_order && in->has_shape) return TN_OK;
    return tn_fail(in->err, TN_EFORMAT, "%s: header: there is no '%s'", in->path,
                   !in->has_descr   ? "descr"
                   : !in->has_order ? "fortran_order"
                                    : "shape");
}

// `from` has the first dimension fastest, `to` the last.
static void from_fortran(const parser *in, const uint8_t *from, uint8_t *to, size_t count) {
    size_t size = tn_dtype_size(in->dtype), stride[TN_MAX_RANK], step = size;
    int64_t index[TN_MAX_RANK] = {0};
    for (int i = 0; i < in->rank; i++) {
        stride[i] = step;
        step *= (size_t)in->dim[i];
    }
    for (size_t n = 0; n < count; n++, to += size) {
        memcpy(to, from, size);
        for (int i = in->rank - 1; i >= 0; i--) {
            from += stride[i];
            if (++index[i] < in->dim[i]) break;
            from -= stride[i] * (size_t)in->dim[i];
            index[i] = 0;
        }
    }
}

static tn_status read_elements(const parser *in, const uint8_t *data, size_t bytes,
                               tn_tensor *out) {
    char shape[160];
    size_t count, want;
    tn_shape_text(in->rank, in->dim, shape, sizeof shape);
    if (!tn_count_checked(in->rank, in->dim, &count) ||
        !tn_mul_size(count, tn_dtype_size(in->dtype), &want))
        return tn_fail(in->err, TN_EFORMAT, "%s: the shape %s overflows", in->path, shape);
    if (want != bytes)
        return tn_fail(in->err, TN_EFORMAT,
                       "%s: %zu bytes after the header, expected %zu for %s %s", in->path, bytes,
                       want, tn_dtype_name(in->dtype), shape);
    tn_status status = tn_new_heap(out, in->dtype, in->rank, in->dim, in->err);
    if (status != TN_OK) return tn_fail_prefix(in->err, "%s", in->path), status;
    if (count == 0) return TN_OK;
    if (in->fortran)
        from_fortran(in, data, out->data, count);
    else
        memcpy(out->data, data, want);
    return TN_OK;
}

static tn_status read_map(const char *path, const io_map *map, tn_tensor *out, tn_error *err) {
    size_t magic = sizeof MAGIC - 1;
    if (map->count < magic + 2 || memcmp(map->bytes, MAGIC, magic) != 0)
        return tn_fail(err, TN_EFORMAT, "%s: not a .npy file: it does not start with \\x93NUMPY",
                       path);
    int version = map->bytes[magic];
    size_t start = magic + (version == 1 ? 4 : 6), length = 0;
    if (version < 1 || version > 3)
        return tn_fail(err, TN_EUNSUPPORTED, "%s: version %d of .npy, expected 1 to 3", path,
                       version);
    if (map->count < start)
        return tn_fail(err, TN_EFORMAT, "%s: ends inside the length of its header", path);
    for (size_t i = start; i-- > magic + 2;) length = length << 8 | map->bytes[i];
    if (length > map->count - start)
        return tn_fail(err, TN_EFORMAT, "%s: a header of %zu bytes, but only %zu follow", path,
                       length, map->count - start);
    const char *header = (const char *)map->bytes + start;
    parser in = {.path = path, .at = header, .end = header + length, .err = err};
    TN_TRY(take_header(&in));
    return read_elements(&in, map->bytes + start + length, map->count - start - length, out);
}

tn_status io_npy_read(const char *path, tn_tensor *out, tn_error *err) {
    io_map map;
    TN_TRY(io_map_open(path, &map, err));
    tn_status status = read_map(path, &map, out, err);
    io_map_close(&map);
    return status;
}

// The text of the header, padded so that the elements start at a multiple of 64 bytes.
static size_t put_header(const tn_tensor *t, const char *type, char *out, size_t bytes) {
    size_t head = sizeof MAGIC - 1 + 4;
    size_t n = head + (size_t)snprintf(out + head, bytes - head,
                                       "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                                       tn_dtype_size(t->dtype) == 1 ? '|' : '<', type);
    for (int i = 0; i < t->rank; i++)
        n += (size_t)snprintf(out + n, bytes - n, i ? ", %lld" : "%lld", (long long)t->dim[i]);
    n += (size_t)snprintf(out + n, bytes - n, t->rank == 1 ? ",), }" : "), }");
    while ((n + 1) % 64) out[n++] = ' ';
    out[n++] = '\n';
    memcpy(out, MAGIC "\x01\x00", head - 2);
    out[head - 2] = (char)((n - head) & 255);
    out[head - 1] = (char)((n - head) >> 8);
    return n;
}

static const char *type_of(tn_dtype dtype) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == dtype) return types[i].name;
    return NULL;
}

tn_status io_npy_write(const char *path, const tn_tensor *t, tn_error *err) {
    const char *type = type_of(t->dtype);
    if (!type)
        return tn_fail(err, TN_EUNSUPPORTED, "%s: .npy has no type for %s", path,
                       tn_dtype_name(t->dtype));
    TN_CHECK(t->device == TN_HOST, "the tensor is not in host memory");
    char header[512];
    size_t length = put_header(t, type, header, sizeof header);
    io_writer writer;
    TN_TRY(io_writer_open(&writer, path, err));
    tn_status status = io_write(&writer, header, length, err);
    if (status == TN_OK) status = io_write(&writer, t->data, tn_bytes(t), err);
    if (status == TN_OK) return io_writer_commit(&writer, err);
    io_writer_abort(&writer);
    return status;
}

// Size of the header of a growing array, whatever its shape: it is rewritten at the end.
#define GROWING_HEADER 128

static tn_status write_growing_header(io_npy_rows *rows, tn_error *err) {
    char header[512];
    tn_tensor shape = {
        .dtype = rows->dtype, .rank = rows->columns ? 2 : 1, .dim = {rows->count, rows->columns}};
    size_t length = put_header(&shape, type_of(rows->dtype), header, sizeof header);
    TN_CHECK(length == GROWING_HEADER, "a header of %zu bytes", length);
    return io_write(&rows->file, header, length, err);
}

tn_status io_npy_rows_open(io_npy_rows *rows, const char *path, tn_dtype dtype, int64_t columns,
                           tn_error *err) {
    TN_CHECK(type_of(dtype) && columns >= 0, "%lld columns of %s", (long long)columns,
             tn_dtype_name(dtype));
    *rows = (io_npy_rows){.dtype = dtype, .columns = columns};
    TN_TRY(io_writer_open(&rows->file, path, err));
    tn_status status = write_growing_header(rows, err);
    if (status != TN_OK) io_writer_abort(&rows->file);
    return status;
}

tn_status io_npy_rows_add(io_npy_rows *rows, const void *data, int64_t count, tn_error *err) {
    size_t each = tn_dtype_size(rows->dtype) * (size_t)(rows->columns ? rows->columns : 1);
    rows->count += count;
    return count ? io_write(&rows->file, data, each * (size_t)count, err) : TN_OK;
}

tn_status io_npy_rows_commit(io_npy_rows *rows, tn_error *err) {
    tn_status status = TN_OK;
    if (fseek(rows->file.file, 0, SEEK_SET) != 0)
        status = tn_fail(err, TN_EIO, "%s: cannot seek back to the header", rows->file.path);
    if (status == TN_OK) status = write_growing_header(rows, err);
    if (status == TN_OK) return io_writer_commit(&rows->file, err);
    io_writer_abort(&rows->file);
    return status;
}

void io_npy_rows_abort(io_npy_rows *rows) {
    io_writer_abort(&rows->file);
}
