// SPDX-License-Identifier: Apache-2.0
// Made-up pictures as a COCO data set in a folder:
//   images/000001.png   or .jpg, where the picture has JPEG's artefacts
//   annotations.json    exact boxes, run-length masks, areas; all names as categories, in order
//   base.txt, novel.txt the names of the two parts of the open-vocabulary split, one a line
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
    // Called as pictures are written, in their order, by the calling thread; false ends it.
    bool (*go_on)(void *user, int64_t done);
    void *user;
} tr_scene_set;

// Pictures 1…count are scenes 0…count-1 of the seed. The same bytes for any number of threads.
// Files are written beside and renamed, annotations.json as the last; pictures of an earlier run
// that it does not name stay. *things: how many there are. TN_EIO, TN_ENOMEM; TN_ECANCELLED when
// go_on said so.
tn_status tr_scene_set_write(const tr_scene_maker *maker, const tr_scene_options *options,
                             const tr_scene_set *set, tn_pool *pool, int64_t *things,
                             tn_error *err);
