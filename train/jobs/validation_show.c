// SPDX-License-Identifier: Apache-2.0
// A picture of a validation with its annotations and what was found, for whoever draws it.
#include "train/jobs/validation.h"

#include "io/coco/coco_rle.h"
#include "io/file.h"
#include "train/jobs/train_parts.h"

#include <limits.h>
#include <math.h>

#define LOWEST 0.25f                      // score that is shown
#define MAX_OBJECTS 64                    // of each side
#define MAX_MASK_BYTES ((int64_t)1 << 28) // whole masks of a side

typedef struct side {
    tr_shown_object object[MAX_OBJECTS];
    tn_tensor mask[MAX_OBJECTS];
    size_t count;
} side;

// Whether the next object's mask may be held besides those before it.
static bool fits(const side *s, const tn_tensor *picture) {
    return (int64_t)(s->count + 1) * picture->dim[0] * picture->dim[1] <= MAX_MASK_BYTES;
}

static tn_status new_mask(tr_validation *v, side *s, const tn_tensor *picture, tn_error *err) {
    s->object[s->count].mask = &s->mask[s->count];
    return tn_new(&v->job->step, &s->mask[s->count], TN_U8,
                  TN_DIMS(picture->dim[0], picture->dim[1]), err);
}

static tn_status add_annotated(tr_validation *v, side *s, const io_coco_object *o,
                               const tn_tensor *picture, tn_error *err) {
    int64_t category = io_coco_find_category(v->truth, o->category_id);
    tr_shown_object *to = &s->object[s->count];
    if (category < 0) return TN_OK;
    *to = (tr_shown_object){
        .name = v->truth->categories[category].name, .score = NAN, .label = (int)category};
    for (int i = 0; i < 4; i++) to->box[i] = (float)(o->box[i] + (i < 2 ? 0 : o->box[i - 2]));
    if (v->has_masks && fits(s, picture)) {
        io_rle rle;
        TN_TRY(io_rle_from_shape(&o->shape, (uint32_t)picture->dim[0], (uint32_t)picture->dim[1],
                                 &v->job->step, &rle, err));
        TN_TRY(new_mask(v, s, picture, err));
        io_rle_decode(&rle, &s->mask[s->count]);
    }
    s->count++;
    return TN_OK;
}

static tn_status collect_annotated(tr_validation *v, side *s, int64_t image,
                                   const tn_tensor *picture, tn_error *err) {
    for (size_t i = 0; i < v->truth->object_count && s->count < MAX_OBJECTS; i++)
        if (v->truth->objects[i].image_id == image)
            TN_TRY(add_annotated(v, s, &v->truth->objects[i], picture, err));
    return TN_OK;
}

static tn_status collect_found(tr_validation *v, side *s, const md_found *f,
                               const tn_tensor *picture, tn_error *err) {
    for (int64_t i = 0; i < f->count && s->count < MAX_OBJECTS; i++) {
        tr_shown_object *to = &s->object[s->count];
        float score = tn_f32(&f->scores)[i];
        int label = tn_i32(&f->labels)[i];
        if (score < LOWEST) continue;
        *to = (tr_shown_object){
            .name = v->truth->categories[label].name, .score = score, .label = label};
        for (int k = 0; k < 4; k++) to->box[k] = tn_f32(&f->boxes)[4 * i + k];
        if (f->masks.data && fits(s, picture)) {
            TN_TRY(new_mask(v, s, picture, err));
            TN_TRY(md_mask_paste(0.5, &f->masks, &f->boxes, i, &s->mask[s->count], err));
        }
        s->count++;
    }
    return TN_OK;
}

static tn_status show(tr_validation *v, const char *path, size_t number, const tn_tensor *picture,
                      const md_found *found, side sides[2], tn_error *err) {
    TN_TRY(collect_annotated(v, &sides[0], v->truth->images[number].id, picture, err));
    TN_TRY(collect_found(v, &sides[1], found, picture, err));
    tr_shown shown = {path,           picture,       sides[0].object, sides[1].object,
                      sides[0].count, sides[1].count};
    return v->job->watcher->picture(v->job->watcher->user, &shown, err);
}

tn_status tr_validation_show(tr_validation *v, int64_t step, size_t number,
                             const tn_tensor *picture, const md_found *found, tn_error *err) {
    char folder[PATH_MAX], path[PATH_MAX + 48];
    if (!v->job->watcher->picture) return TN_OK;
    snprintf(folder, sizeof folder, "%s/validation", v->job->options->out);
    snprintf(path, sizeof path, "%s/step-%06lld-%zu.png", folder, (long long)step, number + 1);
    TN_TRY(io_make_folder(folder, err));
    side *sides = tn_alloc_zero(2, sizeof *sides);
    if (!sides) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    size_t mark = tn_arena_mark(&v->job->step);
    tn_status status = show(v, path, number, picture, found, sides, err);
    tn_arena_reset(&v->job->step, mark);
    tn_free(sides);
    return status;
}
