// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/context.h"

#include <string.h>

tool_context_options tool_context = {.device = "cpu", .dtype = "f32"};

// One table: the groups are its first row and both of them.
static const tool_option table[] = {
    {"threads", TOOL_INT, "N", "threads that compute; default 0: all processors",
     &tool_context.threads, 0, 1024},
    {"dtype", TOOL_CHOICE, "TYPE", "number type: f32 (the default)", &tool_context.dtype,
     .choices = "f32"},
};

const tool_option_group tool_thread_group = {"the machine", table, 1};
const tool_option_group tool_compute_group = {"the machine", table, 2};

tn_status tool_context_open(kn_ctx **out, tn_error *err) {
    TN_TRY(kn_open(tool_context.device, NULL, (int)tool_context.threads, out, err));
    return kn_set_products(*out, TN_F32, err);
}

tn_status tool_set_matmul(kn_ctx *kn, const char *matmul, tn_error *err) {
    bool half = matmul && !strcmp(matmul, "bf16");
    return kn_set_products(kn, half ? TN_BF16 : TN_F32, err);
}
