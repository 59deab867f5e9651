// SPDX-License-Identifier: Apache-2.0
// Every kind of layer against PyTorch, torchvision and PIL on the same input: the cases of
// tests/golden/ops and tests/golden/bwd, and those of the folder in LEXMASK_DUMPS (make test
// DUMPS=DIR). Each file is a test, run at every level.
#include "tests/support/dump_kinds.h"
#include "tests/support/levels.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 4096 // files

static struct CMUnitTest tests[MAX_FILES];
static size_t test_count;

static void the_dump_is_reproduced(void **state) {
    const char *path = *state, *kind, *config;
    tn_error err;
    dump d = {0};
    ASSERT_OK(io_weights_open(path, &d.file, &err), err);
    kind = io_weights_meta(d.file, "kind");
    config = io_weights_meta(d.file, "config");
    if (!kind || !config) fail_msg("%s: no 'kind' or no 'config' in its metadata", path);
    ASSERT_OK(io_json_parse(config, strlen(config), path, &d.config, &err), err);
    for (int i = 0; i < levels_count(); i++) {
        guarded_free();
        d.cx = levels_at(i)->cx[TWO_THREADS];
        dump_run(&d, kind);
    }
    io_json_close(&d.config);
    io_weights_close(d.file);
}

static int is_dump(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > 12 && strcmp(entry->d_name + length - 12, ".safetensors") == 0;
}

// Every *.safetensors of a folder becomes a test; returns how many.
static int add_folder(const char *folder) {
    struct dirent **entries;
    int count = scandir(folder, &entries, is_dump, alphasort);
    for (int i = 0; i < count; i++) {
        char *path;
        if (test_count < MAX_FILES && asprintf(&path, "%s/%s", folder, entries[i]->d_name) >= 0)
            tests[test_count++] = (struct CMUnitTest){.name = strdup(entries[i]->d_name),
                                                      .test_func = the_dump_is_reproduced,
                                                      .initial_state = path};
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    printf("%s: %d dumps\n", folder, count < 0 ? 0 : count);
    return count;
}

int main(void) {
    const char *more = getenv("LEXMASK_DUMPS");
    if (add_folder("tests/golden/ops") < 100 || add_folder("tests/golden/bwd") < 60) return 1;
    if (more && *more && add_folder(more) <= 0) {
        printf("%s: no *.safetensors there\n", more);
        return 1;
    }
    int failed = _cmocka_run_group_tests("dumps", tests, test_count, levels_setup, levels_teardown);
    for (size_t i = 0; i < test_count; i++) {
        free(tests[i].initial_state);
        free((void *)(uintptr_t)tests[i].name);
    }
    return failed;
}
