// SPDX-License-Identifier: Apache-2.0
// The tape (docs/architecture.md): records a forward pass by modules, and runs it once in reverse.
//
// A training step:
//  tn_arena_reset(step, 0); nn_tape_reset(tape); nn_params_zero_grad(params);
//  forward with cx->tape = tape;
//  for each loss: nn_tape_loss_grad(cx, &its_input, &gradient), which the loss kernel writes;
//  nn_tape_backward(cx); optimizer; nn_params_changed(params, kn).
//
// Activations are identified by address. A view of a recorded output (tn_reshape, tn_slice) is that
// output or a part of it, so views need no operation for their gradients. The memory of a recorded
// forward pass must therefore stay unchanged until the backward pass is over: nothing is written in
// place over an output, and scopes (nn_scope_leave) keep what was recorded in them.
#pragma once

#include "nn/nn.h"

tn_status nn_tape_new(nn_tape **out, tn_error *err);
void nn_tape_free(nn_tape *tape); // NULL is fine
void nn_tape_reset(nn_tape *tape);
int64_t nn_tape_records(const nn_tape *tape);
size_t nn_tape_bytes(const nn_tape *tape); // peak size of the gradients of activations

// Requests the gradient of x: for a tensor that no module made, or to read it after the backward
// pass. To be called before x is used, or, for an output, before the backward pass.
void nn_tape_watch(nn_ctx *cx, const tn_tensor *x);
// After the backward pass: the gradient of a watched tensor (or a view of one). False: it has none.
bool nn_tape_watched_grad(const nn_ctx *cx, const tn_tensor *x, tn_tensor *dx);

// The gradient tensor of x, to be written by a loss. x is a recorded output, or a part of one, that
// has no gradient yet. If no gradient of x is wanted, dx is unused memory of the step arena.
// TN_ENOMEM.
tn_status nn_tape_loss_grad(nn_ctx *cx, const tn_tensor *x, tn_tensor *dx);
// Runs all records, last first. Gradients of parameters are added to the existing ones. TN_ENOMEM
// also if memory ran out while recording.
tn_status nn_tape_backward(nn_ctx *cx);
// The same in less memory: gradients overwrite recorded memory as soon as no record needs it.
// Afterwards nothing that was allocated from the step arena since the first record may be read,
// except gradients of watched tensors.
tn_status nn_tape_backward_in_place(nn_ctx *cx);

// For comparisons with another implementation, whose rounding may put a value on the other side of
// a ReLU: lists the outputs of all ReLUs from now on, until the next reset.
void nn_tape_list_relus(nn_tape *tape);
const tn_tensor *nn_tape_relus(const nn_tape *tape, int64_t *count);

// ---- for modules ------------------------------------------------------------------------------

// Reads `saved` and adds to the gradients of inputs and parameters.
typedef tn_status nn_backward(nn_ctx *cx, const void *saved);

// Whether the gradient of x has to be computed. False without a tape and for empty tensors.
bool nn_tape_wants(const nn_ctx *cx, const tn_tensor *x);
// Records that y was made: run will be called with a copy of saved. y must not overlap another
// output. Everything that run needs must already be in the step arena. When memory runs out, the
// tape notes that and nn_tape_backward reports it. y NULL: an output of another record was changed
// in place and has the same gradient; allowed only if that record does not need its output.
void nn_tape_push(nn_ctx *cx, nn_backward *run, const void *saved, size_t bytes,
                  const tn_tensor *y);
// y is a second output of the last pushed record.
void nn_tape_add_output(nn_ctx *cx, const tn_tensor *y);
// In a backward function: the gradient of the record's output, which may be overwritten. dy->data
// is NULL if it has none; then there is nothing to do. TN_ENOMEM.
tn_status nn_tape_output_grad(nn_ctx *cx, const tn_tensor *y, tn_tensor *dy);
// The gradient of x: to be written if *beta is 0, to be added to if it is 1. Requires
// nn_tape_wants(cx, x). TN_ENOMEM.
tn_status nn_tape_input_grad(nn_ctx *cx, const tn_tensor *x, double *beta, tn_tensor *dx);
// Both, for a record with one input. dx->data is NULL also if the gradient of x is not wanted.
tn_status nn_tape_both_grads(nn_ctx *cx, const tn_tensor *y, const tn_tensor *x, tn_tensor *dy,
                             double *beta, tn_tensor *dx);
// Adds dy to the gradient of x, which has the same number of elements, if it is wanted.
tn_status nn_tape_add_gradient(nn_ctx *cx, const tn_tensor *x, const tn_tensor *dy);
// y is the output of a ReLU.
void nn_tape_relu(nn_ctx *cx, const tn_tensor *y);
// Notes that memory ran out while recording.
void nn_tape_out_of_memory(nn_ctx *cx);
