// SPDX-License-Identifier: Apache-2.0
// Colour emoji as paintable objects: the bitmaps of Noto Color Emoji (SIL Open Font License 1.1)
// with the names of Unicode's emoji-test.txt. Every fully qualified emoji of one code point
// (ignoring U+FE0F) that the font has, in the order of that file: 1,377 in Debian 12.
#pragma once

#include "tensor/alloc.h"

#define TR_GLYPH_SIDE 136 // of the largest level; the font's bitmaps are 136 x 128
#define TR_GLYPH_LEVELS 4 // 136, 68, 34, 17
#define TR_GLYPH_HULL 64  // directions

// Paths of Debian's packages fonts-noto-color-emoji and unicode-data.
#define TR_GLYPH_FONT "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
#define TR_GLYPH_LIST "/usr/share/unicode/emoji/emoji-test.txt"

typedef struct tr_glyph {
    const char *name; // with straight quotes instead of typographic ones
    uint32_t code;
    bool mirrors; // may be mirrored without changing its meaning: train/world/glyph_rules.c
    bool turns;   // may be rotated by more than a few degrees
    bool novel;   // by a hash of the name, a quarter of all
    // Premultiplied RGBA [side,side,4] on a square canvas, with sides 136, 68, 34, 17.
    const uint8_t *level[TR_GLYPH_LEVELS];
    float solid; // fraction of the canvas that is more than half covered
    // The outermost opaque point in each direction; the canvas spans -1..1 along both axes.
    float hull[TR_GLYPH_HULL][2];
} tr_glyph;

typedef struct tr_glyphs {
    tr_glyph *glyph;
    int64_t count;
    tn_arena arena; // about 140 MB
} tr_glyphs;

// font, list: NULL for Debian's. TN_EIO, TN_EFORMAT, TN_ENOMEM: the text names the file and the
// package that contains it.
tn_status tr_glyphs_open(const char *font, const char *list, tr_glyphs **out, tn_error *err);
void tr_glyphs_close(tr_glyphs *glyphs); // NULL is fine

// The index of a name (typographic quotes are treated as straight ones), or -1.
int64_t tr_glyphs_find(const tr_glyphs *glyphs, const char *name);
// Replaces typographic quotes in UTF-8 text by straight ones, in place.
void tr_straighten_quotes(char *text);

// Properties of a glyph that follow from its name.
bool tr_glyph_mirrors(const char *name);
bool tr_glyph_turns(const char *name);
bool tr_glyph_novel(const char *name);
