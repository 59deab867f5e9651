// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/context.h"

#include <string.h>

tool_context_options tool_context = {.device = "cpu", .dtype = "f32"};

// One table: the groups are its first row and both of them.
static const tool_option table[] = {
    {"threads", TOOL_INT, "N", "threads that compute; default 0: all processors",
     &tool_context.threads, 0, 1024},
    {"dtype", TOOL_CHOICE, "TYPE",
     "number type of the networks' products: f32, or bf16: rounded to bfloat16, summed in float32, "
     "faster on processors that have AVX512_BF16 and slower on others; default f32",
     &tool_context.dtype, .choices = "f32|bf16"},
};

const tool_option_group tool_thread_group = {"the machine", table, 1};
const tool_option_group tool_compute_group = {"the machine", table, 2};

tn_status tool_context_open(kn_ctx **out, tn_error *err) {
    kn_ctx *kn;
    TN_TRY(kn_open(tool_context.device, NULL, (int)tool_context.threads, &kn, err));
    tn_dtype type = strcmp(tool_context.dtype, "bf16") ? TN_F32 : TN_BF16;
    tn_status status = kn_set_products(kn, type, err);
    if (status == TN_OK)
        *out = kn;
    else
        kn_close(kn);
    return status;
}
