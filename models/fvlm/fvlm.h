// SPDX-License-Identifier: Apache-2.0
// F-VLM (Kuo et al. 2023): a detector on a frozen CLIP. A trainable pyramid over CLIP's features,
// then Mask R-CNN with class-agnostic boxes and masks; a box is named by two scores: its trained
// embedding against the text embeddings, and CLIP's own features in the box against the same.
//
// Coordinates: "picture" is pixels of the picture as it came, "network" pixels of the square that
// the model sees (the picture is in its upper left corner).
#pragma once

#include "models/clip/clip.h"
#include "models/detector/mask_rcnn.h"
#include "models/detector/rpn.h"
#include "models/fvlm/fvlm_config.h"
#include "models/names/vocabulary.h"

typedef struct md_fvlm md_fvlm;

// ---- opening -----------------------------------------------------------------------------------

typedef struct md_fvlm_open_options {
    const char *folder; // a model on disk: config.json, adapters.safetensors and, where the
                        // configuration says, the CLIP. Or, with NULL:
    const md_fvlm_config *config; // a new model (copied)…
    const char *clip;             // …on this CLIP
    int64_t size;                 // of pictures, whatever the configuration says; 0: as it says
    bool trust_hash;              // do not compare the CLIP's file with clip.sha256
    struct nn_params *params;     // adapters become trainable parameters in here (the caller's, and
                                  // empty); NULL: frozen, which needs a folder
    uint64_t seed;                // of the initial values of a new model
} md_fvlm_open_options;

// TN_EIO, TN_EFORMAT (configuration, a tensor that is missing or has another shape, a CLIP that is
// another one or does not go with the configuration: file and key or tensor), TN_ENOMEM.
tn_status md_fvlm_open(const md_fvlm_open_options *options, kn_ctx *kn, md_fvlm **out,
                       tn_error *err);
void md_fvlm_close(md_fvlm *model); // NULL is fine
// The same model for pictures of another size, a multiple of md_fvlm_size_unit. For finding, not
// for training. It uses of's weights: close it first. TN_EINVAL, TN_ENOMEM.
tn_status md_fvlm_resize(const md_fvlm *of, int64_t size, kn_ctx *kn, md_fvlm **out, tn_error *err);
// What sizes of pictures are multiples of.
int64_t md_fvlm_size_unit(const md_fvlm *model);
// The size for a picture whose longer side is this: the model's own, or a larger one of at most
// `limit` where the picture is much larger and time grows with the number of pixels only (a ResNet,
// or a ViT with windows).
int64_t md_fvlm_size_for(const md_fvlm *model, int64_t longer, int64_t limit);
// A picture loses detail when its longer side is more than this times the size that it is seen at.
#define MD_FVLM_SHRUNK 1.3
// True when folder has a config.json of this kind.
bool md_fvlm_is(const char *folder);
const md_fvlm_config *md_fvlm_settings(const md_fvlm *model);
const md_clip *md_fvlm_clip(const md_fvlm *model);
// The names that the CLIP was trained on, of the configuration's `contrast`; NULL: there are none.
const md_names *md_fvlm_contrast(const md_fvlm *model);
const char *md_fvlm_clip_path(const md_fvlm *model);      // as it was opened
const char *md_fvlm_clip_tokenizer(const md_fvlm *model); // NULL: look for it
const md_anchors *md_fvlm_anchors(const md_fvlm *model);
int64_t md_fvlm_adapter_count(const md_fvlm *model); // numbers in the trainable parts
// SHA-256 of the file that a CLIP's weights are read from (of a folder: the file in it), in hex.
tn_status md_fvlm_clip_hash(const char *clip, char out[65], tn_error *err);

// ---- forward, stage by stage -------------------------------------------------------------------
// Outputs come from cx->step. Everything from stage 2 on is in x's type.

// Where a picture lies in the network's square.
md_frame md_fvlm_frame(const md_fvlm_config *config, int64_t height, int64_t width);
md_frame md_fvlm_frame_of(int64_t side, int64_t height, int64_t width); // S = side
// image uint8 [H,W,3] -> x [1,S,S,3]: bilinear as Pillow does it, normalised as CLIP wants it,
// zeros beyond the picture.
tn_status md_fvlm_input(nn_ctx *cx, const md_fvlm *model, const md_frame *frame,
                        const tn_tensor *image, tn_tensor *x);
// The same without a model: clip's mean and std are used.
tn_status md_fvlm_input_for(nn_ctx *cx, const md_clip_config *clip, const md_frame *frame,
                            const tn_tensor *image, tn_tensor *x);

// Stage 1, frozen: what CLIP makes of the picture.
typedef struct md_fvlm_features {
    tn_tensor map[MD_FVLM_MAPS]; // [N,h,w,C] as pyramid.taps says
    tn_tensor picture;           // [N,S,S,3]: x, which a stem sees beside them
    // What a score 2 needs; data is NULL where it was not asked for.
    tn_tensor patches, tokens, dense;
} md_fvlm_features;
// x [N,S,S,3]. mode: the score 2 that will be asked for; MD_SCORE2_NONE for training.
tn_status md_fvlm_frozen(nn_ctx *cx, const md_fvlm *model, const tn_tensor *x, md_score2 mode,
                         md_fvlm_features *out);

// Stage 2: -> level[MD_FVLM_LEVELS] [N,h,w,channels], finest first.
tn_status md_fvlm_pyramid(nn_ctx *cx, const md_fvlm *model, const md_fvlm_features *features,
                          tn_tensor *level);

// Stage 3: objectness and deltas of every level: logits [N,h,w,A], deltas [N,h,w,4A].
tn_status md_fvlm_rpn(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level, tn_tensor *logits,
                      tn_tensor *deltas);
// Proposals of picture n, whose frame is given, from the outputs of stage 3 (of any real type):
// boxes float32 [R,4] network, within the picture, scores [R], best first. No gradient.
tn_status md_fvlm_propose(nn_ctx *cx, const md_fvlm *model, const tn_tensor *logits,
                          const tn_tensor *deltas, int64_t n, const md_rpn_limits *limits,
                          const md_frame *frame, tn_tensor *boxes, tn_tensor *scores);

// Stage 4: boxes [R,4] network of the pictures in image (int32 [R]; NULL: all of the first) ->
// [R,size,size,channels], size box_size, with what surrounds a box (box_context), or mask_size.
tn_status md_fvlm_box_regions(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level,
                              const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y);
tn_status md_fvlm_mask_regions(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level,
                               const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y);

// Stage 5: the box head's regions -> deltas [R,4] (of md_roi_weights), embedding [R,D] (the
// projection adapter's, not normalised).
tn_status md_fvlm_box_fwd(nn_ctx *cx, const md_fvlm *model, const tn_tensor *regions,
                          tn_tensor *deltas, tn_tensor *embedding);
// Moves boxes once: as md_fvlm_box_regions -> y float32 [R,4] of the caller, where the box head
// sees the objects, within the picture. All of one picture, whose frame is given. unit: NULL, or
// float32 [R,D] of the caller for the embedding of what the head saw, unit length. No gradient.
tn_status md_fvlm_refine_boxes(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level,
                               const tn_tensor *boxes, const tn_tensor *image,
                               const md_frame *frame, tn_tensor *y, tn_tensor *unit);

// Stage 6: text [T(+1),D] unit vectors, the background's last if it is a text; embedding [R,D] ->
// logits [R,T+1], the background last ([R,T] where there is none): cosines, or, where the scale is
// learned, cosines times it.
tn_status md_fvlm_classify(nn_ctx *cx, const md_fvlm *model, const tn_tensor *text,
                           const tn_tensor *embedding, tn_tensor *logits);
double md_fvlm_scale1(const md_fvlm *model); // what they are to be multiplied with yet; 1: nothing
double md_fvlm_cosine_scale(const md_fvlm *model); // from a cosine to the softmax

// Stage 7: regions of mask_size -> logits [R,2*mask_size,2*mask_size,1], before the sigmoid.
tn_status md_fvlm_mask_fwd(nn_ctx *cx, const md_fvlm *model, const tn_tensor *regions,
                           tn_tensor *logits);

// Score 2's embeddings of boxes [R,4] network of one picture: y [R,D] of the caller, unit length.
// image uint8 [H,W,3] and frame are for crop alone. clip_batch: crops at a time, 0 for 64.
// go_on: NULL, or false cancels.
typedef struct md_fvlm_boxes {
    const tn_tensor *boxes;
    const tn_tensor *image;
    const md_frame *frame;
    int64_t clip_batch;
    bool (*go_on)(void *user, double done);
    void *user;
} md_fvlm_boxes;
tn_status md_fvlm_score2_embed(nn_ctx *cx, const md_fvlm *model, const md_fvlm_features *features,
                               md_score2 mode, const md_fvlm_boxes *boxes, tn_tensor *y);

// Whether the mode goes with this model; TN_EINVAL says why not.
tn_status md_fvlm_mode_check(const md_fvlm *model, md_score2 mode, tn_error *err);

// ---- the whole ---------------------------------------------------------------------------------

typedef struct md_fvlm_options {
    md_score2 mode;
    double alpha, beta;
    const uint8_t *base;    // [T] 1: alpha's, 0: beta's. NULL: all are beta's
    nn_select_rules rules;  // which pairs of box and name are the result
    int64_t proposals;      // the RPN's best N
    int64_t clip_batch;     // crop: pieces at a time
    const tn_tensor *boxes; // [P,4] picture: named as they are, in place of what the RPN and the
                            // box head find; their objectness is 1. NULL: found
    bool no_background;     // a learned background is left out: every box is some name's
    // Each box has its likeliest name alone, is scored by how little it is background and how sure
    // score 2, where there is one, is of that name, and meets all others in suppression.
    bool agnostic;
    bool each_score; // `scored` also gets what each score alone would choose
    bool (*go_on)(void *user, double done);
    void *user;
} md_fvlm_options;
// The configuration's own.
md_fvlm_options md_fvlm_default_options(const md_fvlm *model);
// base[T]: which of the names are among the configuration's base_names.
void md_fvlm_base_flags(const md_fvlm_config *config, const md_names *names, uint8_t *base);

// Every box that had a score, before they were chosen from; memory of the step arena.
typedef struct md_fvlm_scored {
    tn_tensor boxes, objectness; // [P,4] picture, [P]
    // Columns are the names, those that only compete among them, and the background where there is
    // one. score2 without data: none.
    tn_tensor score1, score2; // [P,columns]
    tn_tensor fused;          // [P,columns]
    tn_tensor refined;        // [Q,4] picture: the proposals, where the box head moved them
    md_found alone[2];        // by score 1, by score 2 (without one, by score 1); no proposals
} md_fvlm_scored;

// image uint8 [H,W,3]. options and scored may be NULL. TN_ECANCELLED; TN_ENOMEM.
tn_status md_fvlm_detect(nn_ctx *cx, const md_fvlm *model, const md_vocabulary *vocabulary,
                         const tn_tensor *image, const md_fvlm_options *options, md_found *out,
                         md_fvlm_scored *scored);
