// SPDX-License-Identifier: Apache-2.0
// A run's parameters in the form that the optimizer and checkpoints need: spans, named parts,
// modules.
#pragma once

#include "nn/params.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"

// A part of the model whose gradient norm is logged: "rpn", "box_head", …: the text before the
// first dot of a name. Its parameters are consecutive.
typedef struct tr_module {
    char name[64];
    char norm_name[72];  // "norm.rpn": the log's name of its gradient norm
    int64_t from, count; // elements of the flat buffers
} tr_module;

typedef struct tr_trained {
    nn_params *params;
    tr_flat flat;
    tn_tensor average; // NULL data: none
    tr_checkpoint checkpoint;
    tr_module *modules;
    size_t module_count;
    // owned
    tr_span *spans;
    tr_part *parts;
    char *names;
} tr_trained;

// average: keep a moving average, initialised with the values. params and settings must outlive it.
// TN_ENOMEM.
tn_status tr_trained_init(tr_trained *trained, nn_params *params, bool average,
                          const io_text_pair *settings, size_t setting_count, tn_error *err);
// Divides the parameters between AdamW and Muon as `optimizer` says: each of Muon's parameters gets
// its own span. A kernel is a matrix with one row per index of its first dimension. TN_ENOMEM.
tn_status tr_trained_use_muon(tr_trained *trained, const tr_optimizer *optimizer, tn_error *err);
void tr_trained_deinit(tr_trained *trained);

// The first parameter with a non-finite gradient; NULL: none.
const char *tr_trained_bad_gradient(const tr_trained *trained, kn_ctx *kn);
// The first non-finite part of a checkpoint ("value/rpn.conv.weight"); NULL: none.
const char *tr_trained_bad_part(const tr_trained *trained, kn_ctx *kn);
// The norm of a module's gradients.
double tr_module_norm(const tr_trained *trained, kn_ctx *kn, const tr_module *module);
// Swaps the values and their moving average.
void tr_trained_swap_average(tr_trained *trained);
