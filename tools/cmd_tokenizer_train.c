// SPDX-License-Identifier: Apache-2.0
// lexmask tokenizer-train: a vocabulary of CLIP's form from the lines of texts.
#include "io/file.h"
#include "models/text/bpe_train.h"
#include "tools/commands.h"
#include "tools/shared/files.h"

#include <string.h>

static struct {
    const char *out;
    int64_t size, context;
} o;

static const tool_option table[] = {
    {"out", TOOL_TEXT, "DIR",
     "where to write vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json",
     &o.out},
    {"size", TOOL_INT, "N", "largest size of the vocabulary; default 2048", &o.size,
     MD_BPE_MIN_SIZE, 1 << 24},
    {"context", TOOL_INT, "N", "longest text in tokens, for the configuration; default 77",
     &o.context, 2, 1 << 20},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static tn_status add_file(md_bpe_corpus *corpus, const char *path, tn_error *err) {
    tool_list lines = {0};
    char *text = NULL;
    tn_status status = tool_read_lines(path, &text, &lines, err);
    for (size_t i = 0; i < lines.count && status == TN_OK; i++) {
        status = md_bpe_corpus_add(corpus, lines.word[i], strlen(lines.word[i]), 1, err);
        if (status != TN_OK) tn_fail_prefix(err, "%s: line %zu", path, i + 1);
    }
    tool_list_free(&lines);
    tn_free(text);
    return status;
}

static tn_status train(const tool_list *paths, tn_error *err) {
    md_bpe_corpus *corpus;
    int64_t symbols = 0;
    TN_TRY(md_bpe_corpus_new(&corpus, err));
    tn_status status = TN_OK;
    for (size_t i = 0; i < paths->count && status == TN_OK; i++)
        status = add_file(corpus, paths->word[i], err);
    if (status == TN_OK) status = io_make_folder(o.out, err);
    if (status == TN_OK) status = md_bpe_train(corpus, o.size, o.context, o.out, &symbols, err);
    if (status == TN_OK) tool_note("%s: %lld symbols", o.out, (long long)symbols);
    md_bpe_corpus_free(corpus);
    return status;
}

static const char *misuse(const tool_list *words) {
    if (!o.out) return "where to? Give --out DIR";
    if (!words->count)
        return "of which texts? Give files with a text on each line, or - for standard input";
    return NULL;
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    o.size = 2048, o.context = 77;
    return tool_run(self, argc, argv, true, train);
}

const tool_command tool_tokenizer_train = {
    .name = "tokenizer-train",
    .summary = "make a vocabulary of CLIP's form from the lines of texts",
    .usage = "--out DIR [--size N] FILE… | -",
    .details =
        "Byte pairs are merged by frequency; the same lines give the same vocabulary. Texts are\n"
        "cleaned, lower-cased and split as for CLIP.\n",
    .examples = "  lexmask tokenizer-train --out clip names.txt prompts.txt\n"
                "  lexmask tokenize --tokenizer clip \"a photo of a cat\"\n",
    .misuse = misuse,
    .run = run,
    .options = options,
};
