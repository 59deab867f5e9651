// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/stop.h"

#include "tools/shared/options.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t caught; // the signal's number
static bool terminal;                // standard error is one: a bar may stand there

// A batch may take seconds: who pressed Ctrl-C is answered at once. In a handler only write is
// allowed.
static void answer(void) {
    static const char clear[] = "\r\033[K",
                      text[] = "lexmask: stopping after this batch; Ctrl-C again stops at once\n";
    ssize_t ignored = terminal ? write(STDERR_FILENO, clear, sizeof clear - 1) : 0;
    ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
}

static void on_signal(int number) {
    int before = errno;
    if (caught) _exit(128 + number);
    caught = number;
    if (number == SIGINT && tool_verbosity >= 0) answer();
    errno = before;
}

void tool_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    terminal = isatty(STDERR_FILENO);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool tool_reader_gone(void) {
    if (!ferror(stdout)) return false;
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&output, 1, 0) == 1 && (output.revents & POLLERR);
}

bool tool_interrupted(void) {
    return caught || tool_reader_gone();
}

int tool_exit_code(int code) {
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (code && caught) return 128 + caught;
    if (written) return code;
    if (tool_reader_gone()) return 128 + SIGPIPE;
    if (!code) tool_error("standard output: cannot write");
    return code ? code : 1;
}
