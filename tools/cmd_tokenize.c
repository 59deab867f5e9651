// SPDX-License-Identifier: Apache-2.0
// lexmask tokenize: the token ids of texts, one JSON line per text.
#include "models/text/bpe.h"
#include "tools/commands.h"
#include "tools/shared/files.h"

#include <jansson.h>
#include <string.h>

static struct {
    const char *tokenizer;
    int64_t context;
} o;

static const tool_option table[] = {
    {"tokenizer", TOOL_TEXT, "FILE",
     "bpe_simple_vocab_16e6.txt.gz, tokenizer.json, vocab.json with "
     "merges.txt, or a folder",
     &o.tokenizer},
    {"context", TOOL_INT, "N", "cut to N ids, the end token last; default 0: never", &o.context, 0,
     1000000},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static tn_status print_line(const char *text, const md_tokens *tokens, tn_error *err) {
    json_t *ids = json_array(), *line = json_object();
    for (size_t i = 0; ids && i < tokens->count; i++)
        json_array_append_new(ids, json_integer(tokens->ids[i]));
    bool good = line && ids && json_object_set_new(line, "text", json_string(text)) == 0 &&
                json_object_set_new(line, "ids", ids) == 0 &&
                json_dumpf(line, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
    json_decref(line);
    return good ? TN_OK : tn_fail(err, TN_EIO, "standard output: cannot write");
}

static tn_status tokenize(const md_bpe *bpe, const tool_list *texts, tn_error *err) {
    md_tokens tokens = {0};
    tn_status status = TN_OK;
    for (size_t i = 0; status == TN_OK && i < texts->count; i++) {
        const char *text = texts->word[i];
        status = md_bpe_encode(bpe, text, strlen(text), o.context, &tokens, err);
        if (status != TN_OK)
            tn_fail_prefix(err, "text %zu", i + 1);
        else
            status = print_line(text, &tokens, err);
        if (tokens.was_cut) tool_note("text %zu was cut to %zu ids", i + 1, tokens.count);
    }
    md_tokens_deinit(&tokens);
    return status;
}

// "-" among the texts stands for the lines of standard input.
static tn_status read_texts(const tool_list *words, tool_list *texts, char **buffer,
                            tn_error *err) {
    for (size_t i = 0; i < words->count; i++) {
        if (strcmp(words->word[i], "-")) {
            if (!tool_list_add(texts, words->word[i]))
                return tn_fail(err, TN_ENOMEM, "out of memory");
        } else if (*buffer) {
            return tn_fail(err, TN_EINVAL, "standard input (-) can be read only once");
        } else {
            TN_TRY(tool_read_lines("-", buffer, texts, err));
        }
    }
    return TN_OK;
}

static tn_status tokenize_all(const tool_list *words, tn_error *err) {
    tool_list texts = {0};
    char *buffer = NULL;
    md_bpe *bpe = NULL;
    tn_status status = md_bpe_open(o.tokenizer, &bpe, err);
    if (status == TN_OK) status = read_texts(words, &texts, &buffer, err);
    if (status == TN_OK) status = tokenize(bpe, &texts, err);
    md_bpe_close(bpe);
    tn_free(buffer);
    tool_list_free(&texts);
    return status;
}

static const char *misuse(const tool_list *words) {
    if (!o.tokenizer) return "which vocabulary? Give --tokenizer FILE";
    if (!words->count) return "which TEXT? Give one or more, or - for standard input";
    if (o.context == 1)
        return "--context 1: expected 0, or 2 and more: start and end tokens are always there";
    return NULL;
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    return tool_run(self, argc, argv, true, tokenize_all);
}

const tool_command tool_tokenize = {
    .name = "tokenize",
    .summary = "print the token ids of texts, as CLIP's text tower gets them",
    .usage = "--tokenizer FILE TEXT… | -",
    .details = "One JSON line per text, {\"text\":…,\"ids\":[…]}, with start and end tokens, not "
               "padded.\n",
    .examples = "  lexmask tokenize --tokenizer demo/pair/clip \"a photo of a cat\"\n"
                "  lexmask tokenize --tokenizer bpe_simple_vocab_16e6.txt.gz - < prompts.txt\n",
    .misuse = misuse,
    .run = run,
    .options = options,
};
