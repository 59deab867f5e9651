// SPDX-License-Identifier: Apache-2.0
#include "tensor/processors.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int affinity(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

// Reads the first line of folder/file.
static bool read_line(const char *folder, const char *file, char *line, int size) {
    char path[768];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, file) >= sizeof path) return false;
    FILE *from = fopen(path, "re");
    if (!from) return false;
    bool good = fgets(line, size, from) != NULL;
    fclose(from);
    return good;
}

// Quota divided by period, rounded up; 0 if the folder sets none. Version 2 has both in one file.
static int quota_of(const char *folder) {
    char line[64];
    double quota = 0, period = 0;
    if (read_line(folder, "cpu.max", line, sizeof line)) {
        if (sscanf(line, "%lf %lf", &quota, &period) != 2) return 0; // "max 100000"
    } else {
        if (!read_line(folder, "cpu.cfs_quota_us", line, sizeof line)) return 0;
        if (sscanf(line, "%lf", &quota) != 1) return 0; // -1: none
        if (!read_line(folder, "cpu.cfs_period_us", line, sizeof line)) return 0;
        if (sscanf(line, "%lf", &period) != 1) return 0;
    }
    if (!(quota > 0) || !(period > 0) || quota / period > 1e6) return 0;
    int whole = (int)(quota / period);
    return whole < quota / period ? whole + 1 : whole;
}

static void lower_to(int *limit, int quota) {
    if (quota && quota < *limit) *limit = quota;
}

// The smallest quota of the group and its ancestors. A container may see only its own part of the
// tree: then the upper folders of the path are missing, and its own group is the topmost.
static void limit_by_group(const char *tree, char *path, int *limit) {
    char folder[640];
    for (;;) {
        if ((size_t)snprintf(folder, sizeof folder, "%s%s", tree, path) < sizeof folder)
            lower_to(limit, quota_of(folder));
        char *last = strrchr(path, '/');
        if (!last) return;
        *last = 0;
    }
}

// True if `name` is in a comma-separated list.
static bool lists(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ',') && (at[length] == 0 || at[length] == ',')) return true;
    return false;
}

int tn_processors(const char *root) {
    int limit = affinity();
    char line[512], tree[256];
    snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
    FILE *from = fopen(line, "re");
    // Each line is number:controllers:path; version 2 has no controllers.
    while (from && fgets(line, sizeof line, from)) {
        char *controllers = strchr(line, ':'),
             *path = controllers ? strchr(++controllers, ':') : NULL;
        if (!path) continue;
        *path++ = 0;
        path[strcspn(path, "\n")] = 0;
        bool cpu = lists(controllers, "cpu");
        if (*controllers && !cpu) continue;
        snprintf(tree, sizeof tree, "%s/sys/fs/cgroup%s", root, cpu ? "/cpu" : "");
        limit_by_group(tree, path, &limit);
    }
    if (from) fclose(from);
    return limit < 1 ? 1 : limit;
}
