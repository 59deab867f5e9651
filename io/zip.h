// SPDX-License-Identifier: Apache-2.0
// Reads the directory of a ZIP archive (PKWARE's APPNOTE 6.3, with ZIP64). Stored entries are used
// in place in the mapped file: gigabytes of weights are neither copied nor read twice.
#pragma once

#include "io/file.h"
#include "io/region.h"

typedef struct io_zip_entry {
    const char *name;
    const uint8_t *bytes; // in the map; compressed if method is not 0
    size_t count;
    uint64_t header; // offset of the local header in the file
    int method;      // 0: stored
} io_zip_entry;

typedef struct io_zip {
    const char *path;
    const char *first; // name of the first entry
    io_zip_entry *entries;
    size_t count;
} io_zip;

// Results live in region and map. Refused: entries that overlap, leave the file, occur twice, are
// encrypted, or have another name in their local header. TN_EFORMAT, TN_EUNSUPPORTED, TN_ENOMEM.
tn_status io_zip_open(io_region *region, const char *path, const io_map *map, io_zip *out,
                      tn_error *err);
// *out is NULL if there is no such entry. A compressed one is TN_EUNSUPPORTED: PyTorch stores its
// entries.
tn_status io_zip_find(const io_zip *zip, const char *name, const io_zip_entry **out, tn_error *err);
