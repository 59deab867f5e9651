// SPDX-License-Identifier: Apache-2.0
#include "train/world/glyphs.h"

#include "io/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <ft2build.h>
#include FT_FREETYPE_H

#define SOLID 127

typedef struct reader {
    FT_Library library;
    FT_Face face;
    const char *font, *list;
    tr_glyphs *glyphs;
    int64_t capacity;
    double direction[TR_GLYPH_HULL][2];
    tn_error *err;
} reader;

void tr_straighten_quotes(char *text) {
    char *to = text;
    for (const char *from = text; *from;) {
        bool quote = !strncmp(from, "\xe2\x80", 2);
        unsigned char last = quote ? (unsigned char)from[2] : 0;
        if (last == 0x98 || last == 0x99 || last == 0x9c || last == 0x9d) {
            *to++ = last < 0x9c ? '\'' : '"';
            from += 3;
        } else {
            *to++ = *from++;
        }
    }
    *to = 0;
}

int64_t tr_glyphs_find(const tr_glyphs *glyphs, const char *name) {
    char *straight = tn_strdup(name);
    if (!straight) return -1;
    tr_straighten_quotes(straight);
    int64_t found = -1;
    for (int64_t i = 0; i < glyphs->count && found < 0; i++)
        if (!strcmp(glyphs->glyph[i].name, straight)) found = i;
    tn_free(straight);
    return found;
}

// ---- the font ----------------------------------------------------------------------------------

static tn_status open_font(reader *r) {
    FILE *file = fopen(r->font, "rb"); // FreeType does not report the reason
    if (!file)
        return tn_fail(r->err, TN_EIO,
                       "%s: cannot open it: Debian's package fonts-noto-color-emoji has this font",
                       r->font);
    fclose(file);
    if (FT_Init_FreeType(&r->library)) return tn_fail(r->err, TN_ENOMEM, "FreeType: cannot start");
    int code = FT_New_Face(r->library, r->font, 0, &r->face);
    if (code)
        return tn_fail(r->err, TN_EFORMAT, "%s: not a font (FreeType error %d)", r->font, code);
    if (!FT_HAS_COLOR(r->face) || r->face->num_fixed_sizes < 1 || FT_Select_Size(r->face, 0))
        return tn_fail(r->err, TN_EFORMAT,
                       "%s: no colour bitmaps, expected NotoColorEmoji.ttf of Debian's package "
                       "fonts-noto-color-emoji",
                       r->font);
    return TN_OK;
}

// Each level is the mean of two by two pixels of the previous one.
static void halve(const uint8_t *from, int side, uint8_t *to) {
    int half = side / 2;
    for (int y = 0; y < half; y++)
        for (int x = 0; x < half; x++)
            for (int c = 0; c < 4; c++) {
                const uint8_t *at = from + ((size_t)(2 * y) * side + 2 * x) * 4 + c;
                int sum = at[0] + at[4] + at[4 * side] + at[4 * side + 4];
                to[((size_t)y * half + x) * 4 + c] = (uint8_t)((sum + 2) / 4);
            }
}

static void reach_to(int x, int y, const double direction[TR_GLYPH_HULL][2],
                     double reach[TR_GLYPH_HULL], tr_glyph *glyph) {
    double px = (x + 0.5) * 2 / TR_GLYPH_SIDE - 1, py = (y + 0.5) * 2 / TR_GLYPH_SIDE - 1;
    for (int i = 0; i < TR_GLYPH_HULL; i++) {
        double along = direction[i][0] * px + direction[i][1] * py;
        if (along <= reach[i]) continue;
        reach[i] = along;
        glyph->hull[i][0] = (float)px, glyph->hull[i][1] = (float)py;
    }
}

// Only the ends of a row can be outermost. False if no pixel is above the threshold.
static bool hull_over(const uint8_t *pixels, int threshold,
                      const double direction[TR_GLYPH_HULL][2], tr_glyph *glyph) {
    double reach[TR_GLYPH_HULL];
    bool any = false;
    for (int i = 0; i < TR_GLYPH_HULL; i++) reach[i] = -INFINITY;
    for (int y = 0; y < TR_GLYPH_SIDE; y++) {
        const uint8_t *alpha = pixels + 4 * (size_t)y * TR_GLYPH_SIDE + 3;
        int left = 0, right = TR_GLYPH_SIDE - 1;
        while (left <= right && alpha[4 * left] <= threshold) left++;
        while (right > left && alpha[4 * right] <= threshold) right--;
        if (left > right) continue;
        any = true;
        reach_to(left, y, direction, reach, glyph);
        reach_to(right, y, direction, reach, glyph);
    }
    return any;
}

// The hull of the opaque pixels, or of all painted ones if none is opaque (steam, fog).
static void find_hull(const reader *r, const uint8_t *pixels, tr_glyph *glyph) {
    if (!hull_over(pixels, SOLID, r->direction, glyph)) hull_over(pixels, 0, r->direction, glyph);
}

// Copies the bitmap to the middle of the canvas; FreeType gives premultiplied BGRA.
static void place_bitmap(const FT_Bitmap *bitmap, uint8_t *canvas) {
    int left = (TR_GLYPH_SIDE - (int)bitmap->width) / 2;
    int top = (TR_GLYPH_SIDE - (int)bitmap->rows) / 2;
    for (int y = 0; y < (int)bitmap->rows; y++) {
        const uint8_t *from = bitmap->buffer + (ptrdiff_t)y * bitmap->pitch;
        uint8_t *to = canvas + 4 * ((size_t)(top + y) * TR_GLYPH_SIDE + left);
        for (int x = 0; x < (int)bitmap->width; x++, from += 4, to += 4)
            to[0] = from[2], to[1] = from[1], to[2] = from[0], to[3] = from[3];
    }
}

// *there is false (and nothing is done) if the font lacks the glyph: it may be older than the list.
static tn_status load_glyph(reader *r, uint32_t code, tr_glyph *glyph, bool *there) {
    FT_UInt index = FT_Get_Char_Index(r->face, code);
    *there = index && !FT_Load_Glyph(r->face, index, FT_LOAD_COLOR);
    const FT_Bitmap *bitmap = &r->face->glyph->bitmap;
    *there = *there && bitmap->pixel_mode == FT_PIXEL_MODE_BGRA && bitmap->rows && bitmap->width;
    if (!*there) return TN_OK;
    if (bitmap->rows > TR_GLYPH_SIDE || bitmap->width > TR_GLYPH_SIDE)
        return tn_fail(r->err, TN_EFORMAT, "%s: U+%04X is a bitmap of %ux%u, expected at most %d",
                       r->font, code, bitmap->width, bitmap->rows, TR_GLYPH_SIDE);
    uint8_t *pixels[TR_GLYPH_LEVELS];
    for (int i = 0, side = TR_GLYPH_SIDE; i < TR_GLYPH_LEVELS; i++, side /= 2) {
        pixels[i] = tn_arena_alloc(&r->glyphs->arena, (size_t)side * side * 4);
        if (!pixels[i]) return tn_fail(r->err, TN_ENOMEM, "out of memory for emoji");
        glyph->level[i] = pixels[i];
    }
    memset(pixels[0], 0, (size_t)TR_GLYPH_SIDE * TR_GLYPH_SIDE * 4);
    place_bitmap(bitmap, pixels[0]);
    for (int i = 0; i + 1 < TR_GLYPH_LEVELS; i++)
        halve(pixels[i], TR_GLYPH_SIDE >> i, pixels[i + 1]);
    find_hull(r, pixels[0], glyph);
    int solid = 0;
    for (int i = 0; i < TR_GLYPH_SIDE * TR_GLYPH_SIDE; i++) solid += pixels[0][4 * i + 3] > SOLID;
    glyph->solid = (float)solid / (TR_GLYPH_SIDE * TR_GLYPH_SIDE);
    return TN_OK;
}

// ---- the list ----------------------------------------------------------------------------------

// Example: "1F600 FE0F ; fully-qualified # X E1.0 grinning face": one code point besides FE0F.
// False for any other line.
static bool parse_line(char *line, uint32_t *code, char **name) {
    char *semicolon = strchr(line, ';'), *hash = semicolon ? strchr(semicolon, '#') : NULL;
    if (*line == '#' || !hash || strncmp(semicolon, "; fully-qualified ", 18) != 0) return false;
    int points = 0;
    for (char *at = line, *end; at < semicolon; at = end) {
        unsigned long value = strtoul(at, &end, 16);
        if (end == at) break;
        if (value == 0xFE0F) continue;
        *code = (uint32_t)value;
        points++;
    }
    char *version = strstr(hash, " E"); // after the emoji itself
    *name = version ? strchr(version + 1, ' ') : NULL;
    if (points != 1 || !*name) return false;
    ++*name;
    return **name != 0;
}

static tn_status add_line(reader *r, char *line) {
    uint32_t code = 0;
    char *name;
    if (!parse_line(line, &code, &name)) return TN_OK;
    tr_glyphs *g = r->glyphs;
    tr_glyph glyph = {.code = code};
    bool there;
    TN_TRY(load_glyph(r, code, &glyph, &there));
    if (!there) return TN_OK;
    tr_straighten_quotes(name);
    char *copy = tn_arena_alloc(&g->arena, strlen(name) + 1);
    if (!copy) return tn_fail(r->err, TN_ENOMEM, "out of memory for emoji");
    glyph.name = strcpy(copy, name);
    glyph.mirrors = tr_glyph_mirrors(name);
    glyph.turns = tr_glyph_turns(name);
    glyph.novel = tr_glyph_novel(name);
    if (g->count == r->capacity) {
        int64_t more = r->capacity ? 2 * r->capacity : 2048;
        tr_glyph *grown =
            tn_realloc(g->glyph, (size_t)r->capacity * sizeof *grown, (size_t)more * sizeof *grown);
        if (!grown) return tn_fail(r->err, TN_ENOMEM, "out of memory for emoji");
        g->glyph = grown;
        r->capacity = more;
    }
    g->glyph[g->count++] = glyph;
    return TN_OK;
}

static tn_status read_all(reader *r) {
    char *text;
    size_t bytes;
    if (io_read_text(r->list, (size_t)1 << 26, &text, &bytes, r->err) != TN_OK) {
        tn_error why = *r->err;
        return tn_fail(r->err, why.status, "%.900s: Debian's package unicode-data has this list",
                       why.text);
    }
    tn_status status = open_font(r);
    for (char *line = text, *next; status == TN_OK && line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        status = add_line(r, line);
    }
    tn_free(text);
    if (status != TN_OK || r->glyphs->count) return status;
    return tn_fail(r->err, TN_EFORMAT,
                   "%s: no emoji of this list is in %s, expected lines of the form '1F600 ; "
                   "fully-qualified # ...'",
                   r->list, r->font);
}

tn_status tr_glyphs_open(const char *font, const char *list, tr_glyphs **out, tn_error *err) {
    tn_error own = {0};
    reader r = {.font = font ? font : TR_GLYPH_FONT,
                .list = list ? list : TR_GLYPH_LIST,
                .glyphs = tn_alloc_zero(1, sizeof(tr_glyphs)),
                .err = err ? err : &own};
    if (!r.glyphs) return tn_fail(err, TN_ENOMEM, "out of memory for emoji");
    for (int i = 0; i < TR_GLYPH_HULL; i++) {
        double angle = i * (2 * 3.141592653589793 / TR_GLYPH_HULL);
        r.direction[i][0] = cos(angle), r.direction[i][1] = sin(angle);
    }
    tn_status status = tn_arena_init(&r.glyphs->arena, (size_t)1 << 30, err);
    if (status == TN_OK) status = read_all(&r);
    if (r.face) FT_Done_Face(r.face);
    if (r.library) FT_Done_FreeType(r.library);
    if (status == TN_OK)
        *out = r.glyphs;
    else
        tr_glyphs_close(r.glyphs);
    return status;
}

void tr_glyphs_close(tr_glyphs *glyphs) {
    if (!glyphs) return;
    tn_free(glyphs->glyph);
    tn_arena_deinit(&glyphs->arena);
    tn_free(glyphs);
}
