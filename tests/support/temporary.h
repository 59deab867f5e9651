// SPDX-License-Identifier: Apache-2.0
// A folder of the test program's own under /tmp, for files that a test writes.
#pragma once

#include <stddef.h>

// It is made when it is first asked for.
const char *temporary_folder(void);
// A fixture for cmocka_run_group_tests: removes it with what is in it.
int temporary_teardown(void **state);
// "FOLDER/name", valid until the eighth call from now, of this or of the next two.
const char *temporary_path(const char *name);
// Writes the file (over an old one) and returns its path.
const char *temporary_file(const char *name, const void *bytes, size_t count);
const char *temporary_text(const char *name, const char *text);
// How many entries the folder holds.
int temporary_count(void);
