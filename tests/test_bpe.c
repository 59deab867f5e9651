// SPDX-License-Identifier: Apache-2.0
// Byte pair encoding: known tokens, kinds of files, long words, limits.
#include "io/json.h"
#include "models/bpe.h"
#include "tests/test.h"

#include <string.h>
#include <unistd.h>

#define OPENAI SHARED_DATA "/clip_tokenizer/bpe_simple_vocab_16e6.txt.gz"
#define VECTORS SHARED_DATA "/clip_tokenizer/token_vectors.json"

static void openai_vocabulary_gives_the_published_tokens(void **state) {
    (void)state;
    if (access(OPENAI, R_OK) != 0) SKIP("no " SHARED_DATA "/clip_tokenizer here");
    tn_error err;
    md_bpe *bpe;
    ASSERT_OK(md_bpe_open(OPENAI, &bpe, &err), err);
    assert_int_equal(md_bpe_size(bpe), 49408);
    assert_int_equal(md_bpe_start(bpe), 49406);
    assert_int_equal(md_bpe_end(bpe), 49407);
    io_json document, vectors;
    ASSERT_OK(io_json_read(VECTORS, 0, &document, &err), err);
    ASSERT_OK(io_json_get(&document, "vectors", IO_JSON_ARRAY, &vectors, &err), err);
    md_tokens tokens = {0};
    assert_true(io_json_count(&vectors) >= 20);
    for (size_t i = 0; i < io_json_count(&vectors); i++) {
        io_json vector, ids, id;
        const char *text;
        ASSERT_OK(io_json_at(&vectors, i, IO_JSON_OBJECT, &vector, &err), err);
        ASSERT_OK(io_json_string(&vector, "text", &text, &err), err);
        ASSERT_OK(io_json_get(&vector, "ids", IO_JSON_ARRAY, &ids, &err), err);
        ASSERT_OK(md_bpe_encode(bpe, text, strlen(text), MD_BPE_CONTEXT, &tokens, &err), err);
        assert_int_equal(tokens.count, io_json_count(&ids));
        for (size_t k = 0; k < tokens.count; k++) {
            int64_t expected;
            ASSERT_OK(io_json_at(&ids, k, IO_JSON_INTEGER, &id, &err), err);
            ASSERT_OK(io_json_as_int(&id, 0, INT32_MAX, &expected, &err), err);
            assert_int_equal(tokens.ids[k], expected);
        }
    }
    io_json_close(&document);
    md_tokens_deinit(&tokens);
    md_bpe_close(bpe);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openai_vocabulary_gives_the_published_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
