// SPDX-License-Identifier: Apache-2.0
// A transformer block of which every token takes only its own value: MaskCLIP's form of the last
// block (Zhou et al., "Extract free dense labels from CLIP", ECCV 2022), with the block's MLP kept
// as F-ViT has it. It keeps what a patch shows where attention would mix it with all others.
#pragma once

#include "nn/blocks/block.h"

// x [N,L,C] becomes x += out(v(norm1(x))); x += mlp(norm2(x)), in place. What it needs between is
// taken from cx->step and given back. Where the block is recorded, x becomes another tensor
// (x->data changes), since the tape needs the input. TN_ENOMEM.
tn_status nn_value_path_inplace(nn_ctx *cx, const nn_block *block, tn_tensor *x);
