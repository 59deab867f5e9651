// SPDX-License-Identifier: Apache-2.0
#include "tests/support/golden.h"

#include "tests/support/test.h"

#include <string.h>

void golden_open(golden *g, const char *path) {
    tn_error err;
    g->at = 0;
    ASSERT_OK(io_map_open(path, &g->file, &err), err);
}

void golden_close(golden *g) {
    assert_int_equal(g->at, g->file.count);
    io_map_close(&g->file);
}

bool golden_more(const golden *g) {
    return g->at < g->file.count;
}

const uint8_t *golden_bytes(golden *g, size_t n) {
    if (n > g->file.count - g->at) fail_msg("the golden file ends early at byte %zu", g->at);
    const uint8_t *bytes = g->file.bytes + g->at;
    g->at += n;
    return bytes;
}

uint32_t golden_u32(golden *g) {
    const uint8_t *b = golden_bytes(g, 4);
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

void golden_text(golden *g, char *text, size_t room) {
    size_t length = golden_u32(g), kept = length < room ? length : room - 1;
    memcpy(text, golden_bytes(g, length), kept);
    text[kept] = 0;
}
