// SPDX-License-Identifier: Apache-2.0
#include "io/map_fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_MAPS 64
#define MAX_PATH 1024

// The handler may run at any time: an entry is valid as soon as `bytes` is set.
typedef struct mapped {
    _Atomic(const char *) bytes; // NULL: free; &taken: being written
    size_t count;
    char path[MAX_PATH];
} mapped;

static mapped maps[MAX_MAPS];
static const char taken;

void io_map_register(const void *bytes, size_t count, const char *path) {
    for (int i = 0; i < MAX_MAPS; i++) {
        const char *unused = NULL;
        if (!atomic_compare_exchange_strong(&maps[i].bytes, &unused, &taken)) continue;
        maps[i].count = count;
        snprintf(maps[i].path, MAX_PATH, "%s", path);
        atomic_store(&maps[i].bytes, bytes);
        return;
    }
}

void io_map_unregister(const void *bytes) {
    for (int i = 0; i < MAX_MAPS; i++) {
        const char *found = bytes;
        if (atomic_compare_exchange_strong(&maps[i].bytes, &found, NULL)) return;
    }
}

static void say(const char *text) {
    size_t count = strlen(text);
    while (count) {
        ssize_t n = write(STDERR_FILENO, text, count);
        if (n <= 0) return;
        text += n, count -= (size_t)n;
    }
}

// Uses only functions that are allowed in a signal handler.
static void report(int number, siginfo_t *info, void *context) {
    (void)context;
    uintptr_t at = (uintptr_t)info->si_addr;
    for (int i = 0; i < MAX_MAPS; i++) {
        const char *bytes = atomic_load(&maps[i].bytes);
        uintptr_t from = (uintptr_t)bytes;
        if (!bytes || bytes == &taken || at < from || at - from >= maps[i].count) continue;
        say("\rlexmask: ");
        say(maps[i].path);
        say(": the file became shorter while it was in use, or its disk failed; copy it again "
            "and repeat the command\n");
        _exit(1);
    }
    signal(number, SIG_DFL); // returning repeats the fault, which then ends the program
}

void io_map_report_faults(void) {
    struct sigaction action = {.sa_sigaction = report, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
