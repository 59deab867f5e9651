// SPDX-License-Identifier: Apache-2.0
// Options as such: shared tables, options that a model does not use, typing mistakes.
#include "io/npy.h"
#include "tests/support/program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRUTH                                                                                      \
    "{\"images\":[{\"id\":1,\"file_name\":\"party.png\",\"width\":640,\"height\":480}],"           \
    "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":3,\"bbox\":[1,1,9,9],\"area\":81,"  \
    "\"iscrowd\":0}],\"categories\":[{\"id\":3,\"name\":\"pizza\"}]}"

#define FVLM ""
#define CROP " --model demo/pair"
#define CLOSED " --model demo/pair --mode closed"

static void options_that_a_model_does_not_use_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *model, *option, *says;
    } cases[] = {
        {FVLM, "--objectness 0.5",
         "--objectness is for a Mask R-CNN with CLIP (crop mode); the "
         "model that comes with lexmask is an F-VLM"},
        {FVLM, "--objectness-of head", "--objectness-of is for a Mask R-CNN with CLIP"},
        {FVLM, "--crop-shape tight", "--crop-shape is for a Mask R-CNN with CLIP"},
        {FVLM, "--crop-context 1.2", "--crop-context is for a Mask R-CNN with CLIP"},
        {FVLM, "--heads 4", "--heads is for a Mask R-CNN with CLIP"},
        {FVLM, "--text-heads 4", "--text-heads is for a Mask R-CNN with CLIP"},
        {FVLM, "--activation gelu", "--activation is for a Mask R-CNN with CLIP"},
        {FVLM, "--bn-eps 0", "--bn-eps is for a Mask R-CNN; the model"},
        {FVLM, "--score2 none --alpha 0.5", "is an F-VLM without a score 2"},
        {FVLM, "--score2 none --beta 0.5", "--beta is for an F-VLM with a score 2"},
        {FVLM, "--score2 dense --clip-batch 8", "is an F-VLM whose score 2 is not by crop"},
        {CROP, "--alpha 0.5", "--alpha is for an F-VLM with a score 2; demo/pair is a Mask R-CNN"},
        {CROP, "--beta 0.5", "--beta is for an F-VLM with a score 2"},
        {CROP, "--score2 embed", "--score2 is for an F-VLM; demo/pair"},
        {CROP, "--no-contrast", "--no-contrast is for an F-VLM"},
        {CROP, "--size 512", "--size is for an F-VLM"},
        {CROP, "--stages x", "--stages is for an F-VLM"},
        {CROP, "--novel demo/names.txt", "--novel is for an F-VLM"},
        {CROP, "--crop-shape tight --crop-context 2", "--crop-context is for --crop-shape square"},
        {CLOSED, "--proposals 10",
         "--proposals is for models that name things by CLIP; demo/pair "
         "is a Mask R-CNN with its own classes (closed mode)"},
        {CLOSED, "--names-file demo/names.txt", "--names-file is for models that name"},
        {CLOSED, "--prompt a\t{}", "--prompt is for models that name"},
        {CLOSED, "--background none", "--background is for models that name"},
        {CLOSED, "--embeddings x.npy", "--embeddings is for models that name"},
        {CLOSED, "--no-cache", "--no-cache is for models that name"},
        {CLOSED, "--tokenizer demo/pair/clip", "--tokenizer is for models that name"},
        {CLOSED, "--clip-batch 8", "--clip-batch is for models that cut out crops"},
        {CLOSED, "--objectness 0.5", "--objectness is for a Mask R-CNN with CLIP"},
        {CROP, "--embeddings x.npy --prompt a\t{}", "not with --embeddings"},
        {CROP, "--embeddings x.npy --tokenizer demo/pair/clip", "not with --embeddings"},
        {CROP, "--embeddings x.npy --background a\tthing", "with --embeddings only none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_run run =
            test_lexmask("detect demo/pictures/party.png%s %s%s", cases[i].model, cases[i].option,
                         strcmp(cases[i].model, CLOSED) ? " --names pizza" : "");
        if (run.code != 2 || !strstr(run.err, cases[i].says))
            fail_msg("detect%s %s: exit code %d, expected 2 and '%s':\n%s", cases[i].model,
                     cases[i].option, run.code, cases[i].says, run.err);
        test_run_free(&run);
    }
}

static void eval_and_report_refuse_the_same(void **state) {
    (void)state;
    const char *gt = temporary_text("gt.json", TRUTH);
    static const char *const cases[][2] = {
        {" --crop-shape tight", "--crop-shape is for a Mask R-CNN with CLIP"},
        {" --heads 4", "--heads is for a Mask R-CNN with CLIP"},
        {" --model demo/pair --alpha 0.5", "--alpha is for an F-VLM with a score 2"},
        {" --model demo/pair --no-contrast", "--no-contrast is for an F-VLM"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_run run = test_lexmask("eval --gt %s --pictures demo/pictures --results-out %s/r%s",
                                    gt, temporary_folder(), cases[i][0]);
        ASSERT_CODE(run, 2);
        ASSERT_SAYS(run.err, cases[i][1]);
        test_run_free(&run);
        run = test_lexmask("report --gt %s --pictures demo/pictures%s", gt, cases[i][0]);
        ASSERT_CODE(run, 2);
        ASSERT_SAYS(run.err, cases[i][1]);
        test_run_free(&run);
    }
    static const char *const without[][2] = {
        {"eval --gt a --results b --score 0.3", "--score goes with a model"},
        {"eval --gt a --results b --no-cache", "--no-cache goes with a model"},
        {"eval --gt a --sweep --scores b --alpha 0.3", "--alpha goes with a model"},
        {"report --gt a --results b --prompt {}", "--prompt goes with a model"},
        {"report --gt a --named b --iou 0.5", "--iou goes with --results"},
        {"embed --clip c --texts a --out x.npy --batch 2", "--batch goes with --pictures"},
        {"embed --clip c --pictures a --out x.npy --tokenizer t", "--tokenizer is for texts"},
        {"preprocess p --for clip --detector d --out x.npy", "goes with --for detector"},
        {"preprocess p --for detector --clip c --out x.npy", "go with --for clip"},
        {"eval --gt a --results b --alphas 0,1", "lists of values go with --sweep"},
        {"scenes --out x --kind chat --least 3", "are for --kind scenes"},
        {"pull --list --from x", "--list shows all"},
        {"bench kernels --pictures x", "--pictures is for `bench data`"},
        {"bench data --matmul f32", "--matmul is not for `bench data`"},
    };
    test_misuse(without, sizeof without / sizeof *without);
}

// With score 2 by crop an F-VLM does cut out crops, and a batch of another size finds the same.
static void options_that_are_used_are_taken(void **state) {
    (void)state;
    test_run by8 = test_lexmask("detect demo/pictures/party.png --names pizza --no-cache --score2 "
                                "crop --clip-batch 8 --alpha 0.5 --beta 0.5 --score 0.2 --jsonl -");
    ASSERT_CODE(by8, 0);
    test_run by64 = test_lexmask("detect demo/pictures/party.png --names pizza --no-cache --score2 "
                                 "crop --alpha 0.5 --beta 0.5 --score 0.2 --jsonl -");
    ASSERT_CODE(by64, 0);
    ASSERT_SAYS(by8.out, "pizza");
    test_run_free(&by8);
    test_run_free(&by64);
    test_run run = test_lexmask("detect demo/pictures/party.png --names pizza --no-cache" CROP
                                " --objectness-of rpn --bn-eps 1e-5 --proposals 20 --threads 0 "
                                "--dtype f32 --device cpu");
    ASSERT_CODE(run, 0);
    test_run_free(&run);
}

// From the heading of the first shared table on, all is the same.
static void the_commands_that_run_a_model_have_the_same_options(void **state) {
    (void)state;
    test_run detect = test_lexmask("detect --help"), eval = test_lexmask("eval --help"),
             report = test_lexmask("report --help");
    char *from = strstr(detect.out, "\nthe model:\n"), *to = strstr(from, "\nof every command:\n");
    char *find = strstr(from, "\nwhat it finds:\n"), *machine = strstr(from, "\nthe machine:\n");
    assert_true(from && to && find && machine && find < machine && machine < to);
    *to = 0;
    ASSERT_SAYS(eval.out, from);
    *find = 0; // boxes are given
    ASSERT_SAYS(report.out, from);
    ASSERT_SAYS(from, "--bn-eps X");
    ASSERT_SAYS(from, "--embeddings FILE");
    ASSERT_SAYS(from, "--max-megapixels N");
    test_run_free(&detect);
    test_run_free(&eval);
    test_run_free(&report);
}

static const char *const computing[] = {"detect", "embed",    "preprocess", "verify",
                                        "eval",   "report",   "bench",      "scenes",
                                        "train",  "pretrain", "refine"};

static void no_threads_are_all_threads_everywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof computing / sizeof *computing; i++) {
        test_run run = test_lexmask("%s --threads 0 --help", computing[i]);
        ASSERT_CODE(run, 0);
        ASSERT_SAYS(run.out, "default 0: all processors");
        test_run_free(&run);
    }
}

static void unknown_devices_and_types_are_told_with_those_that_exist(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof computing / sizeof *computing; i++) {
        test_run run = test_lexmask("%s --device tpu", computing[i]);
        ASSERT_CODE(run, 2);
        ASSERT_SAYS(run.err, "device 'tpu' is not known: this build offers cpu");
        test_run_free(&run);
    }
    static const char *const types[][2] = {
        {"detect x --dtype int4", "'int4': expected one of f32|bf16"},
        {"eval --dtype int4", "'int4': expected one of f32|bf16"},
        {"report --dtype int4", "'int4': expected one of f32|bf16"},
        {"embed --dtype int4", "'int4': expected one of f32|bf16"},
        {"verify --dtype int4", "'int4': expected one of f32|bf16"}};
    test_misuse(types, sizeof types / sizeof *types);
}

// Products rounded to bfloat16 give nearly the same, and what cannot round says so.
static void the_number_type_reaches_the_context(void **state) {
    (void)state;
    static const char line[] =
        "embed --clip demo/pair/clip --texts pizza a\tcat --dtype %s --out %s";
    tn_error err = {0};
    tn_tensor full, half;
    char level[16] = "";
    if (getenv("LEXMASK_CPU")) snprintf(level, sizeof level, "%s", getenv("LEXMASK_CPU"));
    unsetenv("LEXMASK_CPU");
    test_run run = test_lexmask(line, "f32", temporary_path("full.npy"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask(line, "bf16", temporary_path("half.npy"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    ASSERT_OK(io_npy_read(temporary_path("full.npy"), &full, &err), err);
    ASSERT_OK(io_npy_read(temporary_path("half.npy"), &half, &err), err);
    double most = 0;
    for (int64_t i = 0; i < tn_count(&full); i++)
        most = fmax(most, fabs((double)tn_f32(&full)[i] - (double)tn_f32(&half)[i]));
    assert_true(most > 1e-6 && most < 0.05);
    tn_free(full.data);
    tn_free(half.data);
    setenv("LEXMASK_CPU", "ref", 1);
    run = test_lexmask(line, "bf16", temporary_path("half.npy"));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "level ref does not support bfloat16 products");
    test_run_free(&run);
    unsetenv("LEXMASK_CPU");
    if (level[0]) setenv("LEXMASK_CPU", level, 1);
}

static void unknown_words_name_what_was_meant(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"detect x --conf 0.5", "--conf: no such option; did you mean --score?"},
        {"detect x --threshold 0.5", "did you mean --score?"},
        {"detect x --weights w", "did you mean --model?"},
        {"detect x --source y", "pictures, folders and patterns are given without an option"},
        {"eval --source y", "did you mean --pictures?"},
        {"detect x --iou 0.5", "did you mean --nms?"},
        {"detect x --imgsz=640", "did you mean --size?"},
        {"detect x --max-det 3", "did you mean --top?"},
        {"train --batch-size 3", "did you mean --batch?"},
        {"train --imgsz 3", "did you mean --size?"},
        {"detect x --socre 1", "did you mean --score?"},
        {"detect x --naems a", "did you mean --names?"},
        {"detect x --name-file a", "did you mean --names-file?"},
        {"detect x --model-folder a", "did you mean --model?"}, // begins alike
        {"detct x", "'detct': no such command; did you mean detect?"},
        {"trian", "did you mean train?"},
        {"evla", "did you mean eval?"},
    };
    test_misuse(cases, sizeof cases / sizeof *cases);
    test_run run = test_lexmask("detect x --zzqqxx 1");
    ASSERT_CODE(run, 2);
    assert_null(strstr(run.err, "did you mean"));
    test_run_free(&run);
    run = test_lexmask("zzqqxx");
    ASSERT_CODE(run, 2);
    assert_null(strstr(run.err, "did you mean"));
    test_run_free(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_that_a_model_does_not_use_are_refused),
        cmocka_unit_test(eval_and_report_refuse_the_same),
        cmocka_unit_test(options_that_are_used_are_taken),
        cmocka_unit_test(the_commands_that_run_a_model_have_the_same_options),
        cmocka_unit_test(no_threads_are_all_threads_everywhere),
        cmocka_unit_test(unknown_devices_and_types_are_told_with_those_that_exist),
        cmocka_unit_test(the_number_type_reaches_the_context),
        cmocka_unit_test(unknown_words_name_what_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
