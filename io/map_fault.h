// SPDX-License-Identifier: Apache-2.0
// A mapped file that another process makes shorter raises SIGBUS at the next read behind its new
// end. A program that calls io_map_report_faults gets one sentence with the file's name and exit
// code 1 instead of a crash without a word. A library must not take a signal from its caller, so
// only the lexmask command calls it.
#pragma once

#include <stddef.h>

// Installs the handler of SIGBUS. Faults outside of mapped files crash as before.
void io_map_report_faults(void);

// Remembers a mapped file until io_map_forget, for io/file.c. Files beyond the 64th are not
// remembered, nor are paths over 1023 bytes whole.
void io_map_remember(const void *bytes, size_t count, const char *path);
void io_map_forget(const void *bytes);
