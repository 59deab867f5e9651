// SPDX-License-Identifier: Apache-2.0
// If another process makes a mapped file shorter, the next read past its new end raises SIGBUS.
// After io_map_report_faults, the program prints one sentence with the file's name and exits with
// code 1 instead of crashing silently. A library must not take a signal from its caller, so only
// the lexmask command calls it.
#pragma once

#include <stddef.h>

// Installs the handler of SIGBUS. Faults outside mapped files crash as before.
void io_map_report_faults(void);

// Registers a mapped file until io_map_unregister, for io/file.c. At most 64 files are registered;
// further ones are ignored. Paths are cut at 1023 bytes.
void io_map_register(const void *bytes, size_t count, const char *path);
void io_map_unregister(const void *bytes);
