// SPDX-License-Identifier: Apache-2.0
// Backgrounds of synthetic pictures.
#pragma once

#include "train/world/sheets.h"

// Fills the canvas: plain, gradients, several kinds of noise, patterns, panels, a landscape. unit:
// about the size of an object in pixels, which sets the scale of patterns.
void tr_ground_paint(tr_canvas *canvas, double unit, tn_rng *rng);
// Paints about `shapes` nameless shapes and text over it. Owner 0: covered pixels are taken from
// their objects.
void tr_clutter_paint(tr_canvas *canvas, const tr_sheets *sheets, double unit, int shapes,
                      double text, tn_rng *rng);
// One shape of about `size` pixels around (x, y).
void tr_clutter_shape(tr_canvas *canvas, double x, double y, double size, tn_rng *rng);
