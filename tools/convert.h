// SPDX-License-Identifier: Apache-2.0
// What `lexmask convert` makes of weight files and of folders.
#pragma once

#include "io/weights/weights.h"

// What a model's folder is to say other than the one it is made from.
typedef struct tool_model_changes {
    const char
        *contrast;      // a file of the names that the CLIP was trained on, which goes along; NULL
    int64_t size;       // of pictures; 0
    double alpha, beta; // weights of score 2; negative
    double objectness;  // the power of it that scores are multiplied with; negative
    int64_t proposals;  // of the RPN that are looked at; 0
} tool_model_changes;

// All tensors of a file into another, names kept; dtype: of all real ones, or IO_AS_STORED.
// bn_eps: negative, or for a detector's metadata.
tn_status tool_convert_weights(const io_weights *file, const char *to, int dtype, double bn_eps,
                               tn_error *err);
// A CLIP's folder (Hugging Face's, OpenCLIP's) into another: its settings, its vocabulary (a file
// or folder; NULL: looked for) and, last, its weights as model.safetensors.
tn_status tool_convert_clip(const char *from, const char *vocabulary, const char *to, int dtype,
                            tn_error *err);
// An F-VLM's folder into another that holds all that it needs: its adapters, its CLIP (which has to
// be a folder), CLIP's vocabulary, the names of its contrast. config.json is written last.
tn_status tool_convert_model(const char *from, const char *to, int dtype,
                             const tool_model_changes *changes, tn_error *err);
