// SPDX-License-Identifier: Apache-2.0
// Messages to people, on stderr.
#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <stdarg.h>

int tool_verbosity;

static void say(const char *format, va_list args) {
    tool_progress_hide();
    fputs("lexmask: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void tool_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void tool_note(const char *format, ...) {
    if (tool_verbosity < 0) return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void tool_detail(const char *format, ...) {
    if (tool_verbosity < 1) return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

int tool_failed(const tn_error *err) {
    tool_error("%s", err->text[0] ? err->text : tn_status_name(err->status));
    return err->status == TN_EINVAL ? 2 : 1;
}
