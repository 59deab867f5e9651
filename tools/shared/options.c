// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/options.h"

#include "tensor/alloc.h"
#include "tools/shared/context.h"
#include "tools/shared/suggest.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const tool_common_option tool_common[TOOL_COMMON] = {
    {"--device", "NAME", "where to compute: cpu (the default)", .choices = "cpu"},
    {"-q, --quiet", NULL, "no notes and no progress; errors and results alone"},
    {"-v, --verbose", NULL, "more notes"},
    {"-h, --help", NULL, "this text"},
};

bool tool_list_add(tool_list *list, const char *word) {
    if ((list->count & (list->count - 1)) == 0) { // full at every power of two
        size_t room = list->count ? 2 * list->count : 1;
        const char **more = tn_realloc(list->word, list->count * sizeof *more, room * sizeof *more);
        if (!more) return false;
        list->word = more;
    }
    list->word[list->count++] = word;
    return true;
}

void tool_list_free(tool_list *list) {
    tn_free(list->word);
    *list = (tool_list){0};
}

static bool is_choice(const char *choices, const char *word) {
    size_t length = strlen(word);
    for (const char *at = choices; length && *at; at += *at == '|') {
        size_t part = strcspn(at, "|");
        if (part == length && !strncmp(at, word, length)) return true;
        at += part;
    }
    return false;
}

static bool set_number(const tool_option *option, const char *word) {
    char *end;
    errno = 0;
    double value = strtod(word, &end);
    bool whole = option->kind == TOOL_INT;
    if (!*word || *end || errno || !isfinite(value) || value < option->low ||
        value > option->high || (whole && value != floor(value))) {
        tool_error("--%s '%s': expected %s from %.10g to %.10g", option->name, word,
                   whole ? "a whole number" : "a number", option->low, option->high);
        return false;
    }
    if (whole)
        *(int64_t *)option->value = (int64_t)value;
    else
        *(double *)option->value = value;
    return true;
}

static bool set(const tool_option *option, const char *word) {
    switch (option->kind) {
    case TOOL_FLAG:
        *(bool *)option->value = true;
        return true;
    case TOOL_TEXT:
        *(const char **)option->value = word;
        return true;
    case TOOL_INT:
    case TOOL_REAL:
        return set_number(option, word);
    case TOOL_CHOICE:
        if (!is_choice(option->choices, word)) {
            tool_error("--%s '%s': expected %s%s", option->name, word,
                       strchr(option->choices, '|') ? "one of " : "", option->choices);
            return false;
        }
        *(const char **)option->value = word;
        return true;
    case TOOL_LIST:
        break;
    }
    if (tool_list_add(option->value, word)) return true;
    tool_error("--%s: out of memory", option->name);
    return false;
}

const tool_option *tool_option_at(const tool_command *command, size_t i, const char **title) {
    size_t count;
    const tool_option *own = command->options(&count);
    if (title) *title = NULL;
    if (i < count) return &own[i];
    i -= count;
    for (size_t g = 0; command->shared && command->shared[g]; g++) {
        const tool_option_group *group = command->shared[g];
        if (title && i == 0) *title = group->title;
        if (i < group->count) return &group->row[i];
        i -= group->count;
    }
    return NULL;
}

static const tool_option *find(const tool_command *command, const char *name, size_t length) {
    const tool_option *option;
    for (size_t i = 0; (option = tool_option_at(command, i, NULL)); i++)
        if (strlen(option->name) == length && !strncmp(option->name, name, length)) return option;
    return NULL;
}

// Options of this run's command line, each once, in their order.
#define GIVEN 256
static const tool_option *given[GIVEN];
static size_t given_count;

static void note_given(const tool_option *option) {
    for (size_t i = 0; i < given_count; i++)
        if (given[i] == option) return;
    TN_CHECK(given_count < GIVEN, "more than %d options", GIVEN);
    given[given_count++] = option;
}

const tool_option *tool_given_of(const tool_option_group *group) {
    for (size_t i = 0; i < given_count; i++)
        for (size_t k = 0; k < group->count; k++)
            if (given[i] == &group->row[k]) return given[i];
    return NULL;
}

bool tool_given(const void *value) {
    for (size_t i = 0; i < given_count; i++)
        if (given[i]->value == value) return true;
    return false;
}

const tool_option *tool_given_unused(unsigned kinds) {
    for (size_t i = 0; i < given_count; i++)
        if (given[i]->used_by && !(given[i]->used_by & kinds)) return given[i];
    return NULL;
}

static tool_parsed misused(const tool_command *command) {
    fprintf(stderr, "try: lexmask %s --help\n", command->name);
    return TOOL_MISUSED;
}

static tool_parsed unknown(const tool_command *command, const char *word) {
    const char *name = word + strspn(word, "-");
    char advice[128];
    tool_suggest_option(command, name, strcspn(name, "="), advice, sizeof advice);
    tool_error("%s: no such option%s", word, advice);
    return misused(command);
}

static bool is_one_of(const char *word, const char *a, const char *b) {
    return !strcmp(word, a) || !strcmp(word, b);
}

static tool_parsed missing(const tool_command *command, const char *name, const char *metavar) {
    tool_error("--%s: a value is missing (%s)", name, metavar);
    return misused(command);
}

static tool_parsed set_device(const tool_command *command, const char *name) {
    tn_error err = {0};
    if (!name) return missing(command, "device", "NAME");
    if (kn_device_check(name, &err) != TN_OK) {
        tool_error("%s", err.text);
        return misused(command);
    }
    tool_context.device = name;
    return TOOL_GO;
}

// One option at argv[*at] with its values; *at moves to the last word that it took.
static tool_parsed parse_option(const tool_command *command, int argc, char **argv, int *at) {
    const char *word = argv[*at];
    if (is_one_of(word, "-h", "--help")) {
        tool_print_help(command, stdout);
        return TOOL_HELPED;
    }
    bool quiet = is_one_of(word, "-q", "--quiet");
    if (quiet || is_one_of(word, "-v", "--verbose")) {
        tool_verbosity = quiet ? -1 : 1;
        return TOOL_GO;
    }
    if (strncmp(word, "--", 2)) return unknown(command, word);
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
    if (length == strlen("device") && !strncmp(word + 2, "device", length))
        return set_device(command, equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL);
    const tool_option *option = find(command, word + 2, length);
    if (!option) return unknown(command, word);
    note_given(option);
    if (option->kind == TOOL_FLAG) {
        if (!equals) return set(option, ""), TOOL_GO;
        tool_error("--%s takes no value", option->name);
        return misused(command);
    }
    if (!equals && *at + 1 >= argc) return missing(command, option->name, option->metavar);
    if (!set(option, equals ? equals + 1 : argv[++*at])) return misused(command);
    while (option->many && !equals && *at + 1 < argc && strncmp(argv[*at + 1], "-", 1))
        if (!set(option, argv[++*at])) return misused(command);
    return TOOL_GO;
}

tool_parsed tool_parse(const tool_command *command, int argc, char **argv, tool_list *rest) {
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!only_words && !strcmp(word, "--")) {
            only_words = true;
        } else if (only_words || word[0] != '-' || !word[1]) {
            if (!rest) {
                tool_error("'%s': this command takes no such argument", word);
                return misused(command);
            }
            if (!tool_list_add(rest, word)) return misused(command);
        } else {
            tool_parsed parsed = parse_option(command, argc, argv, &i);
            if (parsed != TOOL_GO) return parsed;
        }
    }
    const char *wrong = command->misuse ? command->misuse(rest) : NULL;
    if (!wrong) return TOOL_GO;
    tool_error("%s", wrong);
    return misused(command);
}

int tool_run(const tool_command *command, int argc, char **argv, bool takes_words,
             tn_status (*work)(const tool_list *words, tn_error *err)) {
    tool_list words = {0};
    tn_error err = {0};
    int code = tool_parse(command, argc, argv, takes_words ? &words : NULL);
    if (code == TOOL_GO) code = work(&words, &err) == TN_OK ? 0 : tool_failed(&err);
    tool_list_free(&words);
    return code;
}
