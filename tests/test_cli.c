// SPDX-License-Identifier: Apache-2.0
// The command as a user types it: what it finds in the demo's picture, what it writes, how it says
// no. Many pictures: test_cli_many.c.
#include "io/file.h"
#include "io/image/image.h"
#include "io/json.h"
#include "io/npy.h"
#include "tests/support/program.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAIR "demo/pair"

static char picture[512]; // the demo's

// "a, b" from demo/names.txt would need commas: the file itself is given.
#define DETECT "detect %s --model " PAIR " --names-file demo/names.txt --no-cache"

static io_json read_json(const char *path) {
    io_json document;
    tn_error err = {0};
    ASSERT_OK(io_json_read(path, 0, &document, &err), err);
    return document;
}

static void detect_writes_all_that_it_is_asked_for(void **state) {
    (void)state;
    const char *json = temporary_path("r.json"), *lines = temporary_path("r.jsonl");
    test_run run = test_lexmask(DETECT " --json %s --jsonl %s --out %s/o --masks %s/m --show 0",
                                picture, json, lines, temporary_folder(), temporary_folder());
    ASSERT_CODE(run, 0);
    io_json results = read_json(json), objects = read_json(lines);
    size_t found = io_json_count(&results);
    assert_true(found >= 5);
    io_json list;
    tn_error err = {0};
    ASSERT_OK(io_json_get(&objects, "detections", IO_JSON_ARRAY, &list, &err), err);
    assert_int_equal(io_json_count(&list), found);
    size_t rows = 0;
    for (const char *at = run.out; (at = strchr(at, '\n')); at++) rows++;
    assert_true(rows >= found);
    glob_t files;
    char pattern[600];
    snprintf(pattern, sizeof pattern, "%s/m/*.png", temporary_folder());
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    assert_int_equal(files.gl_pathc, found + 1); // and the label map
    globfree(&files);
    snprintf(pattern, sizeof pattern, "%s/o/*.png", temporary_folder());
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    tn_tensor overlay, original;
    ASSERT_OK(io_image_read(files.gl_pathv[0], 0, &overlay, &err), err);
    ASSERT_OK(io_image_read(picture, 0, &original, &err), err);
    assert_true(tn_same_shape(&overlay, &original));
    tn_free(overlay.data);
    tn_free(original.data);
    globfree(&files);
    io_json_close(&results);
    io_json_close(&objects);
    test_run_free(&run);
}

// The twelve things that demo/pictures/party.png was composed of (tools/reference/
// make_demo_picture.py), and nothing else, when asked for what is sure.
static void the_demo_is_right(void **state) {
    (void)state;
    static const char *const things[] = {"rainbow", "rocket",  "flying saucer", "airplane",
                                         "T-Rex",   "pizza",   "unicorn",       "penguin",
                                         "guitar",  "bicycle", "watermelon",    "birthday cake"};
    const size_t count = sizeof things / sizeof *things;
    test_run run = test_lexmask("detect demo/pictures/party.png --model " PAIR
                                " --names-file demo/names.txt --no-cache --score 0.85");
    ASSERT_CODE(run, 0);
    size_t rows = 0, right = 0;
    for (const char *at = run.out; (at = strchr(at, '\n')); at++) rows++;
    for (size_t i = 0; i < count; i++) right += strstr(run.out, things[i]) != NULL;
    if (rows != count || right != count)
        fail_msg("%zu of %zu rows right\n%s", right, rows, run.out);
    test_run_free(&run);
}

static void one_thread_gives_the_bits_of_many(void **state) {
    (void)state;
    char *seen = NULL;
    for (int threads = 1; threads <= 7; threads += 3) {
        test_run run =
            test_lexmask(DETECT " --threads %d --jsonl - --proposals 60", picture, threads);
        ASSERT_CODE(run, 0);
        if (seen) assert_string_equal(run.out, seen);
        free(seen);
        seen = strdup(run.out);
        test_run_free(&run);
    }
    free(seen);
}

static int rows_of(const char *table) {
    int rows = 0;
    for (; (table = strchr(table, '\n')); table++) rows++;
    return rows;
}

// Files of results hold all from --score on, which is 0.05; people see what is likely.
static void the_table_and_drawings_begin_at_a_quarter(void **state) {
    (void)state;
    const char *words = DETECT " --jsonl %s/%s.jsonl --out %s/%s.drawn %s";
    static const char *const options[][2] = {{"plain", ""},
                                             {"quarter", "--score 0.25"},
                                             {"low", "--show 0.05"},
                                             {"all", "--score 0.05"}};
    int rows[4], found[4];
    const char *slash = strrchr(picture, '/');
    char drawn[4][600], stem[256];
    snprintf(stem, sizeof stem, "%.*s", (int)(strrchr(slash, '.') - slash - 1), slash + 1);
    for (int i = 0; i < 4; i++) {
        const char *name = options[i][0];
        test_run run = test_lexmask(words, picture, temporary_folder(), name, temporary_folder(),
                                    name, options[i][1]);
        ASSERT_CODE(run, 0);
        char path[64];
        snprintf(path, sizeof path, "%s.jsonl", name);
        io_json lines = read_json(temporary_path(path)), list;
        tn_error err = {0};
        ASSERT_OK(io_json_get(&lines, "detections", IO_JSON_ARRAY, &list, &err), err);
        rows[i] = rows_of(run.out), found[i] = (int)io_json_count(&list);
        snprintf(drawn[i], sizeof drawn[i], "%s/%s.drawn/%s.png", temporary_folder(), name, stem);
        io_json_close(&lines);
        test_run_free(&run);
    }
    assert_true(rows[1] > 0 && rows[1] == found[1] && found[0] > found[1]);
    assert_int_equal(rows[0], rows[1]);
    assert_int_equal(rows[2], found[0]);
    assert_int_equal(rows[3], found[0]);
    assert_int_equal(found[3], found[0]);
    assert_true(test_same_file(drawn[0], drawn[1]) && test_same_file(drawn[2], drawn[3]));
    assert_false(test_same_file(drawn[0], drawn[2]));
    test_run run = test_lexmask(DETECT " --show 1", picture);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "nothing found with a score of 1 or more; the best is ");
    test_run_free(&run);
}

static int occurrences(const char *text, const char *part) {
    int count = 0;
    for (; (text = strstr(text, part)); text++) count++;
    return count;
}

static void ready_embeddings_stand_for_the_text_tower(void **state) {
    (void)state;
    test_run run = test_lexmask("embed --clip " PAIR "/clip --texts a\tphoto\tof\tpizza "
                                "a\tphoto\tof\tpenguin "
                                "a\trandom\tphoto\twith\tno\tspecific\tobject --out %s/e.npy",
                                temporary_folder());
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    test_run words = test_lexmask("detect %s --model " PAIR
                                  " --names pizza,penguin --no-cache --jsonl - --proposals 50",
                                  picture);
    test_run ready = test_lexmask("detect %s --model " PAIR
                                  " --names pizza,penguin --embeddings %s/e.npy --jsonl - "
                                  "--proposals 50",
                                  picture, temporary_folder());
    ASSERT_CODE(words, 0);
    ASSERT_CODE(ready, 0);
    ASSERT_SAYS(words.out, "penguin");
    assert_int_equal(occurrences(words.out, "\"box\""), occurrences(ready.out, "\"box\""));
    test_run_free(&words);
    // No text is read, so no vocabulary has to be there; without them it is missed at once.
    const char *alone = temporary_path("alone.safetensors"), *from = realpath(PAIR "/clip", NULL);
    char weights[600], line[1024];
    snprintf(weights, sizeof weights, "%s/model.safetensors", from);
    assert_int_equal(symlink(weights, alone), 0);
    free((void *)from);
    snprintf(line, sizeof line,
             "detect %s --detector " PAIR
             "/detector.safetensors --clip %s --heads 4 --text-heads 4 "
             "--activation gelu --names pizza,penguin --jsonl - --proposals 50 --no-cache",
             picture, alone);
    test_run without = test_lexmask("%s --embeddings %s/e.npy", line, temporary_folder());
    ASSERT_CODE(without, 0);
    assert_string_equal(without.out, ready.out);
    test_run_free(&without);
    test_run_free(&ready);
    test_run missed = test_lexmask("%s", line);
    ASSERT_CODE(missed, 1);
    ASSERT_SAYS(missed.err, "no vocabulary in or beside it");
    test_run_free(&missed);
}

static void ids_come_from_annotations(void **state) {
    (void)state;
    const char *ids = temporary_path("ids.json");
    FILE *file = fopen(ids, "w");
    fprintf(file,
            "{\"images\":[{\"id\":77,\"file_name\":\"x/%s\",\"width\":1,\"height\":1}],"
            "\"annotations\":[],\"categories\":[{\"id\":5,\"name\":\"penguin\"},{\"id\":9,"
            "\"name\":\"pizza\"}]}",
            strrchr(picture, '/') + 1);
    fclose(file);
    test_run run = test_lexmask("detect %s --model " PAIR
                                " --names pizza,penguin --no-cache --ids %s --json %s/i.json "
                                "--score 0.5 --proposals 60",
                                picture, ids, temporary_folder());
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    io_json results = read_json(temporary_path("i.json")), one;
    tn_error err = {0};
    size_t count = io_json_count(&results);
    assert_true(count >= 1);
    for (size_t i = 0; i < count; i++) {
        int64_t image, category;
        ASSERT_OK(io_json_at(&results, i, IO_JSON_OBJECT, &one, &err), err);
        ASSERT_OK(io_json_int(&one, "image_id", 0, 1000, &image, &err), err);
        ASSERT_OK(io_json_int(&one, "category_id", 0, 1000, &category, &err), err);
        assert_int_equal(image, 77);
        assert_true(category == 5 || category == 9);
    }
    io_json_close(&results);
    run = test_lexmask("detect %s --model " PAIR
                       " --names guitar --no-cache --ids %s --json %s/j.json",
                       picture, ids, temporary_folder());
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "no category 'guitar'");
    assert_int_not_equal(access(temporary_path("j.json"), F_OK), 0);
    test_run_free(&run);
}

static void ids_that_are_text_are_written_as_text(void **state) {
    (void)state;
    const char *ids = temporary_path("text_ids.json");
    FILE *file = fopen(ids, "w");
    fprintf(file,
            "{\"images\":[{\"id\":\"party/1\",\"file_name\":\"x/%s\",\"width\":1,\"height\":1}],"
            "\"annotations\":[],\"categories\":[{\"id\":\"p\",\"name\":\"pizza\"}]}",
            strrchr(picture, '/') + 1);
    fclose(file);
    test_run run = test_lexmask("detect %s --model " PAIR
                                " --names pizza --no-cache --ids %s --json %s/text.json --jsonl - "
                                "--score 0.5 --proposals 60",
                                picture, ids, temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\"image_id\":\"party/1\"");
    test_run_free(&run);
    io_json results = read_json(temporary_path("text.json")), one;
    tn_error err = {0};
    const char *image, *category;
    ASSERT_OK(io_json_at(&results, 0, IO_JSON_OBJECT, &one, &err), err);
    ASSERT_OK(io_json_string(&one, "image_id", &image, &err), err);
    ASSERT_OK(io_json_string(&one, "category_id", &category, &err), err);
    assert_string_equal(image, "party/1");
    assert_string_equal(category, "p");
    io_json_close(&results);
}

static void closed_mode_needs_no_names(void **state) {
    (void)state;
    test_run run =
        test_lexmask("detect %s --detector " PAIR "/detector.safetensors --mode closed", picture);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "object");
    test_run_free(&run);
    run = test_lexmask("detect %s --model " PAIR " --mode closed --names pizza", picture);
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--names is for models that name things by CLIP");
    test_run_free(&run);
}

static void preprocess_and_embed_write_arrays(void **state) {
    (void)state;
    tn_error err = {0};
    tn_tensor x;
    test_run run = test_lexmask("preprocess %s --for clip --clip " PAIR "/clip --out %s/x.npy",
                                picture, temporary_folder());
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    ASSERT_OK(io_npy_read(temporary_path("x.npy"), &x, &err), err);
    assert_true(x.rank == 3 && x.dim[0] == 3 && x.dim[1] == x.dim[2]);
    tn_free(x.data);
    run = test_lexmask("preprocess %s --for detector --out %s/x.npy", picture, temporary_folder());
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    ASSERT_OK(io_npy_read(temporary_path("x.npy"), &x, &err), err);
    assert_true(x.dim[0] == 3 && x.dim[1] % 32 == 0 && x.dim[2] % 32 == 0 && x.dim[1] >= 800);
    tn_free(x.data);
    run =
        test_lexmask("embed --clip " PAIR "/clip --texts a\tphoto\tof\ta\tcat pizza --out %s/t.npy",
                     temporary_folder());
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    ASSERT_OK(io_npy_read(temporary_path("t.npy"), &x, &err), err);
    assert_int_equal(x.dim[0], 2);
    for (int64_t i = 0; i < 2; i++) {
        double square = 0;
        for (int64_t j = 0; j < x.dim[1]; j++) square += pow(tn_f32(&x)[i * x.dim[1] + j], 2);
        ASSERT_WITHIN(fabs(square - 1), 1e-5);
    }
    tn_free(x.data);
}

static void convert_and_info_agree(void **state) {
    (void)state;
    test_run run = test_lexmask(
        "convert " PAIR "/detector.safetensors %s/c.safetensors --dtype f32", temporary_folder());
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run =
        test_lexmask("convert %s/c.safetensors %s/../%s/c.safetensors --dtype f16",
                     temporary_folder(), temporary_folder(), strrchr(temporary_folder(), '/') + 1);
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "OUT is IN itself");
    test_run_free(&run);
    run = test_lexmask("info %s/c.safetensors --json", temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "Mask R-CNN");
    ASSERT_SAYS(run.out, "float32");
    test_run_free(&run);
    // What was float16 finds the same things as float32: the numbers are the same.
    test_run half = test_lexmask(
        "detect %s --detector " PAIR "/detector.safetensors --mode closed --jsonl -", picture);
    test_run full = test_lexmask("detect %s --detector %s/c.safetensors --mode closed --jsonl -",
                                 picture, temporary_folder());
    ASSERT_CODE(half, 0);
    assert_string_equal(half.out, full.out);
    test_run_free(&half);
    test_run_free(&full);
    run = test_lexmask("info " PAIR "/clip");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "CLIP");
    test_run_free(&run);
}

static void info_tells_of_both_parts_of_a_model_folder(void **state) {
    (void)state;
    test_run run = test_lexmask("info " PAIR " --no-tensors");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "family   Mask R-CNN");
    ASSERT_SAYS(run.out, "family   CLIP");
    test_run_free(&run);
    run = test_lexmask("info " PAIR " --no-tensors --json");
    ASSERT_CODE(run, 0);
    io_json json = read_json(temporary_text("info.json", run.out)), parts;
    tn_error err = {0};
    ASSERT_OK(io_json_get(&json, "parts", IO_JSON_ARRAY, &parts, &err), err);
    assert_int_equal(io_json_count(&parts), 2);
    io_json_close(&json);
    test_run_free(&run);
}

static void help_is_found_both_ways(void **state) {
    (void)state;
    test_run after = test_lexmask("embed --help"), before = test_lexmask("help embed");
    ASSERT_CODE(before, 0);
    ASSERT_SAYS(before.out, "usage: lexmask embed");
    assert_string_equal(before.out, after.out);
    test_run_free(&after);
    test_run_free(&before);
}

// As a shell's <(...) gives them.
static void names_come_from_a_pipe(void **state) {
    (void)state;
    int end[2];
    assert_int_equal(pipe(end), 0);
    assert_int_equal(write(end[1], "pizza\n", 6), 6);
    close(end[1]);
    test_run run = test_lexmask("detect demo/pictures/party.png --model " PAIR
                                " --names-file /dev/fd/%d --no-cache --top 1",
                                end[0]);
    close(end[0]);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "pizza");
    test_run_free(&run);
}

static void names_of_several_options_add_up(void **state) {
    (void)state;
    static const char *const all[] = {"pizza", "rocket", "guitar", "penguin", "camera"};
    const char *file = temporary_text("more.txt", "# more\r\n\"penguin\"\r\n");
    const char *last = temporary_text("last.txt", "camera\n");
    test_run run = test_lexmask("detect demo/pictures/party.png --model " PAIR
                                " --names pizza --names \"rocket\",guitar --names-file %s"
                                " --names-file %s --no-cache --top 1 --jsonl -",
                                file, last);
    ASSERT_CODE(run, 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char name[32];
        snprintf(name, sizeof name, "\"%s\"", all[i]);
        ASSERT_SAYS(run.out, name); // each is among the five best
    }
    test_run_free(&run);
    run = test_lexmask("detect demo/pictures/party.png --model " PAIR
                       " --names pizza --names-file %s --names Pizza",
                       file);
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "\"Pizza\" is the same text to CLIP as \"pizza\" of name 1");
    test_run_free(&run);
}

static void names_of_lvis_are_read_as_plain_words(void **state) {
    (void)state;
    const char *ids = temporary_text(
        "lvis.json", "{\"images\":[{\"id\":1,\"file_name\":\"party.png\"}],\"annotations\":[],"
                     "\"categories\":[{\"id\":5,\"name\":\"pizza_(food)\"}]}");
    const char *command = "detect demo/pictures/party.png --model " PAIR
                          " --names pizza_(food) --no-cache --top 1 --ids %s --json %s/l.json %s";
    test_run run = test_lexmask(command, ids, temporary_folder(), "--names-style lvis");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "pizza (food)");
    test_run_free(&run);
    run = test_lexmask(command, ids, temporary_folder(), "");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "pizza_(food)");
    test_run_free(&run);
}

static void misuse_is_told_and_helped(void **state) {
    (void)state;
    static const struct {
        const char *line, *says;
        int code;
    } cases[] = {
        {"frobnicate", "no such command", 2},
        {"help frobnicate", "no such command", 2},
        {"detect", "what to look for", 2},
        {"detect --clip demo/pair/clip --names a", "which model", 2},
        {"detect --mode closed", "which model", 2},
        {"detect --detector demo/pair/detector.safetensors --names a", "needs a CLIP", 2},
        {"detect --model demo/pair", "no picture was given", 2},
        {"detect demo/pictures --model demo/pair", "what to look for", 2},
        {"detect --model demo/pair --names a", "no picture was given", 2},
        {"detect x.jpg --model demo/pair --names a --score 2",
         "--score '2': expected a number from 0 to 1", 2},
        {"detect x.jpg --model demo/pair --names a --score", "a value is missing", 2},
        {"detect x.jpg --model demo/pair --names a --socre 1", "no such option", 2},
        {"detect x.jpg --model demo/pair --names a --nam b", "did you mean --names?", 2},
        {"detect x.jpg --model demo/pair --names a --mode open", "expected one of crop|closed", 2},
        {"detect x.jpg --model demo/pair --names a --top 0", "expected a whole number", 2},
        {"detect x.jpg --model demo/pair --names a --no-cache=1", "takes no value", 2},
        {"detect demo/no-such.jpg --model demo/pair --names a", "demo/no-such.jpg: no such file",
         1},
        {"detect tensor --model demo/pair --names a", "tensor: no picture", 2},
        {"detect demo/pictures --model demo/none --names a", "demo/none: no such model folder", 1},
        {"detect demo/pictures --model docs --names a", "not a model folder", 1},
        {"detect demo/pictures --mode closed --detector demo/pair/clip", "not a Mask R-CNN", 1},
        {"detect demo/pictures --model demo/pair --names a --device cuda", "cuda", 2},
        {"tokenize --tokenizer demo/pair/clip --device=tpu hello",
         "device 'tpu' is not known: this build offers cpu", 2},
        {"info --device", "--device: a value is missing (NAME)", 2},
        {"detect demo/pictures --model demo/pair --names a --dtype f16", "expected one of f32|bf16",
         2},
        {"detect demo/pictures --model demo/pair --names a --json -", "are --jsonl -", 2},
        {"detect demo/pictures --model demo/pair --names a,,b", "name", 2},
        {"detect demo/pictures --model demo/pair --names a --prompt cat", "{}", 2},
        {"detect demo/pictures --model demo/pair --names a --json /no/such/r.json",
         "/no/such/r.json", 1},
        {"detect demo/pictures --detector maskrcnn_resnet50_fpn --clip demo/pair/clip --names a",
         "lexmask pull", 1},
        {"tokenize hello", "which vocabulary", 2},
        {"tokenize --tokenizer demo/pair/clip", "which TEXT", 2},
        {"tokenize --tokenizer demo/pair/clip --context 1 hello", "--context 1: expected 0", 2},
        {"embed --clip demo/pair/clip --out x.npy", "what to embed", 2},
        {"embed --clip demo/pair/clip --texts a", "where to", 2},
        {"info", "Give one FILE or DIR", 2},
        {"info README.md", "README.md", 1},
        {"pull nothing-of-that-name", "no published checkpoint", 2},
        {"preprocess demo/pictures --for clip", "where to", 2},
        {"convert README.md /tmp/x.safetensors", "README.md", 1},
        {"verify demo/pair/clip", "no known answers for a CLIP", 1},
        {"verify", "Give one FILE or name", 2},
        {"bench", "bench what", 2},
        {"bench data", "needs --annotations", 2},
        {"detect demo/pictures --model demo/pair --names-file README.nothing", "README.nothing", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("XDG_CACHE_HOME", temporary_folder(), 1);
        test_run run = test_lexmask("%s", cases[i].line);
        if (run.code != cases[i].code || !strstr(run.err, cases[i].says) || run.seconds > 2)
            fail_msg("lexmask %s\nexit code %d (expected %d), %.1f s, expected '%s' in:\n%s",
                     cases[i].line, run.code, cases[i].code, run.seconds, cases[i].says, run.err);
        test_run_free(&run);
    }
}

static int find_picture(void **state) {
    (void)state;
    return test_demo_picture(picture, sizeof picture);
}

static void info_and_version_name_the_picture_formats(void **state) {
    (void)state;
    char formats[IO_IMAGE_FORMATS_TEXT];
    io_image_formats(true, formats, sizeof formats);
    test_run run = test_lexmask("--version");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, formats);
    test_run_free(&run);
    run = test_lexmask("info demo/pictures/sea.jpg");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "format   JPEG\nfamily   picture\n");
    ASSERT_SAYS(run.out, formats);
    test_run_free(&run);
    run = test_lexmask("info demo/pictures/sea.jpg --json");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\"width\": 640,\n \"height\": 480,");
    const char *cut = temporary_file("cut.heic",
                                     "\0\0\0\x18"
                                     "ftypheic\0\0",
                                     14);
    test_run_free(&run);
    run = test_lexmask("info %s", cut);
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "HEIC");
    test_run_free(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detect_writes_all_that_it_is_asked_for),
        cmocka_unit_test(the_demo_is_right),
        cmocka_unit_test(the_table_and_drawings_begin_at_a_quarter),
        cmocka_unit_test(one_thread_gives_the_bits_of_many),
        cmocka_unit_test(ready_embeddings_stand_for_the_text_tower),
        cmocka_unit_test(ids_come_from_annotations),
        cmocka_unit_test(ids_that_are_text_are_written_as_text),
        cmocka_unit_test(closed_mode_needs_no_names),
        cmocka_unit_test(preprocess_and_embed_write_arrays),
        cmocka_unit_test(convert_and_info_agree),
        cmocka_unit_test(info_tells_of_both_parts_of_a_model_folder),
        cmocka_unit_test(help_is_found_both_ways),
        cmocka_unit_test(names_come_from_a_pipe),
        cmocka_unit_test(names_of_several_options_add_up),
        cmocka_unit_test(names_of_lvis_are_read_as_plain_words),
        cmocka_unit_test(misuse_is_told_and_helped),
        cmocka_unit_test(info_and_version_name_the_picture_formats),
    };
    return cmocka_run_group_tests(tests, find_picture, temporary_teardown);
}
