// SPDX-License-Identifier: Apache-2.0
// A folder of the test program's own under /tmp, for files that a test writes.
#pragma once

#include <stddef.h>

// Group fixtures for cmocka_run_group_tests: make the folder, remove it with what is in it.
int temporary_setup(void **state);
int temporary_teardown(void **state);
// "FOLDER/name", valid until the eighth call from now.
const char *temporary_path(const char *name);
// Writes the file (over an old one) and returns its path.
const char *temporary_file(const char *name, const void *bytes, size_t count);
// How many entries the folder holds.
int temporary_count(void);
