// SPDX-License-Identifier: Apache-2.0
// Writes synthetic pictures as a COCO data set to a folder:
//  images/000001.png   or .jpg, if the picture has JPEG artefacts
//  annotations.json    exact boxes, run-length masks, areas; all names as categories, in order
//  base.txt, novel.txt the names of the two parts of the open-vocabulary split, one per line
#pragma once

#include "tensor/pool.h"
#include "train/world/scenes.h"

typedef struct tr_scene_set {
    const char *folder;
    uint64_t seed;
    int64_t count;
    // Categories: these glyphs with ids 1, 2, …; NULL: all of them.
    const int32_t *names;
    int64_t name_count;
    // Called repeatedly, in order, by the calling thread; false stops.
    bool (*progress)(void *user, int64_t done);
    void *user;
} tr_scene_set;

// Pictures 1…count are scenes 0…count-1 of the seed. The bytes do not depend on the number of
// threads. Files are written atomically, annotations.json last; pictures of an earlier run that it
// does not list are kept. *objects: number of objects. TN_EIO, TN_ENOMEM; TN_ECANCELLED if progress
// returned false.
tn_status tr_scene_set_write(const tr_scene_maker *maker, const tr_scene_options *options,
                             const tr_scene_set *set, tn_pool *pool, int64_t *objects,
                             tn_error *err);
