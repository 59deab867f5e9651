// SPDX-License-Identifier: Apache-2.0
// Shared by writing and reading checkpoints.
#pragma once

#include "io/sha256.h"
#include "train/checkpoint.h"

#define TR_FORMAT "lexmask checkpoint 1"
#define TR_SETTING "setting." // key prefix of settings
#define TR_KEY 128
#define TR_META 5

// The file's own metadata, sorted by key; stored in this struct.
typedef struct tr_meta {
    io_text_pair pair[TR_META];
    char step[24], position[24], seed[24], settings[24];
} tr_meta;
void tr_checkpoint_meta(const tr_checkpoint *run, const tr_state *state, tr_meta *out);

// SHA-256 over texts and tensors in the given order: the file's own texts, the settings in order,
// the tensors by name.
void tr_checkpoint_digest(const io_tensor *const *tensors, size_t count, const io_text_pair *meta,
                          size_t meta_count, char out[IO_SHA256_HEX]);
