// SPDX-License-Identifier: Apache-2.0
// The `lexmask` command: chooses a subcommand. Exit codes: 0 done, 1 failed, 2 misused, 128 + the
// number of a signal that ended it.
#include "io/image/image.h"
#include "io/map_fault.h"
#include "lexmask.h"
#include "tools/commands.h"
#include "tools/shared/completion.h"
#include "tools/shared/stop.h"
#include "tools/shared/suggest.h"

#include <signal.h>
#include <string.h>

#include <cairo.h>
#include <curl/curl.h>
#include <ft2build.h>
#include <jansson.h>
#include <jpeglib.h>
#include FT_FREETYPE_H
#include <pango/pango.h>
#include <png.h>
#include <utf8proc.h>
#include <zlib.h>

static const tool_command *const commands[] = {
    &tool_detect,   &tool_embed,
    &tool_tokenize, &tool_preprocess,
    &tool_info,     &tool_convert,
    &tool_bench,    &tool_verify,
    &tool_pull,     &tool_eval,
    &tool_report,   &tool_train,
    &tool_scenes,   &tool_tokenizer_train,
    &tool_pretrain, &tool_refine,
};
#define TEXT_OF(macro) TEXT(macro)
#define TEXT(word) #word

enum { COMMANDS = sizeof commands / sizeof *commands };

static const char about[] =
    "lexmask: point it at a picture, name things in plain words; it gives back boxes, pixel masks\n"
    "and scores for them.\n";

static void print_help(FILE *out) {
    fprintf(out, "%s\nusage: lexmask COMMAND [OPTIONS]\n\ncommands:\n", about);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-15s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nlexmask COMMAND --help shows a command's options and examples.\n"
          "lexmask --version tells version, build, processor level, libraries and\n"
          "picture formats.\n"
          "\nexamples:\n"
          "  lexmask detect photo.jpg --model demo/pair --names \"cat,remote control\" --out .\n"
          "  lexmask info demo/pair/detector.safetensors\n"
          "\nexit codes: 0 done, 1 failed (even if only one picture of many), 2 misused, 130 and "
          "143\n"
          "stopped by Ctrl-C and SIGTERM\n",
          out);
}

static int print_version(void) {
    char level[64];
    lexmask_error err = {0};
    if (lexmask_level(level, sizeof level, &err) != LEXMASK_OK) {
        tool_error("%s", err.text);
        return 1;
    }
    printf("lexmask %s\n", lexmask_version());
    printf("build      %s %s, %s\n", __DATE__, __TIME__, __VERSION__);
    printf("processor  %s\n", level);
    printf("libraries  libjpeg-turbo %s, libpng %s, zlib %s, jansson %s, %s,\n",
           TEXT_OF(LIBJPEG_TURBO_VERSION), png_get_libpng_ver(NULL), zlibVersion(),
           jansson_version_str(), curl_version());
    printf("           utf8proc %s (Unicode %s), cairo %s, pango %s,\n"
           "           freetype %d.%d.%d\n",
           utf8proc_version(), utf8proc_unicode_version(), cairo_version_string(),
           pango_version_string(), FREETYPE_MAJOR, FREETYPE_MINOR, FREETYPE_PATCH);
    char formats[IO_IMAGE_FORMATS_TEXT];
    printf("pictures   %s\n", io_image_formats(true, formats, sizeof formats));
    if (io_image_formats(false, formats, sizeof formats)[0])
        printf("           not in this build: %s\n", formats);
    return 0;
}

// roff(7) of the whole program: `make man` keeps docs/lexmask.1 equal to it.
static void print_man(void) {
    printf(".TH LEXMASK 1 \"\" \"lexmask %s\"\n.SH NAME\n"
           "lexmask \\- find what you can name in a picture: boxes, masks, scores\n"
           ".SH SYNOPSIS\n.B lexmask\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n%s"
           ".SH OPTIONS OF EVERY COMMAND\n",
           lexmask_version(), about);
    tool_print_common_man(stdout);
    fputs(".SH COMMANDS\n", stdout);
    for (int i = 0; i < COMMANDS; i++) tool_print_man(commands[i], stdout);
    fputs(".SH EXIT STATUS\n0 done, 1 failed (even if only one picture of many), 2 misused, 130 "
          "and 143 stopped by\nCtrl-C and SIGTERM.\n"
          ".SH ENVIRONMENT\n.TP\n.B LEXMASK_CPU\n"
          "Processor level to use: ref, portable, avx2, avx512. Default: the best there is.\n"
          ".TP\n.B LEXMASK_MODEL\n"
          "Folder of the model to use where none is given. Default: the one that comes with\n"
          "lexmask.\n"
          ".TP\n.B XDG_CACHE_HOME\nWhere text embeddings and pulled checkpoints are kept, in its\n"
          "folder lexmask. Default: ~/.cache.\n",
          stdout);
}

// Hidden beside `man`: the Makefile writes and installs what it prints.
static int print_completion(const char *shell) {
    if (shell && !strcmp(shell, "bash")) {
        tool_print_bash(commands, COMMANDS, stdout);
    } else if (shell && !strcmp(shell, "zsh")) {
        tool_print_zsh(commands, COMMANDS, stdout);
    } else {
        tool_error("completion '%s': expected bash or zsh", shell ? shell : "");
        return 2;
    }
    return 0;
}

static const tool_command *find_command(const char *word) {
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(word, commands[i]->name)) return commands[i];
    return NULL;
}

static int no_such_command(const char *word) {
    const char *near = NULL;
    size_t fewest = SIZE_MAX;
    for (int i = 0; i < COMMANDS; i++) {
        size_t wrong = tool_word_distance(word, commands[i]->name);
        if (wrong < fewest) fewest = wrong, near = commands[i]->name;
    }
    if (near)
        tool_error("'%s': no such command; did you mean %s? There are:", word, near);
    else
        tool_error("'%s': no such command; there are:", word);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(stderr, "  %-15s %s\n", commands[i]->name, commands[i]->summary);
    return 2;
}

int main(int argc, char **argv) {
    io_map_report_faults();
    signal(SIGPIPE, SIG_IGN); // what was found so far is still written to files
    const char *word = argc > 1 ? argv[1] : "--help";
    bool help = !strcmp(word, "help") && argc > 2; // lexmask help COMMAND
    int code = 0;
    if (help) {
        const tool_command *chosen = find_command(argv[2]);
        code =
            chosen ? chosen->run(chosen, 1, (char *[]){"--help", NULL}) : no_such_command(argv[2]);
    } else if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
        print_help(argc > 1 ? stdout : stderr);
        code = argc > 1 ? 0 : 2;
    } else if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
        code = print_version();
    } else if (!strcmp(word, "man")) {
        print_man();
    } else if (!strcmp(word, "completion")) {
        code = print_completion(argc > 2 ? argv[2] : NULL);
    } else {
        const tool_command *chosen = find_command(word);
        code = chosen ? chosen->run(chosen, argc - 2, argv + 2) : no_such_command(word);
    }
    return tool_exit_code(code);
}
