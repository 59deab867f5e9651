// SPDX-License-Identifier: Apache-2.0
// lexmask-draw: draws what lexmask found. A library of its own, because it needs cairo and pango,
// which finding does not.
//
//     cc program.c $(pkg-config --cflags --libs lexmask-draw)
#ifndef LEXMASK_DRAW_H
#define LEXMASK_DRAW_H

#include "lexmask.h"

#ifdef __cplusplus
extern "C" {
#endif

// Writes the picture with boxes, masks and names drawn over it as a PNG file. lowest: detections of
// a lower score are left out; 0: all are drawn. The file is written under another name first and
// then renamed, so that it is whole or not there. Names may be in any script that the machine has
// fonts for. LEXMASK_EIO, LEXMASK_ENOMEM.
LEXMASK_API lexmask_status lexmask_result_draw(const lexmask_result *result, double lowest,
                                               const char *path, lexmask_error *err);

#ifdef __cplusplus
}
#endif
#endif
