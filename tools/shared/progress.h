// SPDX-License-Identifier: Apache-2.0
// What a command shows while it works, and how it is stopped.
#pragma once

#include "tools/shared/stop.h"

#include <stddef.h>

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

// Progress within one item, such as a picture that takes a minute: where stderr is a terminal, a
// line "naming boxes: 32 %, 0:40 left", before the bar if there is one.
typedef struct tool_part {
    double start, shown; // seconds, monotonic
} tool_part;
void tool_part_start(tool_part *part);
// done: 0 … 1. Returns how long all of it will take, in seconds; 0: not known yet.
double tool_part_to(tool_part *part, double done, const char *work);
