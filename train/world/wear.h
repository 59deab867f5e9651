// SPDX-License-Identifier: Apache-2.0
// Degradations of a picture: light, colour, blur, lost resolution, noise, JPEG. None of them moves
// anything, so boxes and masks stay valid.
#pragma once

#include "train/world/canvas.h"

typedef struct tr_wear {
    float contrast, lift, tint[3], saturation;
    double blur;       // standard deviation, pixels; 0: none
    double resolution; // 0..1: reduced to this fraction and enlarged again; 1: unchanged
    bool soft;         // enlarged bilinearly, else bicubically
    double noise;      // standard deviation of grey noise
    double colour_noise;
    int quality; // of JPEG; 0: none
    bool full_colour;
} tr_wear;

// hard: 0..1, strength and frequency.
tr_wear tr_wear_draw(double hard, tn_rng *rng);
// Applies everything except JPEG; colours are clamped to 0..1. TN_ENOMEM.
tn_status tr_wear_apply(tr_canvas *canvas, const tr_wear *wear, tn_rng *rng, tn_error *err);
// Converts to bytes, through JPEG if the wear says so: uint8 [h,w,3], allocated by the caller.
// TN_ENOMEM.
tn_status tr_wear_bytes(const tr_canvas *canvas, const tr_wear *wear, uint8_t *out, tn_error *err);
