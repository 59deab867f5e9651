// SPDX-License-Identifier: Apache-2.0
// Fetching one file over HTTP(S): resumed where an earlier try ended, checked by hash, and only
// then given its name.
#pragma once

#include "tensor/status.h"

typedef struct tool_download {
    const char *url, *path;
    const char *sha256; // hexadecimal digits: all 64, or the first few that a publisher gives
    // Called now and then; total is 0 while unknown. Another value than 0 cancels; what has come
    // so far is kept for the next try.
    int (*progress)(void *user, int64_t done, int64_t total);
    void *user;
} tool_download;

// Fetches into "PATH.part", going on where that file ends; a cut connection is tried again three
// times. TN_EIO: the network or the disk (the part stays, and the text says so); TN_EFORMAT: the
// hash is wrong (the part is removed); TN_ECANCELLED.
tn_status tool_download_run(const tool_download *download, tn_error *err);
