// SPDX-License-Identifier: Apache-2.0
// What the two kinds of made-up pictures share.
#pragma once

#include "train/world/scenes.h"
#include "train/world/wear.h"

typedef struct tr_painting {
    const tr_scene_maker *maker;
    const tr_scene_options *options;
    tn_rng rng;
    tr_canvas canvas; // owner: 0, or 1 + the index of an object
    tn_arena *arena;
    // The objects so far. whole: pixels that each would cover if nothing hid it.
    int32_t name[TR_SCENE_MOST];
    double whole[TR_SCENE_MOST];
    int count;
    double least_share; // of an object that must be seen, else it is left out of the truth
    tr_wear wear;
} tr_painting;

// A canvas of that size from the arena, owners 0, colours not set.
tn_status tr_painting_begin(tr_painting *p, int height, int width, tn_error *err);
int32_t tr_painting_name(tr_painting *p); // an index drawn from the pool
// Paints an object and adds it. Its number is at most TR_SCENE_MOST.
void tr_painting_add(tr_painting *p, int32_t name, const tr_pose *pose, const tr_look *look);

// Each paints a whole picture, wear drawn but not applied.
tn_status tr_paint_scene(tr_painting *p, tn_error *err);
tn_status tr_paint_chat(tr_painting *p, tn_error *err);
