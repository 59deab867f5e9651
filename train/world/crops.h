// SPDX-License-Identifier: Apache-2.0
// Crops of objects as a detector would make them, for contrastive training of a CLIP. They are
// painted directly at the crop's resolution.
#pragma once

#include "tensor/pool.h"
#include "tensor/tensor.h"
#include "train/world/ground.h"

typedef struct tr_crop_maker {
    const tr_glyphs *glyphs; // owned by the caller, who keeps it open
    tr_sheets sheets;
} tr_crop_maker;

tn_status tr_crop_maker_open(const tr_glyphs *glyphs, tr_crop_maker *out, tn_error *err);
void tr_crop_maker_close(tr_crop_maker *maker); // fine on a cleared one

// Paints count crops to pixels, float32 [count,S,S,3] in 0..1 (RGB, not normalised; each value is a
// byte / 255). names: int32 [count], the index of a glyph; -1: a crop without an object: empty
// ground with clutter, a small part of an object, one that is far too small in its window, or the
// surroundings of one. easy: 0..1, reduces clutter, jitter and wear, for the start of a training.
//
// Crop i depends only on (seed, first + i, names[i], easy, S): any number of threads and any
// division into batches give the same bits. The pool must not be used by others meanwhile.
// TN_ENOMEM.
tn_status tr_crops_make(const tr_crop_maker *maker, tn_pool *pool, uint64_t seed, int64_t first,
                        int64_t count, const int32_t *names, double easy, tn_tensor *pixels,
                        tn_error *err);
