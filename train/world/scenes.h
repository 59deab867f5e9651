// SPDX-License-Identifier: Apache-2.0
// Made-up pictures with the truth about them: which named things are where, to the pixel. Two
// kinds: scenes (things of all sizes on all kinds of ground) and chats (text with emoji in it, as
// on a screen). docs/scenes.md says what is in this world and what is not.
#pragma once

#include "io/coco/rle.h"
#include "train/world/ground.h"

#define TR_SCENE_MOST 128 // objects in one picture

typedef struct tr_scene_options {
    bool chat;
    int64_t height, width;    // 0: varied
    double smallest, largest; // side of an object's square, pixels; scenes only
    int64_t least, most;      // objects of a scene that are tried
    const int32_t *pool;      // glyphs that may be objects; NULL: all
    int64_t pool_count;
} tr_scene_options;
tr_scene_options tr_scene_default_options(bool chat); // 20..200 pixels, 2..14 objects

// Shared and read-only.
typedef struct tr_scene_maker {
    const tr_glyphs *glyphs; // of the caller, who keeps it open
    tr_sheets sheets;
} tr_scene_maker;
tn_status tr_scene_maker_open(const tr_glyphs *glyphs, tr_scene_maker *out, tn_error *err);
void tr_scene_maker_close(tr_scene_maker *maker); // fine on one that is all 0

typedef struct tr_thing {
    int32_t name;    // index of the glyph
    io_rle mask;     // what can be seen of it
    uint32_t box[4]; // of the mask: left, top, width, height
    uint32_t area;   // of the mask
} tr_thing;

typedef struct tr_scene {
    tn_tensor picture;   // uint8 [H,W,3]
    const uint8_t *jpeg; // the file whose pixels picture has; NULL: no JPEG
    size_t jpeg_bytes;
    tr_thing *thing;
    int64_t count; // may be 0
} tr_scene;

// Scene number index of a seed: depends on both, on the options and the fonts alone. All memory is
// the arena's. Masks of one scene do not overlap. TN_ENOMEM.
tn_status tr_scene_make(const tr_scene_maker *maker, const tr_scene_options *options, uint64_t seed,
                        int64_t index, tn_arena *arena, tr_scene *out, tn_error *err);
