// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/options.h"

#include "io/file.h"
#include "kernels/kernels.h"
#include "tensor/alloc.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int tool_verbosity;
const char *tool_device = "cpu";

// What every command takes besides its own options.
static const struct {
    const char *name, *metavar, *help;
} common[] = {
    {"--device", "NAME", "cpu (the default)"},
    {"-q, --quiet", NULL, "only errors"},
    {"-v, --verbose", NULL, "say more"},
    {"-h, --help", NULL, "this text"},
};
enum { COMMON = sizeof common / sizeof *common };

static void say(const char *format, va_list args) {
    tool_progress_hide();
    fputs("lexmask: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void tool_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void tool_note(const char *format, ...) {
    if (tool_verbosity < 0) return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void tool_detail(const char *format, ...) {
    if (tool_verbosity < 1) return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

int tool_failed(const tn_error *err) {
    tool_error("%s", err->text[0] ? err->text : tn_status_name(err->status));
    return err->status == TN_EINVAL ? 2 : 1;
}

tn_status tool_set_matmul(kn_ctx *kn, const char *matmul, tn_error *err) {
    bool half = matmul && !strcmp(matmul, "bf16");
    return kn_set_products(kn, half ? TN_BF16 : TN_F32, err);
}

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
            tool_error("--%s '%s': expected one of %s", option->name, word, option->choices);
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

typedef struct table {
    const tool_command *command;
    const tool_option *option;
    size_t count;
} table;

static table table_of(const tool_command *command) {
    table t = {.command = command};
    t.option = command->options(&t.count);
    return t;
}

static const tool_option *find(const table *t, const char *name, size_t length) {
    for (size_t i = 0; i < t->count; i++)
        if (strlen(t->option[i].name) == length && !strncmp(t->option[i].name, name, length))
            return &t->option[i];
    return NULL;
}

// The option that was probably meant: the longest common start, of at least three letters.
static const char *nearest(const table *t, const char *name) {
    const char *best = NULL;
    size_t most = 2;
    for (size_t i = 0; i < t->count; i++) {
        size_t same = 0;
        while (name[same] && t->option[i].name[same] == name[same]) same++;
        if (same > most) most = same, best = t->option[i].name;
    }
    return best;
}

static tool_parsed misused(const table *t) {
    fprintf(stderr, "try: lexmask %s --help\n", t->command->name);
    return TOOL_MISUSED;
}

static tool_parsed unknown(const table *t, const char *word) {
    const char *near = nearest(t, word + strspn(word, "-"));
    if (near)
        tool_error("%s: no such option; did you mean --%s?", word, near);
    else
        tool_error("%s: no such option", word);
    return misused(t);
}

static bool is_one_of(const char *word, const char *a, const char *b) {
    return !strcmp(word, a) || !strcmp(word, b);
}

static tool_parsed missing(const table *t, const char *name, const char *metavar) {
    tool_error("--%s: a value is missing (%s)", name, metavar);
    return misused(t);
}

static tool_parsed set_device(const table *t, const char *name) {
    tn_error err = {0};
    if (!name) return missing(t, "device", "NAME");
    if (kn_device_check(name, &err) != TN_OK) {
        tool_error("%s", err.text);
        return misused(t);
    }
    tool_device = name;
    return TOOL_GO;
}

// One option at argv[*at] with its values; *at moves to the last word that it took.
static tool_parsed parse_option(const table *t, int argc, char **argv, int *at) {
    const char *word = argv[*at];
    if (is_one_of(word, "-h", "--help")) {
        tool_print_help(t->command, stdout);
        return TOOL_HELPED;
    }
    bool quiet = is_one_of(word, "-q", "--quiet");
    if (quiet || is_one_of(word, "-v", "--verbose")) {
        tool_verbosity = quiet ? -1 : 1;
        return TOOL_GO;
    }
    if (strncmp(word, "--", 2)) return unknown(t, word);
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
    if (length == strlen("device") && !strncmp(word + 2, "device", length))
        return set_device(t, equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL);
    const tool_option *option = find(t, word + 2, length);
    if (!option) return unknown(t, word);
    if (option->kind == TOOL_FLAG) {
        if (!equals) return set(option, ""), TOOL_GO;
        tool_error("--%s takes no value", option->name);
        return misused(t);
    }
    if (!equals && *at + 1 >= argc) return missing(t, option->name, option->metavar);
    if (!set(option, equals ? equals + 1 : argv[++*at])) return misused(t);
    while (option->many && !equals && *at + 1 < argc && strncmp(argv[*at + 1], "-", 1))
        if (!set(option, argv[++*at])) return misused(t);
    return TOOL_GO;
}

tool_parsed tool_parse(const tool_command *command, int argc, char **argv, tool_list *rest) {
    table t = table_of(command);
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!only_words && !strcmp(word, "--")) {
            only_words = true;
        } else if (only_words || word[0] != '-' || !word[1]) {
            if (!rest) {
                tool_error("'%s': this command takes no such argument", word);
                return misused(&t);
            }
            if (!tool_list_add(rest, word)) return misused(&t);
        } else {
            tool_parsed parsed = parse_option(&t, argc, argv, &i);
            if (parsed != TOOL_GO) return parsed;
        }
    }
    const char *wrong = command->misuse ? command->misuse(rest) : NULL;
    if (!wrong) return TOOL_GO;
    tool_error("%s", wrong);
    return misused(&t);
}

// Words of a text, broken so that lines end before column 98, each new one indented.
static void wrap(FILE *out, const char *text, int column, int indent) {
    for (bool first = true; *text; first = false) {
        int length = (int)strcspn(text, " \n");
        if (!first && column + 1 + length > 98) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", length, text);
        column += length;
        text += length;
        if (*text) text++;
    }
    fputc('\n', out);
}

static void print_option(const char *name, const char *metavar, const char *help, FILE *out) {
    enum { INDENT = 28 };
    fprintf(out, "  %s%s%s", name, metavar ? " " : "", metavar ? metavar : "");
    int width = 2 + io_text_columns(name) + (metavar ? 1 + io_text_columns(metavar) : 0);
    if (width > INDENT - 2) {
        fputc('\n', out);
        width = 0;
    }
    fprintf(out, "%*s", INDENT - width, "");
    wrap(out, help, INDENT, INDENT);
}

void tool_print_help(const tool_command *command, FILE *out) {
    table t = table_of(command);
    fprintf(out, "lexmask %s: %s\n\nusage: lexmask %s %s\n\noptions:\n", command->name,
            command->summary, command->name, command->usage);
    for (size_t i = 0; i < t.count; i++) {
        char name[64];
        snprintf(name, sizeof name, "--%s", t.option[i].name);
        print_option(name, t.option[i].metavar, t.option[i].help, out);
    }
    for (int i = 0; i < COMMON; i++)
        print_option(common[i].name, common[i].metavar, common[i].help, out);
    if (command->details) fprintf(out, "\n%s", command->details);
    fprintf(out, "\nexamples:\n%s", command->examples);
}

// roff takes a backslash, and a dot or quote at a line's start, as its own; dashes must be real.
static void roff(FILE *out, const char *text) {
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\'')) fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        start = *text == '\n';
    }
}

static void man_option(const char *dashes, const char *name, const char *metavar, const char *help,
                       FILE *out) {
    fputs(".TP\n\\fB", out);
    roff(out, dashes);
    roff(out, name);
    fputs("\\fR", out);
    if (metavar) {
        fputs(" \\fI", out);
        roff(out, metavar);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    roff(out, help);
    fputc('\n', out);
}

void tool_print_common_man(FILE *out) {
    for (int i = 0; i < COMMON; i++)
        man_option("", common[i].name, common[i].metavar, common[i].help, out);
}

void tool_print_man(const tool_command *command, FILE *out) {
    table t = table_of(command);
    fprintf(out, ".SS lexmask %s ", command->name);
    roff(out, command->usage);
    fputc('\n', out);
    roff(out, command->summary);
    fputc('\n', out);
    for (size_t i = 0; i < t.count; i++)
        man_option("--", t.option[i].name, t.option[i].metavar, t.option[i].help, out);
    if (command->details) {
        fputs(".PP\n", out);
        roff(out, command->details);
    }
    fputs(".PP\nExamples:\n.PP\n.nf\n", out);
    roff(out, command->examples);
    fputs(".fi\n", out);
}
