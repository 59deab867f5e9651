// SPDX-License-Identifier: Apache-2.0
// Names turned into embeddings: averages, synonyms, the cache, ready embeddings.
#include "io/file.h"
#include "io/npy.h"
#include "models/names/vocabulary.h"
#include "tests/support/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static kn_ctx *kn;
static md_clip *clip;
static md_bpe *bpe;
static tn_arena step;
static tn_error err;
static nn_ctx cx;

static md_vocabulary make(const char *names, const char *const *prompts, int64_t count,
                          const char *background, const char *cache) {
    md_names parsed;
    md_templates templates;
    md_vocabulary out;
    ASSERT_OK(md_names_parse(names, &parsed, &err), err);
    ASSERT_OK(md_templates_init(prompts, count, &templates, &err), err);
    md_vocabulary_options options = {.background = background, .cache_folder = cache};
    ASSERT_OK(md_vocabulary_make(&cx, clip, bpe, &parsed, &templates, &options, &out, &err), err);
    md_templates_deinit(&templates);
    md_names_deinit(&parsed);
    return out;
}

static void make_averages_templates_as_unit_vectors(void **state) {
    (void)state;
    static const char *const two[] = {"a photo of {}", "{}"};
    md_vocabulary a = make("pizza", two, 1, NULL, ""), b = make("pizza", two + 1, 1, NULL, "");
    md_vocabulary both = make("pizza", two, 2, NULL, "");
    int64_t width = both.embedding.dim[1];
    double square = 0;
    for (int64_t k = 0; k < width; k++)
        square += pow((double)tn_f32(&a.embedding)[k] + tn_f32(&b.embedding)[k], 2);
    for (int64_t k = 0; k < width; k++)
        ASSERT_WITHIN(fabs((tn_f32(&a.embedding)[k] + tn_f32(&b.embedding)[k]) / sqrt(square) -
                           tn_f32(&both.embedding)[k]),
                      1e-6);
    md_vocabulary_deinit(&a);
    md_vocabulary_deinit(&b);
    md_vocabulary_deinit(&both);
}

static void match_takes_the_best_synonym(void **state) {
    (void)state;
    md_vocabulary v = make("pizza|red heart, penguin", NULL, 0, "nothing in particular", "");
    assert_int_equal(v.rows, 4);
    assert_int_equal(md_vocabulary_columns(&v), 3);
    tn_tensor y;
    ASSERT_OK(tn_new(&step, &y, TN_F32, TN_DIMS(4, 3), &err), err);
    ASSERT_OK(md_vocabulary_match(&cx, &v, &v.embedding, &y), err);
    const float *s = tn_f32(&y); // every row is nearest to itself
    ASSERT_WITHIN(fabs(s[0] - 1), 1e-5);
    ASSERT_WITHIN(fabs(s[3] - 1), 1e-5);
    ASSERT_WITHIN(fabs(s[7] - 1), 1e-5);
    ASSERT_WITHIN(fabs(s[11] - 1), 1e-5);
    tn_arena_reset(&step, 0);
    md_vocabulary_deinit(&v);
}

static void cache_gives_the_same_bits(void **state) {
    (void)state;
    char folder[256];
    snprintf(folder, sizeof folder, "%s/cache", temporary_folder());
    md_vocabulary first = make("pizza,penguin", NULL, 0, NULL, folder);
    assert_int_equal(first.from_cache, 0);
    md_clip_options none = {0};
    md_clip *again; // the key does not depend on where the weights lie
    md_clip *kept = clip;
    ASSERT_OK(md_clip_open("demo/pair/clip", &none, kn, &again, &err), err);
    clip = again;
    md_vocabulary second = make("penguin,rocket,pizza", NULL, 0, NULL, folder);
    clip = kept;
    md_clip_close(again);
    assert_int_equal(second.from_cache, 2);
    size_t row = (size_t)first.embedding.dim[1] * sizeof(float);
    assert_memory_equal(first.embedding.data, (char *)second.embedding.data + 2 * row, row);
    static const char *const other[] = {"a drawing of {}"};
    md_vocabulary third = make("pizza", other, 1, NULL, folder);
    assert_int_equal(third.from_cache, 0);
    char command[400]; // a damaged file counts as none
    snprintf(command, sizeof command, "for f in %s/text-*; do printf x >>$f; done", folder);
    assert_int_equal(system(command), 0);
    md_vocabulary fourth = make("pizza", NULL, 0, NULL, folder);
    assert_int_equal(fourth.from_cache, 0);
    assert_memory_equal(first.embedding.data, fourth.embedding.data, row);
    md_vocabulary_deinit(&first);
    md_vocabulary_deinit(&second);
    md_vocabulary_deinit(&third);
    md_vocabulary_deinit(&fourth);
}

// 15 names in 80 sentences are more than go through the tower at once.
static void make_row_does_not_depend_on_the_list(void **state) {
    (void)state;
    static const char *const all[] = {MD_IMAGENET80};
    const char *names = "pizza,penguin,rocket,red heart,cat,dog,house,sun,moon,car,bus,apple,fish,"
                        "the very last name of all,key";
    md_vocabulary list = make(names, all, 1, "nothing", "");
    int64_t width = list.embedding.dim[1];
    size_t row = (size_t)width * sizeof(float);
    const char *alone[] = {"pizza", "car", "the very last name of all", "key"};
    const int64_t place[] = {0, 9, 13, 14};
    for (int i = 0; i < 4; i++) {
        md_vocabulary one = make(alone[i], all, 1, NULL, "");
        assert_memory_equal(one.embedding.data, tn_f32(&list.embedding) + place[i] * width, row);
        md_vocabulary_deinit(&one);
    }
    static const char *const bare[] = {"{}"};
    md_vocabulary background = make("nothing", bare, 1, NULL, "");
    const float *last = tn_f32(&list.embedding) + 15 * width;
    for (int64_t k = 0; k < width; k++) // one brings it to unit length once more
        ASSERT_WITHIN(fabs(last[k] - tn_f32(&background.embedding)[k]), 1e-6);
    md_vocabulary_deinit(&background);
    md_vocabulary_deinit(&list);
}

static size_t seen[8], told;

static int stop_after_three(void *user, size_t done, size_t all) {
    assert_int_equal(all, *(size_t *)user);
    assert_true(told < 8);
    seen[told++] = done;
    return told == 3;
}

// Stopped in the middle, what was made is kept: the next call makes the rest.
static void make_can_be_cancelled_and_resumed(void **state) {
    (void)state;
    static const char *const all[] = {MD_IMAGENET80};
    char folder[256], list[400] = "";
    for (int i = 0; i < 20; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%sname %d", i ? "," : "", i);
    snprintf(folder, sizeof folder, "%s/stopped", temporary_folder());
    md_names names;
    md_templates templates;
    md_vocabulary out;
    size_t want = 20 * 80;
    ASSERT_OK(md_names_parse(list, &names, &err), err);
    ASSERT_OK(md_templates_init(all, 1, &templates, &err), err);
    md_vocabulary_options options = {
        .cache_folder = folder, .progress = stop_after_three, .progress_user = &want};
    assert_int_equal(md_vocabulary_make(&cx, clip, bpe, &names, &templates, &options, &out, &err),
                     TN_ECANCELLED);
    assert_null(out.embedding.data);
    assert_int_equal(seen[0], 0);
    assert_int_equal(seen[1], 480); // six names of 80 sentences
    assert_int_equal(seen[2], 960);
    md_vocabulary rest = make(list, all, 1, NULL, folder);
    assert_int_equal(rest.from_cache, 12);
    md_vocabulary afresh = make(list, all, 1, NULL, "");
    assert_memory_equal(rest.embedding.data, afresh.embedding.data, tn_bytes(&afresh.embedding));
    md_vocabulary_deinit(&rest);
    md_vocabulary_deinit(&afresh);
    md_templates_deinit(&templates);
    md_names_deinit(&names);
}

static void read_checks_embeddings(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/e.npy", temporary_folder());
    float rows[6] = {3, 4, 0, 0, 0, 2};
    tn_tensor t = tn_view(rows, TN_F32, TN_DIMS(2, 3));
    ASSERT_OK(io_npy_write(path, &t, &err), err);
    md_vocabulary v;
    ASSERT_OK(md_vocabulary_read(path, 2, 3, &v, &err), err);
    assert_false(v.background);
    ASSERT_WITHIN(fabs(tn_f32(&v.embedding)[1] - 0.8), 1e-7);
    md_vocabulary_deinit(&v);
    ASSERT_OK(md_vocabulary_read(path, 1, 3, &v, &err), err);
    assert_true(v.background);
    md_vocabulary_deinit(&v);
    assert_int_equal(md_vocabulary_read(path, 2, 4, &v, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "[2,3]"));
    rows[3] = rows[4] = rows[5] = 0;
    ASSERT_OK(io_npy_write(path, &t, &err), err);
    assert_int_equal(md_vocabulary_read(path, 2, 3, &v, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "row 1"));
}

static void read_published_embeddings(void **state) {
    (void)state;
    const char *path = SHARED_DATA "/clip_text_embeddings/vitb32_detic/coco_clip_a+cname.npy";
    if (access(path, F_OK) != 0) SKIP("%s is not here", path);
    md_vocabulary v;
    ASSERT_OK(md_vocabulary_read(path, 80, 512, &v, &err), err);
    assert_int_equal(v.rows, 80);
    md_vocabulary_deinit(&v);
}

static int open_all(void **state) {
    (void)state;
    md_clip_options none = {0};
    if (kn_open("cpu", NULL, 1, &kn, &err) != TN_OK || tn_arena_init_large(&step, &err) != TN_OK ||
        md_clip_open("demo/pair/clip", &none, kn, &clip, &err) != TN_OK ||
        md_bpe_open("demo/pair/clip", &bpe, &err) != TN_OK)
        return printf("%s\n", err.text), -1;
    cx = (nn_ctx){.kn = kn, .step = &step, .err = &err};
    return 0;
}

static int close_all(void **state) {
    md_bpe_close(bpe);
    md_clip_close(clip);
    tn_arena_deinit(&step);
    kn_close(kn);
    return temporary_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(make_averages_templates_as_unit_vectors),
        cmocka_unit_test(match_takes_the_best_synonym),
        cmocka_unit_test(cache_gives_the_same_bits),
        cmocka_unit_test(make_row_does_not_depend_on_the_list),
        cmocka_unit_test(make_can_be_cancelled_and_resumed),
        cmocka_unit_test(read_checks_embeddings),
        cmocka_unit_test(read_published_embeddings),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
