// SPDX-License-Identifier: Apache-2.0
// The one thing that decoding needs of EXIF (JEITA CP-3451): which way up the picture is.
#include "io/image/codec.h"

#include <string.h>

typedef struct tiff {
    const uint8_t *bytes;
    size_t count;
    bool big; // byte order
} tiff;

static uint32_t number(const tiff *t, size_t at, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint32_t)t->bytes[at + (size_t)i] << 8 * (t->big ? bytes - 1 - i : i);
    return value;
}

static bool inside(const tiff *t, size_t at, size_t bytes) {
    return at <= t->count && bytes <= t->count - at;
}

static int orientation_of(const tiff *t, size_t entry) {
    enum { BYTE = 1, SHORT = 3, LONG = 4 };
    uint32_t type = number(t, entry + 2, 2);
    int bytes = type == SHORT ? 2 : type == LONG ? 4 : type == BYTE ? 1 : 0;
    if (!bytes || number(t, entry + 4, 4) != 1) return 1;
    uint32_t value = number(t, entry + 8, bytes);
    return value >= 1 && value <= 8 ? (int)value : 1;
}

int io_exif_orientation(const uint8_t *exif, size_t count) {
    if (count >= 6 && !memcmp(exif, "Exif\0\0", 6)) exif += 6, count -= 6;
    if (count < 8) return 1;
    tiff t = {exif, count, exif[0] == 'M'};
    if (memcmp(t.bytes, t.big ? "MM\0*" : "II*\0", 4) != 0) return 1;
    size_t directory = number(&t, 4, 4);
    if (!inside(&t, directory, 2)) return 1;
    size_t entries = number(&t, directory, 2);
    for (size_t i = 0; i < entries; i++) {
        size_t entry = directory + 2 + 12 * i;
        if (!inside(&t, entry, 12)) return 1;
        if (number(&t, entry, 2) == 0x0112) return orientation_of(&t, entry);
    }
    return 1;
}
