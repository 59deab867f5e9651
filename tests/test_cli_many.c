// SPDX-License-Identifier: Apache-2.0
// lexmask detect on many pictures: broken ones among them, a terminal, Ctrl-C, and outputs that
// must not overwrite each other or what is read.
#include "io/file.h"
#include "io/json.h"
#include "tests/support/program.h"
#include "tests/support/random_clip.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAIR "demo/pair"
#define DETECT "detect %s --model " PAIR " --names-file demo/names.txt --no-cache --proposals 10"

static char picture[512]; // the demo's

static io_json read_json(const char *path) {
    io_json document;
    tn_error err = {0};
    ASSERT_OK(io_json_read(path, 0, &document, &err), err);
    return document;
}

static int occurrences(const char *text, const char *part) {
    int count = 0;
    for (; (text = strstr(text, part)); text++) count++;
    return count;
}

static void fill(const char *folder, int pictures) {
    tn_error err = {0};
    char *absolute = realpath(picture, NULL);
    ASSERT_OK(io_make_folder(folder, &err), err);
    for (int i = 0; i < pictures; i++) {
        char link[600];
        snprintf(link, sizeof link, "%s/%03d%s", folder, i, strrchr(picture, '.'));
        assert_int_equal(symlink(absolute, link), 0);
    }
    free(absolute);
}

static void a_broken_picture_is_skipped(void **state) {
    (void)state;
    tn_error err = {0};
    const char *folder = temporary_path("mixed");
    ASSERT_OK(io_make_folder(folder, &err), err);
    char good[600], bad[600];
    snprintf(good, sizeof good, "%s/b%s", folder, strrchr(picture, '.'));
    snprintf(bad, sizeof bad, "%s/a.jpg", folder);
    char *absolute = realpath(picture, NULL);
    assert_int_equal(symlink(absolute, good), 0);
    free(absolute);
    FILE *file = fopen(bad, "w");
    fputs("this is no picture", file);
    fclose(file);
    test_run run = test_lexmask(DETECT " --json %s/mixed.json", folder, temporary_folder());
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "mixed/a.jpg");
    io_json results = read_json(temporary_path("mixed.json"));
    assert_true(io_json_count(&results) > 0);
    io_json_close(&results);
    test_run_free(&run);
}

// The bar leaves its line to messages and to nothing else, and results are printed beside it.
static void a_terminal_is_shown_a_bar(void **state) {
    (void)state;
    const char *folder = temporary_path("seven");
    char broken[600], clean[700];
    fill(folder, 6);
    snprintf(broken, sizeof broken, "%s/003a.png", folder);
    FILE *file = fopen(broken, "w");
    fputs("this is no picture", file);
    fclose(file);
    test_run run = test_lexmask_at_terminal(DETECT, folder);
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "] 4/7  ");
    ASSERT_SAYS(run.err, "/s  0:0");
    ASSERT_SAYS(run.err, "left  ");
    snprintf(clean, sizeof clean, "\r\033[Klexmask: %s: ", broken);
    ASSERT_SAYS(run.err, clean);
    assert_int_equal(occurrences(run.out, ".png\n"), 6);
    test_run_free(&run);
    run = test_lexmask(DETECT, folder);
    ASSERT_CODE(run, 1);
    assert_int_equal(occurrences(run.err, "\n"), 1); // the broken one: no bar in a log
    assert_int_equal(occurrences(run.out, ".png\n"), 6);
    test_run_free(&run);
}

static void control_c_keeps_what_is_done(void **state) {
    (void)state;
    const char *folder = temporary_path("many");
    fill(folder, 500);
    test_run run =
        test_lexmask_interrupted(3, DETECT " --json %s/many.json", folder, temporary_folder());
    ASSERT_CODE(run, 130);
    ASSERT_SAYS(run.err, "stopping after this batch; Ctrl-C again stops at once\n");
    ASSERT_SAYS(run.err, "interrupted");
    assert_true(run.seconds < 30);
    io_json results = read_json(temporary_path("many.json")); // whole, whatever it holds
    assert_true(io_json_is(&results, IO_JSON_ARRAY));
    io_json_close(&results);
    test_run_free(&run);
}

static void a_terminal_is_shown_the_progress_within_a_picture(void **state) {
    (void)state;
    const char *words = "detect demo/pictures/sea.jpg --model " PAIR
                        " --names crab --no-cache --threads 1 --clip-batch 1 %s";
    test_run run = test_lexmask_at_terminal(words, "");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "\r\033[Knaming boxes: ");
    ASSERT_SAYS(run.err, " %, 0:0");
    test_run_free(&run);
    run = test_lexmask_at_terminal(words, "-q");
    ASSERT_CODE(run, 0);
    assert_string_equal(run.err, "");
    test_run_free(&run);
    run = test_lexmask(words, "");
    ASSERT_CODE(run, 0);
    assert_null(strstr(run.err, "naming boxes:")); // no progress in a log
    test_run_free(&run);
}

// A CLIP of 784 tokens a crop.
static void a_slow_picture_says_what_is_faster(void **state) {
    (void)state;
    tn_error err = {0};
    const char *clip = temporary_path("slow");
    const char *words = "detect demo/pictures/sea.jpg --detector " PAIR
                        "/detector.safetensors --clip %s --tokenizer " RANDOM_CLIP_TOKENIZER
                        " --names crab --no-cache --threads 1 --clip-batch 1";
    ASSERT_OK(io_make_folder(clip, &err), err);
    random_clip_write(clip, &(random_clip){8, 28, 384, 6});
    test_run run = test_lexmask_interrupted(8, words, clip);
    ASSERT_CODE(run, 130);
    ASSERT_SAYS(run.err, "; --proposals 300 names only the best 300\n");
    assert_int_equal(occurrences(run.err, "--proposals"), 1);
    test_run_free(&run);
}

static void a_termination_is_told_by_the_exit_code(void **state) {
    (void)state;
    const char *folder = temporary_path("many"); // of the test before
    test_run run = test_lexmask_stopped(SIGTERM, 3, DETECT, folder);
    ASSERT_CODE(run, 143);
    ASSERT_SAYS(run.err, "interrupted");
    test_run_free(&run);
    run = test_lexmask_stopped(SIGINT, 1, "embed --clip " PAIR "/clip --pictures %s --out %s/x.npy",
                               folder, temporary_folder());
    ASSERT_CODE(run, 130);
    assert_int_equal(access(temporary_path("x.npy"), F_OK), -1);
    test_run_free(&run);
}

// `| head`: no word, and no work for nobody; what was found until then is in the files.
static void a_closed_pipe_is_silent(void **state) {
    (void)state;
    const char *folder = temporary_path("many");
    test_run run = test_lexmask_unread(DETECT " --json %s/head.json", folder, temporary_folder());
    ASSERT_CODE(run, 128 + SIGPIPE);
    assert_string_equal(run.err, "");
    assert_true(run.seconds < 30); // of 500 pictures
    test_run_free(&run);
    io_json results = read_json(temporary_path("head.json"));
    assert_true(io_json_count(&results) > 0);
    io_json_close(&results);
    static const char *const lines[] = {
        "--help",
        "--version",
        "man",
        "detect --help",
        "info " PAIR "/detector.safetensors",
        "detect demo/pictures --jsonl - --names pizza --no-cache -q",
        "tokenize --tokenizer " PAIR "/clip hello"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        run = test_lexmask_unread("%s", lines[i]);
        if (run.code != 128 + SIGPIPE || run.err[0])
            fail_msg("lexmask %s: exit code %d:\n%s", lines[i], run.code, run.err);
        test_run_free(&run);
    }
}

// What was asked for is the table; notes are what is silent.
static void quiet_keeps_the_table(void **state) {
    (void)state;
    test_run loud = test_lexmask(DETECT " --out %s/drawn", picture, temporary_folder()),
             quiet = test_lexmask(DETECT " --out %s/drawn -q", picture, temporary_folder());
    ASSERT_CODE(quiet, 0);
    ASSERT_SAYS(quiet.out, "pizza");
    assert_string_equal(quiet.out, loud.out);
    ASSERT_SAYS(loud.err, "/drawn/");
    assert_string_equal(quiet.err, "");
    test_run_free(&loud);
    test_run_free(&quiet);
}

static void copy(const char *from, const char *to) {
    tn_error err = {0};
    io_map map;
    io_writer writer;
    ASSERT_OK(io_map_open(from, &map, &err), err);
    ASSERT_OK(io_writer_open(&writer, to, &err), err);
    assert_int_equal(fwrite(map.bytes, 1, map.count, writer.file), map.count);
    ASSERT_OK(io_writer_commit(&writer, &err), err);
    io_map_close(&map);
}

// --out . beside photo.png, and twice the same name: said before anything is loaded or written.
static void pictures_are_never_overwritten(void **state) {
    (void)state;
    tn_error err = {0};
    const char *folder = temporary_path("own"), *second = temporary_path("own/second");
    char photo[600], twin[600];
    ASSERT_OK(io_make_folder(folder, &err), err);
    ASSERT_OK(io_make_folder(second, &err), err);
    snprintf(photo, sizeof photo, "%s/photo.png", folder);
    snprintf(twin, sizeof twin, "%s/photo.png", second);
    copy("demo/pictures/party.png", photo);
    copy("demo/pictures/party.png", twin);
    test_run run = test_lexmask(DETECT " --out %s", photo, folder);
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "photo.png: would overwrite a picture that is read");
    assert_true(run.seconds < 2);
    test_run_free(&run);
    assert_true(test_same_file("demo/pictures/party.png", photo));
    run = test_lexmask("detect %s %s --model " PAIR " --names pizza --masks %s/m", photo, twin,
                       folder);
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "would both be written as photo.png");
    test_run_free(&run);
    assert_int_not_equal(access(temporary_path("own/m"), F_OK), 0);
    // A mask has the name of a picture that is read.
    snprintf(twin, sizeof twin, "%s/photo_labels.png", folder);
    copy("demo/pictures/party.png", twin);
    run = test_lexmask("detect %s %s --model " PAIR
                       " --names pizza --no-cache --proposals 10 --masks %s",
                       photo, twin, folder);
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "photo_labels.png: would overwrite");
    test_run_free(&run);
    assert_true(test_same_file("demo/pictures/party.png", twin));
}

// A picture's masks are a set: of an earlier run nothing stays, and of nothing else anything goes.
static void masks_of_an_earlier_run_go(void **state) {
    (void)state;
    static const struct {
        const char *file;
        bool stays;
    } files[] = {{"a_999_gone.png", false},  {"a_1000_gone.png", false},
                 {"a_01_two.png", true},     {"a_999_other.txt", true},
                 {"a_notes.png", true},      {"b_001_pizza.png", true},
                 {"aa_001_pizza.png", true}, {"a_001_b_001_pizza.png", true}};
    tn_error err = {0};
    const char *folder = temporary_path("masked");
    char path[700];
    ASSERT_OK(io_make_folder(folder, &err), err);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].file);
        copy("README.md", path);
    }
    copy("demo/pictures/party.png", temporary_path("a.png"));
    const char *other = temporary_path("a_001_b.png");
    copy("README.md", other); // broken: its masks are left alone
    test_run run = test_lexmask(DETECT " %s --masks %s", temporary_path("a.png"), other, folder);
    ASSERT_CODE(run, 1);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].file);
        if ((access(path, F_OK) == 0) != files[i].stays)
            fail_msg("%s: expected to %s", files[i].file, files[i].stays ? "stay" : "go");
    }
    snprintf(path, sizeof path, "%s/a_labels.png", folder);
    assert_int_equal(access(path, F_OK), 0);
    test_run_free(&run);
}

static void folders_and_lists_are_read(void **state) {
    (void)state;
    tn_error err = {0};
    const char *top = temporary_path("deep"), *inner = temporary_path("deep/b");
    ASSERT_OK(io_make_folder(top, &err), err);
    fill(inner, 1);
    fill(temporary_path("deep/b/c"), 2);
    copy("demo/pictures/party.png", temporary_path("deep/z.png"));
    copy("README.md", temporary_path("deep/one.raw"));
    copy("README.md", temporary_path("deep/two.RAW"));
    copy("README.md", temporary_path("deep/notes"));
    assert_int_equal(symlink("..", temporary_path("deep/b/circle")), 0);
    test_run run = test_lexmask(DETECT, top);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "deep: files that are not read: 2 .raw, 1 other\n");
    assert_int_equal(occurrences(run.out, ".png\n"), 0); // one picture needs no heading
    ASSERT_SAYS(run.out, "pizza");
    test_run_free(&run);
    run = test_lexmask(DETECT " --recursive", top);
    ASSERT_CODE(run, 0);
    assert_int_equal(occurrences(run.out, ".png\n") + occurrences(run.out, ".jpg\n"), 4);
    test_run_free(&run);
    char list[1200], word[600];
    snprintf(list, sizeof list, "%s/z.png\r\n\n%s\n", top, inner);
    snprintf(word, sizeof word, "@%s", temporary_text("list.txt", list));
    run = test_lexmask(DETECT, word);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "deep/z.png\n");
    ASSERT_SAYS(run.out, "deep/b/000");
    test_run_free(&run);
    run = test_lexmask(DETECT, "@no-such.txt");
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "no-such.txt");
    test_run_free(&run);
}

static void what_is_there_is_skipped(void **state) {
    (void)state;
    const char *folder = temporary_path("three"), *to = temporary_path("three.out");
    fill(folder, 3);
    test_run run = test_lexmask(DETECT " --out %s --masks %s --skip-existing", folder, to, to);
    ASSERT_CODE(run, 0);
    assert_null(strstr(run.err, "done already"));
    test_run_free(&run);
    assert_int_equal(unlink(temporary_path("three.out/001.png")), 0);
    copy("README.md", temporary_path("three.out/000.png")); // is not written again
    run = test_lexmask(DETECT " --out %s --masks %s --skip-existing", folder, to, to);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "2 of 3 pictures were done already");
    assert_int_equal(access(temporary_path("three.out/001.png"), F_OK), 0);
    assert_true(test_same_file("README.md", temporary_path("three.out/000.png")));
    test_run_free(&run);
    static const char *const cases[][2] = {
        {"detect x.png --names a --skip-existing", "goes with --out, --masks or --stages"},
        {"detect x.png --names a --skip-existing --out o --json r.json", "give it without them"}};
    test_misuse(cases, 2);
}

// Results go to two files, neither of which is read.
static void results_are_files_of_their_own(void **state) {
    (void)state;
    const char *both = temporary_path("both.json"), *ids = temporary_path("ids.json");
    const char *photo = temporary_path("read.png");
    copy("README.md", ids);
    copy("demo/pictures/party.png", photo);
    const struct {
        const char *json, *jsonl, *says;
    } cases[] = {{both, both, "--json and --jsonl are two files"},
                 {ids, "-", "would overwrite the annotations"},
                 {both, photo, "would overwrite a picture"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_run run = test_lexmask(DETECT " --json %s --jsonl %s --ids %s", photo, cases[i].json,
                                    cases[i].jsonl, ids);
        ASSERT_CODE(run, 2);
        ASSERT_SAYS(run.err, cases[i].says);
        test_run_free(&run);
    }
    assert_true(test_same_file("README.md", ids));
    assert_true(test_same_file("demo/pictures/party.png", photo));
    assert_int_not_equal(access(both, F_OK), 0);
}

static void nothing_done_leaves_what_was_there(void **state) {
    (void)state;
    const char *broken = temporary_path("broken.jpg"), *json = temporary_path("kept.json");
    copy("README.md", broken);
    copy("README.md", json);
    test_run run = test_lexmask(DETECT " --json %s", broken, json);
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "broken.jpg");
    test_run_free(&run);
    assert_true(test_same_file("README.md", json));
}

static int find_picture(void **state) {
    (void)state;
    return test_demo_picture(picture, sizeof picture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_picture_is_skipped),
        cmocka_unit_test(a_terminal_is_shown_a_bar),
        cmocka_unit_test(control_c_keeps_what_is_done),
        cmocka_unit_test(a_terminal_is_shown_the_progress_within_a_picture),
        cmocka_unit_test(a_slow_picture_says_what_is_faster),
        cmocka_unit_test(a_termination_is_told_by_the_exit_code),
        cmocka_unit_test(a_closed_pipe_is_silent),
        cmocka_unit_test(quiet_keeps_the_table),
        cmocka_unit_test(pictures_are_never_overwritten),
        cmocka_unit_test(masks_of_an_earlier_run_go),
        cmocka_unit_test(folders_and_lists_are_read),
        cmocka_unit_test(what_is_there_is_skipped),
        cmocka_unit_test(results_are_files_of_their_own),
        cmocka_unit_test(nothing_done_leaves_what_was_there),
    };
    return cmocka_run_group_tests(tests, find_picture, temporary_teardown);
}
