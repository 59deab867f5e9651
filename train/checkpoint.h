// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a run: all that it takes to go on bit for bit. A checkpoint is one safetensors
// file; its metadata holds the state, the settings of the run, and a SHA-256 over everything, so
// that a damaged file is known as such.
//
// In a run's folder there are two: checkpoint.safetensors and checkpoint.previous.safetensors, the
// one before. Files are renamed into place, so that one of the two is whole at any moment.
#pragma once

#include "io/weights/safetensors.h"
#include "tensor/tensor.h"

// A tensor of the run, where it lives: "value/rpn.conv.weight", "m/…", "v/…", "average/…".
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
    const io_text_pair *settings; // what must be equal for the run to go on the same
    size_t setting_count;
} tr_checkpoint;

// Writes the state of parts; the one that was there becomes the previous one. TN_EIO, TN_ENOMEM:
// what was there before is then still there.
tn_status tr_checkpoint_save(const char *folder, const tr_checkpoint *run, const tr_state *state,
                             tn_error *err);

// Reads into the tensors of parts: either all of them, or (when it fails) none. A checkpoint that
// is not there, damaged, incomplete, foreign or of another shape gives way to the previous one, and
// `note` then says what was wrong (empty otherwise). TN_EIO: there is none at all. TN_EFORMAT,
// TN_EUNSUPPORTED: neither can be used; the text names file and place. TN_EINVAL: it is of a run
// with another setting, which the text names. TN_ENOMEM.
tn_status tr_checkpoint_load(const char *folder, const tr_checkpoint *run, tr_state *state,
                             tn_error *note, tn_error *err);
// The same from one file, without a way out.
tn_status tr_checkpoint_read(const char *path, const tr_checkpoint *run, tr_state *state,
                             tn_error *err);

bool tr_checkpoint_exists(const char *folder); // one of the two, whatever its content
// The path of the newest: for messages. Returns out.
const char *tr_checkpoint_path(const char *folder, bool previous, char *out, size_t bytes);
