// SPDX-License-Identifier: Apache-2.0
// CLIP (Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
// ICML 2021): an image tower and a text tower that put pictures and sentences on one unit sphere.
// Read as OpenAI, OpenCLIP and Hugging Face publish it; widths, depths and sizes are told by the
// file. Results are theirs up to float32 rounding.
#pragma once

#include "nn/nn.h"

typedef struct md_clip md_clip;

typedef enum md_clip_family {
    MD_CLIP_VIT,    // vision transformer: B/32, B/16, L/14, L/14@336, H/14, …
    MD_CLIP_RESNET, // ModifiedResNet with attention pool: RN50, RN101, RN50x4, x16, x64
} md_clip_family;

typedef struct md_clip_config {
    md_clip_family family;
    char name[64]; // "ViT-B/32"; "ViT (12 layers of 448, patch 32)" where it is no published shape
    const char *form;   // whose names the file uses: "OpenAI", "OpenCLIP", "Hugging Face"
    int64_t image_size; // S: pictures are [S,S,3]
    int64_t embed_dim;  // D
    int64_t width;      // ViT: of a token; ResNet: of the stem's output (64 for RN50)
    int64_t patch;      // ViT: pixels a side; ResNet: 32, its stride
    int64_t grid;       // S / patch: tokens or pooled features a side
    int64_t layers;     // ViT: blocks; ResNet: blocks of all stages together
    int64_t stage[4];   // ResNet: blocks of each stage
    int64_t heads;      // of the ViT, or of the ResNet's attention pool
    kn_act activation;  // KN_QUICK_GELU, KN_GELU or KN_GELU_TANH
    int64_t text_width, text_layers, text_heads;
    kn_act text_activation;
    int64_t vocabulary, context; // rows of the token embedding; most tokens of a text (77)
    double norm_eps;             // of layer norms, 1e-5
    float mean[3], std[3];       // of the picture's channels, in 0..1
    int64_t resize;              // the shorter side before the centre crop, in general S
    kn_filter interpolation;     // KN_BICUBIC in general
    double logit_scale;          // what similarities are multiplied with, 100 for OpenAI's
    size_t weight_bytes;         // packed, both towers
    char prefix[64];             // what was taken off the tensors' names; "": nothing
    char
        assumed[320]; // "" or a sentence: what neither file nor configuration told, worth a warning
} md_clip_config;

typedef struct md_clip_options {
    int64_t heads, text_heads; // 0: from the configuration, else from the published shapes
    const char *activation;    // "gelu", "quick_gelu" or "gelu_tanh"; NULL: likewise
} md_clip_options;

// path: a file (.pt of OpenAI, a state dict, .safetensors) or a folder (Hugging Face: config.json,
// preprocessor_config.json; OpenCLIP: open_clip_config.json); a file's configuration is also looked
// for beside it. Loads and packs for kn's backend, then makes the weights read-only. The model does
// not keep kn: any context of the same backend (kn_level) may run it, several at once. options may
// be NULL.
// TN_EIO; TN_EFORMAT: a tensor is missing, has another shape than the others imply, or contradicts
// the configuration (file, tensor, shape found and expected); TN_EUNSUPPORTED: a tensor that CLIP's
// towers do not have, or another kind of tower; TN_EINVAL: the number of heads or the kind of GELU
// is neither configured nor published (asks for --heads, --activation); TN_ENOMEM.
tn_status md_clip_open(const char *path, const md_clip_options *options, kn_ctx *kn, md_clip **out,
                       tn_error *err);
void md_clip_close(md_clip *clip); // NULL is fine
const md_clip_config *md_clip_settings(const md_clip *clip);
// What a file is, without loading it; also for telling files apart. TN_EFORMAT when it is no CLIP.
tn_status md_clip_describe(const char *path, const md_clip_options *options, md_clip_config *out,
                           tn_error *err);
// Takes a prefix that all tensors of a CLIP share off their names (io_weights_unwrap).
tn_status md_clip_unwrap(io_weights *file, tn_error *err);
// True when the names in the file are those of a CLIP.
bool md_clip_is(const io_weights *file);

// SHA-256 of a tower's packed weights and of the settings that its results depend on. The same file
// on the same backend has the same hash. Takes about as long as loading.
typedef enum md_clip_tower { MD_CLIP_IMAGE, MD_CLIP_TEXT } md_clip_tower;
tn_status md_clip_hash(const md_clip *clip, md_clip_tower tower, kn_ctx *kn, uint8_t out[32],
                       tn_error *err);

// ---- pictures ----------------------------------------------------------------------------------

// CLIP's own preprocessing: shorter side to `resize` by PIL's bicubic (the longer side becomes
// int(resize*long/short)), centre crop (from int(round((side-S)/2)), halves to even), /255, mean
// and std: torchvision's Resize, CenterCrop, ToTensor, Normalize, equal to the last bit of each
// resized byte. What the crop throws away is not computed.
// image: uint8 [H,W,3]. box: NULL or the part left, top, right, bottom (inside the picture, at
// least one pixel) that is cut out first, with the result of cutting it out and preprocessing the
// piece. y: float32 [S,S,3] of the caller. TN_ENOMEM.
tn_status md_clip_preprocess(nn_ctx *cx, const md_clip *clip, const tn_tensor *image,
                             const int64_t box[4], tn_tensor *y);
// The same from the settings alone, without a model (md_clip_describe).
tn_status md_clip_preprocess_for(nn_ctx *cx, const md_clip_config *config, const tn_tensor *image,
                                 const int64_t box[4], tn_tensor *y);

// x [N,S,S,3] preprocessed -> y [N,D] of the caller, rows of unit length. N may be 0. Memory does
// not grow with N: more pictures than fit a few thousand tokens are cut into parts, which changes
// no bit. TN_ENOMEM.
tn_status md_clip_encode_images(nn_ctx *cx, const md_clip *clip, const tn_tensor *x, tn_tensor *y);

// ---- text --------------------------------------------------------------------------------------

// A tokenised sentence, start and end token included.
typedef struct md_clip_text {
    const int32_t *ids; // [count] in [0, vocabulary)
    int64_t count;      // 1 … context
} md_clip_text;

// -> y [rows,D] of the caller, unit length. The embedding is taken at the end token (the first
// place of the highest id); what follows it is left out, which is exact under the causal mask.
// TN_EINVAL names row, id and limit; TN_ENOMEM.
tn_status md_clip_encode_texts(nn_ctx *cx, const md_clip *clip, const md_clip_text *text,
                               int64_t rows, tn_tensor *y);

// ---- for tests and for what builds on a tower --------------------------------------------------

// Called with each intermediate result: "embeddings", "ln_pre", "block.0", …, "ln_post",
// "projection"; of a ResNet "stem.0", …, "layer1.0", …, "pool". The tensor is gone afterwards.
typedef struct md_clip_tap {
    void (*see)(void *user, const char *name, const tn_tensor *value);
    void *user;
} md_clip_tap;

// As above, before normalisation and with every intermediate seen (tap may be NULL).
tn_status md_clip_image_features(nn_ctx *cx, const md_clip *clip, const tn_tensor *x,
                                 const md_clip_tap *tap, tn_tensor *y);
tn_status md_clip_text_features(nn_ctx *cx, const md_clip *clip, const md_clip_text *text,
                                int64_t rows, const md_clip_tap *tap, tn_tensor *y);
