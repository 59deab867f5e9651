// SPDX-License-Identifier: Apache-2.0
#include "tensor/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tn_status tn_fail(tn_error *err, tn_status status, const char *format, ...) {
    if (err) {
        err->status = status;
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return status;
}

tn_status tn_fail_prefix(tn_error *err, const char *format, ...) {
    if (!err) return TN_EINVAL;
    char prefix[sizeof err->text], rest[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    memcpy(rest, err->text, sizeof rest);
    rest[sizeof rest - 1] = 0;
    size_t room = sizeof err->text - 1, head = strnlen(prefix, room - 2);
    memcpy(err->text, prefix, head);
    memcpy(err->text + head, ": ", 2);
    size_t tail = strnlen(rest, room - head - 2);
    memcpy(err->text + head + 2, rest, tail);
    err->text[head + 2 + tail] = 0;
    return err->status;
}

const char *tn_status_name(tn_status status) {
    static const char *const names[] = {
        [TN_OK] = "ok",
        [TN_EINVAL] = "invalid argument",
        [TN_EIO] = "input/output error",
        [TN_EFORMAT] = "malformed data",
        [TN_ENOMEM] = "out of memory",
        [TN_EUNSUPPORTED] = "not supported",
        [TN_EDEVICE] = "device error",
        [TN_ECANCELLED] = "cancelled",
    };
    size_t i = (size_t)status;
    return i < sizeof names / sizeof *names ? names[i] : "unknown status";
}

_Noreturn void tn_check_failed(const char *file, int line, const char *condition,
                               const char *format, ...) {
    fprintf(stderr, "lexmask: internal error at %s:%d: %s: ", file, line, condition);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}
