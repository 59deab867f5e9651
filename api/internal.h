// SPDX-License-Identifier: Apache-2.0
// The structs behind the public handles.
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

// Everything in an open model is read-only.
struct lexmask_model {
    md_fvlm *fvlm;          // NULL, or:
    md_mask_rcnn *detector; // NULL
    md_clip *own_clip;      // NULL
    const md_clip *clip;    // the F-VLM's or own_clip; NULL: closed mode only
    md_bpe *bpe;            // NULL without clip, or if not requested
    char clip_path[4096];
    char device[16], level[32]; // every session opens the backend that packed the weights
    tn_dtype products;          // number type of a session's products: TN_F32 or TN_BF16
};

struct lexmask_names {
    md_names parsed; // requested names
    md_names all;    // the requested names, followed by competing names
    md_vocabulary vocabulary;
    bool no_background; // no background was requested, not even a learned one
};

struct lexmask_session {
    const lexmask_model *model;
    const lexmask_names *names;
    lexmask_session_options options;
    kn_ctx *kn;
    tn_arena step;
    md_score2 score2; // for an F-VLM
    // F-VLM: the model at a larger size, for large pictures; NULL until one is needed
    md_fvlm *resized;
    bool shrunk;   // log was given the warning about a picture scaled down a lot
    char *novel;   // the session option, kept for later names
    uint8_t *base; // [all names] 1: uses alpha; F-VLM
    bool parted;   // novel names are known: those that do not use alpha
};

struct lexmask_result {
    tn_tensor image; // uint8 [H,W,3], upright
    size_t count;
    lexmask_detection *detection;        // [count]
    tn_tensor boxes, masks;              // [count,4], [count,M,M] probabilities; NULL data: none
    tn_tensor proposals;                 // [P,4], best first; rank 0 if there are none
    char *_Atomic *rle;                  // [count], made on first use, by any thread
    lexmask_polygons *_Atomic *polygons; // [count], likewise, one block each
    lexmask_scores scores;               // its arrays are in kept; count 0 and kept NULL: none
    float *kept;
    lexmask_result *alone[2]; // by one score each, or NULL; they use this result's picture
    bool borrows_image;
};

// A context for the model's device, level and number type.
tn_status api_context(const lexmask_model *model, int threads, kn_ctx **out, tn_error *err);

// Applies the options of selection to a model's own rules.
void api_set_rules(const lexmask_session_options *options, nn_select_rules *rules);
// Decodes or copies the caller's picture: uint8 [H,W,3] from tn_alloc.
tn_status api_picture_open(const lexmask_session *session, const lexmask_picture *picture,
                           tn_tensor *out, tn_error *err);
// Prefixes an error text with the picture's file, if it has one. Returns status.
tn_status api_picture_error(const lexmask_picture *picture, tn_status status, tn_error *err);
// Checks that there are count boxes with finite coordinates.
tn_status api_boxes_check(const float *boxes, size_t count, tn_error *err);
// The session's options for the crop mode.
md_crop_options api_crop_options(lexmask_session *session);

// Copies the scores of every box that could become a detection into a result; how: the score
// fusion.
tn_status api_result_scores(const lexmask_session *session, const md_frame *frame,
                            const md_fvlm_scored *scored, const lexmask_scores *how,
                            lexmask_result *result, tn_error *err);
// Reports names that are not in the model's own list, with suggestions.
tn_status api_names_hint(const lexmask_model *model, const lexmask_names_options *options,
                         const md_names *names, tn_error *err);
// Checks and fills what a session needs for an F-VLM.
tn_status api_fvlm_session(lexmask_session *session, tn_error *err);
// Which names use alpha: *base is [all names], 1: alpha, from tn_alloc.
tn_status api_fvlm_base(const lexmask_session *session, const lexmask_names *names, uint8_t **base,
                        tn_error *err);
tn_status api_fvlm_run(lexmask_session *session, nn_ctx *cx, const tn_tensor *image,
                       lexmask_result **result);
tn_status api_fvlm_name(lexmask_session *session, nn_ctx *cx, const tn_tensor *image,
                        const tn_tensor *boxes, int *labels, float *scores);
bool api_progress(void *session, double done); // false cancels

// Copies the detections; takes ownership of the picture on success.
tn_status api_result_new(const lexmask_session *session, const tn_tensor *image,
                         const md_found *found, lexmask_result **out, tn_error *err);
// Adds the detections by each score alone; they share the result's picture.
tn_status api_result_alone(const lexmask_session *session, const md_found alone[2],
                           lexmask_result *result, tn_error *err);
