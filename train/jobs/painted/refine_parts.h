// SPDX-License-Identifier: Apache-2.0
// All that a refinement consists of, and its parts.
#pragma once

#include "models/fvlm/fvlm.h"
#include "models/names/vocabulary.h"
#include "train/jobs/painted/clip_job.h"
#include "train/jobs/painted/refine_job.h"
#include "train/refine_step.h"

typedef struct tr_refiner {
    tr_job job;
    const tr_refine_job_options *options;
    md_clip *student, *teacher;
    md_bpe *bpe;
    md_scene scene;   // of the student
    tn_arena kept;    // what lives as long as the run
    tn_arena *scenes; // [batch] a scene each
    tr_scene *made;   // [batch]
    tr_glyphs *glyphs;
    tr_scene_maker maker;
    tr_scene_options how;
    int32_t *pool;      // glyphs that the scenes to learn from hold
    md_vocabulary text; // of all names, by the teacher's text tower, which is the student's
} tr_refiner;

// Errors go to t->job.err; closing is fine after a failure.
tn_status tr_refiner_open(tr_refiner *t);
void tr_refiner_close(tr_refiner *t);

// Scenes first … first+count-1 (count <= batch) of a seed -> t->made. how: with the pool or all.
tn_status tr_refine_scenes(tr_refiner *t, const tr_scene_options *how, uint64_t seed, int64_t first,
                           int64_t count);
// A scene as the student is given it -> x [S,S,3], and its frame.
tn_status tr_refine_input(tr_refiner *t, const tr_scene *scene, tn_tensor *x, md_frame *frame);
// Boxes [R,4] of a scene, cut out, by a CLIP: rows [R,D] of unit length.
tn_status tr_refine_cut(tr_refiner *t, const md_clip *clip, const tr_scene *scene,
                        const tn_tensor *boxes, tn_tensor *rows);
// A job's validate, for a tr_refiner: the figures of tr_refine_run. *count 0: interrupted.
tn_status tr_refine_score(void *self, int64_t step, tr_value *out, size_t *count, tn_error *err);
