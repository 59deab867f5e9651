// SPDX-License-Identifier: Apache-2.0
// The subcommands, one file each, and what several of them share.
#pragma once

#include "tools/options.h"

extern const tool_command tool_detect, tool_embed, tool_tokenize, tool_preprocess, tool_info,
    tool_convert, tool_verify, tool_pull, tool_bench, tool_eval, tool_report, tool_train,
    tool_scenes, tool_tokenizer_train, tool_pretrain, tool_refine;

// Paths of pictures from words that are files, folders or glob patterns, in the order given, each
// folder's pictures by name. TN_EINVAL for none, naming the word. Release with tool_paths_free.
typedef struct tool_paths {
    char **path;
    size_t count;
} tool_paths;
tn_status tool_find_pictures(const tool_list *words, tool_paths *out, tn_error *err);
void tool_paths_free(tool_paths *paths);

// "name" of "/a/name.jpg": for files that are written beside. Cut to fit.
void tool_stem(const char *path, char *out, size_t bytes);

// Ctrl-C and SIGTERM set a flag once; a second one ends the program at once.
void tool_catch_signals(void);
bool tool_interrupted(void);

// A bar with rate and time left where stderr is a terminal; nothing in a log, with -q, or for a
// handful of items. Messages (tool_error …) take it off their line; who prints results to standard
// output hides it before. The next step draws it again.
typedef struct tool_progress {
    size_t total, done;
    double start, shown; // seconds, monotonic
    bool bar;
} tool_progress;
double tool_seconds(void);
tool_progress tool_progress_start(size_t total);
void tool_progress_step(tool_progress *progress, const char *item); // one more
void tool_progress_to(tool_progress *progress, size_t done, const char *item);
// What embeds names (md_vocabulary_options, lexmask_names_options) tells of its sentences, as a
// bar; other than 0 when interrupted. user is not used.
int tool_sentences_progress(void *user, size_t done, size_t all);
void tool_progress_hide(void);

// A text file's lines (or standard input's, for "-"): byte order mark and carriage
// returns dropped, a zero byte is refused. words point into *text; release
// both.
tn_status tool_read_lines(const char *path, char **text, tool_list *lines, tn_error *err);
