// SPDX-License-Identifier: Apache-2.0
// Synthetic pictures with ground truth: the name and the exact mask of every object. There are two
// kinds: scenes (objects of all sizes on all kinds of background) and chats (text with emoji in it,
// as on a screen). docs/scenes.md describes them.
#pragma once

#include "io/coco/rle.h"
#include "train/world/ground.h"

#define TR_SCENE_MAX_OBJECTS 128 // objects in one picture

typedef struct tr_scene_options {
    bool chat;
    int64_t height, width;            // 0: random
    double min_side, max_side;        // side of an object's square, pixels; scenes only
    int64_t min_objects, max_objects; // number of objects that a scene tries to place
    const int32_t *pool;              // glyphs that may be objects; NULL: all
    int64_t pool_count;
} tr_scene_options;
tr_scene_options tr_scene_default_options(bool chat); // 20..200 pixels, 2..14 objects

// Shared and read-only.
typedef struct tr_scene_maker {
    const tr_glyphs *glyphs; // owned by the caller, who keeps it open
    tr_sheets sheets;
} tr_scene_maker;
tn_status tr_scene_maker_open(const tr_glyphs *glyphs, tr_scene_maker *out, tn_error *err);
void tr_scene_maker_close(tr_scene_maker *maker); // fine on a cleared one

typedef struct tr_scene_object {
    int32_t name;    // index of the glyph
    io_rle mask;     // its visible part
    uint32_t box[4]; // of the mask: left, top, width, height
    uint32_t area;   // of the mask
} tr_scene_object;

typedef struct tr_scene {
    tn_tensor picture;   // uint8 [H,W,3]
    const uint8_t *jpeg; // the JPEG file that decodes to picture; NULL: no JPEG
    size_t jpeg_bytes;
    tr_scene_object *objects;
    int64_t count; // may be 0
} tr_scene;

// Makes a scene, which depends only on seed, index, the options and the fonts. All memory is
// allocated from the arena. Masks of one scene do not overlap. TN_ENOMEM.
tn_status tr_scene_make(const tr_scene_maker *maker, const tr_scene_options *options, uint64_t seed,
                        int64_t index, tn_arena *arena, tr_scene *out, tn_error *err);
