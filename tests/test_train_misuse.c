// SPDX-License-Identifier: Apache-2.0
// Error messages of `lexmask train`: wrong options, a run that cannot be resumed, unusable
// pictures, numbers that are not finite.
#include "io/file.h"
#include "io/weights/safetensors.h"
#include "tests/support/program.h"
#include "tests/support/train_scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- refused options ---------------------------------------------------------------------------

static void missing_options_are_reported(void **state) {
    (void)state;
    static const struct {
        const char *words, *says;
        int code;
    } cases[] = {
        {"train", "train what?", 2},
        {"train --preset small", "needs a CLIP", 2},
        {"train --preset large --clip x", "--preset", 2},
        {"train --preset small --clip " SCENE_CLIP, "train on what?", 2},
        {"train --preset small --clip " SCENE_CLIP " --data x", "where are the pictures?", 2},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y", "where to?", 2},
        {"train --model a --preset small --clip b --data x --pictures y --out z", "train what?", 2},
        {"train --model a --clip b --data x --pictures y --out z", "--clip goes with --preset", 2},
        {"train --preset small --clip " SCENE_CLIP
         " --data x --pictures y --out z --steps 1 --epochs 2",
         "--steps or --epochs", 2},
        {"train --preset small --clip " SCENE_CLIP " --data /no/such.json --pictures y --out z",
         "/no/such.json", 1},
        {"train --model /no/such --data x --pictures y --out z", "/no/such/config.json", 1},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y --out z --jitter 3",
         "two numbers", 2},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y --out z --jitter 0,1",
         "from 0.01 to 10", 2},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y --out z --lr 11", "--lr",
         2},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y --out z --lr nan",
         "--lr", 2},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y --out z --batch 65",
         "--batch", 2},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y --out z --decay -1",
         "--decay", 2},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y --out z --steps 0",
         "--steps", 2},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y --out z --seed 0.5",
         "--seed", 2},
        {"train --model a --norm group --data x --pictures y --out z", "--norm", 2},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y --out z --speed",
         "--speed", 2},
        {"train --resume --out /no/such/run",
         "--resume: /no/such/run holds no run to go on with: give all options", 2},
        {"train --resume --out demo", "demo holds no run to go on with (no checkpoint was saved",
         2},
        {"train --preset small --clip " SCENE_CLIP
         " --data x --pictures y --out z --val-pictures a",
         "goes with --val", 2},
        {"train --preset small --clip " SCENE_CLIP " --data x --pictures y --out z --patience 3",
         "--patience goes with --val", 2},
        {"train --preset small --clip " SCENE_CLIP
         " --data x --pictures y --out z --flip --no-flip",
         "--flip or --no-flip", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_run run = test_lexmask("%s", cases[i].words);
        ASSERT_CODE(run, cases[i].code);
        ASSERT_SAYS(run.err, cases[i].says);
        test_run_free(&run);
    }
}

static void a_run_is_not_overwritten(void **state) {
    (void)state;
    test_run run = test_lexmask("%s --steps 2", scene_words("once"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    for (int number = 2; number <= 3; number++) {
        char says[32];
        snprintf(says, sizeof says, "once-%d\n", number);
        run = test_lexmask("%s --steps 1", scene_words("once"));
        ASSERT_CODE(run, 0);
        ASSERT_SAYS(run.err,
                    "once holds a run already (--resume goes on with it): this one is in ");
        ASSERT_SAYS(run.err, says);
        test_run_free(&run);
    }
    run = test_lexmask("%s --steps 2 --lr 0.5 --resume", scene_words("once"));
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--lr");
    test_run_free(&run);
}

static void cache_with_random_augmentation_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"0.5,1", "1.5,1.5"};
    for (int i = 0; i < 2; i++) {
        test_run run = test_lexmask("train --preset small --clip %s --data %s --pictures %s --out "
                                    "%s --size 64 --cache %s --jitter %s",
                                    SCENE_CLIP, temporary_path("data.json"), temporary_folder(),
                                    temporary_path("never"), temporary_path("cache"), cases[i]);
        ASSERT_CODE(run, 2);
        ASSERT_SAYS(run.err, "--cache: pictures are scaled at random");
        test_run_free(&run);
    }
}

// One message at the start, not one per picture.
static void a_folder_without_the_pictures_is_named(void **state) {
    (void)state;
    static const struct {
        const char *pictures, *val, *says; // NULL: where they are; no validation
    } cases[] = {
        {"demo", NULL, "--pictures demo: not one of the first 2 pictures of "},
        {"demo", NULL, "demo/0.ppm); give the folder that its \"file_name\" begins from"},
        {"/no/such", NULL, "--pictures /no/such: no such folder"},
        {NULL, "demo", "--val-pictures demo: not one of the first 2 pictures of "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char val[1024] = "";
        const char *data = temporary_path("data.json");
        if (cases[i].val)
            snprintf(val, sizeof val, "--val %s --val-pictures %s", data, cases[i].val);
        test_run run = test_lexmask(
            "train --preset small --clip %s --data %s --pictures %s %s --out %s --size 64 "
            "--steps 1",
            SCENE_CLIP, data, cases[i].pictures ? cases[i].pictures : temporary_folder(), val,
            temporary_path("nowhere"));
        ASSERT_CODE(run, 1);
        ASSERT_SAYS(run.err, cases[i].says);
        assert_null(strstr(run.err, "left out"));
        test_run_free(&run);
    }
}

// A run stores its options; options given again must agree.
static void options_that_contradict_a_run_are_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"--lr 0.5", "--lr"},
        {"--batch 1", "--batch"},
        {"--accumulate 3", "--accumulate"},
        {"--steps 9", "--steps"},
        {"--seed 2", "--seed"},
        {"--average 0.5", "--average"},
        {"--jitter 0.5,1", "--jitter"},
        {"--warmup 1", "--warmup"},
        {"--decay 0", "--decay"},
        {"--size 64", "--size"},
        {"--regions 64", "--regions"},
        {"--loss cosine", "--loss"},
        {"--clip-norm 9", "--clip-norm"},
        {"--data /no/such", "/no/such"},
    };
    test_run run = test_lexmask("%s --steps 1 --seed 1", scene_words("told"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run = test_lexmask("train --resume --out %s %s", temporary_path("told"), cases[i][0]);
        if (run.code != 1 && run.code != 2) fail_msg("%s: exit code %d", cases[i][0], run.code);
        ASSERT_SAYS(run.err, cases[i][1]);
        test_run_free(&run);
    }
    run = test_lexmask("train --resume --out %s", temporary_path("told"));
    ASSERT_CODE(run, 0); // and is unchanged
    test_run_free(&run);
}

static void broken_settings_of_a_run_are_named(void **state) {
    (void)state;
#define BOTH "\"data\":\"d\",\"pictures\":\"p\""
    static const char *const cases[][2] = {
        {"", "run.json"},
        {"{", "run.json: line 1"},
        {"[]", "expected an object"},
        {"{}", "no \"data\""},
        {"{\"data\":\"d\"}", "no \"pictures\""},
        {"{\"data\":1}", "data: expected a string"},
        {"{\"data\":null}", "data: expected a string"},
        {"{" BOTH ",\"speed\":1}", "speed: no such setting"},
        {"{" BOTH ",\"batch\":0}", "batch: "},
        {"{" BOTH ",\"batch\":65}", "batch: "},
        {"{" BOTH ",\"batch\":1.5}", "batch: expected an integer"},
        {"{" BOTH ",\"accumulate\":1e9}", "accumulate: "},
        {"{" BOTH ",\"average\":\"a\"}", "average: expected a number"},
        {"{" BOTH ",\"average\":2}", "average: expected a number from 0 to 1, found 2"},
        {"{" BOTH ",\"cache-limit\":1e300}", "cache-limit: "},
        {"{" BOTH ",\"seed\":-1}", "seed: "},
        {"{" BOTH ",\"workers\":1000}", "workers: "},
        {"{" BOTH ",\"data\":\"d\"}", "run.json: line 1"}, // twice
        {"{" BOTH "}", "d: "},                             // no such annotations
    };
#undef BOTH
    test_run run = test_lexmask("%s --steps 1", scene_words("hurt"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    char path[512];
    snprintf(path, sizeof path, "%s/run.json", temporary_path("hurt"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *file = fopen(path, "wb");
        assert_true(file && fputs(cases[i][0], file) >= 0 && fclose(file) == 0);
        run = test_lexmask("train --resume --out %s", temporary_path("hurt"));
        if (run.code != 1) fail_msg("%s: exit code %d\n%s", cases[i][0], run.code, run.err);
        ASSERT_SAYS(run.err, cases[i][1]);
        test_run_free(&run);
    }
    assert_int_equal(remove(path), 0);
    run = test_lexmask("train --resume --out %s", temporary_path("hurt"));
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "no run to go on with");
    test_run_free(&run);
}

// Two more pictures in the annotations: one is broken, one is missing.
static void a_broken_picture_is_left_out_and_named(void **state) {
    (void)state;
    char *text, more[512], command[1024];
    size_t count;
    tn_error err = {0};
    FILE *file = fopen(temporary_path("bad.ppm"), "wb");
    assert_true(file && fputs("P6 128 128 255\nno", file) >= 0 && fclose(file) == 0);
    ASSERT_OK(io_read_text(temporary_path("data.json"), 0, &text, &count, &err), err);
    file = fopen(temporary_path("more.json"), "wb");
    assert_non_null(file);
    snprintf(more, sizeof more,
             "{\"images\":[{\"id\":3,\"file_name\":\"bad.ppm\",\"width\":128,\"height\":128},"
             "{\"id\":4,\"file_name\":\"missing.ppm\",\"width\":128,\"height\":128},");
    char *images = strstr(text, "[") + 1, *objects = strstr(text, "\"annotations\":[") + 15;
    fprintf(file, "%s%.*s", more, (int)(objects - images), images);
    for (int id = 3; id <= 4; id++)
        fprintf(file,
                "{\"id\":%d,\"image_id\":%d,\"category_id\":1,\"iscrowd\":0,\"area\":400,"
                "\"bbox\":[9,9,20,20],\"segmentation\":[[9,9,29,9,29,29,9,29]]},",
                100 + id, id);
    fputs(objects, file);
    assert_int_equal(fclose(file), 0);
    tn_free(text);
    snprintf(command, sizeof command, "%s", scene_words("broken"));
    char *data = strstr(command, "data.json"); // the other file, with a name of the same length
    memcpy(data, "more.json", 9);
    test_run run = test_lexmask("%s --steps 6 --batch 1", command);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "bad.ppm");
    ASSERT_SAYS(run.err, "missing.ppm");
    ASSERT_SAYS(run.err, "1 missing, 1 broken");
    test_run_free(&run);
    char path[512];
    snprintf(path, sizeof path, "%s/log.jsonl", temporary_path("broken"));
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    ASSERT_SAYS(text, "{\"step\":0,\"pictures\":4,\"pictures_used\":4,\"objects\":6,");
    ASSERT_SAYS(text, "\"event\":\"left out\",\"text\":\"");
    ASSERT_SAYS(text, "bad.ppm");
    ASSERT_SAYS(text, "missing.ppm");
    ASSERT_SAYS(text, "\"left_out\":1");
    tn_free(text);
}

static void non_finite_module_is_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"fpn.layer_blocks.0.0.weight",
         "the loss 'objectness' is not a number, first seen in the pyramid, level 0"},
        {"rpn.head.conv.0.0.weight", "first seen in rpn.head.cls_logits, level 0"},
        {"rpn.head.bbox_pred.bias",
         "the loss 'proposals' is not a number, first seen in rpn.head.bbox_pred, level 0"},
        {"box_predictor.embedding.weight",
         "the loss 'classes' is not a number, first seen in box_predictor.embedding"},
        {"mask_predictor.mask_fcn_logits.bias",
         "the loss 'masks' is not a number, first seen in mask_predictor"},
    };
    test_run run = test_lexmask("%s --steps 1 --warmup 0 --lr 1e-9", scene_words("sound"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    char path[512];
    tn_error err = {0};
    io_weights *sound;
    snprintf(path, sizeof path, "%s/adapters.safetensors", temporary_path("sound"));
    ASSERT_OK(io_weights_open(path, &sound, &err), err);
    size_t count = io_weights_count(sound);
    io_tensor *tensors = calloc(count, sizeof *tensors);
    assert_non_null(tensors);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *spoilt = NULL;
        for (size_t k = 0; k < count; k++) {
            tensors[k] = *io_weights_at(sound, k);
            if (strcmp(tensors[k].name, cases[i][0])) continue;
            tn_tensor view = tn_view(NULL, TN_F32, tensors[k].rank, tensors[k].dim);
            assert_non_null(spoilt = malloc(tn_bytes(&view)));
            for (int64_t n = 0; n < tn_count(&view); n++) spoilt[n] = NAN;
            tensors[k].data = spoilt;
        }
        assert_non_null(spoilt);
        snprintf(path, sizeof path, "%s/adapters.safetensors", temporary_path("sound"));
        ASSERT_OK(io_safetensors_write(path, tensors, count, NULL, 0, IO_AS_STORED, &err), err);
        free(spoilt);
        run = test_lexmask("train --model %s --data %s --pictures %s --out %s%zu --steps 2",
                           temporary_path("sound"), temporary_path("data.json"), temporary_folder(),
                           temporary_path("spoilt"), i);
        ASSERT_CODE(run, 1);
        ASSERT_SAYS(run.err, cases[i][1]);
        ASSERT_SAYS(run.err, "step 1: ");
        ASSERT_SAYS(run.err, "there is no checkpoint yet");
        test_run_free(&run);
    }
    free(tensors);
    io_weights_close(sound);
}

// A decay that flips and multiplies every weight ends any training.
static void non_finite_loss_ends_training_and_names_the_last_checkpoint(void **state) {
    (void)state;
    test_run run = test_lexmask("%s --steps 99 --warmup 0 --lr 10 --decay 10 --save-every 1",
                                scene_words("wild"));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "is not a number");
    char *last = strstr(run.err, "the last good checkpoint is ");
    assert_non_null(last);
    ASSERT_SAYS(last, "wild/checkpoint.safetensors, of step ");
    long long saved = atoll(strstr(last, "of step ") + 8), step;
    assert_int_equal(sscanf(strstr(run.err, "lexmask: step "), "lexmask: step %lld:", &step), 1);
    assert_int_equal(step, saved + 1);
    test_run_free(&run);
    // The checkpoint is good: it loads, and the same step fails again.
    run = test_lexmask("train --resume --out %s", temporary_path("wild"));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "is not a number");
    test_run_free(&run);
}

static int clean(void **state) {
    return temporary_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_options_are_reported),
        cmocka_unit_test(a_run_is_not_overwritten),
        cmocka_unit_test(cache_with_random_augmentation_is_refused),
        cmocka_unit_test(a_folder_without_the_pictures_is_named),
        cmocka_unit_test(options_that_contradict_a_run_are_named),
        cmocka_unit_test(broken_settings_of_a_run_are_named),
        cmocka_unit_test(a_broken_picture_is_left_out_and_named),
        cmocka_unit_test(non_finite_module_is_named),
        cmocka_unit_test(non_finite_loss_ends_training_and_names_the_last_checkpoint),
    };
    return cmocka_run_group_tests(tests, scene_write, clean);
}
