// SPDX-License-Identifier: Apache-2.0
#include "tests/temporary.h"

#include "tests/test.h"

#include <dirent.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

int temporary_setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/lexmask-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at) {
    (void)info, (void)type, (void)at;
    return remove(path);
}

int temporary_teardown(void **state) {
    (void)state;
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *temporary_path(const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

const char *temporary_file(const char *name, const void *bytes, size_t count) {
    const char *path = temporary_path(name);
    unlink(path); // writing over a file waits for the disk on some file systems
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(count ? fwrite(bytes, 1, count, file) : 0, count);
    assert_int_equal(fclose(file), 0);
    return path;
}

int temporary_count(void) {
    int count = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    while (readdir(entries)) count++;
    closedir(entries);
    return count - 2; // without . and ..
}
