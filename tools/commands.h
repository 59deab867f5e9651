// SPDX-License-Identifier: Apache-2.0
// The subcommands, one file each.
#pragma once

#include "tools/shared/options.h"

extern const tool_command tool_detect, tool_embed, tool_tokenize, tool_preprocess, tool_info,
    tool_convert, tool_verify, tool_pull, tool_bench, tool_eval, tool_report, tool_train,
    tool_scenes, tool_tokenizer_train, tool_pretrain, tool_refine;
