// SPDX-License-Identifier: Apache-2.0
// What a run that goes on must have been told as it was at first: pairs that a checkpoint keeps,
// and hashes in this order, so a command always sets them in the same one.
#pragma once

#include "io/weights/safetensors.h"

#define TOOL_RUN_SETTINGS 40

typedef struct tool_run_settings {
    io_text_pair pair[TOOL_RUN_SETTINGS];
    char text[TOOL_RUN_SETTINGS][80];
    size_t count;
} tool_run_settings;

// key must outlive the settings.
void tool_run_set(tool_run_settings *settings, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
