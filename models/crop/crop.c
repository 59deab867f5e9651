// SPDX-License-Identifier: Apache-2.0
#include "models/crop/crop.h"

#include "models/detector/box_codec.h"
#include "nn/fuse.h"
#include "nn/pick.h"

#include <math.h>
#include <string.h>

md_crop_options md_crop_default_options(void) {
    return (md_crop_options){.crops = {.shape = MD_CROP_SQUARE, .context = 1.15},
                             .objectness = 0.5,
                             .rules = nn_select_hard(0.05, 0.5, 100)};
}

// ---- proposals ----------------------------------------------------------------------------------

// The detector's results before naming.
typedef struct regions {
    md_features features;
    tn_tensor picture;    // [P,4] proposals in picture coordinates, to be cropped
    tn_tensor objectness; // [P]
    tn_tensor refined;    // [P,4] network coordinates, by the best class's deltas
    tn_tensor labels;     // int32 [P] that class
} regions;

// The proposals of the detector or the caller, in network coordinates.
static tn_status find_proposals(nn_ctx *cx, const md_mask_rcnn *detector,
                                const md_crop_options *options, regions *r, tn_tensor *network) {
    if (!options->boxes) {
        TN_TRY(md_mask_rcnn_propose(cx, detector, &r->features, options->proposals, network,
                                    &r->objectness));
        TN_TRY(nn_copy(cx, network, &r->picture));
        md_frame_to_picture(&r->features.frame, &r->picture);
        return TN_OK;
    }
    TN_TRY(nn_copy(cx, options->boxes, &r->picture));
    return md_frame_given(cx, &r->features.frame, options->boxes, network, &r->objectness);
}

// 1 - the softmax of the background, row by row.
static float foreground(const float *logit, int64_t classes) {
    double max = logit[0], sum = 0;
    for (int64_t t = 1; t < classes; t++)
        if (logit[t] > max) max = logit[t];
    for (int64_t t = 0; t < classes; t++) sum += exp(logit[t] - max);
    return (float)(1 - exp(logit[0] - max) / sum);
}

// Per region: the detector's best class, the first if equal, and its box.
static tn_status refine(nn_ctx *cx, const md_mask_rcnn *detector, const tn_tensor *network,
                        md_objectness source, regions *r) {
    int64_t count = network->dim[0], classes = md_mask_rcnn_settings(detector)->classes;
    bool of_head = source == MD_OBJECTNESS_HEAD || (source == MD_OBJECTNESS_AUTO && classes == 2);
    tn_tensor logits, boxes;
    TN_TRY(tn_new(cx->step, &r->refined, TN_F32, TN_DIMS(count, 4), cx->err));
    TN_TRY(tn_new(cx->step, &r->labels, TN_I32, TN_DIMS(count), cx->err));
    size_t mark = tn_arena_mark(cx->step);
    TN_TRY(md_mask_rcnn_boxes(cx, detector, &r->features, network, &logits, &boxes));
    for (int64_t i = 0; i < count; i++) {
        const float *logit = tn_f32(&logits) + i * classes;
        int64_t best = 1;
        for (int64_t t = 2; t < classes; t++)
            if (logit[t] > logit[best]) best = t;
        tn_i32(&r->labels)[i] = (int32_t)best;
        if (of_head) tn_f32(&r->objectness)[i] = foreground(logit, classes);
        memcpy(tn_f32(&r->refined) + 4 * i, tn_f32(&boxes) + 4 * (i * classes + best),
               4 * sizeof(float));
    }
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

static tn_status find_regions(nn_ctx *cx, const md_mask_rcnn *detector, const tn_tensor *image,
                              const md_crop_options *options, regions *r) {
    tn_tensor network;
    TN_TRY(md_mask_rcnn_features(cx, detector, image, &r->features));
    TN_TRY(find_proposals(cx, detector, options, r, &network));
    return refine(cx, detector, &network, options->source, r);
}

// ---- naming -------------------------------------------------------------------------------------

// CLIP's result for each proposal.
typedef struct naming {
    tn_tensor names, scores;     // int32 [P], [P]; -1: background
    tn_tensor fused;             // [P]: combined with the objectness
    tn_tensor best, best_scores; // int32 [P,5], [P,5]
} naming;

static tn_status new_naming(nn_ctx *cx, int64_t count, naming *out) {
    TN_TRY(tn_new(cx->step, &out->names, TN_I32, TN_DIMS(count), cx->err));
    TN_TRY(tn_new(cx->step, &out->scores, TN_F32, TN_DIMS(count), cx->err));
    TN_TRY(tn_new(cx->step, &out->best, TN_I32, TN_DIMS(count, MD_BEST), cx->err));
    return tn_new(cx->step, &out->best_scores, TN_F32, TN_DIMS(count, MD_BEST), cx->err);
}

static void name_one(const float *p, const md_vocabulary *vocabulary, int64_t i, naming *out) {
    int32_t *best = tn_i32(&out->best) + i * MD_BEST;
    float *scores = tn_f32(&out->best_scores) + i * MD_BEST;
    nn_top_scores(p, vocabulary->classes, MD_BEST, best, scores);
    tn_i32(&out->names)[i] = best[0];
    tn_f32(&out->scores)[i] = scores[0];
    if (vocabulary->background && p[vocabulary->classes] > scores[0]) {
        tn_i32(&out->names)[i] = -1;
        tn_f32(&out->scores)[i] = p[vocabulary->classes];
    }
}

typedef struct name_job {
    nn_ctx *cx;
    const md_vocabulary *vocabulary;
    double scale;
    naming *out;
} name_job;

static tn_status name_some(void *context, int64_t from, tn_tensor *features) {
    const name_job *job = context;
    nn_ctx *cx = job->cx;
    int64_t count = features->dim[0], columns = md_vocabulary_columns(job->vocabulary);
    tn_tensor p;
    kn_l2_normalize_fwd(cx->kn, 1e-12, features, features);
    TN_TRY(tn_new(cx->step, &p, TN_F32, TN_DIMS(count, columns), cx->err));
    TN_TRY(md_vocabulary_match(cx, job->vocabulary, features, &p));
    kn_softmax_fwd(cx->kn, job->scale, &p, &p);
    for (int64_t i = 0; i < count; i++)
        name_one(tn_f32(&p) + i * columns, job->vocabulary, from + i, job->out);
    return TN_OK;
}

static tn_status name_all(nn_ctx *cx, const md_clip *clip, const md_vocabulary *vocabulary,
                          const tn_tensor *image, const md_crop_options *options,
                          const tn_tensor *boxes, naming *out) {
    double own = md_clip_settings(clip)->logit_scale;
    name_job job = {cx, vocabulary, options->logit_scale > 0 ? options->logit_scale : own, out};
    TN_TRY(new_naming(cx, boxes->dim[0], out));
    return md_crops_encode(cx, clip, &options->crops, image, boxes, name_some, &job);
}

tn_status md_crop_name(nn_ctx *cx, const md_clip *clip, const md_vocabulary *vocabulary,
                       const tn_tensor *image, const tn_tensor *boxes,
                       const md_crop_options *options, tn_tensor *names, tn_tensor *scores) {
    TN_CHECK(boxes->rank == 2 && boxes->dim[1] == 4 && names->dim[0] == boxes->dim[0] &&
                 scores->dim[0] == boxes->dim[0],
             "boxes are [P,4], names and scores [P]");
    md_crop_options own = md_crop_default_options();
    naming named;
    size_t mark = tn_arena_mark(cx->step);
    tn_status status =
        name_all(cx, clip, vocabulary, image, options ? options : &own, boxes, &named);
    if (status == TN_OK && boxes->dim[0]) {
        memcpy(names->data, named.names.data, tn_bytes(&named.names));
        memcpy(scores->data, named.scores.data, tn_bytes(&named.scores));
    }
    tn_arena_reset(cx->step, mark);
    return status;
}

// Combines CLIP's score and the detector's.
static tn_status fuse(nn_ctx *cx, const tn_tensor *objectness, double weight, naming *out) {
    const float *o = tn_f32(objectness), *p = tn_f32(&out->scores);
    int64_t count = out->scores.dim[0];
    TN_TRY(tn_new(cx->step, &out->fused, TN_F32, TN_DIMS(count), cx->err));
    for (int64_t i = 0; i < count; i++)
        tn_f32(&out->fused)[i] =
            weight > 0 ? (float)nn_geometric_mean((double)p[i], (double)o[i], weight) : p[i];
    return TN_OK;
}

// ---- selection ----------------------------------------------------------------------------------

// The named proposals, in network coordinates.
static int64_t list_candidates(const regions *r, const naming *named, float threshold,
                               nn_candidate *list) {
    int64_t n = 0;
    for (int64_t i = 0; i < r->refined.dim[0]; i++) {
        int32_t label = tn_i32(&named->names)[i];
        float score = tn_f32(&named->fused)[i];
        if (label >= 0 && score > threshold &&
            md_box_has_sides(tn_f32(&r->refined) + 4 * i, MD_BOX_SIDE))
            list[n++] = (nn_candidate){score, (int32_t)i, label};
    }
    return n;
}

static tn_status choose(nn_ctx *cx, const md_mask_rcnn *detector, const md_vocabulary *vocabulary,
                        const regions *r, const naming *named, const nn_select_rules *rules,
                        md_found *out) {
    tn_tensor classes;
    nn_candidate *list;
    nn_selected best;
    TN_TRY(nn_candidates_new(cx, r->refined.dim[0], 1, &list));
    int64_t n = list_candidates(r, named, (float)rules->score, list);
    TN_TRY(nn_select_rows(cx, rules, &r->refined, list, n, vocabulary->classes, &best));
    out->count = best.rows.dim[0];
    out->boxes = best.boxes, out->scores = best.scores, out->labels = best.labels;
    TN_TRY(nn_pick_rows(cx, &r->objectness, &best.rows, &out->objectness));
    TN_TRY(nn_pick_rows(cx, &named->scores, &best.rows, &out->name_scores));
    TN_TRY(nn_pick_rows(cx, &named->best, &best.rows, &out->best));
    TN_TRY(nn_pick_rows(cx, &named->best_scores, &best.rows, &out->best_scores));
    TN_TRY(nn_pick_rows(cx, &r->labels, &best.rows, &classes));
    TN_TRY(md_mask_rcnn_masks(cx, detector, &r->features, &out->boxes, &classes, &out->masks));
    md_frame_to_picture(&r->features.frame, &out->boxes);
    return TN_OK;
}

tn_status md_crop_detect(nn_ctx *cx, const md_mask_rcnn *detector, const md_clip *clip,
                         const md_vocabulary *vocabulary, const tn_tensor *image,
                         const md_crop_options *options, md_found *out, md_crop_named *named) {
    md_crop_options own = md_crop_default_options();
    regions r;
    naming all;
    if (!options) options = &own;
    size_t mark = tn_arena_mark(cx->step);
    *out = (md_found){.height = image->dim[0], .width = image->dim[1]};
    TN_TRY(find_regions(cx, detector, image, options, &r));
    TN_TRY(name_all(cx, clip, vocabulary, image, options, &r.picture, &all));
    TN_TRY(fuse(cx, &r.objectness, options->objectness, &all));
    TN_TRY(choose(cx, detector, vocabulary, &r, &all, &options->rules, out));
    out->proposals = r.picture;
    md_crop_named every = {0};
    if (named) every = (md_crop_named){all.names, all.scores};
    tn_tensor *kept[MD_FOUND_TENSORS + 2] = {&every.labels, &every.scores};
    md_found_tensors(out, kept + 2);
    tn_arena_keep(cx->step, mark, kept, MD_FOUND_TENSORS + 2);
    if (named) *named = every;
    return TN_OK;
}
