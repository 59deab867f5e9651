// SPDX-License-Identifier: Apache-2.0
#include "tests/support/temporary.h"

#include "tests/support/test.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[32];

const char *temporary_folder(void) {
    if (!folder[0]) {
        strcpy(folder, "/tmp/lexmask-test-XXXXXX");
        if (!mkdtemp(folder)) fail_msg("cannot make %s", folder);
    }
    return folder;
}

int temporary_teardown(void **state) {
    (void)state;
    char command[128];
    if (!folder[0]) return 0; // no folder was created
    snprintf(command, sizeof command, "chmod -R u+rwX %s; rm -rf %s", folder, folder);
    folder[0] = 0;
    return system(command);
}

const char *temporary_path(const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", temporary_folder(), name);
    return path;
}

const char *temporary_file(const char *name, const void *bytes, size_t count) {
    const char *path = temporary_path(name);
    unlink(path); // overwriting a file waits for the disk on some file systems
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(count ? fwrite(bytes, 1, count, file) : 0, count);
    assert_int_equal(fclose(file), 0);
    return path;
}

const char *temporary_text(const char *name, const char *text) {
    return temporary_file(name, text, strlen(text));
}

int temporary_count(void) {
    int count = 0;
    DIR *entries = opendir(temporary_folder());
    assert_non_null(entries);
    while (readdir(entries)) count++;
    closedir(entries);
    return count - 2; // without . and ..
}
