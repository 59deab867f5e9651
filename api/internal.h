// SPDX-License-Identifier: Apache-2.0
// What stands behind the public handles.
#pragma once

#include "api/api_options.h"
#include "api/api_status.h"
#include "lexmask.h"
#include "models/clip/clip.h"
#include "models/crop/crop.h"
#include "models/detector/mask_rcnn.h"
#include "models/fvlm/fvlm.h"
#include "models/names/prompts.h"
#include "models/names/vocabulary.h"
#include "models/text/bpe.h"

// Everything in a model is read-only once it is open.
struct lexmask_model {
    md_fvlm *fvlm;          // NULL, or:
    md_mask_rcnn *detector; // NULL
    md_clip *own_clip;      // NULL
    const md_clip *clip;    // the F-VLM's or own_clip; NULL: closed mode only
    md_bpe *bpe;            // NULL without clip, or when none was wanted
    char clip_path[4096];
    char device[16], level[32]; // every session opens the backend that packed the weights
    tn_dtype products;          // what a session's products multiply: TN_F32 or TN_BF16
};

struct lexmask_names {
    md_names parsed; // what is looked for
    md_names all;    // the same, and behind it what only competes
    md_vocabulary vocabulary;
    bool no_background; // none was wanted, a learned one neither
};

struct lexmask_session {
    const lexmask_model *model;
    const lexmask_names *names;
    lexmask_session_options options;
    kn_ctx *kn;
    tn_arena step;
    md_score2 score2; // F-VLM
    md_fvlm
        *resized;  // F-VLM: for larger pictures than the model's own size; NULL until there is one
    bool shrunk;   // log was told of a picture that is seen much smaller than it is
    char *novel;   // the session option, kept for later names
    uint8_t *base; // [all names] 1: alpha's; F-VLM
    bool parted;   // it is known which names are novel: those that are not alpha's
};

struct lexmask_result {
    tn_tensor image; // uint8 [H,W,3], upright
    size_t count;
    lexmask_detection *detection;        // [count]
    tn_tensor boxes, masks;              // [count,4], [count,M,M] probabilities; no data: none
    tn_tensor proposals;                 // [P,4], best first; rank 0 where there are none
    char *_Atomic *rle;                  // [count], made when asked for, by any thread
    lexmask_polygons *_Atomic *polygons; // [count] likewise, each one block
    lexmask_scores scores;               // its arrays lie in kept; count 0 and kept NULL: none
    float *kept;
    lexmask_result *alone[2]; // by one score each, or NULL; they show this one's picture
    bool borrows_image;
};

// A context of the model's device, level and number type.
tn_status api_context(const lexmask_model *model, int threads, kn_ctx **out, tn_error *err);

// What the options say of selection, over a model's own rules.
void api_set_rules(const lexmask_session_options *options, nn_select_rules *rules);
// Decodes or copies the caller's picture: uint8 [H,W,3] of tn_alloc.
tn_status api_picture_open(const lexmask_session *session, const lexmask_picture *picture,
                           tn_tensor *out, tn_error *err);
// Puts the picture's file, if it is one, before the text of a failure. Returns status.
tn_status api_picture_error(const lexmask_picture *picture, tn_status status, tn_error *err);
// Whether there are count boxes, and all of their coordinates are finite.
tn_status api_boxes_check(const float *boxes, size_t count, tn_error *err);
// What the session's options mean for the crop mode.
md_crop_options api_crop_options(lexmask_session *session);

// Copies the scores of every box that could become a detection into a result; how: what they are
// put together with.
tn_status api_result_scores(const lexmask_session *session, const md_frame *frame,
                            const md_fvlm_scored *scored, const lexmask_scores *how,
                            lexmask_result *result, tn_error *err);
// Tells of the names that the model's own list lacks, with what may have been meant.
tn_status api_names_hint(const lexmask_model *model, const lexmask_names_options *options,
                         const md_names *names, tn_error *err);
// What a session needs for an F-VLM, checked.
tn_status api_fvlm_session(lexmask_session *session, tn_error *err);
// Which of the names alpha is used for: *base is [all names], 1: alpha, of tn_alloc.
tn_status api_fvlm_base(const lexmask_session *session, const lexmask_names *names, uint8_t **base,
                        tn_error *err);
tn_status api_fvlm_run(lexmask_session *session, nn_ctx *cx, const tn_tensor *image,
                       lexmask_result **result);
tn_status api_fvlm_name(lexmask_session *session, nn_ctx *cx, const tn_tensor *image,
                        const tn_tensor *boxes, int *labels, float *scores);
bool api_go_on(void *session, double done); // false cancels

// Copies what was found; takes over the picture's memory when it succeeds.
tn_status api_result_new(const lexmask_session *session, const tn_tensor *image,
                         const md_found *found, lexmask_result **out, tn_error *err);
// Adds what each score alone finds; the picture is the result's.
tn_status api_result_alone(const lexmask_session *session, const md_found alone[2],
                           lexmask_result *result, tn_error *err);
