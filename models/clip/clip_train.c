// SPDX-License-Identifier: Apache-2.0
#include "models/clip/clip_train.h"

#include "models/clip/clip_config.h"
#include "models/clip/clip_parts.h"
#include "nn/ops.h"

#include <stdio.h>

#define UNIT_EPS 1e-12
#define MAX_SIZE ((int64_t)1 << 20) // keeps every product of two sizes far from overflow

// ---- making ------------------------------------------------------------------------------------

static tn_status check_sizes(const md_clip_config *c, tn_error *err) {
    const struct {
        const char *what;
        int64_t size;
    } sizes[] = {{"a patch size", c->patch},          {"a width", c->width},
                 {"a number of layers", c->layers},   {"a number of heads", c->heads},
                 {"an embedding of", c->embed_dim},   {"a text width", c->text_width},
                 {"text layers:", c->text_layers},    {"text heads:", c->text_heads},
                 {"a vocabulary of", c->vocabulary},  {"a context of", c->context},
                 {"a picture size of", c->image_size}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].size < 1 || sizes[i].size > MAX_SIZE)
            return tn_fail(err, TN_EINVAL, "%s %lld, expected 1 to %lld", sizes[i].what,
                           (long long)sizes[i].size, (long long)MAX_SIZE);
    if (c->image_size % c->patch)
        return tn_fail(err, TN_EINVAL,
                       "a picture size of %lld is not a multiple of the patch size %lld",
                       (long long)c->image_size, (long long)c->patch);
    if (c->width % c->heads || c->text_width % c->text_heads)
        return tn_fail(err, TN_EINVAL, "%lld channels cannot be divided into %lld heads",
                       (long long)(c->width % c->heads ? c->width : c->text_width),
                       (long long)(c->width % c->heads ? c->heads : c->text_heads));
    return TN_OK;
}

tn_status md_clip_new(const md_clip_config *config, uint64_t seed, nn_params *params, kn_ctx *kn,
                      md_clip **out, tn_error *err) {
    *out = NULL;
    TN_TRY(check_sizes(config, err));
    md_clip *clip = tn_alloc_zero(1, sizeof *clip);
    if (!clip) return tn_fail(err, TN_ENOMEM, "out of memory for a CLIP");
    clip->config = *config;
    clip->config.family = MD_CLIP_VIT;
    clip->config.form = "Hugging Face";
    clip->config.grid = config->image_size / config->patch;
    clip->config.assumed[0] = 0;
    md_clip_published(false, &clip->config); // sets the name; everything else is set already
    clip->config.assumed[0] = 0;
    nn_loader load = {.kn = kn,
                      .err = err,
                      .dtype = params->dtype,
                      .params = params,
                      .seed = seed,
                      .separate_qkv = true};
    tn_status status = md_clip_load(clip, &load, 1 << 20);
    if (status != TN_OK) {
        md_clip_close(clip);
        return status;
    }
    *out = clip;
    return TN_OK;
}

nn_param *md_clip_scale(const md_clip *clip) {
    TN_CHECK(clip->scale, "this CLIP is not trained");
    return clip->scale;
}

// ---- learning ----------------------------------------------------------------------------------

tn_status md_clip_train_images(nn_ctx *cx, const md_clip *clip, const tn_tensor *x,
                               const tn_tensor *keep, tn_tensor *y) {
    const md_clip_config *c = &clip->config;
    tn_tensor features;
    TN_CHECK(tn_has_shape(x, TN_DIMS(-1, c->image_size, c->image_size, 3)) &&
                 (!keep || tn_has_shape(keep, TN_DIMS(x->dim[0], -1))),
             "x or keep has another shape than %s wants", c->name);
    TN_TRY(tn_new(cx->step, &features, x->dtype, TN_DIMS(x->dim[0], c->embed_dim), cx->err));
    TN_TRY(md_vit_fwd(cx, &clip->vit, x, keep, NULL, &features));
    return nn_l2_normalize(cx, UNIT_EPS, &features, y);
}

tn_status md_clip_train_texts(nn_ctx *cx, const md_clip *clip, const tn_tensor *ids,
                              const tn_tensor *position, tn_tensor *y) {
    const md_clip_config *c = &clip->config;
    tn_tensor features;
    TN_CHECK(ids->rank == 2 && ids->dim[1] >= 1 && ids->dim[1] <= c->context &&
                 tn_has_shape(position, TN_DIMS(ids->dim[0])),
             "ids of rank %d", ids->rank);
    TN_TRY(tn_new(cx->step, &features, clip->text.token.rows.dtype,
                  TN_DIMS(ids->dim[0], c->embed_dim), cx->err));
    TN_TRY(md_text_tower_fwd(cx, &clip->text, ids, position, NULL, &features));
    return nn_l2_normalize(cx, UNIT_EPS, &features, y);
}
