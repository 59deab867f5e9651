// SPDX-License-Identifier: Apache-2.0
#include "tools/train/run_settings.h"

#include <stdarg.h>
#include <stdio.h>

void tool_run_set(tool_run_settings *settings, const char *key, const char *format, ...) {
    va_list list;
    TN_CHECK(settings->count < TOOL_RUN_SETTINGS, "too many settings");
    char *text = settings->text[settings->count];
    va_start(list, format);
    vsnprintf(text, sizeof settings->text[0], format, list);
    va_end(list);
    settings->pair[settings->count++] = (io_text_pair){key, text};
}
