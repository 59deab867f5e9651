// SPDX-License-Identifier: Apache-2.0
// A transformer block in which every token uses only its own value: MaskCLIP's form of the last
// block (Zhou et al., "Extract free dense labels from CLIP", ECCV 2022), but with the block's MLP,
// as in F-ViT. It keeps local information that attention would mix with all other tokens.
#pragma once

#include "nn/blocks/block.h"

// Replaces x [N,L,C] by x += out(v(norm1(x))); x += mlp(norm2(x)), in place. Scratch comes from
// cx->step and is freed. If the block is recorded, x becomes another tensor (x->data changes),
// because the tape needs the input. TN_ENOMEM.
tn_status nn_value_path_inplace(nn_ctx *cx, const nn_block *block, tn_tensor *x);
