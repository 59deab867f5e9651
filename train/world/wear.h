// SPDX-License-Identifier: Apache-2.0
// What happens to a picture between the world and the file: light, colour, blur, lost resolution,
// noise, JPEG. None of it moves anything, so boxes and masks stay true.
#pragma once

#include "train/world/canvas.h"

typedef struct tr_wear {
    float contrast, lift, tint[3], saturation;
    double blur;       // standard deviation, pixels; 0: none
    double resolution; // 0..1: shrunk to this share and enlarged again; 1: not
    bool soft;         // enlarged bilinear, else bicubic
    double noise;      // standard deviation of grey noise
    double colour_noise;
    int quality; // of JPEG; 0: none
    bool full_colour;
} tr_wear;

// hard: 0..1, how much of it and how often.
tr_wear tr_wear_draw(double hard, tn_rng *rng);
// All but JPEG; colours are 0..1 afterwards. TN_ENOMEM.
tn_status tr_wear_apply(tr_canvas *canvas, const tr_wear *wear, tn_rng *rng, tn_error *err);
// To bytes, and JPEG and back where the wear has it: uint8 [h,w,3] of the caller. TN_ENOMEM.
tn_status tr_wear_bytes(const tr_canvas *canvas, const tr_wear *wear, uint8_t *out, tn_error *err);
