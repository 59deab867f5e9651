// SPDX-License-Identifier: Apache-2.0
// Rows that are looked up by number or added by place: token tables, positions, a class token.
#pragma once

#include "nn/params.h"

typedef struct nn_embedding {
    tn_tensor rows;  // [V,C]
    nn_param *param; // NULL: frozen
} nn_embedding;

// `name` of the given shape: [V,C], or [C] for a single row. New values are normal with this
// standard deviation. A matrix decays, a single row does not. Errors as nn_load.
tn_status nn_embedding_load(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                            double deviation, nn_embedding *table);
// ids int32 [R] in [0,V) -> y [R,C], of the caller. ids is kept by a tape.
void nn_embedding_look_up(nn_ctx *cx, const nn_embedding *table, const tn_tensor *ids,
                          tn_tensor *y);
// y = x + rows, of the caller: x [N,L,C] and, for each of its tokens, row ids[i] (int32 [N*L], kept
// by a tape), or with ids NULL rows 0 … L-1 for each N. y may be x where nothing is recorded.
// TN_ENOMEM.
tn_status nn_embedding_add_into(nn_ctx *cx, const nn_embedding *table, const tn_tensor *ids,
                                const tn_tensor *x, tn_tensor *y);
