// SPDX-License-Identifier: Apache-2.0
// The ONNX project's published node tests: an independent oracle for single operations. A handler
// arranges the inputs of a case as a kernel takes them (channels last), runs it, and compares; or
// it states what the kernel does not support.
#pragma once

#include "io/json.h"
#include "kernels/kernels.h"

#define ONNX_INPUTS 8

typedef struct onnx_node {
    const char *name, *op;
    io_json attributes;
    tn_tensor in[ONNX_INPUTS]; // in the order of the node's inputs; rank -1 if absent
    tn_tensor out;             // the first output, which is compared
    kn_ctx *cx;
    const char *why; // set by a handler that returns false: what no kernel supports
} onnx_node;

// True if the case was run and was equal (a difference fails the test); false if the kernels do not
// support it.
typedef bool (*onnx_handler)(onnx_node *n);
onnx_handler onnx_find(const char *op); // NULL for an operation without a kernel
bool onnx_attention(onnx_node *n);

static inline bool onnx_has(const onnx_node *n, int input) {
    return n->in[input].rank >= 0;
}
// Attributes, with the standard's default.
int64_t onnx_int(const onnx_node *n, const char *key, int64_t otherwise);
double onnx_real(const onnx_node *n, const char *key, double otherwise);
bool onnx_is(const onnx_node *n, const char *key, const char *value, const char *otherwise);
// Up to `room` integers; false if the attribute is absent.
bool onnx_ints(const onnx_node *n, const char *key, int64_t *out, int room);

bool onnx_not_offered(onnx_node *n, const char *why); // returns false
// max|difference| <= 1e-5 (float32), or equal; fails the test with the case's name.
bool onnx_equal(const onnx_node *n, const tn_tensor *got);
