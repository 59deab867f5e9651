// SPDX-License-Identifier: Apache-2.0
// Reads the golden files in tests/golden/: consecutive little-endian records.
#pragma once

#include "io/file.h"

typedef struct golden {
    io_map file;
    size_t at;
} golden;

// Tests run in the project's root. Fails the test if the file does not exist.
void golden_open(golden *g, const char *path);
void golden_close(golden *g);
bool golden_more(const golden *g);
// The next n bytes of the mapped file; fails the test if there are fewer.
const uint8_t *golden_bytes(golden *g, size_t n);
uint32_t golden_u32(golden *g);
// u32 length, bytes; *text ends with a 0 and is cut to `room` bytes.
void golden_text(golden *g, char *text, size_t room);
