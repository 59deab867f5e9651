// SPDX-License-Identifier: Apache-2.0
// Settings of a CLIP that its tensors determine.
#include "models/clip/clip_config.h"

#include <math.h>

// Finds the tensor, which must have a rank and no empty dimension.
static tn_status shape(const nn_loader *load, const char *name, int rank, const io_tensor **out) {
    TN_TRY(nn_find(load, name, out));
    bool good = (*out)->rank == rank;
    for (int i = 0; good && i < rank; i++) good = (*out)->dim[i] > 0;
    if (good) return TN_OK;
    char is[128];
    return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' has shape %s, expected %d dimensions",
                   io_weights_path(load->file), (*out)->name,
                   tn_shape_text((*out)->rank, (*out)->dim, is, sizeof is), rank);
}

// rows = before + side^2
static tn_status grid_of(const nn_loader *load, const io_tensor *position, int64_t *side) {
    int64_t places = position->dim[0] - 1;
    *side = (int64_t)llround(sqrt((double)places));
    if (places > 0 && *side * *side == places) return TN_OK;
    return tn_fail(load->err, TN_EFORMAT,
                   "%s: tensor '%s' has %lld rows, expected one more than a square",
                   io_weights_path(load->file), position->name, (long long)position->dim[0]);
}

static tn_status vit(const nn_loader *load, const md_clip_form *form, md_clip_config *out) {
    const io_tensor *patch, *position, *projection;
    TN_TRY(shape(load, "visual.conv1.weight", 4, &patch));
    out->family = MD_CLIP_VIT;
    out->width = patch->dim[0];
    out->patch = patch->dim[2];
    TN_TRY(shape(load, "visual.positional_embedding", 2, &position));
    TN_TRY(grid_of(load, position, &out->grid));
    bool linear = nn_has(load, "visual.proj.weight");
    TN_TRY(shape(load, linear ? "visual.proj.weight" : "visual.proj", 2, &projection));
    out->embed_dim = projection->dim[linear ? 0 : 1];
    out->layers = md_clip_form_count(form, load->file, "visual.transformer.resblocks.#.ln_1.");
    return TN_OK;
}

static tn_status resnet(const nn_loader *load, const md_clip_form *form, md_clip_config *out) {
    const io_tensor *first, *position, *projection;
    TN_TRY(shape(load, "visual.layer1.0.conv1.weight", 4, &first));
    out->family = MD_CLIP_RESNET;
    out->width = first->dim[0];
    out->patch = 32;
    TN_TRY(shape(load, "visual.attnpool.positional_embedding", 2, &position));
    TN_TRY(grid_of(load, position, &out->grid));
    TN_TRY(shape(load, "visual.attnpool.c_proj.weight", 2, &projection));
    out->embed_dim = projection->dim[0];
    // Stages have the same names in every form, so these patterns need no table.
    static const char *const stage[] = {"visual.layer1.#.bn1.", "visual.layer2.#.bn1.",
                                        "visual.layer3.#.bn1.", "visual.layer4.#.bn1."};
    for (int i = 0; i < 4; i++) {
        out->stage[i] = md_clip_form_count(form, load->file, stage[i]);
        if (out->stage[i] == 0 || out->stage[i] > (int64_t)io_weights_count(load->file))
            return tn_fail(load->err, TN_EFORMAT, "%s: stage %d of the ResNet has %lld blocks",
                           io_weights_path(load->file), i + 1, (long long)out->stage[i]);
        out->layers += out->stage[i];
    }
    return TN_OK;
}

static tn_status text(const nn_loader *load, const md_clip_form *form, md_clip_config *out) {
    const io_tensor *tokens, *position;
    TN_TRY(shape(load, "token_embedding.weight", 2, &tokens));
    TN_TRY(shape(load, "positional_embedding", 2, &position));
    out->vocabulary = tokens->dim[0];
    out->text_width = tokens->dim[1];
    out->context = position->dim[0];
    out->text_layers = md_clip_form_count(form, load->file, "transformer.resblocks.#.ln_1.");
    return TN_OK;
}

static tn_status scale(const nn_loader *load, md_clip_config *out) {
    const io_tensor *found;
    float value;
    TN_TRY(nn_find(load, "logit_scale", &found));
    size_t count;
    if (!tn_count_checked(found->rank, found->dim, &count) || count != 1)
        return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is not a single number",
                       io_weights_path(load->file), found->name);
    tn_convert(found->data, found->dtype, &value, TN_F32, 1);
    out->logit_scale = exp((double)value);
    if (isfinite(out->logit_scale)) return TN_OK;
    return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is %g", io_weights_path(load->file),
                   found->name, (double)value);
}

tn_status md_clip_sizes(const io_weights *file, const md_clip_form *form, md_clip_config *out,
                        tn_error *err) {
    nn_loader load = {.file = file, .rename = form->rename, .err = err};
    bool residual = nn_has(&load, "visual.layer1.0.conv1.weight");
    TN_TRY(residual ? resnet(&load, form, out) : vit(&load, form, out));
    TN_TRY(text(&load, form, out));
    TN_TRY(scale(&load, out));
    // More blocks than tensors: a number in a name is invalid.
    int64_t tensors = (int64_t)io_weights_count(file);
    if (out->layers > tensors || out->text_layers > tensors)
        return tn_fail(err, TN_EFORMAT, "%s: %lld and %lld blocks by the names, but %lld tensors",
                       io_weights_path(file), (long long)out->layers, (long long)out->text_layers,
                       (long long)tensors);
    int64_t limit = 1 << 20; // keeps every product of two sizes far from overflow
    if (out->patch > limit || out->grid > limit || out->width > limit || out->text_width > limit ||
        out->embed_dim > limit || out->vocabulary > (1 << 30) || out->context > limit)
        return tn_fail(err, TN_EFORMAT, "%s: a size exceeds %lld", io_weights_path(file),
                       (long long)limit);
    out->image_size = out->patch * out->grid;
    out->resize = out->image_size;
    return TN_OK;
}
