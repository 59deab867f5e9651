// SPDX-License-Identifier: Apache-2.0
// Sheets of text, laid out once with pango, for text in the background of synthetic pictures.
#pragma once

#include "train/world/canvas.h"

#define TR_SHEETS 10
#define TR_SHEET_SIDE 512

typedef struct tr_sheets {
    tr_sheet sheet[TR_SHEETS];
    int letters[TR_SHEETS]; // size of the font, pixels
    uint8_t *cover;
} tr_sheets;

tn_status tr_sheets_open(tr_sheets *sheets, tn_error *err); // TN_ENOMEM
void tr_sheets_close(tr_sheets *sheets);
