// SPDX-License-Identifier: Apache-2.0
// What `lexmask convert` makes of weight files and of model folders.
#pragma once

#include "io/weights.h"

// All tensors of a file into another, names kept; dtype: of all real ones, or IO_AS_STORED.
// bn_eps: negative, or for a detector's metadata.
tn_status tool_convert_weights(const io_weights *file, const char *to, int dtype, double bn_eps,
                               tn_error *err);
// An F-VLM's folder into another that holds all that it needs: its adapters, its CLIP (which has to
// be a folder), CLIP's vocabulary. contrast: a file of the names that the CLIP was trained on,
// which goes along; NULL: that of `from`, if it has one. config.json is written last.
tn_status tool_convert_model(const char *from, const char *to, int dtype, const char *contrast,
                             tn_error *err);
