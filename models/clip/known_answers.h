// SPDX-License-Identifier: Apache-2.0
// Text embeddings of published checkpoints, built into the program, so that users can check whether
// a machine reproduces them.
#pragma once

#include "models/clip/clip.h"
#include "models/text/bpe.h"

#define MD_KNOWN_ANSWERS 20
#define MD_KNOWN_DIMS 16

typedef struct md_known_answer {
    const char *text;
    float start[MD_KNOWN_DIMS]; // first numbers of the unit vector
} md_known_answer;

extern const md_known_answer md_known_vitb32[MD_KNOWN_ANSWERS]; // OpenAI's ViT-B/32

// The answers were computed in half precision; a correct float32 result differs by less.
#define MD_KNOWN_TOLERANCE 2e-3

// The largest difference between this CLIP's text embeddings and the known ones. TN_EUNSUPPORTED if
// there are none for a CLIP of these sizes; the text names those that exist.
tn_status md_known_check(nn_ctx *cx, const md_clip *clip, const md_bpe *bpe, double *largest,
                         tn_error *err);
