// SPDX-License-Identifier: Apache-2.0
// Rows that are looked up by index or added by position: token tables, position embeddings, a class
// token.
#pragma once

#include "nn/params.h"

typedef struct nn_embedding {
    tn_tensor rows;  // [V,C]
    nn_param *param; // NULL: frozen
} nn_embedding;

// `name` of the given shape: [V,C], or [C] for a single row. Without a file, values are normal with
// this standard deviation. A matrix has weight decay, a single row has none. Errors as nn_load.
tn_status nn_embedding_load(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                            double deviation, nn_embedding *table);
// ids int32 [R] in [0,V) -> y [R,C], allocated by the caller. A tape keeps a reference to ids.
void nn_embedding_lookup(nn_ctx *cx, const nn_embedding *table, const tn_tensor *ids, tn_tensor *y);
// y = x + rows; y is allocated by the caller. x is [N,L,C]; token i gets row ids[i] (int32 [N*L]; a
// tape keeps a reference), or, with ids NULL, token l of each sequence gets row l. y may be x if
// nothing is recorded. TN_ENOMEM.
tn_status nn_embedding_add_into(nn_ctx *cx, const nn_embedding *table, const tn_tensor *ids,
                                const tn_tensor *x, tn_tensor *y);
