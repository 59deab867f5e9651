// SPDX-License-Identifier: Apache-2.0
// Two kinds of error, never mixed. A programmer's mistake aborts through TN_CHECK. A fault of the
// world (files, pictures, memory, devices) comes back as a tn_status with a text that is good
// enough to print: it names the file, the place and what was expected.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tn_status {
    TN_OK = 0,
    TN_EINVAL,       // an argument, option or configuration value that cannot be used
    TN_EIO,          // the system refused: open, read, write, rename, network
    TN_EFORMAT,      // bytes from outside are not what the format says
    TN_ENOMEM,       // out of memory, or over a limit
    TN_EUNSUPPORTED, // well-formed, but not something this program does
    TN_EDEVICE,      // a device is missing or failed
    TN_ECANCELLED,   // the caller's cancel callback or a signal ended it
} tn_status;

// The caller owns it; functions fill it when they fail and leave it alone when they do not.
typedef struct tn_error {
    tn_status status;
    char text[1024];
} tn_error;

// Sets status and text (err may be NULL) and returns status, so that `return tn_fail(...)` reads
// well.
tn_status tn_fail(tn_error *err, tn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts "prefix: " before the text that is there: for a caller that knows the file or the place.
tn_status tn_fail_prefix(tn_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

const char *tn_status_name(tn_status status);

// Hands a failure on to the caller. Only where nothing has to be released; otherwise `goto done`.
#define TN_TRY(expression)                                                                         \
    do {                                                                                           \
        tn_status tn_try_status_ = (expression);                                                   \
        if (tn_try_status_ != TN_OK) return tn_try_status_;                                        \
    } while (0)

// A programmer's mistake: prints expression, place and the given text, then aborts. In every build.
#define TN_CHECK(condition, ...)                                                                   \
    do {                                                                                           \
        if (!(condition)) tn_check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);            \
    } while (0)

_Noreturn void tn_check_failed(const char *file, int line, const char *condition,
                               const char *format, ...) __attribute__((format(printf, 4, 5)));
