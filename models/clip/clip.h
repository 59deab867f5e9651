// SPDX-License-Identifier: Apache-2.0
// CLIP (Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
// ICML 2021): an image tower and a text tower that embed pictures and sentences in one space, as
// unit vectors. Reads the checkpoints of OpenAI, OpenCLIP and Hugging Face; widths, depths and
// sizes are taken from the file. Results equal theirs up to float32 rounding.
#pragma once

#include "nn/nn.h"

typedef struct md_clip md_clip;

typedef enum md_clip_family {
    MD_CLIP_VIT,    // vision transformer: B/32, B/16, L/14, L/14@336, H/14, …
    MD_CLIP_RESNET, // ModifiedResNet with attention pool: RN50, RN101, RN50x4, x16, x64
} md_clip_family;

typedef struct md_clip_config {
    md_clip_family family;
    char name[64]; // "ViT-B/32"; "ViT (12 layers of 448, patch 32)" if it is not a published shape
    const char *form;   // naming scheme of the file: "OpenAI", "OpenCLIP", "Hugging Face"
    int64_t image_size; // S: pictures are [S,S,3]
    int64_t embed_dim;  // D
    int64_t width;      // ViT: of a token; ResNet: of the stem's output (64 for RN50)
    int64_t patch;      // ViT: pixels per side; ResNet: 32, its stride
    int64_t grid;       // S / patch: tokens or pooled features per side
    int64_t layers;     // ViT: blocks; ResNet: blocks of all stages
    int64_t stage[4];   // ResNet: blocks of each stage
    int64_t heads;      // of the ViT, or of the ResNet's attention pool
    kn_act activation;  // KN_QUICK_GELU, KN_GELU or KN_GELU_TANH
    int64_t text_width, text_layers, text_heads;
    kn_act text_activation;
    int64_t vocabulary,
        context;             // rows of the token embedding; maximum number of tokens of a text (77)
    double norm_eps;         // of layer norms, 1e-5
    float mean[3], std[3];   // of the picture's channels, for values in 0..1
    int64_t resize;          // length of the shorter side before the centre crop, usually S
    bool resize_square;      // both sides become `resize`, whatever the picture's shape
    bool crop_floor;         // the centre crop begins at the floor: Hugging Face folders
    kn_filter interpolation; // usually KN_BICUBIC
    double logit_scale;      // factor of similarities, 100 for OpenAI's
    size_t weight_bytes;     // packed, both towers
    char prefix[64];         // prefix stripped from the tensors' names; "": none
    char assumed[320];       // "" or a warning: settings that neither file nor configuration states
} md_clip_config;

typedef struct md_clip_options {
    int64_t heads, text_heads; // 0: from the configuration, else from the published shapes
    const char *activation;    // "gelu", "quick_gelu" or "gelu_tanh"; NULL: as above
} md_clip_options;

// path: a file (OpenAI's .pt, a state dict, .safetensors) or a folder (Hugging Face: config.json,
// preprocessor_config.json; OpenCLIP: open_clip_config.json). For a file, a configuration in the
// same folder is used too. Loads and packs the weights for kn's backend, then makes them read-only.
// The model keeps no reference to kn: any context of the same backend (kn_level) may run it,
// several at once. options may be NULL. TN_EIO; TN_EFORMAT: a tensor is missing, has another shape
// than the others imply, or contradicts the configuration (file, tensor, actual and expected
// shape); TN_EUNSUPPORTED: a tensor that CLIP's towers do not have, or another kind of tower;
// TN_EINVAL: the number of heads or the kind of GELU is neither configured nor published (asks for
// --heads, --activation); TN_ENOMEM.
tn_status md_clip_open(const char *path, const md_clip_options *options, kn_ctx *kn, md_clip **out,
                       tn_error *err);
void md_clip_close(md_clip *clip); // NULL is fine
const md_clip_config *md_clip_settings(const md_clip *clip);
// Describes a file without loading it; also used to detect the kind of a file. TN_EFORMAT if it is
// not a CLIP.
tn_status md_clip_describe(const char *path, const md_clip_options *options, md_clip_config *out,
                           tn_error *err);
// Strips a prefix that all tensors of a CLIP share from their names (io_weights_unwrap).
tn_status md_clip_unwrap(io_weights *file, tn_error *err);
// True if the tensor names in the file are those of a CLIP.
bool md_clip_is(const io_weights *file);

// SHA-256 of a tower's packed weights and of the settings that affect its results. It is the same
// for the same file on the same backend. Takes about as long as loading.
typedef enum md_clip_tower { MD_CLIP_IMAGE, MD_CLIP_TEXT } md_clip_tower;
tn_status md_clip_hash(const md_clip *clip, md_clip_tower tower, kn_ctx *kn, uint8_t out[32],
                       tn_error *err);

// ---- pictures ----------------------------------------------------------------------------------

// CLIP's preprocessing: the shorter side is resized to `resize` with PIL's bicubic filter (the
// longer side becomes int(resize*long/short)), then centre crop, /255, mean and std: torchvision's
// Resize, CenterCrop, ToTensor, Normalize, with identical resized bytes. The crop begins at
// int(round((side-S)/2)), halves to even, as OpenAI's and OpenCLIP's; of a Hugging Face folder at
// floor((side-S)/2), as transformers' CLIPImageProcessor. Only the pixels inside the crop are
// computed. image: uint8 [H,W,3]. box: NULL, or left, top, right, bottom of a part (inside the
// picture, at least one pixel) that is cropped first, with the same result as preprocessing that
// crop as a picture. y: float32 [S,S,3], allocated by the caller. TN_ENOMEM.
tn_status md_clip_preprocess(nn_ctx *cx, const md_clip *clip, const tn_tensor *image,
                             const int64_t box[4], tn_tensor *y);
// The same from the settings only, without a model (md_clip_describe).
tn_status md_clip_preprocess_for(nn_ctx *cx, const md_clip_config *config, const tn_tensor *image,
                                 const int64_t box[4], tn_tensor *y);

// x [N,S,S,3] preprocessed -> y [N,D], allocated by the caller, rows of unit length. N may be 0.
// Memory does not grow with N: large batches are split into groups of a few thousand tokens, which
// does not change any bit. TN_ENOMEM.
tn_status md_clip_encode_images(nn_ctx *cx, const md_clip *clip, const tn_tensor *x, tn_tensor *y);

// ---- text --------------------------------------------------------------------------------------

// A tokenised sentence, including start and end token.
typedef struct md_clip_text {
    const int32_t *ids; // [count] in [0, vocabulary)
    int64_t count;      // 1 … context
} md_clip_text;

// -> y [rows,D], allocated by the caller, of unit length. The embedding is taken at the end token
// (the first position of the highest id); later tokens are omitted, which is exact under the causal
// mask. TN_EINVAL names row, id and limit; TN_ENOMEM.
tn_status md_clip_encode_texts(nn_ctx *cx, const md_clip *clip, const md_clip_text *text,
                               int64_t rows, tn_tensor *y);

// ---- for tests and for models that use a tower ------------------------------------------------

// Called with each intermediate result: "embeddings", "ln_pre", "block.0", …, "ln_post",
// "projection"; for a ResNet "stem.0", …, "layer1.0", …, "pool". The tensor is valid only during
// the call.
typedef struct md_clip_tap {
    void (*see)(void *user, const char *name, const tn_tensor *value);
    void *user;
} md_clip_tap;

// As above, but before normalisation and with tap called on every intermediate result (tap may be
// NULL).
tn_status md_clip_image_features(nn_ctx *cx, const md_clip *clip, const tn_tensor *x,
                                 const md_clip_tap *tap, tn_tensor *y);
tn_status md_clip_text_features(nn_ctx *cx, const md_clip *clip, const md_clip_text *text,
                                int64_t rows, const md_clip_tap *tap, tn_tensor *y);
