// SPDX-License-Identifier: Apache-2.0
#include "train/jobs/validation.h"

#include "eval/split.h"
#include "io/coco/rle.h"
#include "io/image/image.h"
#include "train/jobs/train_parts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PROPOSALS 1000
#define SHOWN 4     // pictures that are drawn
#define BROKEN 0.02 // recall at IoU 0.5 of 1000 boxes: scattered at random they find more

const char *const tr_validation_charts[] = {"AP",         "AP50",       "mask_AP",    "mask_AP50",
                                            "AP50_base",  "AP50_novel", "rpn_AR@100", "rpn_AR@1000",
                                            "box_AR@100", "box_AR@1000"};
const size_t tr_validation_chart_count = sizeof tr_validation_charts / sizeof *tr_validation_charts;

const char *const tr_validation_best_of[] = {"mask_AP", "AP", NULL};

// ---- lists of results --------------------------------------------------------------------------

typedef struct list {
    io_coco_object *item;
    size_t count, room;
} list;

static tn_status add(list *l, const io_coco_object *object, tn_error *err) {
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 1024;
        io_coco_object *item = tn_realloc(l->item, l->room * sizeof *item, room * sizeof *item);
        if (!item) return tn_fail(err, TN_ENOMEM, "out of memory for the results of a validation");
        l->item = item;
        l->room = room;
    }
    l->item[l->count] = *object;
    l->count++;
    l->item[l->count - 1].id = (int64_t)l->count;
    return TN_OK;
}

typedef struct found {
    list boxes, masks, proposals, refined;
    tn_arena texts; // of masks
    int64_t broken; // pictures that could not be read
} found;

static void found_deinit(found *f) {
    tn_free(f->boxes.item);
    tn_free(f->masks.item);
    tn_free(f->proposals.item);
    tn_free(f->refined.item);
    tn_arena_deinit(&f->texts);
}

// Run lengths of mask i, pasted into the picture; the text is in f->texts.
static tn_status encode_mask(tr_validation *v, found *f, const md_found *r, int64_t i,
                             io_coco_found *thing, tn_error *err) {
    tn_tensor mask;
    io_rle rle;
    char *text;
    size_t length;
    TN_TRY(tn_new(&v->job->step, &mask, TN_U8, TN_DIMS(r->height, r->width), err));
    TN_TRY(md_mask_paste(0.5, &r->masks, &r->boxes, i, &mask, err));
    TN_TRY(io_rle_encode(&mask, &v->job->step, &rle, err));
    TN_TRY(io_rle_to_text(&rle, &f->texts, &text, &length, err));
    thing->counts = text, thing->h = rle.h, thing->w = rle.w;
    return TN_OK;
}

static tn_status add_box(list *to, io_coco_found *thing, const tn_tensor *boxes, int64_t i,
                         tn_error *err) {
    memcpy(thing->box, tn_f32(boxes) + 4 * i, sizeof thing->box);
    io_coco_object object = io_coco_object_of(thing);
    return add(to, &object, err);
}

static tn_status take(tr_validation *v, found *f, const md_found *r, const md_fvlm_scored *scored,
                      int64_t image, tn_error *err) {
    size_t mark = tn_arena_mark(&v->job->step);
    for (int64_t i = 0; i < r->count; i++) {
        io_coco_found thing = {.image.number = image,
                               .category.number = v->truth->categories[tn_i32(&r->labels)[i]].id,
                               .score = tn_f32(&r->scores)[i]};
        TN_TRY(add_box(&f->boxes, &thing, &r->boxes, i, err));
        if (v->has_masks) {
            TN_TRY(encode_mask(v, f, r, i, &thing, err));
            TN_TRY(add_box(&f->masks, &thing, &r->boxes, i, err));
        }
        tn_arena_reset(&v->job->step, mark);
    }
    for (int64_t i = 0; r->proposals.data && i < r->proposals.dim[0]; i++) {
        io_coco_found box = {.image.number = image, .category.number = -1, .score = -(float)i};
        TN_TRY(add_box(&f->proposals, &box, &r->proposals, i, err)); // best first
        TN_TRY(add_box(&f->refined, &box, &scored->refined, i, err));
    }
    return TN_OK;
}

// ---- the pictures ------------------------------------------------------------------------------

// Modes that cost an encoder pass a box are left out: validation is to be short.
static md_score2 cheap_mode(const md_fvlm_config *config) {
    bool dear = config->score2_mode == MD_SCORE2_CROP || config->score2_mode == MD_SCORE2_EMBED;
    return dear ? MD_SCORE2_NONE : config->score2_mode;
}

static void show(tr_validation *v, int64_t step, size_t number, const tn_tensor *picture,
                 const md_found *result) {
    tn_error why = {0};
    if (number < SHOWN && tr_validation_show(v, step, number, picture, result, &why) != TN_OK)
        tr_job_note(v->job, "%s; training goes on without this drawing", why.text);
}

static tn_status look_at(tr_validation *v, found *f, int64_t step, size_t number, tn_error *err) {
    const io_coco_image *image = &v->truth->images[number];
    char path[PATH_MAX];
    tn_tensor picture;
    tn_error bad = {0};
    md_found result;
    md_fvlm_scored scored;
    nn_ctx cx = {.kn = v->job->kn, .step = &v->job->step, .err = err};
    if (!image->file) return TN_OK;
    if (io_coco_image_path(image, v->pictures, path, sizeof path, &bad) != TN_OK ||
        io_image_read(path, 0, &picture, &bad) != TN_OK) {
        if (!f->broken++) tr_job_note(v->job, "%s; validation goes on without it", bad.text);
        return TN_OK;
    }
    tn_arena_reset(&v->job->step, 0);
    md_fvlm_options options = md_fvlm_default_options(v->model);
    options.mode = cheap_mode(md_fvlm_settings(v->model));
    options.proposals = PROPOSALS;
    tn_status status =
        md_fvlm_detect(&cx, v->model, &v->text, &picture, &options, &result, &scored);
    if (status == TN_OK) status = take(v, f, &result, &scored, image->id, err);
    if (status == TN_OK) show(v, step, number, &picture, &result);
    tn_free(picture.data);
    return status;
}

static tn_status look_at_all(tr_validation *v, found *f, size_t count, int64_t step,
                             tn_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (tr_job_interrupted(v->job))
            return tn_fail(err, TN_ECANCELLED, "validation was interrupted");
        TN_TRY(look_at(v, f, step, i, err));
    }
    return TN_OK;
}

// ---- figures -----------------------------------------------------------------------------------

// In plain words, since figures of names alone would not tell.
static void warn(const tr_job *job, const ev_recall *rpn, const ev_recall *box, int64_t step) {
    if (rpn->r50_1000 >= 0 && rpn->r50_1000 < BROKEN)
        tr_job_note(job,
                    "step %lld: of the objects in the validation pictures the 1000 best proposals "
                    "find %.1f %%: boxes are broken, or training has only just begun. No name can "
                    "be right in a box that is not there: look at picture sizes, strides and "
                    "annotations first",
                    (long long)step, 100 * rpn->r50_1000);
    else if (box->r50_1000 < rpn->r50_1000 / 2)
        tr_job_note(job,
                    "step %lld: proposals find %.1f %% of the objects, but once the box head has "
                    "moved them %.1f %%: it has not learned to move boxes yet, or moves them in "
                    "other coordinates",
                    (long long)step, 100 * rpn->r50_1000, 100 * box->r50_1000);
}

static void put(tr_value *out, size_t *count, const char *name, double value) {
    if (value >= 0) out[(*count)++] = (tr_value){name, value};
}

static tn_status names_right(tr_validation *v, const found *f, const ev_coco_options *how,
                             tr_value *out, size_t *count, tn_error *err) {
    ev_coco coco = {0};
    ev_coco_options masks = *how;
    masks.masks = true;
    tn_pool *pool = kn_pool(v->job->kn);
    TN_TRY(ev_coco_evaluate(v->truth, f->boxes.item, f->boxes.count, how, pool, &coco, err));
    put(out, count, "AP", coco.stats[0]);
    put(out, count, "AP50", coco.stats[1]);
    ev_coco_deinit(&coco);
    if (v->has_masks) {
        TN_TRY(ev_coco_evaluate(v->truth, f->masks.item, f->masks.count, &masks, pool, &coco, err));
        put(out, count, "mask_AP", coco.stats[0]);
        put(out, count, "mask_AP50", coco.stats[1]);
        ev_coco_deinit(&coco);
    }
    if (!v->has_split) return TN_OK;
    ev_split split;
    TN_TRY(ev_split_evaluate(v->truth, f->boxes.item, f->boxes.count, &v->split, how, pool, &coco,
                             &split, err));
    put(out, count, "AP50_novel", split.ap50[0]);
    put(out, count, "AP50_base", split.ap50[1]);
    ev_coco_deinit(&coco);
    return TN_OK;
}

static tn_status boxes_right(tr_validation *v, const found *f, const ev_coco_options *how,
                             int64_t step, tr_value *out, size_t *count, tn_error *err) {
    ev_recall rpn, box;
    TN_TRY(ev_recall_evaluate(v->truth, f->proposals.item, f->proposals.count, NULL, how,
                              kn_pool(v->job->kn), &rpn, err));
    TN_TRY(ev_recall_evaluate(v->truth, f->refined.item, f->refined.count, NULL, how,
                              kn_pool(v->job->kn), &box, err));
    put(out, count, "rpn_AR@100", rpn.ar100);
    put(out, count, "rpn_AR@1000", rpn.ar1000);
    put(out, count, "rpn_R50@1000", rpn.r50_1000);
    put(out, count, "box_AR@100", box.ar100);
    put(out, count, "box_AR@1000", box.ar1000);
    put(out, count, "box_R50@100", box.r50_100);
    warn(v->job, &rpn, &box, step);
    return TN_OK;
}

static tn_status figures(tr_validation *v, const found *f, int64_t step, tr_value *out,
                         size_t *count, tn_error *err) {
    size_t pictures = tr_validation_pictures(v);
    int64_t *ids = tn_alloc_zero(pictures + 1, sizeof *ids);
    if (!ids) return tn_fail(err, TN_ENOMEM, "out of memory for a validation");
    for (size_t i = 0; i < pictures; i++) ids[i] = v->truth->images[i].id;
    ev_coco_options how = {.images = ids, .image_count = pictures};
    tn_status status = names_right(v, f, &how, out, count, err);
    if (status == TN_OK) status = boxes_right(v, f, &how, step, out, count, err);
    tn_free(ids);
    return status;
}

tn_status tr_validation_run(tr_validation *v, int64_t step, tr_value *out, size_t *count,
                            tn_error *err) {
    found f = {0};
    TN_TRY(tn_arena_init_large(&f.texts, err));
    tn_status status = look_at_all(v, &f, tr_validation_pictures(v), step, err);
    if (status == TN_OK) status = figures(v, &f, step, out, count, err);
    if (f.broken > 1) tr_job_note(v->job, "%lld pictures could not be read", (long long)f.broken);
    found_deinit(&f);
    return status;
}
