// SPDX-License-Identifier: Apache-2.0
// The directory of a ZIP archive (PKWARE's APPNOTE 6.3, with ZIP64), read so that stored entries
// are used where they lie in the mapped file: weights of gigabytes are neither copied nor read
// twice.
#pragma once

#include "io/file.h"
#include "io/region.h"

typedef struct io_zip_entry {
    const char *name;
    const uint8_t *bytes; // in the map; as stored, so compressed where method is not 0
    size_t count;
    uint64_t header; // where its local header is in the file
    int method;      // 0 is stored
} io_zip_entry;

typedef struct io_zip {
    const char *path;
    const char *first; // name of the first entry of the directory
    io_zip_entry *entries;
    size_t count;
} io_zip;

// What is handed out lives in region and map. Refused: entries that overlap, leave the file, occur
// twice, are encrypted, or are called differently in their local header.
// TN_EFORMAT, TN_EUNSUPPORTED, TN_ENOMEM.
tn_status io_zip_open(io_region *region, const char *path, const io_map *map, io_zip *out,
                      tn_error *err);
// NULL when there is none. A compressed one is TN_EUNSUPPORTED: PyTorch stores what is read here.
tn_status io_zip_find(const io_zip *zip, const char *name, const io_zip_entry **out, tn_error *err);
