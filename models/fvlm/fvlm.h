// SPDX-License-Identifier: Apache-2.0
// F-VLM (Kuo et al. 2023): a detector on a frozen CLIP. A trainable pyramid over CLIP's features,
// then Mask R-CNN with class-agnostic boxes and masks. Two scores name a box: the similarity of its
// trained embedding to the text embeddings, and that of CLIP's own features in the box.
//
// Coordinates: "picture" is pixels of the original picture, "network" pixels of the model's square
// input (the picture is in its upper left corner).
#pragma once

#include "models/clip/clip.h"
#include "models/detector/mask_rcnn.h"
#include "models/detector/rpn.h"
#include "models/fvlm/fvlm_config.h"
#include "models/names/vocabulary.h"

typedef struct md_fvlm md_fvlm;

// ---- opening -----------------------------------------------------------------------------------

typedef struct md_fvlm_open_options {
    const char *folder;           // a model on disk: config.json, adapters.safetensors and, if the
                                  // configuration says so, the CLIP. Or NULL, with:
    const md_fvlm_config *config; // a new model (copied)…
    const char *clip;             // …on this CLIP
    int64_t size;    // of input pictures, overriding the configuration; 0: the configuration's
    bool trust_hash; // do not compare the CLIP's file with clip.sha256
    struct nn_params *params; // receives the adapters as trainable parameters (the caller's, and
                              // empty); NULL: frozen, which needs a folder
    uint64_t seed;            // for the initial values of a new model
} md_fvlm_open_options;

// TN_EIO, TN_EFORMAT (configuration, a tensor that is missing or has another shape, a different
// CLIP or one that does not match the configuration: file and key or tensor), TN_ENOMEM.
tn_status md_fvlm_open(const md_fvlm_open_options *options, kn_ctx *kn, md_fvlm **out,
                       tn_error *err);
void md_fvlm_close(md_fvlm *model); // NULL is allowed
// The same model for pictures of another size, a multiple of md_fvlm_size_unit. For detection, not
// for training. It shares the weights of `of`: close it first. TN_EINVAL, TN_ENOMEM.
tn_status md_fvlm_resize(const md_fvlm *of, int64_t size, kn_ctx *kn, md_fvlm **out, tn_error *err);
// Sizes of pictures must be multiples of this.
int64_t md_fvlm_size_unit(const md_fvlm *model);
// The size for a picture with this longer side: the model's own, or a larger one up to `limit` if
// the picture is much larger and time is linear in the number of pixels (a ResNet, or a ViT with
// windows).
int64_t md_fvlm_size_for(const md_fvlm *model, int64_t longer, int64_t limit);
// A picture loses detail if its longer side is more than this times the input size.
#define MD_FVLM_SHRUNK 1.3
// Whether folder has a config.json of this kind.
bool md_fvlm_is(const char *folder);
const md_fvlm_config *md_fvlm_settings(const md_fvlm *model);
const md_clip *md_fvlm_clip(const md_fvlm *model);
// The names that the CLIP was trained on, from the configuration's `contrast`; NULL: none.
const md_names *md_fvlm_contrast(const md_fvlm *model);
const char *md_fvlm_clip_path(const md_fvlm *model);      // as opened
const char *md_fvlm_clip_tokenizer(const md_fvlm *model); // NULL: not configured, search for it
const md_anchors *md_fvlm_anchors(const md_fvlm *model);
int64_t md_fvlm_adapter_count(const md_fvlm *model); // number of trainable values
// SHA-256, in hex, of the file with the CLIP's weights (for a folder: the file in it).
tn_status md_fvlm_clip_hash(const char *clip, char out[65], tn_error *err);

// ---- forward, stage by stage -------------------------------------------------------------------
// Outputs come from cx->step. From stage 2 on, everything is in x's type.

// Position of a picture in the network's square.
md_frame md_fvlm_frame(const md_fvlm_config *config, int64_t height, int64_t width);
md_frame md_fvlm_frame_of(int64_t side, int64_t height, int64_t width); // S = side
// image uint8 [H,W,3] -> x [1,S,S,3]: bilinear as in Pillow, normalised as CLIP expects, zeros
// outside the picture.
tn_status md_fvlm_input(nn_ctx *cx, const md_fvlm *model, const md_frame *frame,
                        const tn_tensor *image, tn_tensor *x);
// The same without a model: uses clip's mean and std.
tn_status md_fvlm_input_for(nn_ctx *cx, const md_clip_config *clip, const md_frame *frame,
                            const tn_tensor *image, tn_tensor *x);

// Stage 1, frozen: CLIP's features of the picture.
typedef struct md_fvlm_features {
    tn_tensor map[MD_FVLM_MAPS]; // [N,h,w,C], see pyramid.taps
    tn_tensor picture;           // [N,S,S,3]: x, an additional input of a stem
    // Inputs of a score 2; data is NULL if not requested.
    tn_tensor patches, tokens, dense;
} md_fvlm_features;
// x [N,S,S,3]. mode: the score 2 that will be computed; MD_SCORE2_NONE for training.
tn_status md_fvlm_frozen(nn_ctx *cx, const md_fvlm *model, const tn_tensor *x, md_score2 mode,
                         md_fvlm_features *out);

// Stage 2: -> level[MD_FVLM_LEVELS] [N,h,w,channels], finest first.
tn_status md_fvlm_pyramid(nn_ctx *cx, const md_fvlm *model, const md_fvlm_features *features,
                          tn_tensor *level);

// Stage 3: objectness and deltas of every level: logits [N,h,w,A], deltas [N,h,w,4A].
tn_status md_fvlm_rpn(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level, tn_tensor *logits,
                      tn_tensor *deltas);
// Proposals of picture n with the given frame, from the outputs of stage 3 (of any real type):
// boxes float32 [R,4] network, inside the picture, scores [R], best first. No gradient.
tn_status md_fvlm_propose(nn_ctx *cx, const md_fvlm *model, const tn_tensor *logits,
                          const tn_tensor *deltas, int64_t n, const md_rpn_limits *limits,
                          const md_frame *frame, tn_tensor *boxes, tn_tensor *scores);

// Stage 4: boxes [R,4] network of the pictures in image (int32 [R]; NULL: all of the first) ->
// [R,size,size,channels]; size is box_size, with box_context around the box, or mask_size.
tn_status md_fvlm_box_regions(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level,
                              const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y);
tn_status md_fvlm_mask_regions(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level,
                               const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y);

// Stage 5: the box head's regions -> deltas [R,4] (of md_roi_weights), embedding [R,D] (the
// projection adapter's, not normalised).
tn_status md_fvlm_box_fwd(nn_ctx *cx, const md_fvlm *model, const tn_tensor *regions,
                          tn_tensor *deltas, tn_tensor *embedding);
// Refines boxes once: regions of the box head as for md_fvlm_box_regions -> y float32 [R,4], the
// predicted boxes, clipped to the picture; allocated by the caller. All of one picture, with the
// given frame. unit: NULL, or float32 [R,D] of the caller for the head's embeddings, unit length.
// No gradient.
tn_status md_fvlm_refine_boxes(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level,
                               const tn_tensor *boxes, const tn_tensor *image,
                               const md_frame *frame, tn_tensor *y, tn_tensor *unit);

// Stage 6: text [T(+1),D] unit vectors, the background's last if it is a text; embedding [R,D] ->
// logits [R,T+1], the background last ([R,T] without one): cosines, multiplied with the scale if
// that is learned.
tn_status md_fvlm_classify(nn_ctx *cx, const md_fvlm *model, const tn_tensor *text,
                           const tn_tensor *embedding, tn_tensor *logits);
double md_fvlm_scale1(const md_fvlm *model); // factor still to be applied to the logits; 1: none
double md_fvlm_cosine_scale(const md_fvlm *model); // factor of cosines in the softmax

// Stage 7: regions of mask_size -> logits [R,2*mask_size,2*mask_size,1], before the sigmoid.
tn_status md_fvlm_mask_fwd(nn_ctx *cx, const md_fvlm *model, const tn_tensor *regions,
                           tn_tensor *logits);

// Score 2's embeddings of boxes [R,4] network of one picture: y [R,D] of the caller, unit length.
// image uint8 [H,W,3] and frame are used by crop only. clip_batch: crops per batch, 0 for 64.
// progress: NULL, or false cancels.
typedef struct md_fvlm_boxes {
    const tn_tensor *boxes;
    const tn_tensor *image;
    const md_frame *frame;
    int64_t clip_batch;
    bool (*progress)(void *user, double done);
    void *user;
} md_fvlm_boxes;
tn_status md_fvlm_score2_embed(nn_ctx *cx, const md_fvlm *model, const md_fvlm_features *features,
                               md_score2 mode, const md_fvlm_boxes *boxes, tn_tensor *y);

// Whether this model supports the mode; TN_EINVAL gives the reason.
tn_status md_fvlm_mode_check(const md_fvlm *model, md_score2 mode, tn_error *err);

// ---- detection ---------------------------------------------------------------------------------

typedef struct md_fvlm_options {
    md_score2 mode;
    double alpha, beta;
    const uint8_t *base;    // [T] 1: uses alpha, 0: beta. NULL: beta for all
    nn_select_rules rules;  // selects the result from the pairs of box and name
    int64_t proposals;      // the RPN's best N
    int64_t clip_batch;     // crop: crops per batch
    const tn_tensor *boxes; // [P,4] picture: boxes to name unchanged, instead of those of the RPN
                            // and the box head; their objectness is 1. NULL: detect
    bool no_background;     // ignores a learned background: every box gets a name
    // Class-agnostic: each box has only its most likely name, is scored by objectness and, if there
    // is a second score, the confidence of score 2 in that name, and suppression ignores names.
    bool agnostic;
    bool each_score; // `scored` also receives the selection by each score alone
    bool (*progress)(void *user, double done);
    void *user;
} md_fvlm_options;
// The configuration's.
md_fvlm_options md_fvlm_default_options(const md_fvlm *model);
// base[T]: whether each name is among the configuration's base_names.
void md_fvlm_base_flags(const md_fvlm_config *config, const md_names *names, uint8_t *base);

// Every scored box, before selection; in the step arena.
typedef struct md_fvlm_scored {
    tn_tensor boxes, objectness; // [P,4] picture, [P]
    // Columns are the names, competing names included, and the background if there is one. score2
    // has NULL data if there is none.
    tn_tensor score1, score2; // [P,columns]
    tn_tensor fused;          // [P,columns]
    tn_tensor refined;        // [Q,4] picture: the proposals, refined by the box head
    md_found alone[2];        // by score 1, by score 2 (if there is none, by score 1); no proposals
} md_fvlm_scored;

// image uint8 [H,W,3]. options and scored may be NULL. TN_ECANCELLED; TN_ENOMEM.
tn_status md_fvlm_detect(nn_ctx *cx, const md_fvlm *model, const md_vocabulary *vocabulary,
                         const tn_tensor *image, const md_fvlm_options *options, md_found *out,
                         md_fvlm_scored *scored);
