// SPDX-License-Identifier: Apache-2.0
// Detection in one picture.
#include "models/detector/box_codec.h"
#include "models/fvlm/fvlm_choose.h"
#include "models/fvlm/fvlm_parts.h"
#include "nn/fuse.h"
#include "nn/pick.h"

#include <math.h>
#include <string.h>

#define MAX_CANDIDATES 50000 // maximum pairs of box and name in suppression

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
                         const md_fvlm_options *options, md_fvlm_regions *f) {
    const md_fvlm_config *c = &model->config;
    if (options->boxes)
        return md_frame_given(cx, &s->frame, options->boxes, &f->proposals, &f->objectness);
    md_rpn_limits limits = {.before = c->rpn_before,
                            .after = options->proposals > 0 ? options->proposals : c->rpn_after,
                            .nms = c->rpn_nms};
    tn_tensor logits[MD_FVLM_LEVELS], deltas[MD_FVLM_LEVELS];
    TN_TRY(md_fvlm_rpn(cx, model, s->level, logits, deltas));
    return md_fvlm_propose(cx, model, logits, deltas, 0, &limits, &s->frame, &f->proposals,
                           &f->objectness);
}

// Each round starts from the boxes of the previous one; embedding is the mean over all rounds.
static tn_status refine_some(nn_ctx *cx, const md_fvlm *model, const scene *s,
                             const tn_tensor *regions, int64_t rounds, tn_tensor *boxes,
                             tn_tensor *embedding) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor from, unit;
    TN_TRY(tn_new(cx->step, &from, TN_F32, regions->rank, regions->dim, cx->err));
    TN_TRY(tn_new(cx->step, &unit, TN_F32, embedding->rank, embedding->dim, cx->err));
    memcpy(boxes->data, regions->data, tn_bytes(boxes));
    for (int64_t round = 0; round < rounds; round++) {
        memcpy(from.data, boxes->data, tn_bytes(boxes));
        TN_TRY(md_fvlm_refine_boxes(cx, model, s->level, &from, NULL, &s->frame, boxes, &unit));
        for (int64_t i = 0; i < tn_count(&unit); i++)
            tn_f32(embedding)[i] += tn_f32(&unit)[i] / (float)rounds;
    }
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

// Boxes refined by the box head, and their embeddings. Given boxes are not changed.
static tn_status refine(nn_ctx *cx, const md_fvlm *model, const scene *s, bool keep,
                        md_fvlm_regions *f) {
    int64_t count = f->proposals.dim[0], d = md_clip_settings(model->clip)->embed_dim;
    int64_t rounds = keep ? 1 : model->config.box_rounds;
    TN_TRY(tn_new(cx->step, &f->boxes, TN_F32, TN_DIMS(count, 4), cx->err));
    TN_TRY(tn_new(cx->step, &f->embedding, TN_F32, TN_DIMS(count, d), cx->err));
    memset(f->embedding.data, 0, tn_bytes(&f->embedding));
    for (int64_t from = 0; from < count; from += MD_REGIONS_AT_ONCE) {
        int64_t n = count - from < MD_REGIONS_AT_ONCE ? count - from : MD_REGIONS_AT_ONCE;
        tn_tensor some = tn_slice(&f->proposals, from, n), boxes = tn_slice(&f->boxes, from, n),
                  embedding = tn_slice(&f->embedding, from, n);
        TN_TRY(refine_some(cx, model, s, &some, rounds, &boxes, &embedding));
    }
    if (keep) memcpy(f->boxes.data, f->proposals.data, tn_bytes(&f->boxes));
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

// Writes the learned background's cosine into the last column.
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
                             bool learned, md_fvlm_regions *f) {
    int64_t columns = vocabulary->classes + (learned || vocabulary->background);
    TN_TRY(tn_new(cx->step, &f->score1, TN_F32, TN_DIMS(f->boxes.dim[0], columns), cx->err));
    if (!f->boxes.dim[0]) return TN_OK;
    TN_TRY(match(cx, vocabulary, &f->embedding, &f->score1));
    if (learned) TN_TRY(match_learned(cx, model, &f->embedding, &f->score1));
    kn_softmax_fwd(cx->kn, md_fvlm_cosine_scale(model), &f->score1, &f->score1);
    return TN_OK;
}

// Softmax of CLIP's cosines over the names and the background, if that is a text. A learned
// background vector was trained for score 1 and is meaningless to CLIP: its column is then 0.
static tn_status second_score(nn_ctx *cx, const md_fvlm *model, const md_vocabulary *vocabulary,
                              const scene *s, const tn_tensor *image,
                              const md_fvlm_options *options, md_fvlm_regions *f) {
    int64_t count = f->boxes.dim[0], columns = f->score1.dim[1];
    int64_t of_clip = md_vocabulary_columns(vocabulary);
    if (options->mode == MD_SCORE2_NONE) return TN_OK;
    TN_TRY(tn_new(cx->step, &f->score2, TN_F32, TN_DIMS(count, columns), cx->err));
    memset(f->score2.data, 0, tn_bytes(&f->score2));
    if (!count) return TN_OK;
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor unit, p;
    md_fvlm_boxes boxes = {&f->boxes,         image,        &s->frame, options->clip_batch,
                           options->progress, options->user};
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

// Indices of the `max` best boxes, best first, after suppression.
static tn_status best_boxes(nn_ctx *cx, const md_fvlm_config *config, bool background, int64_t max,
                            const md_fvlm_regions *f, tn_tensor *index) {
    nn_select_rules rules = nn_select_hard(-INFINITY, config->score2_nms, max);
    int64_t count = f->boxes.dim[0];
    nn_candidate *list;
    nn_selected best;
    rules.agnostic = true;
    TN_TRY(nn_candidates_new(cx, count, 1, &list));
    for (int64_t i = 0; i < count; i++) {
        double score = md_fvlm_object_score(f, i, background, config->fusion_objectness);
        list[i] = (nn_candidate){(float)score, (int32_t)i, 0};
    }
    TN_TRY(nn_select_rows(cx, &rules, &f->boxes, list, count, 1, &best));
    *index = best.rows;
    return TN_OK;
}

// Drops duplicate boxes; before an expensive score 2, also boxes that are unlikely to be objects.
static tn_status keep_best(nn_ctx *cx, const md_fvlm_config *config,
                           const md_vocabulary *vocabulary, bool second, md_fvlm_regions *f) {
    int64_t count = f->boxes.dim[0];
    int64_t max = second && config->score2_top < count ? config->score2_top : count;
    if (max == count && config->score2_nms >= 1) return TN_OK;
    bool background = f->score1.dim[1] > vocabulary->classes;
    tn_tensor index;
    TN_TRY(best_boxes(cx, config, background, max, f, &index));
    md_fvlm_regions best =
        *f; // the proposals stay complete: they show what RPN and box head missed
    TN_TRY(nn_pick_rows(cx, &f->boxes, &index, &best.boxes));
    TN_TRY(nn_pick_rows(cx, &f->objectness, &index, &best.objectness));
    TN_TRY(nn_pick_rows(cx, &f->embedding, &index, &best.embedding));
    TN_TRY(nn_pick_rows(cx, &f->score1, &index, &best.score1));
    *f = best;
    return TN_OK;
}

// ---- result ------------------------------------------------------------------------------------

static tn_status masks_of(nn_ctx *cx, const md_fvlm *model, const scene *s, md_found *out) {
    int64_t side = 2 * model->config.mask_size;
    const int64_t at_once = MD_REGIONS_AT_ONCE / 4; // a region has four times the bins here
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

// From scores to detections in the picture.
static tn_status answer(nn_ctx *cx, const md_fvlm *model, const md_vocabulary *vocabulary,
                        const scene *s, const md_fvlm_options *options, md_fvlm_regions *f,
                        md_found *out) {
    const md_fvlm_config *c = &model->config;
    nn_fusion fusion = {options->alpha, options->beta, c->fusion_objectness, c->fusion_renormalise};
    *out = (md_found){.height = s->frame.height, .width = s->frame.width};
    TN_TRY(tn_new(cx->step, &f->fused, TN_F32, f->score1.rank, f->score1.dim, cx->err));
    nn_fuse(cx->kn, &fusion, vocabulary->classes, options->base, &f->score1,
            f->score2.data ? &f->score2 : NULL, &f->objectness, &f->fused);
    TN_TRY(md_fvlm_choose(cx, c, f, vocabulary, options, out));
    TN_TRY(masks_of(cx, model, s, out));
    md_frame_to_picture(&s->frame, &out->boxes);
    return TN_OK;
}

// With each_score also the detections by score 1 alone, which uses all boxes that it scored, and by
// score 2 alone, for the same boxes as the combined score.
static tn_status answers(nn_ctx *cx, const md_fvlm *model, const md_vocabulary *vocabulary,
                         const scene *s, const tn_tensor *image, const md_fvlm_options *options,
                         md_fvlm_regions *f, md_found *out, md_found alone[2]) {
    bool learned = md_fvlm_learned_background(model) && !options->no_background;
    bool second = options->mode != MD_SCORE2_NONE;
    TN_TRY(first_score(cx, model, vocabulary, learned, f));
    md_fvlm_regions first = *f;
    if (!options->boxes) TN_TRY(keep_best(cx, &model->config, vocabulary, second, f));
    TN_TRY(second_score(cx, model, vocabulary, s, image, options, f));
    TN_TRY(answer(cx, model, vocabulary, s, options, f, out));
    if (!options->each_score) return TN_OK;
    md_fvlm_options by_second = *options;
    md_fvlm_regions both = *f;
    by_second.alpha = by_second.beta = 1;
    if (!options->boxes) TN_TRY(keep_best(cx, &model->config, vocabulary, false, &first));
    TN_TRY(answer(cx, model, vocabulary, s, options, &first, &alone[0]));
    return answer(cx, model, vocabulary, s, &by_second, &both, &alone[1]);
}

// ---- detection ---------------------------------------------------------------------------------

md_fvlm_options md_fvlm_default_options(const md_fvlm *model) {
    const md_fvlm_config *c = &model->config;
    return (md_fvlm_options){.mode = c->score2_mode,
                             .alpha = c->fusion_alpha,
                             .beta = c->fusion_beta,
                             .rules = {.score = c->limits_score,
                                       .nms = c->limits_nms,
                                       .soft = c->limits_soft,
                                       .inside = c->limits_inside,
                                       .top = c->limits_top,
                                       .best = MAX_CANDIDATES}};
}

void md_fvlm_base_flags(const md_fvlm_config *config, const md_names *names, uint8_t *base) {
    for (int64_t t = 0; t < names->classes; t++) {
        base[t] = 0;
        for (int64_t i = 0; i < config->base_names && !base[t]; i++)
            base[t] = !strcmp(names->label[t], config->base_name[i]);
    }
}

// The scores of every box, and its position in the picture.
static void give_scored(const scene *s, const md_fvlm_regions *f, md_fvlm_scored *scored) {
    scored->boxes = f->boxes, scored->objectness = f->objectness;
    scored->score1 = f->score1, scored->score2 = f->score2, scored->fused = f->fused;
    scored->refined = f->refined;
    md_frame_to_picture(&s->frame, &scored->boxes);
    md_frame_to_picture(&s->frame, &scored->refined);
}

static void keep(nn_ctx *cx, size_t mark, md_found *out, md_fvlm_scored *scored) {
    tn_tensor *kept[6 + 3 * MD_FOUND_TENSORS] = {&scored->boxes,  &scored->objectness,
                                                 &scored->score1, &scored->score2,
                                                 &scored->fused,  &scored->refined};
    md_found_tensors(out, kept + 6);
    md_found_tensors(&scored->alone[0], kept + 6 + MD_FOUND_TENSORS);
    md_found_tensors(&scored->alone[1], kept + 6 + 2 * MD_FOUND_TENSORS);
    tn_arena_keep(cx->step, mark, kept, (int)(sizeof kept / sizeof *kept));
}

tn_status md_fvlm_detect(nn_ctx *cx, const md_fvlm *model, const md_vocabulary *vocabulary,
                         const tn_tensor *image, const md_fvlm_options *options, md_found *out,
                         md_fvlm_scored *scored) {
    md_fvlm_options own = md_fvlm_default_options(model);
    scene s;
    md_fvlm_regions f = {0};
    md_fvlm_scored all = {0};
    if (!options) options = &own;
    TN_TRY(md_fvlm_mode_check(model, options->mode, cx->err));
    size_t mark = tn_arena_mark(cx->step);
    TN_TRY(look(cx, model, image, options->mode, &s));
    TN_TRY(propose(cx, model, &s, options, &f));
    TN_TRY(refine(cx, model, &s, options->boxes != NULL, &f));
    if (scored) TN_TRY(nn_copy(cx, &f.boxes, &f.refined));
    TN_TRY(answers(cx, model, vocabulary, &s, image, options, &f, out, all.alone));
    out->proposals = f.proposals;
    md_frame_to_picture(&s.frame, &out->proposals);
    if (scored) give_scored(&s, &f, &all);
    keep(cx, mark, out, &all);
    if (scored) *scored = all;
    return TN_OK;
}
