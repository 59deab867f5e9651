// SPDX-License-Identifier: Apache-2.0
// A picture through the whole model.
#include "models/fvlm_parts.h"
#include "models/mask_rcnn_parts.h"
#include "models/pick.h"

#include <math.h>
#include <string.h>

#define REGIONS_AT_ONCE 512   // so that memory does not grow with the number of boxes
#define MOST_CANDIDATES 50000 // pairs of box and name that meet in suppression
#define SMALLEST 1e-2f        // pixels a side of a refined box

// ---- from the picture to the network -----------------------------------------------------------

md_frame md_fvlm_frame_of(int64_t side, int64_t height, int64_t width) {
    TN_CHECK(height > 0 && width > 0, "picture of %lld x %lld", (long long)height,
             (long long)width);
    int64_t longer = height > width ? height : width;
    int64_t shorter = height > width ? width : height;
    int64_t small = (2 * shorter * side + longer) / (2 * longer); // rounded, half up
    if (small < 1) small = 1;
    return (md_frame){.height = height,
                      .width = width,
                      .net_height = height > width ? side : small,
                      .net_width = height > width ? small : side,
                      .pad_height = side,
                      .pad_width = side};
}

md_frame md_fvlm_frame(const md_fvlm_config *config, int64_t height, int64_t width) {
    return md_fvlm_frame_of(config->picture_size, height, width);
}

tn_status md_fvlm_input(nn_ctx *cx, const md_fvlm *model, const md_frame *frame,
                        const tn_tensor *image, tn_tensor *x) {
    return md_fvlm_input_for(cx, md_clip_settings(model->clip), frame, image, x);
}

tn_status md_fvlm_input_for(nn_ctx *cx, const md_clip_config *clip, const md_frame *frame,
                            const tn_tensor *image, tn_tensor *x) {
    int64_t h = frame->net_height, w = frame->net_width;
    TN_TRY(
        tn_new(cx->step, x, TN_F32, TN_DIMS(1, frame->pad_height, frame->pad_width, 3), cx->err));
    memset(x->data, 0, tn_bytes(x));
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor bytes, real;
    TN_TRY(tn_new(cx->step, &bytes, TN_U8, TN_DIMS(h, w, 3), cx->err));
    TN_TRY(tn_new(cx->step, &real, TN_F32, TN_DIMS(h, w, 3), cx->err));
    kn_resize_u8_fwd(cx->kn, KN_BILINEAR, NULL, image, &bytes);
    kn_normalize_u8_fwd(cx->kn, clip->mean, clip->std, &bytes, &real);
    for (int64_t row = 0; row < h; row++)
        memcpy(tn_f32(x) + row * frame->pad_width * 3, tn_f32(&real) + row * w * 3,
               (size_t)(w * 3) * sizeof(float));
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

// ---- boxes -------------------------------------------------------------------------------------

// What is known of each box, in network coordinates.
typedef struct found {
    tn_tensor proposals, boxes; // [P,4]
    tn_tensor refined;          // the boxes before the best were kept; only with `everything`
    tn_tensor objectness;       // [P]
    tn_tensor embedding;        // [P,D] of score 1, unit length
    tn_tensor score1, score2;   // [P,columns]; score2.data NULL without one
    tn_tensor fused;
} found;

typedef struct scene {
    md_frame frame;
    md_fvlm_features features;
    tn_tensor level[MD_FVLM_LEVELS];
} scene;

static tn_status look(nn_ctx *cx, const md_fvlm *model, const tn_tensor *image, md_score2 mode,
                      scene *s) {
    tn_tensor x;
    s->frame = md_fvlm_frame(&model->config, image->dim[0], image->dim[1]);
    TN_TRY(md_fvlm_input(cx, model, &s->frame, image, &x));
    TN_TRY(md_fvlm_frozen(cx, model, &x, mode, &s->features));
    return md_fvlm_pyramid(cx, model, &s->features, s->level);
}

static tn_status propose(nn_ctx *cx, const md_fvlm *model, const scene *s,
                         const md_fvlm_options *options, found *f) {
    const md_fvlm_config *c = &model->config;
    if (options->boxes) {
        TN_CHECK(options->boxes->rank == 2 && options->boxes->dim[1] == 4, "boxes are [P,4]");
        TN_TRY(tn_new(cx->step, &f->proposals, TN_F32, 2, options->boxes->dim, cx->err));
        TN_TRY(tn_new(cx->step, &f->objectness, TN_F32, 1, options->boxes->dim, cx->err));
        memcpy(f->proposals.data, options->boxes->data, tn_bytes(&f->proposals));
        md_frame_to_network(&s->frame, &f->proposals);
        for (int64_t i = 0; i < f->proposals.dim[0]; i++) tn_f32(&f->objectness)[i] = 1;
        return TN_OK;
    }
    md_rpn_limits limits = {.before = c->rpn_before,
                            .after = options->proposals > 0 ? options->proposals : c->rpn_after,
                            .nms = c->rpn_nms};
    tn_tensor logits[MD_FVLM_LEVELS], deltas[MD_FVLM_LEVELS];
    TN_TRY(md_fvlm_rpn(cx, model, s->level, logits, deltas));
    return md_fvlm_propose(cx, model, logits, deltas, 0, &limits, s->frame.net_height,
                           s->frame.net_width, &f->proposals, &f->objectness);
}

static tn_status refine_some(nn_ctx *cx, const md_fvlm *model, const scene *s,
                             const tn_tensor *regions, tn_tensor *boxes, tn_tensor *embedding) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor pooled, deltas, unit;
    TN_TRY(md_fvlm_box_regions(cx, model, s->level, regions, NULL, &pooled));
    TN_TRY(md_fvlm_box_fwd(cx, model, &pooled, &deltas, &unit));
    kn_l2_normalize_fwd(cx->kn, 1e-12, &unit, embedding);
    kn_box_decode_fwd(cx->kn, md_fvlm_box_weights, log(1000.0 / 16), regions, &deltas, boxes);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

// All rounds but the last: regions become those that the last one looks at.
static tn_status move_some(nn_ctx *cx, const md_fvlm *model, const scene *s, tn_tensor *regions) {
    for (int64_t round = 1; round < model->config.box_rounds; round++) {
        tn_tensor moved;
        TN_TRY(tn_new(cx->step, &moved, TN_F32, 2, regions->dim, cx->err));
        TN_TRY(md_fvlm_move(cx, model, s->level, regions, NULL, s->frame.net_height,
                            s->frame.net_width, &moved));
        *regions = moved;
    }
    return TN_OK;
}

// Boxes moved by the box head, and their embeddings. Given boxes stay where they are.
static tn_status refine(nn_ctx *cx, const md_fvlm *model, const scene *s, bool keep, found *f) {
    int64_t count = f->proposals.dim[0], d = md_clip_settings(model->clip)->embed_dim;
    TN_TRY(tn_new(cx->step, &f->boxes, TN_F32, TN_DIMS(count, 4), cx->err));
    TN_TRY(tn_new(cx->step, &f->embedding, TN_F32, TN_DIMS(count, d), cx->err));
    for (int64_t from = 0; from < count; from += REGIONS_AT_ONCE) {
        int64_t n = count - from < REGIONS_AT_ONCE ? count - from : REGIONS_AT_ONCE;
        tn_tensor some = tn_slice(&f->proposals, from, n), boxes = tn_slice(&f->boxes, from, n),
                  embedding = tn_slice(&f->embedding, from, n);
        if (!keep) TN_TRY(move_some(cx, model, s, &some));
        TN_TRY(refine_some(cx, model, s, &some, &boxes, &embedding));
    }
    if (keep)
        memcpy(f->boxes.data, f->proposals.data, tn_bytes(&f->boxes));
    else
        kn_box_clip(cx->kn, (double)s->frame.net_height, (double)s->frame.net_width, &f->boxes);
    return TN_OK;
}

// ---- scores ------------------------------------------------------------------------------------

// Cosines [P, names and, if it is a text, background] into columns of `wide` [P,columns].
static tn_status match(nn_ctx *cx, const md_vocabulary *vocabulary, const tn_tensor *unit,
                       tn_tensor *wide) {
    int64_t count = unit->dim[0], from = md_vocabulary_columns(vocabulary), to = wide->dim[1];
    if (from == to) return md_vocabulary_match(cx, vocabulary, unit, wide);
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor narrow;
    TN_TRY(tn_new(cx->step, &narrow, TN_F32, TN_DIMS(count, from), cx->err));
    TN_TRY(md_vocabulary_match(cx, vocabulary, unit, &narrow));
    int64_t names = vocabulary->classes;
    for (int64_t i = 0; i < count; i++)
        memcpy(tn_f32(wide) + i * to, tn_f32(&narrow) + i * from, (size_t)names * sizeof(float));
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

// The learned background's cosine, into the last column.
static tn_status match_learned(nn_ctx *cx, const md_fvlm *model, const tn_tensor *unit,
                               tn_tensor *wide) {
    size_t mark = tn_arena_mark(cx->step);
    int64_t count = unit->dim[0], columns = wide->dim[1], d = unit->dim[1];
    tn_tensor vector, cosine, given = tn_reshape(&model->head.classifier.background, TN_DIMS(1, d));
    TN_TRY(tn_new(cx->step, &vector, TN_F32, TN_DIMS(1, d), cx->err));
    TN_TRY(tn_new(cx->step, &cosine, TN_F32, TN_DIMS(count, 1), cx->err));
    kn_l2_normalize_fwd(cx->kn, 1e-12, &given, &vector);
    kn_matmul_nt_fwd(cx->kn, 1, unit, &vector, &cosine);
    for (int64_t i = 0; i < count; i++)
        tn_f32(wide)[i * columns + columns - 1] = tn_f32(&cosine)[i];
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

static tn_status first_score(nn_ctx *cx, const md_fvlm *model, const md_vocabulary *vocabulary,
                             bool learned, found *f) {
    int64_t columns = vocabulary->classes + (learned || vocabulary->background);
    TN_TRY(tn_new(cx->step, &f->score1, TN_F32, TN_DIMS(f->boxes.dim[0], columns), cx->err));
    if (!f->boxes.dim[0]) return TN_OK;
    TN_TRY(match(cx, vocabulary, &f->embedding, &f->score1));
    if (learned) TN_TRY(match_learned(cx, model, &f->embedding, &f->score1));
    kn_softmax_fwd(cx->kn, md_fvlm_cosine_scale(model), &f->score1, &f->score1);
    return TN_OK;
}

// Softmax of CLIP's cosines over the names and, where the background is a text, it: a learned
// vector was trained for the other score and means nothing to CLIP. Its column is then 0.
static tn_status second_score(nn_ctx *cx, const md_fvlm *model, const md_vocabulary *vocabulary,
                              const scene *s, const tn_tensor *image,
                              const md_fvlm_options *options, found *f) {
    int64_t count = f->boxes.dim[0], columns = f->score1.dim[1];
    int64_t of_clip = md_vocabulary_columns(vocabulary);
    TN_TRY(tn_new(cx->step, &f->score2, TN_F32, TN_DIMS(count, columns), cx->err));
    memset(f->score2.data, 0, tn_bytes(&f->score2));
    if (options->mode == MD_SCORE2_NONE || !count) return TN_OK;
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor unit, p;
    md_fvlm_boxes boxes = {&f->boxes,           image,          &s->frame,
                           options->clip_batch, options->go_on, options->user};
    TN_TRY(tn_new(cx->step, &unit, TN_F32, f->embedding.rank, f->embedding.dim, cx->err));
    TN_TRY(md_fvlm_score2_embed(cx, model, &s->features, options->mode, &boxes, &unit));
    TN_TRY(tn_new(cx->step, &p, TN_F32, TN_DIMS(count, of_clip), cx->err));
    TN_TRY(md_vocabulary_match(cx, vocabulary, &unit, &p));
    kn_softmax_fwd(cx->kn, model->config.score2_scale, &p, &p);
    int64_t shared = of_clip < columns ? of_clip : columns;
    for (int64_t i = 0; i < count; i++)
        memcpy(tn_f32(&f->score2) + i * columns, tn_f32(&p) + i * of_clip,
               (size_t)shared * sizeof(float));
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

// How much a box is any thing at all, not background: score 1 with the RPN's, or that alone.
static double worth(const found *f, int64_t i, bool background, double power) {
    double object = (double)tn_f32(&f->objectness)[i];
    if (!background) return object;
    int64_t columns = f->score1.dim[1];
    return (1 - (double)tn_f32(&f->score1)[(i + 1) * columns - 1]) * pow(object, power);
}

// Indices of the best boxes, best first, none of which overlaps a better one too much.
static tn_status best_boxes(nn_ctx *cx, const md_fvlm_config *config, bool background,
                            const found *f, tn_tensor *index) {
    int64_t count = f->boxes.dim[0], most = config->score2_top < count ? config->score2_top : count;
    tn_tensor scores;
    TN_TRY(tn_new(cx->step, &scores, TN_F32, TN_DIMS(count), cx->err));
    TN_TRY(tn_new(cx->step, index, TN_I32, TN_DIMS(count), cx->err));
    for (int64_t i = 0; i < count; i++)
        tn_f32(&scores)[i] = (float)worth(f, i, background, config->fusion_objectness);
    if (config->score2_nms >= 1) {
        *index = tn_slice(index, 0, most);
        kn_topk(cx->kn, &scores, index);
        return TN_OK;
    }
    int64_t kept = kn_nms(cx->kn, config->score2_nms, &f->boxes, &scores, NULL, index);
    *index = tn_slice(index, 0, kept < most ? kept : most);
    return TN_OK;
}

// Before what may be dear: what is a double or hardly a thing goes.
static tn_status keep_best(nn_ctx *cx, const md_fvlm_config *config,
                           const md_vocabulary *vocabulary, found *f) {
    if (f->boxes.dim[0] <= config->score2_top && config->score2_nms >= 1) return TN_OK;
    bool background = f->score1.dim[1] > vocabulary->classes;
    tn_tensor index;
    TN_TRY(best_boxes(cx, config, background, f, &index));
    found best = {0};
    // All of them: how good RPN and box head are is asked of them alone.
    best.proposals = f->proposals, best.refined = f->refined;
    TN_TRY(md_pick_rows(cx, &f->boxes, &index, &best.boxes));
    TN_TRY(md_pick_rows(cx, &f->objectness, &index, &best.objectness));
    TN_TRY(md_pick_rows(cx, &f->embedding, &index, &best.embedding));
    TN_TRY(md_pick_rows(cx, &f->score1, &index, &best.score1));
    *f = best;
    return TN_OK;
}

static tn_status score(nn_ctx *cx, const md_fvlm *model, const md_vocabulary *vocabulary,
                       const scene *s, const tn_tensor *image, const md_fvlm_options *options,
                       found *f) {
    const md_fvlm_config *c = &model->config;
    md_fusion cfg = {.alpha = options->alpha,
                     .beta = options->beta,
                     .objectness = c->fusion_objectness,
                     .renormalise = c->fusion_renormalise,
                     .classes = vocabulary->classes,
                     .base = options->base};
    bool learned = md_fvlm_learned_background(model) && !options->no_background;
    TN_TRY(first_score(cx, model, vocabulary, learned, f));
    if (!options->boxes) TN_TRY(keep_best(cx, c, vocabulary, f));
    TN_TRY(second_score(cx, model, vocabulary, s, image, options, f));
    TN_TRY(tn_new(cx->step, &f->fused, TN_F32, f->score1.rank, f->score1.dim, cx->err));
    md_fuse(cx->kn, &cfg, &f->score1, options->mode == MD_SCORE2_NONE ? NULL : &f->score2,
            &f->objectness, &f->fused);
    return TN_OK;
}

// ---- choosing ----------------------------------------------------------------------------------

// Pairs of box and name above the threshold.
typedef struct pairs {
    tn_tensor box, name, boxes, scores; // int32 [n], int32 [n], [n,4], [n]
} pairs;

static bool may_stay(const found *f, int64_t i) {
    const float *box = tn_f32(&f->boxes) + 4 * i;
    return box[2] - box[0] >= SMALLEST && box[3] - box[1] >= SMALLEST;
}

static int64_t list_pairs(const found *f, int64_t classes, float least, pairs *p) {
    int64_t columns = f->fused.dim[1], n = 0;
    for (int64_t i = 0; i < f->boxes.dim[0]; i++) {
        if (!may_stay(f, i)) continue;
        for (int64_t t = 0; t < classes; t++) {
            float score = tn_f32(&f->fused)[i * columns + t];
            if (!(score > least)) continue;
            if (p) {
                tn_i32(&p->box)[n] = (int32_t)i, tn_i32(&p->name)[n] = (int32_t)t;
                tn_f32(&p->scores)[n] = score;
            }
            n++;
        }
    }
    return n;
}

static tn_status new_pairs(nn_ctx *cx, const found *f, int64_t classes, double least, pairs *p) {
    int64_t n = list_pairs(f, classes, (float)least, NULL);
    TN_TRY(tn_new(cx->step, &p->box, TN_I32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &p->name, TN_I32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &p->scores, TN_F32, TN_DIMS(n), cx->err));
    list_pairs(f, classes, (float)least, p);
    if (n > MOST_CANDIDATES) {
        pairs best;
        tn_tensor index;
        TN_TRY(tn_new(cx->step, &index, TN_I32, TN_DIMS(MOST_CANDIDATES), cx->err));
        kn_topk(cx->kn, &p->scores, &index);
        TN_TRY(md_pick_rows(cx, &p->box, &index, &best.box));
        TN_TRY(md_pick_rows(cx, &p->name, &index, &best.name));
        TN_TRY(md_pick_rows(cx, &p->scores, &index, &best.scores));
        *p = best;
    }
    return md_pick_rows(cx, &f->boxes, &p->box, &p->boxes);
}

// Names forgotten: of each box only the likeliest is left, with the score that it is any at all.
static void forget_names(const found *f, const md_vocabulary *vocabulary, double power) {
    int64_t columns = f->fused.dim[1], classes = vocabulary->classes - vocabulary->others;
    bool background = columns == classes + 1 && !vocabulary->others;
    for (int64_t i = 0; i < f->boxes.dim[0]; i++) {
        float *y = tn_f32(&f->fused) + i * columns;
        int64_t best = 0;
        double sum = 0;
        for (int64_t t = 0; t < classes; t++) {
            sum += (double)y[t];
            if (y[t] > y[best]) best = t;
        }
        if (background) sum = worth(f, i, true, power);
        memset(y, 0, (size_t)columns * sizeof *y);
        y[best] = (float)sum;
    }
}

// The five best names of the chosen boxes, larger first, earlier first among equals.
static void five_best(const float *p, int64_t classes, int32_t *names, float *scores) {
    int have = 0;
    for (int i = 0; i < MD_FVLM_BEST; i++) names[i] = -1, scores[i] = 0;
    for (int64_t t = 0; t < classes; t++) {
        if (have == MD_FVLM_BEST && !(p[t] > scores[have - 1])) continue;
        int at = have < MD_FVLM_BEST ? have++ : have - 1;
        for (; at > 0 && p[t] > scores[at - 1]; at--)
            names[at] = names[at - 1], scores[at] = scores[at - 1];
        names[at] = (int32_t)t, scores[at] = p[t];
    }
}

// Of each chosen pair: its scores and the best names of its box.
static tn_status describe(nn_ctx *cx, const found *f, int64_t classes, const tn_tensor *box,
                          md_fvlm_result *out) {
    int64_t n = box->dim[0], columns = f->fused.dim[1];
    TN_TRY(tn_new(cx->step, &out->score1, TN_F32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &out->score2, TN_F32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &out->best, TN_I32, TN_DIMS(n, MD_FVLM_BEST), cx->err));
    TN_TRY(tn_new(cx->step, &out->best_scores, TN_F32, TN_DIMS(n, MD_FVLM_BEST), cx->err));
    for (int64_t i = 0; i < n; i++) {
        int64_t row = tn_i32(box)[i] * columns, name = tn_i32(&out->names)[i];
        tn_f32(&out->score1)[i] = tn_f32(&f->score1)[row + name];
        tn_f32(&out->score2)[i] = tn_f32(&f->score2)[row + name];
        five_best(tn_f32(&f->fused) + row, classes, tn_i32(&out->best) + i * MD_FVLM_BEST,
                  tn_f32(&out->best_scores) + i * MD_FVLM_BEST);
    }
    return TN_OK;
}

// How much of box a lies within box b.
static double share_within(const float *a, const float *b) {
    double w = fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]);
    double h = fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]);
    double area = ((double)a[2] - (double)a[0]) * ((double)a[3] - (double)a[1]);
    return w > 0 && h > 0 ? w * h / area : 0;
}

// What lies within a better box of its name is mostly a part of the same thing. keep: pairs, best
// first; as many as are wanted stay, in their order. Returns how many they are.
static int64_t drop_parts(const pairs *p, double most, int64_t wanted, tn_tensor *keep) {
    int32_t *at = tn_i32(keep);
    int64_t left = 0;
    for (int64_t i = 0; i < keep->dim[0] && left < wanted; i++) {
        bool part = false;
        for (int64_t k = 0; k < left && !part; k++)
            part =
                tn_i32(&p->name)[at[k]] == tn_i32(&p->name)[at[i]] &&
                share_within(tn_f32(&p->boxes) + 4 * at[i], tn_f32(&p->boxes) + 4 * at[k]) > most;
        if (!part) at[left++] = at[i];
    }
    return left;
}

static tn_status choose(nn_ctx *cx, const found *f, int64_t classes, const md_fvlm_options *options,
                        double inside, md_fvlm_result *out) {
    const md_thresholds *limits = &options->limits;
    pairs p;
    tn_tensor keep, box;
    TN_TRY(new_pairs(cx, f, classes, limits->score, &p));
    TN_TRY(tn_new(cx->step, &keep, TN_I32, TN_DIMS(p.box.dim[0]), cx->err));
    int64_t kept =
        kn_nms(cx->kn, limits->nms, &p.boxes, &p.scores, options->agnostic ? NULL : &p.name, &keep);
    keep = tn_slice(&keep, 0, kept);
    if (!options->agnostic && inside < 1) kept = drop_parts(&p, inside, limits->top, &keep);
    keep = tn_slice(&keep, 0, kept < limits->top ? kept : limits->top);
    out->count = keep.dim[0];
    TN_TRY(md_pick_rows(cx, &p.box, &keep, &box));
    TN_TRY(md_pick_rows(cx, &p.boxes, &keep, &out->boxes));
    TN_TRY(md_pick_rows(cx, &p.scores, &keep, &out->scores));
    TN_TRY(md_pick_rows(cx, &p.name, &keep, &out->names));
    TN_TRY(md_pick_rows(cx, &f->objectness, &box, &out->objectness));
    return describe(cx, f, classes, &box, out);
}

static tn_status masks_of(nn_ctx *cx, const md_fvlm *model, const scene *s, md_fvlm_result *out) {
    int64_t side = 2 * model->config.mask_size;
    const int64_t at_once = REGIONS_AT_ONCE / 4; // a region has four times the bins here
    TN_TRY(tn_new(cx->step, &out->masks, TN_F32, TN_DIMS(out->count, side, side), cx->err));
    for (int64_t from = 0; from < out->count; from += at_once) {
        int64_t n = out->count - from < at_once ? out->count - from : at_once;
        size_t mark = tn_arena_mark(cx->step);
        tn_tensor some = tn_slice(&out->boxes, from, n), to = tn_slice(&out->masks, from, n),
                  pooled, logits;
        TN_TRY(md_fvlm_mask_regions(cx, model, s->level, &some, NULL, &pooled));
        TN_TRY(md_fvlm_mask_fwd(cx, model, &pooled, &logits));
        logits = tn_reshape(&logits, 3, to.dim);
        kn_act_fwd(cx->kn, KN_SIGMOID, &logits, &to);
        tn_arena_reset(cx->step, mark);
    }
    return TN_OK;
}

md_fvlm_options md_fvlm_default_options(const md_fvlm *model) {
    const md_fvlm_config *c = &model->config;
    return (md_fvlm_options){.mode = c->score2_mode,
                             .alpha = c->fusion_alpha,
                             .beta = c->fusion_beta,
                             .limits = {c->limits_score, c->limits_nms, c->limits_top}};
}

void md_fvlm_base_flags(const md_fvlm_config *config, const md_names *names, uint8_t *base) {
    for (int64_t t = 0; t < names->classes; t++) {
        base[t] = 0;
        for (int64_t i = 0; i < config->base_names && !base[t]; i++)
            base[t] = !strcmp(names->label[t], config->base_name[i]);
    }
}

// In the order in which they were made: md_keep moves them down one after the other.
static tn_status keep(nn_ctx *cx, size_t mark, const found *f, bool everything,
                      md_fvlm_result *out) {
    tn_tensor *made[16];
    int count = 0;
    out->proposals = f->proposals;
    if (everything) {
        out->refined = f->refined;
        out->all_boxes = f->boxes;
        out->all_objectness = f->objectness;
        out->all_score1 = f->score1, out->all_score2 = f->score2;
        out->all_fused = f->fused;
    }
    tn_tensor *const all[] = {
        &out->proposals,  &out->refined,    &out->all_objectness, &out->all_boxes,
        &out->all_score1, &out->all_score2, &out->all_fused,      &out->boxes,
        &out->scores,     &out->names,      &out->objectness,     &out->score1,
        &out->score2,     &out->best,       &out->best_scores,    &out->masks};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->data) made[count++] = all[i];
    for (int i = 1; i < count; i++) // few: by insertion
        for (int k = i; k > 0 && (char *)made[k]->data < (char *)made[k - 1]->data; k--) {
            tn_tensor *t = made[k];
            made[k] = made[k - 1], made[k - 1] = t;
        }
    return md_keep(cx->step, mark, made, count, cx->err);
}

tn_status md_fvlm_detect(nn_ctx *cx, const md_fvlm *model, const md_vocabulary *vocabulary,
                         const tn_tensor *image, const md_fvlm_options *options,
                         md_fvlm_result *out) {
    md_fvlm_options own = md_fvlm_default_options(model);
    scene s;
    found f = {0};
    if (!options) options = &own;
    TN_TRY(md_fvlm_mode_check(model, options->mode, cx->err));
    size_t mark = tn_arena_mark(cx->step);
    *out = (md_fvlm_result){.height = image->dim[0], .width = image->dim[1]};
    TN_TRY(look(cx, model, image, options->mode, &s));
    TN_TRY(propose(cx, model, &s, options, &f));
    TN_TRY(refine(cx, model, &s, options->boxes != NULL, &f));
    if (options->everything) {
        TN_TRY(tn_new(cx->step, &f.refined, TN_F32, f.boxes.rank, f.boxes.dim, cx->err));
        memcpy(f.refined.data, f.boxes.data, tn_bytes(&f.boxes));
    }
    TN_TRY(score(cx, model, vocabulary, &s, image, options, &f));
    int64_t asked = vocabulary->classes - vocabulary->others;
    if (options->agnostic) forget_names(&f, vocabulary, model->config.fusion_objectness);
    TN_TRY(choose(cx, &f, asked, options, model->config.limits_inside, out));
    TN_TRY(masks_of(cx, model, &s, out));
    TN_TRY(keep(cx, mark, &f, options->everything, out));
    md_frame_to_picture(&s.frame, &out->boxes);
    md_frame_to_picture(&s.frame, &out->proposals);
    if (!options->everything) return TN_OK;
    md_frame_to_picture(&s.frame, &out->all_boxes);
    md_frame_to_picture(&s.frame, &out->refined);
    return TN_OK;
}
