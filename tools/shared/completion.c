// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/completion.h"

#include <string.h>

typedef enum value_of { NO_VALUE, WORDS, FOLDERS, FILES, ANYTHING } value_of;

// What follows an option, from its kind and from what its help calls it.
static value_of value_kind(const tool_option *option) {
    if (option->kind == TOOL_FLAG) return NO_VALUE;
    if (option->kind == TOOL_CHOICE) return WORDS;
    if (option->kind == TOOL_INT || option->kind == TOOL_REAL) return ANYTHING;
    if (strstr(option->metavar, "FILE")) return FILES;
    if (strstr(option->metavar, "DIR") || strstr(option->metavar, "RUN")) return FOLDERS;
    return ANYTHING;
}

static void print_choices(const char *choices, FILE *out) {
    for (; *choices; choices++) fputc(*choices == '|' ? ' ' : *choices, out);
}

// "-q, --quiet" as two words.
static void print_common_words(FILE *out) {
    for (int i = 0; i < TOOL_COMMON; i++) {
        fputc(' ', out);
        for (const char *at = tool_common[i].name; *at; at++)
            if (*at != ',') fputc(*at, out);
    }
}

// ---- bash --------------------------------------------------------------------------------------

static void bash_case(const tool_command *command, const tool_option *option, FILE *out) {
    value_of kind = value_kind(option);
    if (kind == NO_VALUE) return;
    fprintf(out, "    '%s --%s') ", command->name, option->name);
    if (kind == WORDS) {
        fputs("words='", out);
        print_choices(option->choices, out);
        fputs("' ;;\n", out);
    } else {
        fprintf(out, "kind=%s ;;\n",
                kind == FOLDERS ? "folders"
                : kind == FILES ? "files"
                                : "nothing");
    }
}

static void bash_commands(const tool_command *const *commands, size_t count, FILE *out) {
    for (size_t i = 0; i < count; i++) fprintf(out, "%s%s", i ? " " : "", commands[i]->name);
}

void tool_print_bash(const tool_command *const *commands, size_t count, FILE *out) {
    const tool_option *option;
    fputs("# bash completion for lexmask, written by `lexmask completion bash`\n"
          "_lexmask() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command=${COMP_WORDS[1]} commands words='' kind=''\n"
          "    COMPREPLY=()\n"
          "    # --option=value comes as three words\n"
          "    if [ \"$current\" = = ]; then\n"
          "        current=''\n"
          "    elif [ \"$before\" = = ] && [ \"$COMP_CWORD\" -gt 1 ]; then\n"
          "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    fi\n"
          "    commands='",
          out);
    bash_commands(commands, count, out);
    fputs("'\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$commands help --help --version\" -- "
          "\"$current\")\n"
          "        return\n"
          "    fi\n"
          "    case \"$command $before\" in\n"
          "    'help help') words=$commands ;;\n",
          out);
    for (int i = 0; i < TOOL_COMMON; i++) {
        if (!tool_common[i].choices) continue;
        fprintf(out, "    *' %s') words='", tool_common[i].name);
        print_choices(tool_common[i].choices, out);
        fputs("' ;;\n", out);
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; (option = tool_option_at(commands[i], k, NULL)); k++)
            bash_case(commands[i], option, out);
    fputs("    esac\n"
          "    if [ -z \"$words$kind\" ] && [[ $current == -* ]]; then\n"
          "        case $command in\n",
          out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "        %s) words='", commands[i]->name);
        for (size_t k = 0; (option = tool_option_at(commands[i], k, NULL)); k++)
            fprintf(out, "%s--%s", k ? " " : "", option->name);
        print_common_words(out);
        fputs("' ;;\n", out);
    }
    fputs("        esac\n"
          "    fi\n"
          "    case $kind in\n"
          "    folders)\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        mapfile -t COMPREPLY < <(compgen -d -- \"$current\") ;;\n"
          "    nothing) compopt +o default 2>/dev/null ;;\n"
          "    files) ;; # readline's own\n"
          "    *) [ -z \"$words\" ] || mapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
          "\"$current\") ;;\n"
          "    esac\n"
          "}\n"
          "complete -o default -F _lexmask lexmask\n",
          out);
}

// ---- zsh ---------------------------------------------------------------------------------------

// The first part of a help text within single quotes, without what _arguments takes as its own.
static void zsh_text(const char *text, FILE *out) {
    for (; *text && *text != ';' && *text != '\n'; text++) {
        if (text[0] == '.' && text[1] == ' ') break;
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void zsh_option(const tool_option *option, FILE *out) {
    value_of kind = value_kind(option);
    fprintf(out, "            '%s--%s%s[", option->kind == TOOL_LIST ? "*" : "", option->name,
            kind == NO_VALUE ? "" : "=");
    zsh_text(option->help, out);
    fputc(']', out);
    if (kind != NO_VALUE) {
        fputc(':', out);
        zsh_text(option->metavar, out);
        fputc(':', out);
    }
    if (kind == WORDS) {
        fputc('(', out);
        print_choices(option->choices, out);
        fputc(')', out);
    } else if (kind == FOLDERS || kind == FILES) {
        fputs(kind == FILES ? "_files" : "_files -/", out);
    }
    fputs("' \\\n", out);
}

// "-q, --quiet" as two spellings of one option.
static void zsh_common(const tool_common_option *option, FILE *out) {
    const char *comma = strchr(option->name, ',');
    fputs("            ", out);
    if (comma) fprintf(out, "{%.*s,%s}", (int)(comma - option->name), option->name, comma + 2);
    fprintf(out, "'%s%s[", comma ? "" : option->name, option->choices ? "=" : "");
    zsh_text(option->help, out);
    fputc(']', out);
    if (option->choices) {
        fprintf(out, ":%s:(", option->metavar);
        print_choices(option->choices, out);
        fputc(')', out);
    }
    fputs("' \\\n", out);
}

void tool_print_zsh(const tool_command *const *commands, size_t count, FILE *out) {
    const tool_option *option;
    fputs("#compdef lexmask\n"
          "# zsh completion for lexmask, written by `lexmask completion zsh`\n"
          "_lexmask() {\n"
          "    local -a commands=(\n",
          out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "        '%s:", commands[i]->name);
        zsh_text(commands[i]->summary, out);
        fputs("'\n", out);
    }
    fputs("        'help:the same as COMMAND --help'\n"
          "    )\n"
          "    if (( CURRENT == 2 )); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    shift words\n"
          "    (( CURRENT-- ))\n"
          "    case $words[1] in\n"
          "    help) _describe command commands ;;\n",
          out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "    %s)\n        _arguments \\\n", commands[i]->name);
        for (size_t k = 0; (option = tool_option_at(commands[i], k, NULL)); k++)
            zsh_option(option, out);
        for (int k = 0; k < TOOL_COMMON; k++) zsh_common(&tool_common[k], out);
        fputs("            '*:file:_files' ;;\n", out);
    }
    fputs("    esac\n"
          "}\n"
          "_lexmask \"$@\"\n",
          out);
}
