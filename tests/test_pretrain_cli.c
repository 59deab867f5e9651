// SPDX-License-Identifier: Apache-2.0
// `lexmask pretrain` as a user types it: a tiny CLIP learns four names by heart, ends in the same
// bits however often it is stopped, is a model like any other, and what is wrong is said plainly.
#include "tests/support/program.h"
#include "tests/support/run_log.h"

#include <string.h>
#include <unistd.h>

#define STEPS 7

static int make_names(void **state) {
    (void)state;
    temporary_text("names.txt", "red heart\npizza\ncat face\nblue square\n");
    temporary_text("wrong.txt", "red heart\nno such thing\n");
    temporary_text("plain.txt", "a photo of a thing\n");
    return 0;
}

// The words that all runs share; more follow.
static const char *words(const char *run) {
    static char text[4][1024];
    static int next;
    char *out = text[next++ % 4];
    snprintf(out, sizeof text[0],
             "pretrain --out %s --names %s --batch 12 --empty 2 --size 32 --patch 8 --width 32 "
             "--layers 2 --heads 2 --text-width 32 --text-layers 1 --text-heads 2 --embed 24 "
             "--vocabulary 560 --context 20 --warmup 8",
             temporary_path(run), temporary_path("names.txt"));
    return out;
}

static void learns_four_names_by_heart(void **state) {
    (void)state;
    test_run run = test_lexmask("%s --steps 120 --lr 6e-3 --val-every 1000 --dtype f16 "
                                "--half-until 0.3 --refresh 5",
                                words("heart"));
    ASSERT_CODE(run, 0);
    printf("%.1f s, named right %.3f, loss %.3f\n", run.seconds,
           run_last_of(temporary_path("heart"), "top1"),
           run_last_of(temporary_path("heart"), "loss"));
    assert_true(run_last_of(temporary_path("heart"), "top1") == 1);
    assert_true(run_last_of(temporary_path("heart"), "loss") < 1.5);
    test_run_free(&run);
    const char *const files[] = {
        "config.json", "preprocessor_config.json", "model.safetensors",       "vocab.json",
        "merges.txt",  "tokenizer_config.json",    "special_tokens_map.json", "losses.png",
        "figures.png", "checkpoint.safetensors"};
    char path[512];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", temporary_path("heart"), files[i]);
        if (access(path, F_OK) != 0) fail_msg("no %s", path);
    }
    // A model like any other, whose file says all that there is to say.
    run = test_lexmask("info %s", temporary_path("heart"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "Hugging Face");
    test_run_free(&run);
    run = test_lexmask("embed --clip %s --texts a\tphoto\tof\tpizza --out %s",
                       temporary_path("heart"), temporary_path("x.npy"));
    ASSERT_CODE(run, 0);
    assert_string_equal(run.err, "");
    test_run_free(&run);
    // And one to begin with.
    run = test_lexmask("%s --steps 1 --init %s --tokenizer %s", words("on"),
                       temporary_path("heart"), temporary_path("heart"));
    ASSERT_CODE(run, 0);
    assert_true(run_last_of(temporary_path("on"), "top1") == 1);
    test_run_free(&run);
}

// Stopped where the bank is new and where it is old, with other numbers of threads.
static void stopped_and_resumed_it_ends_in_the_same_bits(void **state) {
    (void)state;
    const char *how =
        "--optimizer muon --refresh 3 --average 0.9 --half-until 0.5 --easy-until 0.5";
    test_run run = test_lexmask("%s --steps %d --threads 1 %s", words("whole"), STEPS, how);
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    for (int part = 0; part < 3; part++) {
        run = test_lexmask("%s --steps %d --threads %d %s --stop-after %d --resume", words("parts"),
                           STEPS, 1 + part % 2, how, part < 2 ? 1 + part : STEPS);
        ASSERT_CODE(run, 0);
        test_run_free(&run);
    }
    run_assert_same(temporary_path("whole"), temporary_path("parts"));
    // Another setting is another run.
    run = test_lexmask("%s --steps %d --resume --lr 0.5", words("parts"), STEPS);
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--");
    test_run_free(&run);
    run = test_lexmask("%s --steps %d", words("parts"), STEPS);
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--resume");
    test_run_free(&run);
}

static void ctrl_c_saves_first(void **state) {
    (void)state;
    test_run run = test_lexmask_interrupted(1.5, "%s --steps 100000", words("long"));
    if (run.code != 130 || !strstr(run.err, "saved")) fail_msg("not interrupted:\n%s", run.err);
    test_run_free(&run);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    static const char *const usage[][2] = {
        {"pretrain", "where to?"},
        {"pretrain --out x --batch 8 --empty 8", "--empty"},
        {"pretrain --out x --dtype f64", "--dtype"},
        {"pretrain --out x --optimizer sgd", "--optimizer"},
        {"tokenizer-train", "where to?"},
        {"tokenizer-train --out x", "of which texts?"},
        {"tokenizer-train --out x --size 10 y", "--size"},
    };
    test_misuse(usage, sizeof usage / sizeof *usage);
    static const struct {
        const char *more, *says;
    } cases[] = {
        {"--names /no/such", "/no/such"},
        {"--templates /no/such", "/no/such"},
        {"--font /no/such", "/no/such"},
        {"--init /no/such", "/no/such"},
        {"--tokenizer /no/such", "/no/such"},
        {"--patch 7", "not a multiple of the patch size 7"},
        {"--heads 5", "heads"},
        {"--init demo/pair/clip", "--tokenizer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_run run = test_lexmask("%s --steps 1 %s", words("wrong"), cases[i].more);
        if (run.code == 0) fail_msg("'%s' went through", cases[i].more);
        ASSERT_SAYS(run.err, cases[i].says);
        test_run_free(&run);
    }
    test_run run =
        test_lexmask("%s --steps 1 --names %s", words("wrong"), temporary_path("wrong.txt"));
    ASSERT_SAYS(run.err, "line 2: 'no such thing'");
    test_run_free(&run);
    run = test_lexmask("%s --steps 1 --templates %s", words("wrong"), temporary_path("plain.txt"));
    ASSERT_SAYS(run.err, "line 1: no {}");
    test_run_free(&run);
}

static int clean(void **state) {
    return temporary_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(stopped_and_resumed_it_ends_in_the_same_bits),
        cmocka_unit_test(ctrl_c_saves_first),
        cmocka_unit_test(learns_four_names_by_heart),
    };
    return cmocka_run_group_tests(tests, make_names, clean);
}
