// SPDX-License-Identifier: Apache-2.0
// Names that a model knows beside those that it is asked for.
#include "models/names/known_names.h"
#include "tests/support/test.h"

#include <string.h>

static md_names parse(const char *list) {
    md_names names;
    tn_error err = {0};
    ASSERT_OK(md_names_parse(list, &names, &err), err);
    return names;
}

// "a b|c" of all classes, separated by commas.
static const char *listed(const md_names *names) {
    static char text[512];
    *text = 0;
    for (int64_t i = 0; i < names->phrases; i++) {
        bool same = i && names->class_of[i] == names->class_of[i - 1];
        strcat(strcat(text, !i ? "" : same ? "|" : ","), names->phrase[i]);
        if (!same) assert_ptr_equal(names->label[names->class_of[i]], names->phrase[i]);
    }
    return text;
}

static void joined(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"cat,dog", "horse,pig", "cat,dog,horse,pig"},
        {"Cat", "cat,dog", "Cat,dog"},                        // the same to CLIP
        {"kitten|cat", "cat face|cat,dog", "kitten|cat,dog"}, // a synonym of either is enough
        {"cat", "cat", "cat"},
        {"cat", "dog|hound,cat,pig", "cat,dog|hound,pig"},
        {"red  heart", "red heart", "red  heart"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        md_names a = parse(cases[i][0]), b = parse(cases[i][1]), both;
        tn_error err = {0};
        ASSERT_OK(md_names_join(&a, &b, &both, &err), err);
        assert_string_equal(listed(&both), cases[i][2]);
        assert_int_equal(both.class_of[both.phrases - 1], both.classes - 1);
        md_names_deinit(&a);
        md_names_deinit(&b);
        md_names_deinit(&both);
    }
}

static void joined_with_none(void **state) {
    (void)state;
    md_names a = parse("cat,dog|hound"), none = {0}, both;
    tn_error err = {0};
    ASSERT_OK(md_names_join(&a, &none, &both, &err), err);
    assert_string_equal(listed(&both), "cat,dog|hound");
    md_names_deinit(&a);
    md_names_deinit(&both);
}

static void among(void **state) {
    (void)state;
    md_names asked = parse("kitten,CAT,puppy|dog"), known = parse("cat,dog,horse");
    uint8_t is[3] = {9, 9, 9};
    tn_error err = {0};
    ASSERT_OK(md_names_mark_shared(&asked, &known, is, &err), err);
    assert_int_equal(is[0], 0);
    assert_int_equal(is[1], 1);
    assert_int_equal(is[2], 1);
    md_names_deinit(&asked);
    md_names_deinit(&known);
}

static void nearest(void **state) {
    (void)state;
    static const struct {
        const char *asked, *near; // the labels, best first
    } cases[] = {
        {"red hearts", "red heart,two hearts,revolving hearts"},
        {"thumb up", "thumbs up"},
        {"RED HEART", "red heart,heart suit"},
        {"heart", "red heart,heart suit,two hearts"},
        {"pizzza", "pizza|pizza slice"},
        {"carburetor", ""},
        {"kitten", ""},
        {"x", ""},
    };
    md_names known = parse("kite,two hearts,red heart,revolving hearts,thumbs up,thumbs down,"
                           "heart suit,pizza|pizza slice,kitchen knife,carrot");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t near[MD_MAX_SIMILAR];
        int count;
        char text[256] = "";
        tn_error err = {0};
        ASSERT_OK(md_names_similar(&known, cases[i].asked, near, &count, &err), err);
        for (int k = 0; k < count; k++) strcat(strcat(text, k ? "," : ""), known.label[near[k]]);
        char wanted[256];
        snprintf(wanted, sizeof wanted, "%s", cases[i].near);
        char *synonym = strchr(wanted, '|');
        if (synonym) *synonym = 0; // a class is told once, by its first name
        if (strcmp(text, wanted)) fail_msg("'%s': '%s', not '%s'", cases[i].asked, text, wanted);
    }
    md_names_deinit(&known);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joined),
        cmocka_unit_test(joined_with_none),
        cmocka_unit_test(among),
        cmocka_unit_test(nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
