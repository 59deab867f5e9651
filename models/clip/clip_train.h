// SPDX-License-Identifier: Apache-2.0
// A CLIP whose two towers are trained (Radford et al. 2021): its parameters are in an nn_params
// under the towers' tensor names, and its forward passes can be recorded.
#pragma once

#include "models/clip/clip.h"
#include "nn/params.h"

// The default sizes of `lexmask pretrain`: 2 million parameters for pictures of 64x64.
md_clip_config md_clip_small(void);

// Creates a ViT with the sizes in config (name, form, weight_bytes, logit_scale and assumed are
// filled in). Initial values depend on seed: OpenAI's normal distributions, the scale 1/0.07. The
// type is that of params; float64 needs a context of level ref. params must outlive it. TN_EINVAL:
// an impossible size; TN_ENOMEM.
tn_status md_clip_new(const md_clip_config *config, uint64_t seed, nn_params *params, kn_ctx *kn,
                      md_clip **out, tn_error *err);
// Opens an existing one; it must be a ViT. Arguments and errors as md_clip_open; TN_EUNSUPPORTED: a
// ResNet.
tn_status md_clip_open_trained(const char *path, const md_clip_options *options, nn_params *params,
                               kn_ctx *kn, md_clip **out, tn_error *err);

// Rows of unit length [N,D] from cx->step, recorded under a tape. TN_ENOMEM. x [N,S,S,3]
// preprocessed. keep: NULL, or the patches to use (md_vit_fwd).
tn_status md_clip_train_images(nn_ctx *cx, const md_clip *clip, const tn_tensor *x,
                               const tn_tensor *keep, tn_tensor *y);
// ids int32 [N,L], position int32 [N]: the end token of each row; later tokens have no effect.
tn_status md_clip_train_texts(nn_ctx *cx, const md_clip *clip, const tn_tensor *ids,
                              const tn_tensor *position, tn_tensor *y);

// The logarithm of the factor of similarities, of rank 0. The loss writes its gradient.
nn_param *md_clip_scale(const md_clip *clip);
#define MD_CLIP_MAX_LOG_SCALE 4.605170185988092 // ln 100: upper bound during training

// Writes a folder for Hugging Face's transformers and md_clip_open: config.json,
// preprocessor_config.json, model.safetensors in dtype (TN_F32, TN_F16 or TN_BF16). start and end:
// ids of the vocabulary's special tokens. The folder must exist. TN_EIO, TN_ENOMEM.
tn_status md_clip_write(const md_clip *clip, const nn_params *params, int32_t start, int32_t end,
                        tn_dtype dtype, const char *folder, tn_error *err);
