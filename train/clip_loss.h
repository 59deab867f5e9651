// SPDX-License-Identifier: Apache-2.0
// CLIP's training loss (Radford et al. 2021): each picture of a batch must find its text among the
// batch's texts and each text its picture, by cross-entropy over scaled cosines with a learned
// scale. A name may occur several times: all equal ones are correct.
//
// A small batch gives few wrong names per picture. The bank adds more: cross-entropy of each
// picture over the texts of all names, encoded some steps ago and without gradient.
#pragma once

#include "nn/params.h"
#include "nn/tape.h"

typedef enum tr_clip_term {
    TR_CLIP_PICTURES, // half of the mean over pictures
    TR_CLIP_TEXTS,    // half of the mean over texts
    TR_CLIP_BANK,     // mean over pictures
    TR_CLIP_TERMS
} tr_clip_term;
extern const char *const tr_clip_term_name[TR_CLIP_TERMS]; // "pictures", "texts", "bank"

typedef struct tr_clip_pairs {
    tn_tensor pictures, texts;           // [N,D], [M,D] unit rows, recorded
    tn_tensor picture_names, text_names; // int32 [N], [M]: equal numbers match
    tn_tensor bank;                      // [T,D] unit rows, row t for name t; NULL data: none
} tr_clip_pairs;

// Adds terms times factor to loss[], starts the gradients of pictures and texts on cx->tape, and
// adds that of the scale's logarithm to scale->grad. A picture or text without a match on the other
// side is skipped; the bank's term skips names that have no row in it. TN_ENOMEM.
tn_status tr_clip_loss(nn_ctx *cx, const tr_clip_pairs *pairs, nn_param *scale, double factor,
                       double loss[TR_CLIP_TERMS]);
