// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a run: everything needed to resume it bit for bit. A checkpoint is one safetensors
// file. Its metadata holds the state, the settings of the run, and a SHA-256 over everything, which
// detects damage.
//
// A run's folder holds two: checkpoint.safetensors and checkpoint.previous.safetensors, the one
// before it. Files are renamed into place, so that one of them is complete at any moment.
#pragma once

#include "io/weights/safetensors.h"
#include "tensor/tensor.h"

// A named tensor of the run: "value/rpn.conv.weight", "m/…", "v/…", "average/…".
typedef struct tr_part {
    const char *name;
    tn_tensor tensor;
} tr_part;

// Random numbers are functions of (seed, position), so there is no other random state.
typedef struct tr_state {
    int64_t step;     // updates done
    int64_t position; // samples drawn from the data
    uint64_t seed;
} tr_state;

typedef struct tr_checkpoint {
    tr_part *parts;
    size_t part_count;
    const io_text_pair *settings; // must be equal for the run to resume
    size_t setting_count;
} tr_checkpoint;

// Writes parts and state; the existing checkpoint becomes the previous one. TN_EIO, TN_ENOMEM: the
// existing checkpoint is unchanged.
tn_status tr_checkpoint_save(const char *folder, const tr_checkpoint *run, const tr_state *state,
                             tn_error *err);

// Reads into the tensors of parts: all of them, or none if it fails. If the checkpoint is missing,
// damaged, incomplete, foreign or of another shape, the previous one is used, and `note` gives the
// reason (empty otherwise). TN_EIO: there is no checkpoint. TN_EFORMAT, TN_EUNSUPPORTED: neither
// can be used; the text names file and position. TN_EINVAL: it belongs to a run with another
// setting, which the text names. TN_ENOMEM.
tn_status tr_checkpoint_load(const char *folder, const tr_checkpoint *run, tr_state *state,
                             tn_error *note, tn_error *err);
// The same from one file, without fallback.
tn_status tr_checkpoint_read(const char *path, const tr_checkpoint *run, tr_state *state,
                             tn_error *err);

bool tr_checkpoint_exists(const char *folder); // whether one of the two exists, valid or not
// The path of the newest, for messages. Returns out.
const char *tr_checkpoint_path(const char *folder, bool previous, char *out, size_t bytes);
