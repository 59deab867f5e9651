// SPDX-License-Identifier: Apache-2.0
// Crops of things as a detector would cut them out of a picture, for contrastive training of a
// CLIP: painted directly in the crop's own pixels.
#pragma once

#include "tensor/pool.h"
#include "tensor/tensor.h"
#include "train/world/ground.h"

typedef struct tr_crop_maker {
    const tr_glyphs *glyphs; // of the caller, who keeps it open
    tr_sheets sheets;
} tr_crop_maker;

tn_status tr_crop_maker_open(const tr_glyphs *glyphs, tr_crop_maker *out, tn_error *err);
void tr_crop_maker_close(tr_crop_maker *maker); // fine on one that is all 0

// count crops into pixels, float32 [count,S,S,3] in 0..1 (RGB, not normalised; each value is a
// byte / 255). names: int32 [count], a glyph's index; -1: a crop without an object, which is bare
// ground with clutter, a small part of one, one that is far too small in its window, or what lies
// beside one. easy: 0..1, scales clutter, jitter and wear down, for the beginning of a training.
//
// Crop i depends on (seed, first + i, names[i], easy, S) alone: the same bits for any number of
// threads and any way of cutting a run into batches. The pool is not used by anyone else
// meanwhile. TN_ENOMEM.
tn_status tr_crops_make(const tr_crop_maker *maker, tn_pool *pool, uint64_t seed, int64_t first,
                        int64_t count, const int32_t *names, double easy, tn_tensor *pixels,
                        tn_error *err);
