// SPDX-License-Identifier: Apache-2.0
// Builds zip archives and PyTorch's older files byte by byte, so that tests can break them.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct blob {
    uint8_t bytes[1 << 17];
    size_t count;
} blob;

void blob_add(blob *to, const void *bytes, size_t count);  // fails the test if it is full
void blob_number(blob *to, size_t bytes, uint64_t number); // little endian
void blob_patch(blob *to, size_t at, size_t bytes, uint64_t number);
// Offset of the n-th (from 0) occurrence of a text of 4 bytes; fails the test if there is none.
size_t blob_find(const blob *in, const char *mark, int n);

typedef struct archive_entry {
    const char *name;
    const void *bytes;
    size_t count;
} archive_entry;

// A zip archive of stored entries, as PyTorch writes it; with ZIP64 records if wide.
void archive_make(blob *out, const archive_entry *entries, size_t count, int wide);
// The usual four entries: a/data.pkl (given), a/byteorder, a/data/0 (given), a/version.
void archive_torch(blob *out, const void *pickle, size_t pickle_count, const void *storage,
                   size_t storage_count);
// The same with a/constants.pkl, which makes it a TorchScript archive.
void archive_script(blob *out, const void *pickle, size_t pickle_count, const void *storage,
                    size_t storage_count);
// The pickles before the object in PyTorch's older files.
void archive_legacy_start(blob *out);
