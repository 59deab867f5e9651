// SPDX-License-Identifier: Apache-2.0
// What lies behind and between the things of a made-up picture.
#pragma once

#include "train/world/sheets.h"

// Fills the canvas: plain, gradients, noise of several kinds, patterns, panels, a landscape. unit:
// pixels that are about a thing's size, so that patterns are neither dust nor plain.
void tr_ground_paint(tr_canvas *canvas, double unit, tn_rng *rng);
// Over it: shapes without a name and text, about `shapes` of them. Owner 0: it takes pixels from
// what it covers.
void tr_clutter_paint(tr_canvas *canvas, const tr_sheets *sheets, double unit, int shapes,
                      double text, tn_rng *rng);
// One shape of about `size` pixels round (x, y).
void tr_clutter_shape(tr_canvas *canvas, double x, double y, double size, tn_rng *rng);
