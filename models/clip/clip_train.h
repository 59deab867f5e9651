// SPDX-License-Identifier: Apache-2.0
// A CLIP whose two towers are trained (Radford et al. 2021): its parameters lie in an nn_params,
// under the names that the towers ask for, its forward passes can be recorded.
#pragma once

#include "models/clip/clip.h"
#include "nn/params.h"

// The sizes that `lexmask pretrain` begins with: 2 million parameters for pictures of 64x64.
md_clip_config md_clip_small(void);

// A new one, a ViT of the sizes in config (of which name, form, weight_bytes, logit_scale and
// assumed are filled in). Values are functions of seed: OpenAI's normal distributions, the scale
// 1/0.07. The type is that of params, float64 with a context of level ref. params must outlive it.
// TN_EINVAL: a size that cannot be; TN_ENOMEM.
tn_status md_clip_new(const md_clip_config *config, uint64_t seed, nn_params *params, kn_ctx *kn,
                      md_clip **out, tn_error *err);
// One that is there: arguments and errors as md_clip_open; a ViT. TN_EUNSUPPORTED: a ResNet.
tn_status md_clip_open_trained(const char *path, const md_clip_options *options, nn_params *params,
                               kn_ctx *kn, md_clip **out, tn_error *err);

// Rows of unit length [N,D] from cx->step, recorded under a tape. TN_ENOMEM.
// x [N,S,S,3] preprocessed. keep: NULL, or the patches that are looked at (md_vit_fwd).
tn_status md_clip_learn_images(nn_ctx *cx, const md_clip *clip, const tn_tensor *x,
                               const tn_tensor *keep, tn_tensor *y);
// ids int32 [N,L], place int32 [N]: where the end token of each row is; what follows it changes
// nothing.
tn_status md_clip_learn_texts(nn_ctx *cx, const md_clip *clip, const tn_tensor *ids,
                              const tn_tensor *place, tn_tensor *y);

// The logarithm of what similarities are multiplied with, of rank 0. Its gradient is written by the
// loss.
nn_param *md_clip_scale(const md_clip *clip);
#define MD_CLIP_SCALE_MOST 4.605170185988092 // ln 100: it is not let grow over that

// A folder that Hugging Face's transformers and md_clip_open read: config.json,
// preprocessor_config.json, model.safetensors in dtype (TN_F32, TN_F16 or TN_BF16). start and end:
// ids of the vocabulary's special tokens. The folder is there. TN_EIO, TN_ENOMEM.
tn_status md_clip_write(const md_clip *clip, const nn_params *params, int32_t start, int32_t end,
                        tn_dtype dtype, const char *folder, tn_error *err);
