// SPDX-License-Identifier: Apache-2.0
// Writes safetensors. Reading is in io/weights/weights.h, as for every format.
#pragma once

#include "io/weights/weights.h"

typedef struct io_text_pair {
    const char *key, *value; // UTF-8
} io_text_pair;

#define IO_AS_STORED (-1)

// Writes tensors (in any order, data as in io_tensor) and metadata as the published library does:
// the same bytes for the same content, the header padded so that elements are 8-byte aligned. as:
// IO_AS_STORED, or a floating type to which every floating tensor is converted (round to nearest
// even); integers and bools are kept. The file is written atomically. TN_EIO; TN_ENOMEM; TN_EINVAL:
// duplicate tensor or key names, a name that is not UTF-8, a finite value that is too large for the
// type.
tn_status io_safetensors_write(const char *path, const io_tensor *tensors, size_t count,
                               const io_text_pair *meta, size_t meta_count, int as, tn_error *err);

const char *io_safetensors_type(tn_dtype dtype); // the format's name of a type: "F32", "BF16", …
