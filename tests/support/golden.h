// SPDX-License-Identifier: Apache-2.0
// Reading the golden files under tests/golden/: little-endian records, one after the other.
#pragma once

#include "io/file.h"

typedef struct golden {
    io_map file;
    size_t at;
} golden;

// Tests run in the project's root. Fails the test when the file is not there.
void golden_open(golden *g, const char *path);
void golden_close(golden *g);
bool golden_more(const golden *g);
// The next n bytes, into the mapped file; fails the test when they are not there.
const uint8_t *golden_bytes(golden *g, size_t n);
uint32_t golden_u32(golden *g);
// u32 length, bytes; *text gets a 0 behind it and is cut to its room.
void golden_text(golden *g, char *text, size_t room);
