// SPDX-License-Identifier: Apache-2.0
// Internals that the two kinds of synthetic pictures share.
#pragma once

#include "train/world/scenes.h"
#include "train/world/wear.h"

typedef struct tr_painting {
    const tr_scene_maker *maker;
    const tr_scene_options *options;
    tn_rng rng;
    tr_canvas canvas; // owner: 0, or 1 + the index of an object
    tn_arena *arena;
    // The objects so far. whole: number of pixels without occlusion.
    int32_t name[TR_SCENE_MAX_OBJECTS];
    double whole[TR_SCENE_MAX_OBJECTS];
    int count;
    double min_visible; // minimum visible fraction of an object in the ground truth
    tr_wear wear;
} tr_painting;

// Allocates a canvas of that size from the arena, with owners 0 and undefined colours.
tn_status tr_painting_begin(tr_painting *p, int height, int width, tn_error *err);
int32_t tr_painting_name(tr_painting *p); // random index from the pool
// Paints an object and adds it. At most TR_SCENE_MAX_OBJECTS can be added.
void tr_painting_add(tr_painting *p, int32_t name, const tr_pose *pose, const tr_look *look);

// Each paints a whole picture; wear is drawn but not applied.
tn_status tr_paint_scene(tr_painting *p, tn_error *err);
tn_status tr_paint_chat(tr_painting *p, tn_error *err);
