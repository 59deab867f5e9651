// SPDX-License-Identifier: Apache-2.0
// Making a vocabulary: which pairs are merged and in which order, that any text comes back, that
// the files are read as any other vocabulary, and what is refused.
#include "io/file.h"
#include "models/text/bpe.h"
#include "models/text/bpe_train.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static md_bpe_corpus *corpus_of(const char *const *texts, size_t count) {
    md_bpe_corpus *corpus;
    tn_error err = {0};
    ASSERT_OK(md_bpe_corpus_new(&corpus, &err), err);
    for (size_t i = 0; i < count; i++)
        ASSERT_OK(md_bpe_corpus_add(corpus, texts[i], strlen(texts[i]), 1, &err), err);
    return corpus;
}

static const char *made(const char *name, const char *const *texts, size_t count, int64_t size,
                        int64_t *symbols) {
    const char *folder = temporary_path(name);
    md_bpe_corpus *corpus = corpus_of(texts, count);
    tn_error err = {0};
    mkdir(folder, 0777);
    ASSERT_OK(md_bpe_train(corpus, size, 32, folder, symbols, &err), err);
    md_bpe_corpus_free(corpus);
    return folder;
}

static char *read_file(const char *folder, const char *name) {
    char path[512], *text;
    size_t count;
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    return text;
}

// The most frequent first; of equally frequent ones the first by text; "aa" in "aaa" once.
static void train_merges_pairs_in_order(void **state) {
    (void)state;
    static const char *const texts[] = {"low low low", "lower", "NEWER newer", "wide", "aaa"};
    int64_t symbols;
    const char *folder = made("order", texts, 5, 522, &symbols);
    char *merges = read_file(folder, "merges.txt");
    // Counts: "lo" 4; "e r</w>" 3, "w e" 3; "o w</w>" 3, before which "l o" was merged.
    assert_string_equal(merges, "#version: 0.2\n"
                                "l o\n"
                                "e r</w>\n"
                                "lo w</w>\n"
                                "w er</w>\n"
                                "e wer</w>\n"
                                "n ewer</w>\n"
                                "a a\n"
                                "aa a</w>\n");
    assert_int_equal(symbols, 522);
    tn_free(merges);
}

static void train_ends_when_no_pair_is_left(void **state) {
    (void)state;
    static const char *const texts[] = {"ab abc"};
    int64_t symbols;
    const char *folder = made("end", texts, 1, 5000, &symbols);
    char *merges = read_file(folder, "merges.txt");
    assert_string_equal(merges, "#version: 0.2\na b\na b</w>\nab c</w>\n");
    assert_int_equal(symbols, 517);
    tn_free(merges);
}

static void train_vocabulary_decodes_any_text(void **state) {
    (void)state;
    static const char *const texts[] = {"a \"quoted\" back\\slash", "grinning face", "naïve 日本",
                                        "face with tears"};
    static const char *const others[] = {"grinning tears", "\\\"", "never seen", "żółć", "日", ""};
    int64_t symbols;
    tn_error err = {0};
    md_bpe *bpe;
    md_tokens tokens = {0};
    const char *folder = made("text", texts, 4, 560, &symbols);
    ASSERT_OK(md_bpe_open(folder, &bpe, &err), err);
    assert_int_equal(md_bpe_size(bpe), symbols);
    assert_int_equal(md_bpe_start(bpe), symbols - 2);
    assert_int_equal(md_bpe_end(bpe), symbols - 1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *text, want[128];
        size_t bytes;
        ASSERT_OK(md_bpe_encode(bpe, others[i], strlen(others[i]), 0, &tokens, &err), err);
        ASSERT_OK(md_bpe_decode(bpe, tokens.ids, tokens.count, &text, &bytes, &err), err);
        snprintf(want, sizeof want, "<|startoftext|>%s%s<|endoftext|>", others[i],
                 *others[i] ? " " : "");
        assert_string_equal(text, want);
        tn_free(text);
    }
    // What it has seen is few tokens.
    ASSERT_OK(md_bpe_encode(bpe, "face", 4, 0, &tokens, &err), err);
    assert_int_equal(tokens.count, 3);
    md_tokens_deinit(&tokens);
    md_bpe_close(bpe);
}

static void train_refuses_bad_arguments(void **state) {
    (void)state;
    static const char *const one[] = {"a b c"};
    tn_error err = {0};
    int64_t symbols;
    md_bpe_corpus *corpus = corpus_of(one, 1);
    assert_int_equal(md_bpe_train(corpus, 600, 32, ".", &symbols, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "two letters"));
    assert_int_equal(md_bpe_train(corpus, 513, 32, ".", &symbols, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "514"));
    assert_int_equal(md_bpe_corpus_add(corpus, "a\xff", 2, 1, &err), TN_EINVAL);
    assert_int_equal(md_bpe_corpus_add(corpus, "word", 4, 1, &err), TN_OK);
    assert_int_equal(md_bpe_train(corpus, 600, 32, "/no/such", &symbols, &err), TN_EIO);
    md_bpe_corpus_free(corpus);
}

static void train_reports_out_of_memory(void **state) {
    (void)state;
    static const char *const texts[] = {"low lower lowest", "new newer newest"};
    const char *folder = temporary_path("memory");
    mkdir(folder, 0777);
    int failed = 0;
    for (int64_t after = 1;; after++) {
        md_bpe_corpus *corpus = NULL;
        tn_error err = {0};
        int64_t symbols;
        tn_alloc_fail_after(after);
        tn_status status = md_bpe_corpus_new(&corpus, &err);
        for (size_t i = 0; i < 2 && status == TN_OK; i++)
            status = md_bpe_corpus_add(corpus, texts[i], strlen(texts[i]), 1, &err);
        if (status == TN_OK) status = md_bpe_train(corpus, 530, 32, folder, &symbols, &err);
        tn_alloc_fail_after(0);
        md_bpe_corpus_free(corpus);
        if (status == TN_OK) break;
        assert_int_equal(status, TN_ENOMEM);
        failed++;
    }
    assert_true(failed > 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(train_merges_pairs_in_order),
        cmocka_unit_test(train_ends_when_no_pair_is_left),
        cmocka_unit_test(train_vocabulary_decodes_any_text),
        cmocka_unit_test(train_refuses_bad_arguments),
        cmocka_unit_test(train_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
