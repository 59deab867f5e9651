// SPDX-License-Identifier: Apache-2.0
// A folder under /tmp for the files of a test program.
#pragma once

#include <stddef.h>

// Created on first use.
const char *temporary_folder(void);
// A fixture for cmocka_run_group_tests: removes the folder and its contents.
int temporary_teardown(void **state);
// "FOLDER/name", valid until the eighth later call of this function or the next two.
const char *temporary_path(const char *name);
// Writes the file (replacing an old one) and returns its path.
const char *temporary_file(const char *name, const void *bytes, size_t count);
const char *temporary_text(const char *name, const char *text);
// Number of entries in the folder.
int temporary_count(void);
