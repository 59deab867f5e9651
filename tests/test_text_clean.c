// SPDX-License-Identifier: Apache-2.0
// Text cleaning and the splitting into words against Python's.
#include "io/json.h"
#include "models/text/text_clean.h"
#include "tensor/rng.h"
#include "tests/support/test.h"

#include <string.h>
#include <zlib.h>

#define GOLDEN "tests/golden/text/"

static void check(const char *text, const char *expected) {
    tn_error err;
    char *clean;
    size_t bytes;
    ASSERT_OK(md_text_clean(text, strlen(text), &clean, &bytes, &err), err);
    assert_string_equal(clean, expected);
    assert_int_equal(bytes, strlen(expected));
    tn_free(clean);
}

static void clean_equals_python_for_many_scripts(void **state) {
    (void)state;
    tn_error err;
    io_json document;
    ASSERT_OK(io_json_read(GOLDEN "strings.json", 0, &document, &err), err);
    assert_true(io_json_count(&document) > 200);
    for (size_t i = 0; i < io_json_count(&document); i++) {
        io_json row;
        const char *text, *clean;
        ASSERT_OK(io_json_at(&document, i, IO_JSON_OBJECT, &row, &err), err);
        ASSERT_OK(io_json_string(&row, "text", &text, &err), err);
        ASSERT_OK(io_json_string(&row, "clean", &clean, &err), err);
        check(text, clean);
    }
    io_json_close(&document);
}

static size_t put(uint32_t point, char *out) { // UTF-8, written apart from the program's
    if (point < 0x80) return (size_t)sprintf(out, "%c", (int)point);
    if (point < 0x800) return (size_t)sprintf(out, "%c%c", 0xc0 | point >> 6, 0x80 | (point & 63));
    if (point < 0x10000)
        return (size_t)sprintf(out, "%c%c%c", 0xe0 | point >> 12, 0x80 | (point >> 6 & 63),
                               0x80 | (point & 63));
    return (size_t)sprintf(out, "%c%c%c%c", 0xf0 | point >> 18, 0x80 | (point >> 12 & 63),
                           0x80 | (point >> 6 & 63), 0x80 | (point & 63));
}

static uLong add_words(uLong crc, uint32_t point) {
    char c[8], text[80], *clean;
    size_t bytes, at = 0, from, length;
    c[put(point, c)] = 0;
    snprintf(text, sizeof text, "A%s\u03a3 %s\u03a3b!%s\u0301'%s1", c, c, c, c);
    assert_int_equal(md_text_clean(text, strlen(text), &clean, &bytes, NULL), TN_OK);
    while (md_text_word(clean, bytes, &at, &from, &length)) {
        crc = crc32(crc, (const Bytef *)clean + from, (uInt)length);
        crc = crc32(crc, (const Bytef *)"\n", 1);
    }
    tn_free(clean);
    return crc;
}

static void clean_equals_python_for_unicode_14(void **state) {
    (void)state;
    tn_error err;
    io_json document;
    ASSERT_OK(io_json_read(GOLDEN "characters.json", 0, &document, &err), err);
    size_t characters = 0;
    for (size_t i = 0; i < io_json_count(&document); i++) {
        io_json block, ranges;
        int64_t expected, bound[2] = {0};
        uLong crc = 0;
        ASSERT_OK(io_json_at(&document, i, IO_JSON_OBJECT, &block, &err), err);
        ASSERT_OK(io_json_int(&block, "crc", 0, UINT32_MAX, &expected, &err), err);
        ASSERT_OK(io_json_get(&block, "ranges", IO_JSON_ARRAY, &ranges, &err), err);
        for (size_t k = 0; k < io_json_count(&ranges); k++) {
            io_json range, side;
            ASSERT_OK(io_json_at(&ranges, k, IO_JSON_ARRAY, &range, &err), err);
            for (size_t end = 0; end < 2; end++) {
                ASSERT_OK(io_json_at(&range, end, IO_JSON_INTEGER, &side, &err), err);
                ASSERT_OK(io_json_as_int(&side, 1, 0x10ffff, &bound[end], &err), err);
            }
            for (int64_t point = bound[0]; point <= bound[1]; point++, characters++)
                crc = add_words(crc, (uint32_t)point);
        }
        if (crc != (uLong)expected)
            fail_msg("a character of the block of U+%04llX differs", (long long)bound[0]);
    }
    io_json_close(&document);
    assert_int_equal(characters, 144761); // 144,697 and 65 controls, without NUL
}

static void clean_decodes_entities_by_two_rules(void **state) {
    (void)state;
    check("&EACUTE;&eacute;", "éé");
    check("&Eacute &notit;", "é ¬it;");
    check("&AMP &amp;lt;", "& <");
    check("<&amp;lt;>", "<<>");
    check("<&amp;amp;amp;lt;", "<&amp;lt;");
    check("a &ampx; &#65b; &#x41g &#59;", "a &x; ab; ag ;");
    check("&#x26;#38;#65;", "a");
    check("&lt;b&gt; &semi;", "<b> ;");
    check("<p>\n&amp;amp;", "<p> &");
    check("&am&#112;&semi;", "&");
    check("&notin;&notinx &nGt;", "∉¬inx ≫⃒");
}

static void clean_names_the_invalid_byte(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t bytes, bad;
    } table[] = {
        {"a\0b", 3, 1},
        {"\x80", 1, 0},
        {"ab\xc3", 3, 2},
        {"\xc0\x80", 2, 0},
        {"\xc1\xbf", 2, 0},
        {"x\xe0\x80\x80", 4, 1},
        {"\xed\xa0\x80", 3, 0},
        {"\xf0\x80\x80\x80", 4, 0},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf5\x80\x80\x80", 4, 0},
        {"é\xff", 3, 2},
        {"\xe2\x82", 2, 0},
        {"\xe2\x28\xa1", 3, 0},
        {"\xf0\x9f\x98", 3, 0},
        {"\xf0\x9f\x98(", 4, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        tn_error err;
        char *clean, place[32];
        size_t bytes;
        assert_int_equal(md_text_clean(table[i].text, table[i].bytes, &clean, &bytes, &err),
                         TN_EINVAL);
        snprintf(place, sizeof place, "byte %zu ", table[i].bad);
        if (!strstr(err.text, place)) fail_msg("case %zu: '%s' in: %s", i, place, err.text);
    }
}

static void clean_refuses_texts_over_the_limit(void **state) {
    (void)state;
    char *text = tn_alloc(MD_TEXT_MAX + 1), *clean;
    size_t bytes;
    tn_error err;
    memset(text, 'a', MD_TEXT_MAX + 1);
    ASSERT_OK(md_text_clean(text, MD_TEXT_MAX, &clean, &bytes, &err), err);
    assert_int_equal(bytes, MD_TEXT_MAX);
    tn_free(clean);
    assert_int_equal(md_text_clean(text, MD_TEXT_MAX + 1, &clean, &bytes, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "1000001"));
    tn_free(text);
}

// Depth of entities, runs of marks in the wrong order, escapes: none may take a square of time.
static void clean_takes_linear_time(void **state) {
    (void)state;
    static const char *const unit[] = {"amp;",   "\u0301\u0323", "\x1b[1",       "&#38;",
                                       "\u03a3", "&amp;#38;",    "\u1112\u1161", "\r\n",
                                       "<&am",   "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
        size_t length = strlen(unit[i]), times = 200000 / length, bytes;
        char *text = tn_alloc(length * times + 2), *clean;
        text[0] = '&';
        for (size_t k = 0; k < times; k++) memcpy(text + 1 + k * length, unit[i], length);
        assert_int_equal(md_text_clean(text, 1 + length * times, &clean, &bytes, NULL), TN_OK);
        tn_free(clean);
        tn_free(text);
    }
}

static void clean_random_bytes(void **state) {
    (void)state;
    static const char *const part[] = {"&", "#x", "amp;",   "lt", ";",    "\x1b[", "0m", "<|",
                                       "é", "Σ",  "\u0345", "ﬁ",  "\xff", "'",     "ſ",  "한"};
    tn_rng rng = tn_rng_new(5, 0);
    for (int round = 0; round < 5000; round++) {
        char text[256], *clean, *again;
        size_t bytes = 0, clean_bytes, from, length;
        for (uint32_t n = tn_rng_below(&rng, 20); n > 0; n--) {
            const char *next = part[tn_rng_below(&rng, 16)];
            char any[2] = {(char)tn_rng_below(&rng, 256), 0};
            if (tn_rng_below(&rng, 8) == 0) next = any;
            memcpy(text + bytes, next, strlen(next));
            bytes += strlen(next);
        }
        if (md_text_clean(text, bytes, &clean, &clean_bytes, NULL) != TN_OK) continue;
        assert_int_equal(md_text_check(clean, clean_bytes, NULL), TN_OK);
        size_t at = 0, before = 0;
        while (md_text_word(clean, clean_bytes, &at, &from, &length)) {
            assert_true(length > 0 && from >= before && from + length <= clean_bytes);
            before = from + length;
        }
        assert_int_equal(md_text_clean(clean, clean_bytes, &again, &clean_bytes, NULL), TN_OK);
        tn_free(again);
        tn_free(clean);
    }
}

static void clean_reports_out_of_memory(void **state) {
    (void)state;
    const char *text = "<i>\u0301\u0323ﬁ &amp;amp; Σ\n한 İ";
    for (int64_t n = 1;; n++) {
        char *clean;
        size_t bytes;
        tn_alloc_fail_after(n);
        tn_status status = md_text_clean(text, strlen(text), &clean, &bytes, NULL);
        tn_alloc_fail_after(0);
        if (status == TN_OK) {
            tn_free(clean);
            assert_true(n > 4);
            break;
        }
        assert_int_equal(status, TN_ENOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_equals_python_for_many_scripts),
        cmocka_unit_test(clean_equals_python_for_unicode_14),
        cmocka_unit_test(clean_decodes_entities_by_two_rules),
        cmocka_unit_test(clean_names_the_invalid_byte),
        cmocka_unit_test(clean_refuses_texts_over_the_limit),
        cmocka_unit_test(clean_takes_linear_time),
        cmocka_unit_test(clean_random_bytes),
        cmocka_unit_test(clean_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
