// SPDX-License-Identifier: Apache-2.0
// SHA-256 against published digests, in parts of every size, by both implementations.
#include "io/sha256.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

// FIPS 180-4's examples, and the same text over and over: NIST's byte test vectors.
static const struct {
    const char *text;
    size_t times;
    const char *digest;
} cases[] = {
    {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnop"
     "q"
     "rsmnopqrstnopqrstu",
     1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

static char *repeated(const char *text, size_t times, size_t *bytes) {
    size_t length = strlen(text);
    char *all = malloc(length * times + 1);
    for (size_t i = 0; i < times; i++) memcpy(all + i * length, text, length);
    *bytes = length * times;
    return all;
}

static void sha256_gives_published_digests(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_error err = {0};
        uint8_t digest[IO_SHA256];
        char hex[IO_SHA256_HEX];
        size_t bytes;
        char *text = repeated(cases[i].text, cases[i].times, &bytes);
        io_sha256_memory(text, bytes, digest);
        assert_string_equal(io_sha256_text(digest, hex), cases[i].digest);
        const char *path = temporary_file("hashed", text, bytes);
        ASSERT_OK(io_sha256_file(path, digest, &err), err);
        assert_string_equal(io_sha256_text(digest, hex), cases[i].digest);
        free(text);
    }
}

// Three megabytes in parts of many sizes, one megabyte among them, give the digest of the whole.
static void sha256_of_parts_of_any_size(void **state) {
    (void)state;
    static const size_t parts[] = {1, 3, 55, 56, 63, 64, 65, 119, 128, 4096, 1 << 20};
    enum { BYTES = 3 << 20 };
    uint8_t *data = malloc(BYTES), whole[IO_SHA256], digest[IO_SHA256];
    char hex[IO_SHA256_HEX];
    uint32_t x = 1;
    for (size_t i = 0; i < BYTES; i++) data[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
    io_sha256_memory(data, BYTES, whole);
    // sha256sum's
    assert_string_equal(io_sha256_text(whole, hex),
                        "930abe3af14585d2418c7b7d1f3dcd0f851138575cf827bf3e2d029f870857cc");
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        io_sha256 hash;
        io_sha256_init(&hash);
        for (size_t at = 0; at < BYTES; at += parts[p])
            io_sha256_add(&hash, data + at, BYTES - at < parts[p] ? BYTES - at : parts[p]);
        io_sha256_end(&hash, digest);
        assert_memory_equal(digest, whole, IO_SHA256);
    }
    free(data);
}

static void sha256_implementations_agree(void **state) {
    (void)state;
    io_sha256_blocks *fast = io_sha256_instructions();
    if (!fast) skip();
    uint8_t data[64 * 37];
    uint32_t a[8] = {1, 2, 3, 4, 5, 6, 7, 8}, b[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * i + i / 7);
    fast(a, data, 37);
    io_sha256_portable(b, data, 37);
    assert_memory_equal(a, b, sizeof a);
}

static void sha256_of_an_absent_file(void **state) {
    (void)state;
    tn_error err = {0};
    uint8_t digest[IO_SHA256];
    const char *none = temporary_path("none");
    assert_int_equal(io_sha256_file(none, digest, &err), TN_EIO);
    assert_non_null(strstr(err.text, none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_published_digests),
        cmocka_unit_test(sha256_of_parts_of_any_size),
        cmocka_unit_test(sha256_implementations_agree),
        cmocka_unit_test(sha256_of_an_absent_file),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
