// SPDX-License-Identifier: Apache-2.0
#include "tests/support/world.h"

#include <unistd.h>

tr_glyphs *glyphs;

int world_open(void **state) {
    (void)state;
    tn_error err = {0};
    if (access(TR_GLYPH_FONT, R_OK) || access(TR_GLYPH_LIST, R_OK)) return 0;
    if (tr_glyphs_open(NULL, NULL, &glyphs, &err) == TN_OK) return 0;
    print_error("%s\n", err.text);
    return -1;
}

int world_close(void **state) {
    (void)state;
    tr_glyphs_close(glyphs);
    return 0;
}
