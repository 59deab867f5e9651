// SPDX-License-Identifier: Apache-2.0
// Names in plain words, lists and files of them, and the prompts that they go into.
#include "models/names/prompts.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <string.h>

static void names_parse_classes_and_synonyms(void **state) {
    (void)state;
    md_names names;
    tn_error err;
    ASSERT_OK(md_names_parse(" cat,sofa | couch|settee ,Hund, Straßenbahn", &names, &err), err);
    static const char *const phrase[] = {"cat", "sofa", "couch", "settee", "Hund", "Straßenbahn"};
    static const int32_t class_of[] = {0, 1, 1, 1, 2, 3};
    assert_int_equal(names.classes, 4);
    assert_int_equal(names.phrases, 6);
    for (int i = 0; i < 6; i++) {
        assert_string_equal(names.phrase[i], phrase[i]);
        assert_int_equal(names.class_of[i], class_of[i]);
    }
    assert_string_equal(names.label[1], "sofa");
    assert_string_equal(names.label[3], "Straßenbahn");
    md_names_deinit(&names);
}

static void names_parse_refuses_bad_lists(void **state) {
    (void)state;
    static const struct {
        const char *list, *part;
    } table[] = {
        {"", "no names"},
        {"  ", "no names"},
        {",", "name 1: an empty name"},
        {"cat,,dog", "name 2: an empty name"},
        {"cat,dog,", "name 3: an empty name"},
        {"cat|,dog", "name 1: an empty name"},
        {"|", "name 1: an empty name"},
        {"\u200b,\ufeff", "name 2: an empty name"},
        {"cat,dog,cat", "name 3: \"cat\" is the same text to CLIP as \"cat\" of name 1"},
        {"cat,Cat", "\"Cat\" is the same text to CLIP as \"cat\""},
        {"sofa|couch,couch", "name 2"},
        {"sofa|sofa", "name 1"},
        {"caf\u00e9,cafe\u0301", "name 2"},
        {"a  b,a b", "name 2"},
        {"ok,b\xffs", "byte 4 "},
        {"cat,\"dog", "name 2: \"dog, expected a closing quote"},
        {"cat,\"dog\" x,a", "name 2: \"dog\" x, expected a closing quote"},
        {"\"dog\"\"", "name 1: \"dog\"\", expected a closing quote"},
        {"cat,\"", "name 2: \", expected a closing quote"},
        {"\"a|b\"", "name 1: \"a|b\", expected a name without '|'"},
        {"cat,\" \"", "name 2: an empty name"},
        {"cat,\"cat\"", "name 2: \"cat\" is the same text to CLIP"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        md_names names;
        tn_error err;
        assert_int_equal(md_names_parse(table[i].list, &names, &err), TN_EINVAL);
        if (!strstr(err.text, table[i].part))
            fail_msg("'%s': '%s' in: %s", table[i].list, table[i].part, err.text);
        assert_null(names.phrase);
    }
}

static void names_read_one_class_per_line(void **state) {
    (void)state;
    static const char text[] =
        "\xef\xbb\xbf# animals\r\ncat\r\n\r\n  dog | hound \n   \n #x\na, b\nlast";
    const char *path = temporary_file("names.txt", text, sizeof text - 1);
    md_names names;
    tn_error err;
    ASSERT_OK(md_names_read(path, &names, &err), err);
    assert_int_equal(names.classes, 4);
    assert_int_equal(names.phrases, 5);
    assert_string_equal(names.label[0], "cat");
    assert_string_equal(names.phrase[2], "hound");
    assert_string_equal(names.label[2], "a, b");
    assert_string_equal(names.label[3], "last");
    md_names_deinit(&names);
}

static void names_may_be_in_quotes(void **state) {
    (void)state;
    static const char *const phrase[] = {"rock, paper", "say \"hi\"", "#1", "5\" nail", "a", "b"};
    md_names names;
    tn_error err;
    ASSERT_OK(md_names_parse("\"rock, paper\" | \"say \"\"hi\"\"\",\"#1\",5\" nail, \" a\"|\"b\"",
                             &names, &err),
              err);
    assert_int_equal(names.classes, 4);
    assert_int_equal(names.phrases, 6);
    for (int i = 0; i < 6; i++) assert_string_equal(names.phrase[i], phrase[i]);
    assert_int_equal(names.class_of[1], 0);
    md_names_deinit(&names);
    const char *path = temporary_text(
        "quotes.txt", "# a comment\r\n\"remote control\"\r\n  \"#1\" | \"x\" \r\n5\" nail\r\n");
    ASSERT_OK(md_names_read(path, &names, &err), err);
    assert_int_equal(names.classes, 3);
    assert_string_equal(names.label[0], "remote control");
    assert_string_equal(names.label[1], "#1");
    assert_string_equal(names.phrase[2], "x");
    assert_string_equal(names.label[2], "5\" nail");
    md_names_deinit(&names);
    static const char *const list[] = {"\"cat\"", "\"dog, cow"}; // not read in an array
    ASSERT_OK(md_names_from_array(list, 2, &names, &err), err);
    assert_string_equal(names.label[0], "\"cat\"");
    assert_string_equal(names.label[1], "\"dog, cow");
    md_names_deinit(&names);
}

static void names_of_lvis_become_plain(void **state) {
    (void)state;
    static const char *const table[][2] = {
        {"cow_(animal)", "cow (animal)"},
        {"bow_(decorative_ribbons)", "bow (decorative ribbons)"},
        {"flip-flop_(sandal)", "flip-flop (sandal)"},
        {"_a__b _c_", "a b c"},
        {"cat", "cat"},
        {"___", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char name[64];
        strcpy(name, table[i][0]);
        md_name_from_lvis(name);
        assert_string_equal(name, table[i][1]);
    }
}

static void names_read_refuses_bad_files(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
        size_t bytes;
    } table[] = {
        {"", "no names", 0},
        {"# only\n\n", "no names", 8},
        {"cat\ndog\ncat\n", "line 3: \"cat\" is the same text to CLIP as \"cat\" of line 1", 12},
        {"cat\nd\xe9g\n", "line 2: byte 1 ", 8},
        {"cat\nd\0g\n", "line 2: byte 1 ", 8},
        {"cat\ndog|\n", "line 2: an empty name", 9},
        {"\xff\xfe"
         "c\0a\0t\0",
         "line 1: byte 0 ", 8},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        md_names names;
        tn_error err;
        const char *path = temporary_file("broken.txt", table[i].text, table[i].bytes);
        assert_int_equal(md_names_read(path, &names, &err), TN_EINVAL);
        if (!strstr(err.text, table[i].part) || !strstr(err.text, "broken.txt"))
            fail_msg("case %zu: '%s' in: %s", i, table[i].part, err.text);
    }
    md_names names;
    tn_error err;
    assert_int_equal(md_names_read(temporary_path("absent.txt"), &names, &err), TN_EIO);
    assert_non_null(strstr(err.text, "absent.txt"));
}

static void names_read_is_fast_for_many(void **state) {
    (void)state;
    enum { COUNT = 50000 };
    char *text = tn_alloc(COUNT * 16);
    size_t bytes = 0;
    for (int i = 0; i < COUNT; i++) bytes += (size_t)sprintf(text + bytes, "thing %d\n", i);
    const char *path = temporary_file("many.txt", text, bytes);
    md_names names;
    tn_error err;
    ASSERT_OK(md_names_read(path, &names, &err), err);
    assert_int_equal(names.classes, COUNT);
    md_names_deinit(&names);
    tn_free(text);
}

static void prompt_fill_inserts_the_name(void **state) {
    (void)state;
    md_templates templates;
    tn_error err;
    char *text;
    ASSERT_OK(md_templates_init(NULL, 0, &templates, &err), err);
    assert_int_equal(templates.count, 1);
    ASSERT_OK(md_prompt_fill(templates.text[0], "cat", &text, &err), err);
    assert_string_equal(text, "a photo of cat");
    tn_free(text);
    md_templates_deinit(&templates);
    ASSERT_OK(md_prompt_fill("{} and {}{", "ö", &text, &err), err);
    assert_string_equal(text, "ö and ö{");
    tn_free(text);
    ASSERT_OK(md_templates_init((const char *const[]){"{}!", MD_IMAGENET80}, 2, &templates, &err),
              err);
    assert_int_equal(templates.count, 81);
    assert_string_equal(templates.text[0], "{}!");
    assert_string_equal(templates.text[1], "a bad photo of a {}.");
    assert_string_equal(templates.text[80], "a tattoo of the {}.");
    md_templates_deinit(&templates);
}

static void templates_init_refuses_bad_templates(void **state) {
    (void)state;
    static const struct {
        const char *argument[2], *part;
    } table[] = {
        {{"a photo", NULL}, "expected {}"},
        {{"", NULL}, "expected {}"},
        {{"{", NULL}, "expected {}"},
        {{"imagenet", NULL}, "expected {}"},
        {{"a {}", "a {}"}, "twice"},
        {{"imagenet80", "imagenet80"}, "twice"},
        {{"imagenet80", "a tattoo of the {}."}, "twice"},
        {{"\xff{}", NULL}, "byte 0 "},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        md_templates templates;
        tn_error err;
        assert_int_equal(md_templates_init(table[i].argument, 1 + (table[i].argument[1] != NULL),
                                           &templates, &err),
                         TN_EINVAL);
        if (!strstr(err.text, table[i].part))
            fail_msg("case %zu: '%s' in: %s", i, table[i].part, err.text);
    }
}

static void names_report_out_of_memory(void **state) {
    (void)state;
    for (int64_t n = 1;; n++) {
        md_names names = {0};
        md_templates templates = {0};
        char *text = NULL;
        tn_alloc_fail_after(n);
        tn_status status = md_names_parse("cat,sofa|couch", &names, NULL);
        if (status == TN_OK) status = md_templates_init(NULL, 0, &templates, NULL);
        if (status == TN_OK) status = md_prompt_fill("{}", "x", &text, NULL);
        tn_alloc_fail_after(0);
        tn_free(text);
        md_templates_deinit(&templates);
        md_names_deinit(&names);
        if (status == TN_OK) break;
        assert_int_equal(status, TN_ENOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_parse_classes_and_synonyms),
        cmocka_unit_test(names_parse_refuses_bad_lists),
        cmocka_unit_test(names_read_one_class_per_line),
        cmocka_unit_test(names_may_be_in_quotes),
        cmocka_unit_test(names_of_lvis_become_plain),
        cmocka_unit_test(names_read_refuses_bad_files),
        cmocka_unit_test(names_read_is_fast_for_many),
        cmocka_unit_test(prompt_fill_inserts_the_name),
        cmocka_unit_test(templates_init_refuses_bad_templates),
        cmocka_unit_test(names_report_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
