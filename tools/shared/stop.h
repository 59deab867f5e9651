// SPDX-License-Identifier: Apache-2.0
// What ends a command early: Ctrl-C, SIGTERM, and a reader of standard output that goes away
// (`| head`).
#pragma once

#include <stdbool.h>

// Ctrl-C and SIGTERM set a flag once; a second one ends the program at once. The first Ctrl-C is
// answered at once, though the batch that runs is ended first.
void tool_catch_signals(void);
// Standard output could not be written because nobody reads it any more. Silent: it is no error.
bool tool_reader_gone(void);
// A signal came, or the reader of standard output is gone. Asked between batches of work.
bool tool_interrupted(void);
// The program's exit code for a command's: 128 + the signal's number when that ended it, so 130 for
// Ctrl-C, 143 for SIGTERM, 141 for a reader that is gone. Flushes standard output; one that cannot
// be written for another reason is reported, and 1.
int tool_exit_code(int code);
