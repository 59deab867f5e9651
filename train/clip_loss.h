// SPDX-License-Identifier: Apache-2.0
// The loss that teaches a CLIP (Radford et al. 2021): each picture of a batch is to find its text
// among the batch's texts and each text its picture, by cross-entropy over scaled cosines with a
// scale that is learned. Names may be there more than once: all that are equal are right.
//
// A small batch shows a picture few wrong names. The bank adds what is missing: cross-entropy of
// each picture over the texts of all names, encoded a while ago, through which nothing is learned.
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
    tn_tensor picture_names, text_names; // int32 [N], [M]: which are equal
    tn_tensor bank;                      // [T,D] unit rows, row t for name t; data NULL: none
} tr_clip_pairs;

// Terms times factor are added to loss[], gradients of pictures and texts started on cx->tape and
// that of the scale's logarithm added to scale->grad. A picture or text whose name is nowhere on
// the other side is left out, as is from the bank's term a name that is no row of it. TN_ENOMEM.
tn_status tr_clip_loss(nn_ctx *cx, const tr_clip_pairs *pairs, nn_param *scale, double factor,
                       double loss[TR_CLIP_TERMS]);
