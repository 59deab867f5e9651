// SPDX-License-Identifier: Apache-2.0
#include "tests/support/archive.h"

#include "tests/support/test.h"

#include <string.h>

void blob_add(blob *to, const void *bytes, size_t count) {
    assert_true(count <= sizeof to->bytes - to->count);
    if (count) memcpy(to->bytes + to->count, bytes, count);
    to->count += count;
}

void blob_number(blob *to, size_t bytes, uint64_t number) {
    for (size_t i = 0; i < bytes; i++) blob_add(to, &(uint8_t){(uint8_t)(number >> 8 * i)}, 1);
}

void blob_patch(blob *to, size_t at, size_t bytes, uint64_t number) {
    assert_true(at + bytes <= to->count);
    for (size_t i = 0; i < bytes; i++) to->bytes[at + i] = (uint8_t)(number >> 8 * i);
}

size_t blob_find(const blob *in, const char *mark, int n) {
    for (size_t i = 0; i + 4 <= in->count; i++)
        if (memcmp(in->bytes + i, mark, 4) == 0 && n-- == 0) return i;
    fail_msg("there is no such mark");
    return 0;
}

// The common part of local and central headers: version, flags, method, time, date, checksum
// (ignored), sizes, length of name, length of extra.
static void add_common(blob *out, const archive_entry *entry, size_t extra) {
    blob_number(out, 2, 0);
    blob_number(out, 2, 0);
    blob_number(out, 2, 0);
    blob_number(out, 4, 0);
    blob_number(out, 4, 0);
    blob_number(out, 4, entry->count);
    blob_number(out, 4, entry->count);
    blob_number(out, 2, strlen(entry->name));
    blob_number(out, 2, extra);
}

static void add_end(blob *out, size_t count, size_t start, int wide) {
    size_t end = out->count;
    if (wide) {
        blob_add(out, "PK\6\6", 4);
        blob_number(out, 8, 44);
        blob_number(out, 4, 0);
        blob_number(out, 8, 0); // disks
        blob_number(out, 8, count);
        blob_number(out, 8, count);
        blob_number(out, 8, end - start);
        blob_number(out, 8, start);
        blob_add(out, "PK\6\7", 4);
        blob_number(out, 4, 0);
        blob_number(out, 8, end);
        blob_number(out, 4, 1);
    }
    blob_add(out, "PK\5\6", 4);
    blob_number(out, 4, 0);
    blob_number(out, 2, wide ? 0xffff : count);
    blob_number(out, 2, wide ? 0xffff : count);
    blob_number(out, 4, wide ? 0xffffffff : end - start);
    blob_number(out, 4, wide ? 0xffffffff : start);
    blob_number(out, 2, 0);
}

void archive_make(blob *out, const archive_entry *entries, size_t count, int wide) {
    size_t at[16];
    assert_true(count <= 16);
    out->count = 0;
    for (size_t i = 0; i < count; i++) {
        at[i] = out->count;
        blob_add(out, "PK\3\4", 4);
        add_common(out, &entries[i], 3);
        blob_add(out, entries[i].name, strlen(entries[i].name));
        blob_add(out, "FBZ", 3); // PyTorch pads here to align the elements
        blob_add(out, entries[i].bytes, entries[i].count);
    }
    size_t start = out->count;
    for (size_t i = 0; i < count; i++) {
        blob_add(out, "PK\1\2", 4);
        blob_number(out, 2, 0); // made by
        add_common(out, &entries[i], wide ? 28 : 0);
        blob_number(out, 2, 0); // comment
        blob_number(out, 8, 0); // disk, attributes
        blob_number(out, 4, wide ? 0xffffffff : at[i]);
        blob_add(out, entries[i].name, strlen(entries[i].name));
        if (!wide) continue;
        blob_patch(out, blob_find(out, "PK\1\2", (int)i) + 20, 8, UINT64_MAX);
        blob_number(out, 2, 1);
        blob_number(out, 2, 24);
        blob_number(out, 8, entries[i].count);
        blob_number(out, 8, entries[i].count);
        blob_number(out, 8, at[i]);
    }
    add_end(out, count, start, wide);
}

void archive_torch(blob *out, const void *pickle, size_t pickle_count, const void *storage,
                   size_t storage_count) {
    const archive_entry entries[] = {
        {"a/data.pkl", pickle, pickle_count},
        {"a/byteorder", "little", 6},
        {"a/data/0", storage, storage_count},
        {"a/version", "3\n", 2},
    };
    archive_make(out, entries, 4, 0);
}

void archive_script(blob *out, const void *pickle, size_t pickle_count, const void *storage,
                    size_t storage_count) {
    const archive_entry entries[] = {
        {"a/data.pkl", pickle, pickle_count},
        {"a/data/0", storage, storage_count},
        {"a/constants.pkl", "\200\2).", 4},
        {"a/version", "3\n", 2},
    };
    archive_make(out, entries, 4, 1);
}

void archive_legacy_start(blob *out) {
    static const char start[] = "\200\2\212\12l\374\234F\371 j\250P\31." // the magic number
                                "\200\2M\351\3."                         // 1001
                                "\200\2}X\15\0\0\0little_endian\210s.";
    out->count = 0;
    blob_add(out, start, sizeof start - 1);
}
