// SPDX-License-Identifier: Apache-2.0
#include "io/zip.h"

#include "io/bytes.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22,     // end of central directory
    LOCATOR_BYTES = 20, // of the ZIP64 end
    END64_BYTES = 56,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    ENCRYPTED = 1, // flag bit
};

typedef struct directory {
    const char *path;
    const io_map *map;
    uint64_t at, bytes, count; // the central directory
    tn_error *err;
} directory;

static bool is_record(const io_map *map, uint64_t at, const char *mark, size_t bytes) {
    return at <= map->count && map->count - at >= bytes && memcmp(map->bytes + at, mark, 4) == 0;
}

static tn_status broken(const directory *in, const char *what) {
    return tn_fail(in->err, TN_EFORMAT, "%s: zip archive: %s", in->path, what);
}

// Finds the record at the end of the file; a comment of up to 65535 bytes may follow it.
static tn_status find_end(const directory *in, uint64_t *end) {
    const io_map *map = in->map;
    for (size_t comment = 0; comment <= 0xffff && comment + END_BYTES <= map->count; comment++) {
        size_t at = map->count - END_BYTES - comment;
        if (is_record(map, at, "PK\5\6", END_BYTES) && io_le16(map->bytes + at + 20) == comment) {
            *end = at;
            return TN_OK;
        }
    }
    return broken(in, "there is no directory at its end; the file is truncated");
}

static tn_status find_directory(directory *in) {
    uint64_t end = 0;
    TN_TRY(find_end(in, &end));
    const uint8_t *p = in->map->bytes + end;
    if (io_le16(p + 4) || io_le16(p + 6) || io_le16(p + 8) != io_le16(p + 10))
        return tn_fail(in->err, TN_EUNSUPPORTED, "%s: zip archive of several parts", in->path);
    in->count = io_le16(p + 10);
    in->bytes = io_le32(p + 12);
    in->at = io_le32(p + 16);
    if (end >= LOCATOR_BYTES && is_record(in->map, end - LOCATOR_BYTES, "PK\6\7", LOCATOR_BYTES)) {
        uint64_t at = io_le64(in->map->bytes + end - LOCATOR_BYTES + 8);
        if (!is_record(in->map, at, "PK\6\6", END64_BYTES) || at > end - LOCATOR_BYTES)
            return broken(in, "there is no ZIP64 record where its locator says");
        p = in->map->bytes + at;
        in->count = io_le64(p + 32);
        in->bytes = io_le64(p + 40);
        in->at = io_le64(p + 48);
        end = at;
    }
    if (in->at > end || in->bytes > end - in->at)
        return broken(in, "its directory is not inside the file");
    if (in->count > in->bytes / CENTRAL_BYTES)
        return broken(in, "its directory is too small for the number of entries");
    return TN_OK;
}

// 32-bit sizes and offsets with all bits set are replaced by 64-bit values from the extra field of
// kind 1, which holds only those, in this order.
static bool widen(const uint8_t *extra, size_t bytes, uint64_t *const values[3]) {
    while (bytes >= 4) {
        size_t kind = io_le16(extra), length = io_le16(extra + 2);
        if (length > bytes - 4) return false;
        const uint8_t *p = extra + 4, *end = p + length;
        for (int i = 0; kind == 1 && i < 3; i++) {
            if (*values[i] != UINT32_MAX) continue;
            if (end - p < 8) return false;
            *values[i] = io_le64(p);
            p += 8;
        }
        extra += 4 + length;
        bytes -= 4 + length;
    }
    return true;
}

// Finds the bytes of an entry: they follow its local header, which repeats the name.
static tn_status locate(const directory *in, const uint8_t *name, size_t name_bytes, uint64_t size,
                        io_zip_entry *entry) {
    const io_map *map = in->map;
    if (!is_record(map, entry->header, "PK\3\4", LOCAL_BYTES))
        return tn_fail(in->err, TN_EFORMAT, "%s: zip archive: entry '%s' is not where it should be",
                       in->path, entry->name);
    const uint8_t *local = map->bytes + entry->header;
    uint64_t start = entry->header + LOCAL_BYTES, local_name = io_le16(local + 26);
    uint64_t skip = local_name + io_le16(local + 28);
    if (in->at < start || in->at - start < skip || in->at - start - skip < size)
        return tn_fail(in->err, TN_EFORMAT,
                       "%s: zip archive: entry '%s' of %llu bytes extends beyond the file",
                       in->path, entry->name, (unsigned long long)size);
    if (local_name != name_bytes || memcmp(local + LOCAL_BYTES, name, name_bytes) != 0)
        return tn_fail(in->err, TN_EFORMAT,
                       "%s: zip archive: entry '%s' has another name in its local header", in->path,
                       entry->name);
    entry->bytes = map->bytes + start + skip;
    entry->count = (size_t)size;
    return TN_OK;
}

static tn_status read_entry(const directory *in, io_region *region, uint64_t *at,
                            io_zip_entry *entry) {
    uint64_t end = in->at + in->bytes;
    if (end - *at < CENTRAL_BYTES || !is_record(in->map, *at, "PK\1\2", CENTRAL_BYTES))
        return broken(in, "its directory is damaged");
    const uint8_t *p = in->map->bytes + *at;
    size_t name = io_le16(p + 28), extra = io_le16(p + 30), comment = io_le16(p + 32);
    uint64_t packed = io_le32(p + 20), size = io_le32(p + 24), header = io_le32(p + 42);
    uint64_t *const wide[3] = {&size, &packed, &header};
    if (end - *at - CENTRAL_BYTES < name + extra + comment ||
        !widen(p + CENTRAL_BYTES + name, extra, wide))
        return broken(in, "its directory is damaged");
    if (name == 0 || memchr(p + CENTRAL_BYTES, 0, name))
        return broken(in, "an entry without a valid name");
    *at += CENTRAL_BYTES + name + extra + comment;
    *entry = (io_zip_entry){.name = io_region_text(region, p + CENTRAL_BYTES, name),
                            .header = header,
                            .method = io_le16(p + 10)};
    if (!entry->name) return tn_fail(in->err, TN_ENOMEM, "%s: out of memory", in->path);
    if (io_le16(p + 8) & ENCRYPTED)
        return tn_fail(in->err, TN_EUNSUPPORTED, "%s: zip archive: entry '%s' is encrypted",
                       in->path, entry->name);
    if (entry->method == 0 && packed != size)
        return tn_fail(in->err, TN_EFORMAT,
                       "%s: zip archive: entry '%s' is stored, but %llu bytes are not %llu",
                       in->path, entry->name, (unsigned long long)packed, (unsigned long long)size);
    return locate(in, p + CENTRAL_BYTES, name, packed, entry);
}

static int by_place(const void *a, const void *b) {
    const io_zip_entry *x = a, *y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const io_zip_entry *)a)->name, ((const io_zip_entry *)b)->name);
}

static tn_status check_entries(const directory *in, io_zip_entry *entries, size_t count) {
    qsort(entries, count, sizeof *entries, by_place);
    for (size_t i = 1; i < count; i++)
        if (entries[i - 1].bytes + entries[i - 1].count > in->map->bytes + entries[i].header)
            return tn_fail(in->err, TN_EFORMAT, "%s: zip archive: entries '%s' and '%s' overlap",
                           in->path, entries[i - 1].name, entries[i].name);
    qsort(entries, count, sizeof *entries, by_name);
    for (size_t i = 1; i < count; i++)
        if (by_name(&entries[i - 1], &entries[i]) == 0)
            return tn_fail(in->err, TN_EFORMAT, "%s: zip archive: entry '%s' occurs twice",
                           in->path, entries[i].name);
    return TN_OK;
}

tn_status io_zip_open(io_region *region, const char *path, const io_map *map, io_zip *out,
                      tn_error *err) {
    directory in = {.path = path, .map = map, .err = err};
    *out = (io_zip){.path = path};
    TN_TRY(find_directory(&in));
    if (in.count == 0) return broken(&in, "it is empty");
    out->entries = io_region_alloc(region, (size_t)in.count * sizeof *out->entries);
    if (!out->entries) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    uint64_t at = in.at;
    for (; out->count < in.count; out->count++)
        TN_TRY(read_entry(&in, region, &at, &out->entries[out->count]));
    out->first = out->entries[0].name;
    return check_entries(&in, out->entries, out->count);
}

tn_status io_zip_find(const io_zip *zip, const char *name, const io_zip_entry **out,
                      tn_error *err) {
    io_zip_entry key = {.name = name};
    *out = zip->count ? bsearch(&key, zip->entries, zip->count, sizeof key, by_name) : NULL;
    if (*out && (*out)->method != 0)
        return tn_fail(err, TN_EUNSUPPORTED,
                       "%s: zip archive: entry '%s' is compressed, expected it stored", zip->path,
                       name);
    return TN_OK;
}
