// SPDX-License-Identifier: Apache-2.0
// Where and with what a command computes: its kernel context, opened from its options.
#pragma once

#include "kernels/kernels.h"
#include "tools/shared/options.h"

typedef struct tool_context_options {
    const char *device; // set by --device, which every command has; checked
    const char *dtype;  // of products: "f32" or "bf16"
    int64_t threads;    // 0: all processors
} tool_context_options;

extern tool_context_options tool_context;          // of this run
extern const tool_option_group tool_thread_group;  // --threads
extern const tool_option_group tool_compute_group; // --threads, --dtype

// A context as the options say. TN_EDEVICE (bf16 at level ref, too), TN_ENOMEM.
tn_status tool_context_open(kn_ctx **out, tn_error *err);
