// SPDX-License-Identifier: Apache-2.0
// The font and the emoji names, for the tests of synthetic pictures.
#pragma once

#include "tests/support/test.h"
#include "train/world/glyphs.h"

// NULL if the font or the list of names is not installed; opened by world_open.
extern tr_glyphs *glyphs;

int world_open(void **state);
int world_close(void **state);

#define NEED_FONT()                                                                                \
    do {                                                                                           \
        (void)state;                                                                               \
        if (!glyphs) SKIP("no " TR_GLYPH_FONT " or no " TR_GLYPH_LIST);                            \
    } while (0)
