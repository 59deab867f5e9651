// SPDX-License-Identifier: Apache-2.0
// Completion for shells, made from the tables of options.
#pragma once

#include "tools/shared/options.h"

// Scripts for bash-completion's and zsh's folders of functions.
void tool_print_bash(const tool_command *const *commands, size_t count, FILE *out);
void tool_print_zsh(const tool_command *const *commands, size_t count, FILE *out);
