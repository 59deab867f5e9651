// SPDX-License-Identifier: Apache-2.0
// Runs the built program as a user would, and checks its output.
#pragma once

#include "tests/support/temporary.h"
#include "tests/support/test.h"

typedef struct test_run {
    int code;        // exit code; 128 + n if signal n ended it
    char *out, *err; // its output, with a 0 at the end
    double seconds;
} test_run;

// Runs $BUILD/lexmask (BUILD defaults to "build") with the words, split at spaces (no quoting; a
// tab stands for a space inside a word). Release with test_run_free.
test_run test_lexmask(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The same, but sends SIGINT after the given seconds.
test_run test_lexmask_interrupted(double seconds, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// The same with another signal.
test_run test_lexmask_stopped(int signal, double seconds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The same with a closed pipe as standard output.
test_run test_lexmask_unread(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The same with a terminal as standard error; err is what the terminal received.
test_run test_lexmask_at_terminal(const char *format, ...) __attribute__((format(printf, 1, 2)));
void test_run_free(test_run *run);

// Fails, printing both outputs, unless the exit code is as wanted.
#define ASSERT_CODE(run, wanted)                                                                   \
    do {                                                                                           \
        if ((run).code != (wanted))                                                                \
            fail_msg("exit code %d, expected %d\n%s\n%s", (run).code, (wanted), (run).out,         \
                     (run).err);                                                                   \
    } while (0)
#define ASSERT_SAYS(text, part)                                                                    \
    do {                                                                                           \
        if (!strstr((text), (part))) fail_msg("'%s' is not in:\n%s", (part), (text));              \
    } while (0)

// Each command line must end with exit code 2 and a message on standard error that contains the
// second text.
void test_misuse(const char *const cases[][2], size_t count);

// The path of the first picture of the demo; -1 if there is none.
int test_demo_picture(char *out, size_t size);
