// SPDX-License-Identifier: Apache-2.0
// Names for an F-VLM: its own sentences and background around them.
#pragma once

#include "models/fvlm/fvlm.h"

// The configuration's sentences and background, in place of what `options` leaves open: NULL or a
// background of NULL means the configuration's; "" means none; a background is used only where the
// configuration's is a text.
// Errors as md_vocabulary_make.
tn_status md_fvlm_vocabulary(nn_ctx *cx, const md_fvlm *model, const md_bpe *bpe,
                             const md_names *names, const md_templates *templates,
                             const md_vocabulary_options *options, md_vocabulary *out,
                             tn_error *err);
// What training compares embeddings with: text [count(+1),D] of cx->step, unit rows in the order
// of the names, the background's last where it is a text. Synonyms ("sofa|couch"): the first.
tn_status md_fvlm_text(nn_ctx *cx, const md_fvlm *model, const md_bpe *bpe, const char *const *name,
                       int64_t count, tn_tensor *text);
