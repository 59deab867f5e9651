// SPDX-License-Identifier: Apache-2.0
// Files as a command line names them.
#pragma once

#include "tools/shared/options.h"

// Paths of pictures from words that are files, folders, glob patterns or @FILE, a list of such with
// one per line (@-: standard input), in the order given, each folder's pictures by name. recursive:
// behind them those of its folders. Notes what else a folder holds. TN_EINVAL for none, naming the
// word. Release with tool_paths_free.
typedef struct tool_paths {
    char **path;
    size_t count;
} tool_paths;
tn_status tool_find_pictures(const tool_list *words, bool recursive, tool_paths *out,
                             tn_error *err);
void tool_paths_free(tool_paths *paths);

// "name" of "/a/name.jpg": for files that are written beside. Cut to fit.
void tool_stem(const char *path, char *out, size_t bytes);

// A text file's lines (or standard input's, for "-"): byte order mark and carriage
// returns dropped, a zero byte is refused. words point into *text; release
// both.
tn_status tool_read_lines(const char *path, char **text, tool_list *lines, tn_error *err);
