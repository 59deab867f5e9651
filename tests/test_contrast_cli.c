// SPDX-License-Identifier: Apache-2.0
// The default model is found without a path, unknown names are reported, and models can be packed.
#include "io/image/image.h"
#include "tensor/alloc.h"
#include "tests/support/contrast_model.h"
#include "tests/support/program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int setup(void **state) {
    (void)state;
    contrast_model_write(temporary_folder(), "names.txt");
    return 0;
}

static void detect_needs_no_model(void **state) {
    (void)state;
    test_run run =
        test_lexmask("detect " CONTRAST_PICTURE " --names pizza,red\thearts --no-cache --score "
                     "0.0001 --no-contrast --jsonl %s",
                     temporary_path("lines"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "'red hearts' is not among the 6 names that this model was trained on: "
                         "did you mean 'red heart'?");
    ASSERT_SAYS(run.out, "  novel\n"); // base_names has only the red heart
    char *lines = contrast_text_of(temporary_path("lines"));
    ASSERT_SAYS(lines, "\"novel\":true");
    tn_free(lines);
    test_run_free(&run);
    run = test_lexmask("detect " CONTRAST_PICTURE " --names red\thearts -q --no-cache");
    ASSERT_CODE(run, 0);
    assert_string_equal(run.err, "");
    test_run_free(&run);
    run = test_lexmask("detect " CONTRAST_PICTURE
                       " --names red\theart --no-cache --score 0.0001 --top 3 "
                       "--no-contrast");
    ASSERT_CODE(run, 0);
    assert_null(strstr(run.out, "novel"));
    test_run_free(&run);
}

// Nothing that is not known is found by chance: the hint says why.
static void an_unknown_name_gets_a_hint(void **state) {
    (void)state;
    setenv("LEXMASK_MODEL", "", 1);
    test_run run = test_lexmask("detect demo/pictures/sea.jpg --names lobsterpot --no-cache");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "using the model that comes with lexmask, which knows emoji, not photos");
    ASSERT_SAYS(run.err, "lexmask pull maskrcnn_resnet50_fpn_v2 ViT-B/32");
    ASSERT_SAYS(run.err, "'lobsterpot' is not among the 1377 names");
    ASSERT_SAYS(run.out, "nothing found");
    test_run_free(&run);
    run = test_lexmask("detect demo/pictures/sea.jpg --names crab --no-cache --model demo/model");
    ASSERT_CODE(run, 0);
    assert_null(strstr(run.err, "comes with"));
    test_run_free(&run);
    run = test_lexmask("pull --list");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\nmaskrcnn_resnet50_fpn_v2 "); // what the line names can be pulled
    ASSERT_SAYS(run.out, "ViT-B/32  ");
    test_run_free(&run);
    setenv("LEXMASK_MODEL", temporary_folder(), 1);
}

static void stages_are_drawn(void **state) {
    (void)state;
    static const char *const endings[] = {"proposals", "score1", "score2", "fused"};
    test_run run = test_lexmask("detect " CONTRAST_PICTURE " --names red\theart,pizza --no-cache "
                                "--stages %s",
                                temporary_path("stages"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "stages/party_%s.png", endings[i]);
        if (access(temporary_path(name), R_OK) != 0) fail_msg("no %s", name);
    }
    run = test_lexmask("detect " CONTRAST_PICTURE " --model demo/pair --names pizza --stages %s",
                       temporary_path("stages"));
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--stages is for an F-VLM");
    test_run_free(&run);
}

static void a_cache_that_cannot_be_written_is_harmless(void **state) {
    (void)state;
    char *before = getenv("XDG_CACHE_HOME"), *kept = before ? strdup(before) : NULL;
    setenv("XDG_CACHE_HOME", "/proc/no-such", 1);
    test_run run = test_lexmask("detect " CONTRAST_PICTURE " --names pizza");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "embeddings of names are not kept for the next run (/proc/no-such");
    assert_null(strstr(strstr(run.err, "/proc/no-such") + 1, "/proc/no-such")); // told once
    test_run_free(&run);
    if (kept)
        setenv("XDG_CACHE_HOME", kept, 1);
    else
        unsetenv("XDG_CACHE_HOME");
    free(kept);
}

static void a_model_that_is_not_there(void **state) {
    (void)state;
    setenv("LEXMASK_MODEL", "/no/such/model", 1);
    test_run run = test_lexmask("detect " CONTRAST_PICTURE " --names pizza");
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "LEXMASK_MODEL: /no/such/model is not the folder of an F-VLM");
    test_run_free(&run);
    setenv("LEXMASK_MODEL", temporary_folder(), 1);
}

static void a_list_that_is_not_there(void **state) {
    (void)state;
    contrast_model_write(temporary_folder(), "nowhere.txt");
    test_run run = test_lexmask("detect " CONTRAST_PICTURE " --names pizza");
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "config.json: contrast: ");
    ASSERT_SAYS(run.err, "nowhere.txt");
    test_run_free(&run);
    contrast_model_write(temporary_folder(), "names.txt");
}

static void kept_scores_are_of_what_is_looked_for(void **state) {
    (void)state;
    const char *data = temporary_text(
        "data.json", "{\"images\":[{\"id\":1,\"file_name\":\"party.png\",\"width\":640,\"height\":"
                     "480}],\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":["
                     "210,195,65,66],\"area\":4290,\"iscrowd\":0}],\"categories\":[{\"id\":1,"
                     "\"name\":\"pizza\"}]}");
    const char *words = "eval --gt %s --pictures demo/pictures --results-out %s --no-cache "
                        "--scores %s %s";
    test_run run =
        test_lexmask(words, data, temporary_path("r.json"), temporary_path("scores"), "");
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "give --no-contrast with it");
    test_run_free(&run);
    run = test_lexmask(words, data, temporary_path("r.json"), temporary_path("scores"),
                       "--no-contrast");
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask("report --gt %s --pictures demo/pictures --no-cache --json", data);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\"boxes\": 1");
    test_run_free(&run);
}

// ---- packed ------------------------------------------------------------------------------------

static void packed(void **state) {
    (void)state;
    test_run info = test_lexmask("info %s", temporary_folder());
    ASSERT_CODE(info, 0);
    ASSERT_SAYS(info.out, "names that compete in names.txt");
    test_run_free(&info);
    test_run run = test_lexmask("convert %s %s --dtype f16 --contrast %s/names.txt",
                                temporary_folder(), temporary_path("packed"), temporary_folder());
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    char *config = contrast_text_of(temporary_path("packed/config.json"));
    ASSERT_SAYS(config, "\"path\": \"clip\"");
    ASSERT_SAYS(config, "\"contrast\": \"names.txt\"");
    tn_free(config);
    assert_int_equal(access(temporary_path("packed/clip/vocab.json"), R_OK), 0);
    assert_int_equal(access(temporary_path("packed/clip/merges.txt"), R_OK), 0);
    // The demo's CLIP is float16 already: its file is unchanged, and so are the names.
    const char *words =
        "detect " CONTRAST_PICTURE " --model %s --names pizza,guitar --no-cache --score2 "
        "crop --alpha 1 --beta 1 --score 0.001 --jsonl -";
    test_run before = test_lexmask(words, temporary_folder());
    run = test_lexmask("convert %s %s", temporary_path("packed"), temporary_path("again"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask("convert %s %s --dtype f32", temporary_folder(), temporary_path("whole"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask(words, temporary_path("whole"));
    ASSERT_CODE(run, 0);
    assert_string_equal(run.out, before.out);
    test_run_free(&run);
    test_run_free(&before);
    char *one = contrast_text_of(temporary_path("packed/config.json")),
         *two = contrast_text_of(temporary_path("again/config.json"));
    assert_string_equal(one, two);
    tn_free(one);
    tn_free(two);
}

// A CLIP's folder alone: float32 tensors become half precision.
static void a_clip_by_itself(void **state) {
    (void)state;
    static const char *const files[] = {"config.json", "vocab.json", "merges.txt"};
    test_run run = test_lexmask("convert demo/model/clip %s --dtype f32", temporary_path("wide"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "a CLIP that needs nothing else");
    test_run_free(&run);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[64];
        snprintf(name, sizeof name, "wide/%s", files[i]);
        if (access(temporary_path(name), R_OK) != 0) fail_msg("no %s", name);
    }
    const char *words = "embed --clip %s --texts pizza guitar --out %s/texts.npy";
    run = test_lexmask(words, temporary_path("wide"), temporary_path("wide"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask("convert %s %s --dtype f16", temporary_path("wide"), temporary_path("half"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask(words, temporary_path("half"), temporary_path("half"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    assert_true(test_same_file(temporary_path("half/model.safetensors"),
                               "demo/model/clip/model.safetensors"));
}

// A folder whose vocabulary is elsewhere, as for OpenAI's weights.
static void a_vocabulary_from_elsewhere(void **state) {
    (void)state;
    test_run run = test_lexmask("convert demo/model/clip %s", temporary_path("mute"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    assert_int_equal(unlink(temporary_path("mute/vocab.json")), 0);
    run = test_lexmask("convert %s %s", temporary_path("mute"), temporary_path("speaks"));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "name one with --tokenizer");
    test_run_free(&run);
    run = test_lexmask("convert %s %s --tokenizer demo/model/clip", temporary_path("mute"),
                       temporary_path("speaks"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    assert_true(test_same_file(temporary_path("speaks/vocab.json"), "demo/model/clip/vocab.json"));
    assert_true(test_same_file(temporary_path("speaks/merges.txt"), "demo/model/clip/merges.txt"));
}

// config.json of the model packed with these options.
static char *packed_with(const char *name, const char *options) {
    char path[512];
    test_run run =
        test_lexmask("convert %s %s %s", temporary_folder(), temporary_path(name), options);
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    snprintf(path, sizeof path, "%s/config.json", temporary_path(name));
    return contrast_text_of(path);
}

// A requested size gives the same result as a model packed with that size.
static void pictures_of_another_size(void **state) {
    (void)state;
    const char *words = "detect " CONTRAST_PICTURE " --model %s --names pizza,guitar --no-cache "
                        "--score 0.001 --jsonl - %s";
    char *config = packed_with("larger", "--size 192 --alpha 0.25 --beta 0.75");
    ASSERT_SAYS(config, "\"size\": 192");
    ASSERT_SAYS(config, "\"alpha\": 0.25");
    ASSERT_SAYS(config, "\"beta\": 0.75");
    tn_free(config);
    test_run run = test_lexmask(words, temporary_path("larger"), "");
    test_run same = test_lexmask(words, temporary_folder(), "--size 192 --alpha 0.25 --beta 0.75"),
             own = test_lexmask(words, temporary_folder(), "--alpha 0.25 --beta 0.75");
    ASSERT_CODE(run, 0);
    ASSERT_CODE(same, 0);
    assert_string_equal(run.out, same.out);
    assert_true(strcmp(run.out, own.out) != 0);
    test_run_free(&run);
    test_run_free(&same);
    test_run_free(&own);
    run = test_lexmask(words, temporary_folder(), "--size 100");
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "pictures of 100 pixels: expected a multiple of 8, such as 96 or 104");
    test_run_free(&run);
    run = test_lexmask(words, "demo/pair", "--size 128");
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "is for an F-VLM");
    test_run_free(&run);
}

// What is shown of the picture, and how often each of its things is there.
static int found_in(const char *path, const char *options) {
    int found = 0;
    test_run run = test_lexmask("detect %s --model demo/model --names-file demo/names.txt "
                                "--score 0.5 %s",
                                path, options);
    ASSERT_CODE(run, 0);
    for (const char *at = run.out; (at = strchr(at, '\n')); at++) found++;
    test_run_free(&run);
    return found;
}

// A screenshot of 1920 x 1440 white pixels with four times the picture at half its size: things of
// about 35 pixels, which the model's own 512 would shrink to 9.
static void write_screenshot(const char *path) {
    enum { W = 1920, H = 1440 };
    tn_error err = {0};
    tn_tensor part, whole;
    ASSERT_OK(io_image_read(CONTRAST_PICTURE, 0, &part, &err), err);
    ASSERT_OK(tn_new_heap(&whole, TN_U8, TN_DIMS(H, W, 3), &err), err);
    memset(whole.data, 255, tn_bytes(&whole));
    int64_t h = part.dim[0] / 2, w = part.dim[1] / 2, row = part.dim[1] * 3;
    for (int64_t y = 0; y < 2 * h; y++)
        for (int64_t x = 0; x < 2 * w; x++) {
            const uint8_t *from = tn_u8(&part) + y % h * 2 * row + x % w * 6;
            int64_t at_y = y + (y < h ? 200 : 600), at_x = x + (x < w ? 200 : 800);
            for (int c = 0; c < 3; c++)
                tn_u8(&whole)[(at_y * W + at_x) * 3 + c] =
                    (uint8_t)((from[c] + from[c + 3] + from[c + row] + from[c + row + 3]) / 4);
        }
    ASSERT_OK(io_png_write(path, &whole, &err), err);
    tn_free(part.data);
    tn_free(whole.data);
}

static void large_pictures_are_seen_at_more_pixels(void **state) {
    (void)state;
    const char *large = temporary_path("large.png");
    write_screenshot(large);
    int most = found_in(large, ""), own = found_in(large, "--size 512");
    if (most < 40 || own >= most) fail_msg("%d of 48 found, %d at the model's own size", most, own);
    const char *line = "detect %s --model demo/model --names-file demo/names.txt --jsonl - %s";
    test_run grown = test_lexmask(line, large, ""), same = test_lexmask(line, large, "--size 1024");
    ASSERT_CODE(grown, 0);
    assert_string_equal(grown.out, same.out); // a model that is opened at this size
    test_run_free(&grown);
    test_run_free(&same);
    assert_int_equal(found_in(large, "--max-size 512"), own);
    assert_int_equal(found_in(CONTRAST_PICTURE, ""), found_in(CONTRAST_PICTURE, "--size 512"));
    const char *words = "detect %s %s --model demo/model --names pizza --max-size 600 %s";
    test_run run = test_lexmask(words, large, large, "");
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err,
                "a picture of 1920 x 1440 pixels is seen at 576 x 432: small things may be "
                "missed\n");
    assert_null(strstr(strstr(run.err, "is seen at") + 1, "is seen at")); // the first alone
    test_run_free(&run);
    run = test_lexmask("detect x.png --model demo/model --names a --max-size 600 --size 512");
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "it does not go with --max-size");
    test_run_free(&run);
    run = test_lexmask("detect " CONTRAST_PICTURE " --model demo/model --names a --size 1000");
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "pictures of 1000 pixels: expected a multiple of 64, such as 960 or 1024");
    test_run_free(&run);
}

static void proposals_and_scores_as_asked_for(void **state) {
    (void)state;
    char *config = packed_with("fewer", "--objectness 0.5 --proposals 375");
    ASSERT_SAYS(config, "\"objectness\": 0.5");
    ASSERT_SAYS(config, "\"after\": 375");
    tn_free(config);
}

static void packing_is_refused(void **state) {
    (void)state;
    static const char *const says[][2] = {
        {"convert demo/pair/detector.safetensors %s/x.safetensors --contrast demo/names.txt",
         "no model folder"},
        {"convert %s %s", "OUT is IN itself"},
        {"convert %s %s/x --contrast no-such.txt", "no-such.txt"},
        {"convert %s %s/x --bn-eps 0", "--bn-eps is for a detector"},
        {"convert %s %s/x --size 100", "expected a multiple of 8, such as 96 or 104"},
        {"convert demo/pair/detector.safetensors %s/x --size 64", "which --size is for"},
        {"convert demo/pair/detector.safetensors %s/x --alpha 1", "which --alpha is for"},
        {"convert demo/pair/detector.safetensors %s/x --beta 1", "which --beta is for"},
        {"convert demo/pair/detector.safetensors %s/x --objectness 1", "which --objectness is for"},
        {"convert demo/pair/detector.safetensors %s/x --proposals 9", "which --proposals is for"},
        {"convert %s %s/x --proposals 0", "--proposals"},
        {"convert demo/model/clip demo/model/clip", "OUT is IN itself"},
        {"convert demo/model/clip %s/x --bn-eps 0", "--bn-eps is for a detector"},
        {"convert demo/model/clip %s/x --size 64", "which --size is for"},
        {"convert %s %s/x --tokenizer demo/model/clip", "which --tokenizer is for"},
        {"convert demo/pictures %s/x", "demo/pictures: "},
    };
    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        char line[2048];
        snprintf(line, sizeof line, says[i][0], temporary_folder(), temporary_folder());
        test_run run = test_lexmask("%s", line);
        assert_true(run.code > 0 && run.code < 3);
        ASSERT_SAYS(run.err, says[i][1]);
        test_run_free(&run);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detect_needs_no_model),
        cmocka_unit_test(an_unknown_name_gets_a_hint),
        cmocka_unit_test(stages_are_drawn),
        cmocka_unit_test(a_cache_that_cannot_be_written_is_harmless),
        cmocka_unit_test(a_model_that_is_not_there),
        cmocka_unit_test(a_list_that_is_not_there),
        cmocka_unit_test(kept_scores_are_of_what_is_looked_for),
        cmocka_unit_test(packed),
        cmocka_unit_test(a_clip_by_itself),
        cmocka_unit_test(a_vocabulary_from_elsewhere),
        cmocka_unit_test(pictures_of_another_size),
        cmocka_unit_test(large_pictures_are_seen_at_more_pixels),
        cmocka_unit_test(proposals_and_scores_as_asked_for),
        cmocka_unit_test(packing_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, temporary_teardown);
}
