// SPDX-License-Identifier: Apache-2.0
// Help texts and the man page from the tables of options.
#include "io/file.h"
#include "tools/shared/options.h"

#include <string.h>

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
    const tool_option *option;
    const char *title;
    fprintf(out, "lexmask %s: %s\n\nusage: lexmask %s %s\n\noptions:\n", command->name,
            command->summary, command->name, command->usage);
    for (size_t i = 0; (option = tool_option_at(command, i, &title)); i++) {
        char name[64];
        snprintf(name, sizeof name, "--%s", option->name);
        if (title) fprintf(out, "\n%s:\n", title);
        print_option(name, option->metavar, option->help, out);
    }
    if (command->shared) fputs("\nof every command:\n", out);
    for (int i = 0; i < TOOL_COMMON; i++)
        print_option(tool_common[i].name, tool_common[i].metavar, tool_common[i].help, out);
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
    for (int i = 0; i < TOOL_COMMON; i++)
        man_option("", tool_common[i].name, tool_common[i].metavar, tool_common[i].help, out);
}

void tool_print_man(const tool_command *command, FILE *out) {
    const tool_option *option;
    const char *title;
    fprintf(out, ".SS lexmask %s ", command->name);
    roff(out, command->usage);
    fputc('\n', out);
    roff(out, command->summary);
    fputc('\n', out);
    for (size_t i = 0; (option = tool_option_at(command, i, &title)); i++) {
        if (title) fprintf(out, ".PP\n%s:\n", title);
        man_option("--", option->name, option->metavar, option->help, out);
    }
    if (command->details) {
        fputs(".PP\n", out);
        roff(out, command->details);
    }
    fputs(".PP\nExamples:\n.PP\n.nf\n", out);
    roff(out, command->examples);
    fputs(".fi\n", out);
}
