// SPDX-License-Identifier: Apache-2.0
// Byte pair encoding: known tokens, kinds of files, long words, limits.
#include "io/file.h"
#include "io/json.h"
#include "models/text/bpe.h"
#include "tensor/rng.h"
#include "tests/support/broken.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPENAI SHARED_DATA "/clip_tokenizer/bpe_simple_vocab_16e6.txt.gz"
#define VECTORS SHARED_DATA "/clip_tokenizer/token_vectors.json"

static void encode_gives_openais_published_tokens(void **state) {
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

#define GOLDEN "tests/golden/text/"

static void expect_ids(const md_bpe *bpe, const char *text, const int32_t *ids, size_t count) {
    tn_error err;
    md_tokens tokens = {0};
    ASSERT_OK(md_bpe_encode(bpe, text, strlen(text), 0, &tokens, &err), err);
    assert_int_equal(tokens.count, count);
    assert_memory_equal(tokens.ids, ids, count * sizeof *ids);
    md_tokens_deinit(&tokens);
}

static void check_golden(const md_bpe *bpe, const char *file) {
    tn_error err;
    io_json document;
    md_tokens tokens = {0};
    ASSERT_OK(io_json_read(GOLDEN "strings.json", 0, &document, &err), err);
    for (size_t i = 0; i < io_json_count(&document); i++) {
        io_json row, ids, id;
        const char *text;
        ASSERT_OK(io_json_at(&document, i, IO_JSON_OBJECT, &row, &err), err);
        ASSERT_OK(io_json_string(&row, "text", &text, &err), err);
        ASSERT_OK(io_json_get(&row, "ids", IO_JSON_ARRAY, &ids, &err), err);
        ASSERT_OK(md_bpe_encode(bpe, text, strlen(text), 0, &tokens, &err), err);
        bool same = tokens.count == io_json_count(&ids);
        for (size_t k = 0; k < tokens.count && same; k++) {
            int64_t expected;
            ASSERT_OK(io_json_at(&ids, k, IO_JSON_INTEGER, &id, &err), err);
            ASSERT_OK(io_json_as_int(&id, 0, INT32_MAX, &expected, &err), err);
            same = tokens.ids[k] == expected;
        }
        if (!same) fail_msg("%s: other tokens for \"%s\"", file, text);
    }
    io_json_close(&document);
    md_tokens_deinit(&tokens);
}

static void open_every_format_gives_pythons_tokens(void **state) {
    (void)state;
    static const char *const file[] = {
        "bpe.txt.gz",      "bpe.txt",         "tokenizer.json",     "pair",
        "pair/vocab.json", "pair/merges.txt", "tokenizer_new.json", ""};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        char path[256];
        tn_error err;
        md_bpe *bpe;
        snprintf(path, sizeof path, GOLDEN "%s", file[i]);
        ASSERT_OK(md_bpe_open(path, &bpe, &err), err);
        assert_int_equal(md_bpe_size(bpe), 814);
        assert_int_equal(md_bpe_start(bpe), 812);
        assert_int_equal(md_bpe_end(bpe), 813);
        if (i == 0) hash = md_bpe_hash(bpe);
        assert_true(md_bpe_hash(bpe) == hash);
        check_golden(bpe, file[i]);
        md_bpe_close(bpe);
    }
}

static md_bpe *golden_bpe(void) {
    tn_error err;
    md_bpe *bpe;
    ASSERT_OK(md_bpe_open(GOLDEN "bpe.txt.gz", &bpe, &err), err);
    return bpe;
}

static void encode_cuts_long_texts_and_keeps_the_end_token(void **state) {
    (void)state;
    md_bpe *bpe = golden_bpe();
    md_tokens whole = {0}, cut = {0};
    tn_error err;
    char text[200];
    for (size_t i = 0; i < sizeof text; i++) text[i] = i % 2 ? ' ' : (char)('b' + i % 20);
    for (size_t bytes = 1; bytes < sizeof text; bytes += 2) {
        size_t count = (bytes + 1) / 2 + 2; // a token for each letter
        ASSERT_OK(md_bpe_encode(bpe, text, bytes, 0, &whole, &err), err);
        assert_int_equal(whole.count, count);
        assert_false(whole.was_cut);
        for (int64_t context = 2; context <= MD_BPE_CONTEXT; context += 25) {
            ASSERT_OK(md_bpe_encode(bpe, text, bytes, context, &cut, &err), err);
            assert_int_equal(cut.was_cut, count > (size_t)context);
            assert_int_equal(cut.count, cut.was_cut ? (size_t)context : count);
            assert_memory_equal(cut.ids, whole.ids, (cut.count - 1) * sizeof *cut.ids);
            assert_int_equal(cut.ids[cut.count - 1], md_bpe_end(bpe));
        }
    }
    md_tokens_deinit(&whole);
    md_tokens_deinit(&cut);
    md_bpe_close(bpe);
}

static void encode_of_an_empty_text(void **state) {
    (void)state;
    md_bpe *bpe = golden_bpe();
    expect_ids(bpe, "", (int32_t[]){812, 813}, 2);
    expect_ids(bpe, " \n\t\u3000\x01", (int32_t[]){812, 813}, 2);
    expect_ids(bpe, "<|startoftext|><|ENDOFTEXT|>", (int32_t[]){812, 812, 813, 813}, 4);
    md_bpe_close(bpe);
}

static void encode_refuses_invalid_utf8(void **state) {
    (void)state;
    md_bpe *bpe = golden_bpe();
    md_tokens tokens = {0};
    tn_error err;
    assert_int_equal(md_bpe_encode(bpe, "cat \xff", 5, 77, &tokens, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "byte 4 "));
    assert_int_equal(tokens.count, 0);
    ASSERT_OK(md_bpe_encode(bpe, "cat", 3, 77, &tokens, &err), err);
    assert_true(tokens.count > 2);
    md_tokens_deinit(&tokens);
    md_bpe_close(bpe);
}

static void decode_gives_the_cleaned_text(void **state) {
    (void)state;
    md_bpe *bpe = golden_bpe();
    md_tokens tokens = {0};
    tn_error err;
    char *text;
    size_t bytes;
    static const char given[] = "A caf\u00e9 \u732b\u3068\u72ac \U0001f600 x";
    ASSERT_OK(md_bpe_encode(bpe, given, strlen(given), 0, &tokens, &err), err);
    ASSERT_OK(md_bpe_decode(bpe, tokens.ids + 1, tokens.count - 2, &text, &bytes, &err), err);
    assert_string_equal(text, "a caf\u00e9 \u732b\u3068\u72ac \U0001f600 x ");
    assert_int_equal(bytes, strlen(text));
    tn_free(text);
    ASSERT_OK(md_bpe_decode(bpe, tokens.ids, 1, &text, &bytes, &err), err);
    assert_string_equal(text, "<|startoftext|>");
    tn_free(text);
    assert_int_equal(md_bpe_decode(bpe, (int32_t[]){0, 814}, 2, &text, &bytes, &err), TN_EINVAL);
    assert_int_equal(md_bpe_decode(bpe, (int32_t[]){-1}, 1, &text, &bytes, &err), TN_EINVAL);
    md_tokens_deinit(&tokens);
    md_bpe_close(bpe);
}

static char *read_golden(const char *name, size_t *bytes) {
    char path[256], *text;
    tn_error err;
    snprintf(path, sizeof path, GOLDEN "%s", name);
    ASSERT_OK(io_read_text(path, 0, &text, bytes, &err), err);
    return text;
}

// "xyz" can be made in two ways, so that merging (x, yz) gives rise to a pair of lower rank. The
// published algorithm still merges all (x, yz) first; taking the lowest rank each time would not.
static void encode_merges_in_rounds(void **state) {
    (void)state;
    static const char merges[] = "#version: 0.2\ny z\nxyz x\nx yz\nxy z\n";
    size_t bytes;
    char *bytes_only = read_golden("pair/vocab.json", &bytes), vocab[16384];
    strstr(bytes_only, ": 511, ")[7] = 0;
    int length = snprintf(vocab, sizeof vocab,
                          "%s\"yz\":512,\"xyz\":513,\"xyzx\":514,\"xy\":515,"
                          "\"<|startoftext|>\":516,\"<|endoftext|>\":517}",
                          bytes_only);
    tn_free(bytes_only);
    temporary_file("vocab.json", vocab, (size_t)length);
    tn_error err;
    md_bpe *bpe;
    ASSERT_OK(md_bpe_open(temporary_file("merges.txt", merges, strlen(merges)), &bpe, &err), err);
    int32_t w = 'w' - '!' + 256;
    expect_ids(bpe, "xyzxyzw", (int32_t[]){516, 513, 513, w, 517}, 5);
    md_bpe_close(bpe);
}

// Merges of the whole vocabulary over one word without end: no square of its length.
static void encode_is_fast_for_long_words(void **state) {
    (void)state;
    md_bpe *bpe = golden_bpe();
    md_tokens tokens = {0};
    tn_error err;
    enum { LETTERS = 400000 };
    char *text = tn_alloc(LETTERS);
    for (size_t i = 0; i < LETTERS; i++) text[i] = "thecatonamat"[i * i % 12];
    ASSERT_OK(md_bpe_encode(bpe, text, LETTERS, 0, &tokens, &err), err);
    assert_true(tokens.count > LETTERS / 10 && tokens.count < LETTERS);
    char *back;
    size_t bytes;
    ASSERT_OK(md_bpe_decode(bpe, tokens.ids + 1, tokens.count - 2, &back, &bytes, &err), err);
    assert_int_equal(bytes, LETTERS + 1);
    assert_memory_equal(back, text, LETTERS);
    tn_free(back);
    tn_free(text);
    md_tokens_deinit(&tokens);
    md_bpe_close(bpe);
}

// The cache of words must neither mix up words nor vocabularies.
static void encode_does_not_depend_on_earlier_texts(void **state) {
    (void)state;
    md_bpe *a = golden_bpe(), *b;
    static const char merges[] = "\"bpe_simple_vocab\"#version\nt h\nth e</w>\n";
    tn_error err;
    ASSERT_OK(md_bpe_open(temporary_file("tiny.txt", merges, strlen(merges)), &b, &err), err);
    assert_true(md_bpe_hash(a) != md_bpe_hash(b));
    md_tokens used = {0}, fresh = {0};
    tn_rng rng = tn_rng_new(1, 0);
    for (int i = 0; i < 20000; i++) {
        char text[16];
        size_t length = 1 + tn_rng_below(&rng, 3);
        for (size_t k = 0; k < length; k++) text[k] = (char)('a' + tn_rng_below(&rng, 26));
        const md_bpe *bpe = i % 100 < 50 ? a : b;
        if (i % 50 == 0) memcpy(text, "the", length = 3);
        ASSERT_OK(md_bpe_encode(bpe, text, length, 0, &used, &err), err);
        ASSERT_OK(md_bpe_encode(bpe, text, length, 0, &fresh, &err), err);
        md_tokens_deinit(&fresh);
        ASSERT_OK(md_bpe_encode(bpe, text, length, 0, &fresh, &err), err);
        assert_int_equal(used.count, fresh.count);
        assert_memory_equal(used.ids, fresh.ids, used.count * sizeof *used.ids);
    }
    md_tokens_deinit(&used);
    md_tokens_deinit(&fresh);
    md_bpe_close(a);
    md_bpe_close(b);
}

// A golden file with the first `from` in it replaced; without `from`, `to` is the whole file.
typedef struct broken_case {
    const char *name, *golden, *from, *to, *part;
} broken_case;

static size_t replaced(const broken_case *c, char *out, size_t room) {
    if (!c->from) return (size_t)snprintf(out, room, "%s", c->to);
    size_t bytes;
    char *text = read_golden(c->golden, &bytes), *at = strstr(text, c->from);
    if (!at) fail_msg("%s: '%s' is not in %s", c->name, c->from, c->golden);
    *at = 0;
    size_t written = (size_t)snprintf(out, room, "%s%s%s", text, c->to, at + strlen(c->from));
    tn_free(text);
    return written;
}

#define HEAD "\"bpe_simple_vocab_x.txt#version: 0.2\n"

static void open_refuses_broken_vocabularies(void **state) {
    (void)state;
    static const broken_case table[] = {
        {"empty", 0, 0, "", "an empty file"},
        {"words", 0, 0, "a cat and a dog\n", "neither"},
        {"merges alone", 0, 0, "#version: 0.2\nt h\n", "neither"},
        {"header alone", 0, 0, HEAD, "no merges"},
        {"blank lines", 0, 0, HEAD "\n\n", "no merges"},
        {"no version", 0, 0, "bpe_simple_vocab\nt h\n", "line 1"},
        {"one symbol", 0, 0, HEAD "t h\nth\n", "line 3: expected two symbols"},
        {"three symbols", 0, 0, HEAD "t h e\n", "line 2: expected two symbols"},
        {"two spaces", 0, 0, HEAD "t  h\n", "line 2: expected two symbols"},
        {"empty left", 0, 0, HEAD " h\n", "line 2: expected two symbols"},
        {"empty right", 0, 0, HEAD "h \n", "line 2: expected two symbols"},
        {"empty line", 0, 0, HEAD "t h\n\nh e\n", "line 3: expected two symbols"},
        {"unknown left", 0, 0, HEAD "t h\nxy z\n", "line 3: merges \"xy\", which is not a symbol"},
        {"unknown right", 0, 0, HEAD "t h\nz xy\n", "line 3: merges \"xy\", which is not a symbol"},
        {"no byte", 0, 0, HEAD "t \u4e2d\n", "line 2: merges"},
        {"not UTF-8", 0, 0, HEAD "t \xff\n", "line 2: expected two symbols"},
        {"twice", 0, 0, HEAD "t h\nh e\nt h\n", "line 4: \"th\" is already"},
        {"made twice", 0, 0, HEAD "t h\nth e\nh e\nt he\n", "line 5: \"the\" is already"},
        {"merges in the middle", "bpe.txt", "à ¤\n", "", "line "},
        {"JSON cut", "tokenizer.json", "\"vocab\"", "", "line "},
        {"JSON of nothing", 0, 0, "{", "line 1"},
        {"JSON list", 0, 0, "{}", "merges.txt"},
        {"vocab without merges", "pair/vocab.json", "{", "{", "merges.txt"},
        {"WordPiece", "tokenizer.json", "\"BPE\"", "\"WordPiece\"", "WordPiece"},
        {"no word end", "tokenizer.json", "\"</w>\"", "\"\"", "</w>"},
        {"a prefix", "tokenizer.json", "subword_prefix\": \"\"", "subword_prefix\": \"##\"", "##"},
        {"id twice", "tokenizer.json", ": 511,", ": 510,", "id 510 is already"},
        {"id too large", "tokenizer.json", ": 511,", ": 814,", "814"},
        {"id below 0", "tokenizer.json", ": 511,", ": -1,", "-1"},
        {"id of text", "tokenizer.json", ": 511,", ": \"511\",", "found a string"},
        {"id with a point", "tokenizer.json", ": 511,", ": 511.5,", "found a real"},
        {"key twice", "tokenizer.json", "\"!\": 0", "\"#\": 0", "#"},
        {"no byte symbol", "tokenizer.json", "\"!\": 0", "\"!!!\": 0", "no symbol \"!\" for byte"},
        {"no start", "tokenizer.json", "\"<|startoftext|>\": 812", "\"<start>\": 812", "start"},
        {"added elsewhere", "tokenizer.json", "\"id\": 812", "\"id\": 811", "added_tokens[0]"},
        {"added over", "tokenizer.json", "\"id\": 813", "\"id\": 900", "900"},
        {"added on another", "tokenizer.json", "\"id\": 813", "\"id\": 3", "added_tokens[1]"},
        {"added without id", "tokenizer.json", "\"id\": 813", "\"ID\": 813", "added_tokens[1]"},
        {"added no list", "tokenizer.json", "\"added_tokens\": [{",
         "\"added_tokens\": 1, \"a\": [{", "added_tokens"},
        {"no vocab", "tokenizer.json", "\"vocab\":", "\"vocabulary\":", "vocab"},
        {"no merges", "tokenizer.json", "\"merges\":", "\"merge\":", "merges"},
        {"merges no list", "tokenizer.json", "\"merges\": [", "\"merges\": 3, \"x\": [", "merges"},
        {"merge of one", "tokenizer.json", "\"ð Ł\"", "\"ð\"", "merges[0]: expected two symbols"},
        {"merge of three", "tokenizer.json", "\"ð Ł\"", "\"ð Ł x\"",
         "merges[0]: expected two symbols"},
        {"merge of a number", "tokenizer.json", "\"ð Ł\"", "5", "merges[0]"},
        {"merge unknown", "tokenizer.json", "\"ð Ł\"", "\"ð none\"", "merges[0]: merges \"none\""},
        {"merge to unknown", "tokenizer.json", "\"ð Ł\"", "\"ð ð\"", "merges[0]: merges to"},
        {"merge twice", "tokenizer.json", "\"ð Ł\"", "\"ð Ł\", \"ð Ł\"", "merges[1]"},
        {"list of one", "tokenizer_new.json", "[\"ð\", \"Ł\"]", "[\"ð\"]",
         "merges[0]: expected two"},
        {"list of numbers", "tokenizer_new.json", "[\"ð\", \"Ł\"]", "[1, 2]", "merges[0][0]"},
    };
    static char text[1 << 17];
    assert_int_equal(mkdir(temporary_path("alone"), 0777), 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        tn_error err = {0};
        md_bpe *bpe;
        size_t bytes = replaced(&table[i], text, sizeof text);
        const char *path = temporary_file("alone/file", text, bytes); // with nothing beside it
        broken_is_refused(table[i].name, path, md_bpe_open(path, &bpe, &err), &err, table[i].part);
        assert_null(bpe);
    }
}

static void open_refuses_broken_gzip(void **state) {
    (void)state;
    size_t bytes;
    char *good = read_golden("bpe.txt.gz", &bytes), *bad = tn_alloc(bytes + 1);
    tn_error err = {0};
    md_bpe *bpe;
    for (size_t cut = 2; cut < bytes; cut += cut < 20 || cut + 20 > bytes ? 1 : 61) {
        const char *path = temporary_file("cut.gz", good, cut);
        broken_is_refused("cut", path, md_bpe_open(path, &bpe, &err), &err, "end early");
    }
    memcpy(bad, good, bytes);
    bad[bytes] = 'x';
    const char *path = temporary_file("more.gz", bad, bytes + 1);
    broken_is_refused("more", path, md_bpe_open(path, &bpe, &err), &err, "1 bytes after the end");
    for (size_t at = 10; at < bytes; at += 37) { // 10: behind the header, whose time may be any
        memcpy(bad, good, bytes);
        bad[at] = (char)(bad[at] ^ 0x10);
        path = temporary_file("flip.gz", bad, bytes);
        broken_is_refused("flip", path, md_bpe_open(path, &bpe, &err), &err, NULL);
    }
    tn_free(good);
    tn_free(bad);
}

static void open_refuses_other_paths(void **state) {
    (void)state;
    tn_error err = {0};
    md_bpe *bpe;
    const char *path = temporary_path("absent.txt");
    broken_is_refused("absent", path, md_bpe_open(path, &bpe, &err), &err, NULL);
    path = temporary_path("alone");
    broken_is_refused("folder", path, md_bpe_open(path, &bpe, &err), &err, "tokenizer.json");
    broken_is_refused("device", "/dev/null", md_bpe_open("/dev/null", &bpe, &err), &err, NULL);
    assert_int_not_equal(md_bpe_open("/dev/null", &bpe, NULL), TN_OK);
}

static void bpe_reports_out_of_memory(void **state) {
    (void)state;
    static const char *const file[] = {"bpe.txt.gz", "bpe.txt", "tokenizer.json", "pair"};
    for (size_t i = 0; i < 4; i++)
        for (int64_t n = 1;; n++) {
            char path[256], *text;
            size_t bytes;
            md_bpe *bpe;
            md_tokens tokens = {0};
            tn_error err = {0};
            snprintf(path, sizeof path, GOLDEN "%s", file[i]);
            tn_alloc_fail_after(n);
            tn_status status = md_bpe_open(path, &bpe, &err);
            if (status == TN_OK) status = md_bpe_encode(bpe, "a caté", 7, 0, &tokens, &err);
            if (status == TN_OK)
                status = md_bpe_decode(bpe, tokens.ids, tokens.count, &text, &bytes, &err);
            tn_alloc_fail_after(0);
            if (status == TN_OK) tn_free(text);
            md_tokens_deinit(&tokens);
            md_bpe_close(bpe);
            if (status == TN_OK) break;
            assert_int_equal(status, TN_ENOMEM);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode_gives_openais_published_tokens),
        cmocka_unit_test(open_every_format_gives_pythons_tokens),
        cmocka_unit_test(encode_cuts_long_texts_and_keeps_the_end_token),
        cmocka_unit_test(encode_of_an_empty_text),
        cmocka_unit_test(encode_refuses_invalid_utf8),
        cmocka_unit_test(decode_gives_the_cleaned_text),
        cmocka_unit_test(encode_merges_in_rounds),
        cmocka_unit_test(encode_is_fast_for_long_words),
        cmocka_unit_test(encode_does_not_depend_on_earlier_texts),
        cmocka_unit_test(open_refuses_broken_vocabularies),
        cmocka_unit_test(open_refuses_broken_gzip),
        cmocka_unit_test(open_refuses_other_paths),
        cmocka_unit_test(bpe_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
