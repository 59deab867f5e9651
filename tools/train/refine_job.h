// SPDX-License-Identifier: Apache-2.0
// What `lexmask refine` is made of besides its options.
#pragma once

#include "models/clip/clip_train.h"
#include "models/names/vocabulary.h"
#include "tools/train/clip_run.h"
#include "train/refine_step.h"

// The options; what was not given is 0 or NULL.
typedef struct tool_refine_options {
    tool_clip_run run;
    const char *clip, *pool, *font, *list;
    int64_t size, window, regions, val_pictures;
    double things, smallest, context, which;
} tool_refine_options;

// The whole run. TN_ECANCELLED after Ctrl-C: all is saved.
tn_status tool_refine_go(const tool_refine_options *options, tn_error *err);

// All that a run consists of.
typedef struct tool_refiner {
    const tool_refine_options *options;
    kn_ctx *kn;
    nn_params params;
    md_clip *student, *teacher;
    md_bpe *bpe;
    md_scene scene; // of the student
    nn_tape *tape;
    tn_arena step, kept; // kept: what lives as long as the run
    tn_arena *scenes;    // [batch] a scene each
    tr_scene *made;      // [batch]
    tr_glyphs *glyphs;
    tr_scene_maker maker;
    tr_scene_options how;
    int32_t *pool;      // glyphs that the scenes to learn from hold
    md_vocabulary text; // of all names, by the teacher's text tower, which is the student's
    tool_train_progress progress;
    int64_t updates; // made by this call
    tool_run_settings settings;
    tn_error *err;
} tool_refiner;

// Errors go to t->err; closing is fine after a failure.
tn_status tool_refiner_open(tool_refiner *t);
void tool_refiner_close(tool_refiner *t);

// Scenes first … first+count-1 (count <= batch) of a seed -> t->made. how: with the pool or all.
tn_status tool_refine_scenes(tool_refiner *t, const tr_scene_options *how, uint64_t seed,
                             int64_t first, int64_t count);
// A scene as the student is given it -> x [S,S,3], and its frame.
tn_status tool_refine_input(tool_refiner *t, const tr_scene *scene, tn_tensor *x, md_frame *frame);
// Boxes [R,4] of a scene, cut out, by a CLIP: rows [R,D] of unit length.
tn_status tool_refine_cut(tool_refiner *t, const md_clip *clip, const tr_scene *scene,
                          const tn_tensor *boxes, tn_tensor *rows);

// How things of scenes that are not learned from are named, of all names: "dense" by regions of
// the student's map, "dense_novel" of the novel ones alone, "crops" by the student on crops.
tn_status tool_refine_score(tool_refiner *t, tr_value *out, size_t *count);
