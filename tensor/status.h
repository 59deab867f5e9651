// SPDX-License-Identifier: Apache-2.0
// There are two kinds of error. A programmer's mistake aborts through TN_CHECK. An error from
// outside (files, pictures, memory, devices) is returned as a tn_status with a printable text that
// names the file, the position and what was expected.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tn_status {
    TN_OK = 0,
    TN_EINVAL,       // an argument, option or configuration value that cannot be used
    TN_EIO,          // open, read, write, rename or network failed
    TN_EFORMAT,      // bytes from outside do not follow the format
    TN_ENOMEM,       // out of memory, or over a limit
    TN_EUNSUPPORTED, // well-formed, but not supported by this program
    TN_EDEVICE,      // a device is missing or failed
    TN_ECANCELLED,   // stopped by the caller's cancel callback or by a signal
} tn_status;

// Owned by the caller. Functions fill it when they fail and leave it unchanged otherwise.
typedef struct tn_error {
    tn_status status;
    char text[1024];
} tn_error;

// Sets status and text (err may be NULL) and returns status, for use as `return tn_fail(...)`.
tn_status tn_fail(tn_error *err, tn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts "prefix: " before the existing text: for a caller that knows the file or the position.
tn_status tn_fail_prefix(tn_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

const char *tn_status_name(tn_status status);

// Returns a failure to the caller. Only where nothing has to be released; otherwise `goto done`.
#define TN_TRY(expression)                                                                         \
    do {                                                                                           \
        tn_status tn_try_status_ = (expression);                                                   \
        if (tn_try_status_ != TN_OK) return tn_try_status_;                                        \
    } while (0)

// A programmer's mistake: prints expression, source line and the given text, then aborts. Active in
// every build.
#define TN_CHECK(condition, ...)                                                                   \
    do {                                                                                           \
        if (!(condition)) tn_check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);            \
    } while (0)

_Noreturn void tn_check_failed(const char *file, int line, const char *condition,
                               const char *format, ...) __attribute__((format(printf, 4, 5)));
