// SPDX-License-Identifier: Apache-2.0
// The coarse tape (docs/architecture.md): what a forward pass recorded, walked once in reverse.
//
// A step of training:
//   tn_arena_reset(step, 0); nn_tape_reset(tape); nn_params_zero_grad(params);
//   forward with cx->tape = tape;
//   for each loss: nn_tape_start(cx, &its_input, &gradient), which the loss kernel writes;
//   nn_tape_backward(cx); optimizer; nn_params_changed(params, kn).
//
// Activations are known by their addresses. A view of a recorded output (tn_reshape, tn_slice) is
// that output or a part of it, and gradients find the right place without an operation of their
// own. So memory of a recorded forward must stay as it is until the walk is over: nothing is
// written in place over an output, and scopes (nn_scope_leave) keep what was recorded in them.
#pragma once

#include "nn/nn.h"

tn_status nn_tape_new(nn_tape **out, tn_error *err);
void nn_tape_free(nn_tape *tape); // NULL is fine
void nn_tape_reset(nn_tape *tape);
int64_t nn_tape_records(const nn_tape *tape);
size_t nn_tape_bytes(const nn_tape *tape); // gradients of activations at their peak

// The gradient of x is wanted though no module made x, or to be looked at after the walk.
// To be called before x is used, or, for an output, before the walk.
void nn_tape_watch(nn_ctx *cx, const tn_tensor *x);
// After the walk: the gradient of a watched tensor (or a view of one). False: nothing reached it.
bool nn_tape_gradient(const nn_ctx *cx, const tn_tensor *x, tn_tensor *dx);

// The gradient tensor of x, for a loss to write: x is a recorded output, or a part of one, that no
// gradient was started for. Where nothing asks for the gradient of x, dx is memory of the step
// arena that nobody reads. TN_ENOMEM.
tn_status nn_tape_start(nn_ctx *cx, const tn_tensor *x, tn_tensor *dx);
// Runs all records, last first. Gradients of parameters are added to what is there. TN_ENOMEM also
// for what was missing while recording.
tn_status nn_tape_backward(nn_ctx *cx);
// The same, in less memory: gradients are written over what was recorded as soon as no record needs
// it. Of what the step arena got since the first record, nothing may be looked at afterwards, but
// for gradients of watched tensors.
tn_status nn_tape_use_up(nn_ctx *cx);

// For comparisons with another implementation, which by rounding may come out on the other side of
// a ReLU: from now on the outputs of all ReLUs are listed as they are made, until the next reset.
void nn_tape_list_relus(nn_tape *tape);
const tn_tensor *nn_tape_relus(const nn_tape *tape, int64_t *count);

// ---- for modules ------------------------------------------------------------------------------

// Reads `saved` and adds to the gradients of inputs and parameters.
typedef tn_status nn_backward(nn_ctx *cx, const void *saved);

// Whether a gradient of x has to be computed. False without a tape and for empty tensors.
bool nn_tape_wants(const nn_ctx *cx, const tn_tensor *x);
// Records that y was made: run will be called with a copy of saved. y must not lie over another
// output. What run needs is in the step arena by now. When memory is out, the tape remembers that
// and nn_tape_backward says so. y NULL: an output of another record was changed in place, and its
// gradient is that of the changed one: only where that record does not need what it wrote.
void nn_tape_push(nn_ctx *cx, nn_backward *run, const void *saved, size_t bytes,
                  const tn_tensor *y);
// The record that was pushed last made this too.
void nn_tape_also(nn_ctx *cx, const tn_tensor *y);
// In a backward function: the gradient of the record's own output, which it may write over.
// dy->data is NULL when nothing reached it, and then there is nothing to do. TN_ENOMEM.
tn_status nn_tape_take(nn_ctx *cx, const tn_tensor *y, tn_tensor *dy);
// Where the gradient of x goes: with *beta 0 it is to be written, with 1 to be added to.
// Only where nn_tape_wants(cx, x). TN_ENOMEM.
tn_status nn_tape_grad(nn_ctx *cx, const tn_tensor *x, double *beta, tn_tensor *dx);
// Both, for a record of one input. dx->data is NULL, too, where x's gradient is not wanted.
tn_status nn_tape_through(nn_ctx *cx, const tn_tensor *y, const tn_tensor *x, tn_tensor *dy,
                          double *beta, tn_tensor *dx);
// Adds dy to the gradient of x, of equally many elements, if that is wanted.
tn_status nn_tape_pass(nn_ctx *cx, const tn_tensor *x, const tn_tensor *dy);
// y is the output of a ReLU.
void nn_tape_relu(nn_ctx *cx, const tn_tensor *y);
// Memory was out while recording.
void nn_tape_lost(nn_ctx *cx);
