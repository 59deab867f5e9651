// SPDX-License-Identifier: Apache-2.0
// --dump: what a step of training saw, chose and gave, for tools/reference/train_reference.py.
#include "train/jobs/train_parts.h"

#include "io/weights/safetensors.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define ROOM 16 // tensors besides those of parameters and of pictures
#define EACH 16 // of a picture

typedef struct dump {
    io_text_pair *meta; // of each parameter: whether it decays
    io_tensor *item;
    char (*name)[NN_NAME + 8];
    size_t count;
} dump;

static void put(dump *d, const char *kind, const char *name, const tn_tensor *t) {
    static const double nothing[1];
    if (!t->data && t->rank == 0) return;
    io_tensor *to = &d->item[d->count];
    snprintf(d->name[d->count], sizeof d->name[0], "%s%s", kind, name);
    *to = (io_tensor){.name = d->name[d->count++], t->dtype, t->rank};
    memcpy(to->dim, t->dim, sizeof to->dim);
    to->data = t->data && tn_bytes(t) ? t->data : nothing;
}

static void put_picture(dump *d, int64_t n, const tr_choices *c) {
    const md_rpn_targets *anchors = &c->anchors[n];
    const md_roi_targets *regions = &c->regions[n];
    const struct {
        const char *name;
        const tn_tensor *t;
    } all[] = {
        {"anchors.index", &anchors->choice.index},
        {"anchors.objectness", &anchors->objectness},
        {"anchors.weight", &anchors->weight},
        {"anchors.deltas", &anchors->deltas},
        {"anchors.delta_weight", &anchors->delta_weight},
        {"regions.rois", &regions->rois},
        {"regions.label", &regions->label},
        {"regions.deltas", &regions->deltas},
        {"regions.box_weight", &regions->box_weight},
        {"regions.mask_rois", &regions->mask_rois},
        {"regions.masks", &c->masks[n]},
    };
    char kind[24];
    snprintf(kind, sizeof kind, "%lld.", (long long)n);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) put(d, kind, all[i].name, all[i].t);
}

// Which side of each ReLU its input was on: rounding may take another implementation to the other.
static tn_status put_relus(dump *d, tn_arena *arena, const tr_fvlm_seen *seen, tn_error *err) {
    for (int64_t i = 0; i < seen->relus; i++) {
        const tn_tensor *y = &seen->relu[i];
        tn_tensor sides;
        char name[24];
        TN_TRY(tn_new(arena, &sides, TN_U8, y->rank, y->dim, err));
        for (int64_t k = 0; k < tn_count(y); k++)
            tn_u8(&sides)[k] =
                y->dtype == TN_F64 ? ((const double *)y->data)[k] > 0 : tn_f32(y)[k] > 0;
        snprintf(name, sizeof name, "%lld", (long long)i);
        put(d, "relu.", name, &sides);
    }
    return TN_OK;
}

static void put_step(dump *d, const tr_fvlm *task, int64_t pictures, const tr_fvlm_seen *seen,
                     const tn_tensor *losses) {
    char name[16];
    for (int i = 0; i < MD_FVLM_MAPS; i++) {
        snprintf(name, sizeof name, "%d", i);
        if (seen->features.map[i].data) put(d, "map.", name, &seen->features.map[i]);
    }
    put(d, "", "picture", &seen->features.picture);
    put(d, "", "text", &task->text);
    put(d, "", "losses", losses);
    for (int64_t n = 0; n < pictures; n++) put_picture(d, n, &seen->choices);
}

tn_status tr_train_dump(const char *folder, int64_t step, const tr_fvlm *task,
                        const nn_params *params, int64_t pictures, const tr_fvlm_seen *seen,
                        const double loss[TR_LOSSES], tn_error *err) {
    char path[PATH_MAX];
    size_t room = ROOM + EACH * (size_t)pictures + 2 * (size_t)params->count +
                  (size_t)params->buffers + (size_t)seen->relus;
    dump d = {.meta = tn_alloc_zero((size_t)params->count + 1, sizeof *d.meta),
              .item = tn_alloc_zero(room, sizeof *d.item),
              .name = tn_alloc_zero(room, sizeof *d.name)};
    tn_status status = TN_OK;
    if (!d.meta || !d.item || !d.name)
        status = tn_fail(err, TN_ENOMEM, "%s: out of memory", folder);
    if (status == TN_OK) status = put_relus(&d, task->step, seen, err);
    if (status == TN_OK) {
        tn_tensor losses = tn_view((void *)loss, TN_F64, TN_DIMS(TR_LOSSES));
        put_step(&d, task, pictures, seen, &losses);
        for (int i = 0; i < params->count; i++) {
            const nn_param *param = params->param[i];
            d.meta[i] = (io_text_pair){param->name, param->decay ? "decay" : "none"};
            put(&d, "value/", params->param[i]->name, &params->param[i]->value);
            put(&d, "grad/", params->param[i]->name, &params->param[i]->grad);
        }
        for (int i = 0; i < params->buffers; i++)
            put(&d, "buffer/", params->buffer[i]->name, &params->buffer[i]->value);
        snprintf(path, sizeof path, "%s/step-%06lld.safetensors", folder, (long long)step);
        status = io_safetensors_write(path, d.item, d.count, d.meta, (size_t)params->count,
                                      IO_AS_STORED, err);
    }
    tn_free(d.meta);
    tn_free(d.item);
    tn_free(d.name);
    return status;
}
