// SPDX-License-Identifier: Apache-2.0
// Names for an F-VLM, with its own sentences and background.
#pragma once

#include "models/fvlm/fvlm.h"

// Fills in what `options` leaves open: NULL sentences or background mean the configuration's; ""
// means none; a background is used only if the configuration's is a text. Errors as
// md_vocabulary_make.
tn_status md_fvlm_vocabulary(nn_ctx *cx, const md_fvlm *model, const md_bpe *bpe,
                             const md_names *names, const md_templates *templates,
                             const md_vocabulary_options *options, md_vocabulary *out,
                             tn_error *err);
// The text embeddings used in training: text [count(+1),D] of cx->step, unit rows in the order of
// the names, the background's last if it is a text. Of synonyms ("sofa|couch") the first is used.
tn_status md_fvlm_text(nn_ctx *cx, const md_fvlm *model, const md_bpe *bpe, const char *const *name,
                       int64_t count, tn_tensor *text);
