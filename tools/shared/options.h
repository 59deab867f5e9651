// SPDX-License-Identifier: Apache-2.0
// The command line as data: a command is a table of options, from which parsing, `--help` and the
// man page all come, so that they cannot disagree.
#pragma once

#include "tensor/status.h"

#include <stdio.h>

typedef enum tool_kind {
    TOOL_FLAG,   // bool: present or not
    TOOL_TEXT,   // const char *: the argument itself
    TOOL_LIST,   // tool_list: may be given several times, or takes several words (`many`)
    TOOL_INT,    // int64_t within [low, high]
    TOOL_REAL,   // double within [low, high]
    TOOL_CHOICE, // const char *: one of the words in `choices`, separated by |
} tool_kind;

typedef struct tool_list {
    const char **word; // grown by the parser; released by tool_list_free
    size_t count;
} tool_list;

typedef struct tool_option {
    const char *name; // without the dashes
    tool_kind kind;
    const char *metavar; // "FILE"; NULL for a flag
    const char *help;    // one sentence; defaults are named in it
    void *value;
    double low, high;    // numbers only
    const char *choices; // TOOL_CHOICE only
    bool many;           // TOOL_LIST: takes all words up to the next option
    // Bits of the kinds of a run that use the option, as its command numbers them; 0: all of them.
    unsigned used_by;
} tool_option;

// Rows that several commands share, with a heading in the help.
typedef struct tool_option_group {
    const char *title;
    const tool_option *row;
    size_t count;
} tool_option_group;

typedef struct tool_command {
    const char *name, *summary;
    const char *usage;    // what follows "lexmask NAME"
    const char *details;  // paragraphs under the options; may be NULL
    const char *examples; // lines of commands, as a user would type them
    // What is missing or contradicts itself, or NULL; asked when all options are known. words: what
    // is no option. May be NULL.
    const char *(*misuse)(const tool_list *words);
    int (*run)(const struct tool_command *self, int argc, char **argv);
    const tool_option *(*options)(size_t *count); // the table; values are the command's own statics
    const tool_option_group *const *shared;       // more rows; ends with NULL. May be NULL
} tool_command;

// Row i of a command's own table and of the groups behind it; NULL past the end. *title, unless
// NULL: the heading of the group that begins here, else NULL.
const tool_option *tool_option_at(const tool_command *command, size_t i, const char **title);

// What every command takes besides.
typedef struct tool_common_option {
    const char *name, *metavar, *help;
    const char *choices; // of its value, separated by |; NULL without one
} tool_common_option;
#define TOOL_COMMON 4
extern const tool_common_option tool_common[TOOL_COMMON];

// What is not TOOL_GO is the exit code.
typedef enum tool_parsed { TOOL_GO = -1, TOOL_HELPED = 0, TOOL_MISUSED = 2 } tool_parsed;

// Reads argv (what follows the command's name) into the options' values; other words go to rest
// (NULL if the command takes none). Prints help or what is wrong, and what to do next.
// tool_common and -- are known to every command.
tool_parsed tool_parse(const tool_command *command, int argc, char **argv, tool_list *rest);
// Parses and then runs the command's work: its exit code. words: what is no option; with
// takes_words false such words are misuse.
int tool_run(const tool_command *command, int argc, char **argv, bool takes_words,
             tn_status (*work)(const tool_list *words, tn_error *err));
// The first option on the command line that is in the group; NULL: none.
const tool_option *tool_given_of(const tool_option_group *group);
// Whether the option that writes here was on the command line.
bool tool_given(const void *value);
// The first one that none of these kinds of a run uses; NULL: none.
const tool_option *tool_given_unused(unsigned kinds);

void tool_print_help(const tool_command *command, FILE *out);
void tool_print_man(const tool_command *command, FILE *out); // a subsection in roff
void tool_print_common_man(FILE *out); // the options of every command, in roff

bool tool_list_add(tool_list *list, const char *word); // false when memory is out
void tool_list_free(tool_list *list);

extern int tool_verbosity; // -1 quiet, 0 usual, 1 verbose

// Messages to people, on stderr: "lexmask: …". tool_note is silent with -q, tool_detail needs -v.
void tool_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void tool_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void tool_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Prints a failed call's text; returns the exit code for it: 2 for what the user asked wrongly
// (TN_EINVAL), else 1.
int tool_failed(const tn_error *err);
