// SPDX-License-Identifier: Apache-2.0
// `lexmask train` from the command line: interrupting and resuming gives the same bits.
#include "io/file.h"
#include "io/image/image.h"
#include "io/weights/safetensors.h"
#include "tests/support/program.h"
#include "tests/support/run_log.h"
#include "tests/support/train_scene.h"
#include "train/jobs/train_job.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- stopping ----------------------------------------------------------------------------------

#define STEPS 7

static void checkpoint_of(const char *run, uint8_t out[IO_SHA256]) {
    run_digest(temporary_path(run), "checkpoint.safetensors", out);
}

static void stopped_and_resumed_it_ends_in_the_same_bits(void **state) {
    (void)state;
    uint8_t want[IO_SHA256], is[IO_SHA256];
    test_run run = test_lexmask("%s --steps %d --threads 1 --average 0.9 --optimizer muon",
                                scene_words("whole"), STEPS);
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    checkpoint_of("whole", want);
    for (int stop = 1; stop < STEPS; stop += 2) {
        char name[32];
        snprintf(name, sizeof name, "parts%d", stop);
        for (int part = 0; part < 3; part++) {
            char begin[2048];
            snprintf(begin, sizeof begin, "%s --steps %d --average 0.9 --optimizer muon --cache %s",
                     scene_words(name), STEPS, temporary_path("cache"));
            if (part)
                snprintf(begin, sizeof begin, "train --resume --out %s", temporary_path(name));
            run = test_lexmask("%s --threads %d --workers %d --stop-after %d", begin,
                               1 + (stop + part) % 2, part, part < 2 ? stop : STEPS);
            ASSERT_CODE(run, 0);
            test_run_free(&run);
        }
        checkpoint_of(name, is);
        assert_memory_equal(want, is, sizeof want);
    }
}

// The command only runs the library's job.
static void the_job_alone_ends_in_the_same_bits(void **state) {
    (void)state;
    tn_error err = {0};
    uint8_t want[IO_SHA256], is[IO_SHA256];
    char text[3][512];
    snprintf(text[0], sizeof text[0], "%s", temporary_path("data.json"));
    snprintf(text[1], sizeof text[1], "%s", temporary_folder());
    snprintf(text[2], sizeof text[2], "%s", temporary_path("job"));
    tr_train_options o = tr_train_defaults();
    o.preset = "small", o.clip = SCENE_CLIP, o.data = text[0], o.pictures = text[1];
    o.size = 128, o.jitter = "1,1", o.no_flip = true;
    o.job.out = text[2], o.job.batch = 2, o.job.steps = 3;
    ASSERT_OK(tr_train_run(&o, NULL, &err), err);
    test_run run = test_lexmask("%s --steps 3", scene_words("command"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    checkpoint_of("job", want);
    checkpoint_of("command", is);
    assert_memory_equal(want, is, sizeof want);
}

// The gradients of a run's first update.
static void first_gradients(const char *run, const char *how, io_weights **out) {
    char path[512];
    tn_error err = {0};
    test_run went = test_lexmask("train --preset small --clip %s --data %s --pictures %s --out %s "
                                 "--size 64 --steps 1 --warmup 0 --dump %s-dump %s",
                                 SCENE_CLIP, temporary_path("data.json"), temporary_folder(),
                                 temporary_path(run), temporary_path(run), how);
    ASSERT_CODE(went, 0);
    test_run_free(&went);
    snprintf(path, sizeof path, "%s-dump/step-000000.safetensors", temporary_path(run));
    ASSERT_OK(io_weights_open(path, out, &err), err);
}

// Losses are divided by fixed counts, and group norm sees one picture at a time.
static void a_batch_in_parts_has_the_same_gradients(void **state) {
    (void)state;
    io_weights *whole, *parts;
    first_gradients("whole-batch", "--batch 2", &whole);
    first_gradients("in-parts", "--batch 1 --accumulate 2", &parts);
    int compared = 0;
    for (size_t i = 0; i < io_weights_count(whole); i++) {
        const io_tensor *a = io_weights_at(whole, i);
        if (strncmp(a->name, "grad/", 5)) continue;
        const io_tensor *b = io_weights_find(parts, a->name);
        assert_non_null(b);
        tn_tensor view = tn_view((void *)a->data, TN_F32, a->rank, a->dim);
        double apart = 0, top = 0;
        for (int64_t k = 0; k < tn_count(&view); k++) {
            double x = ((const float *)a->data)[k], y = ((const float *)b->data)[k];
            apart = fmax(apart, fabs(x - y));
            top = fmax(top, fabs(x));
        }
        if (!(apart <= 1e-5 * top)) fail_msg("%s: %g of %g", a->name, apart, top);
        compared += top > 0;
    }
    assert_true(compared > 50);
    io_weights_close(whole);
    io_weights_close(parts);
}

// Relative distance of the gradients of two dumps: |a - b| / |a| over all of them.
static double gradients_apart(const io_weights *one, const io_weights *other) {
    double apart = 0, all = 0;
    for (size_t i = 0; i < io_weights_count(one); i++) {
        const io_tensor *a = io_weights_at(one, i), *b = io_weights_find(other, a->name);
        if (strncmp(a->name, "grad/", 5)) continue;
        assert_non_null(b);
        tn_tensor view = tn_view((void *)a->data, TN_F32, a->rank, a->dim);
        for (int64_t k = 0; k < tn_count(&view); k++) {
            double x = ((const float *)a->data)[k], y = ((const float *)b->data)[k];
            apart += (x - y) * (x - y);
            all += x * x;
        }
    }
    assert_true(all > 0);
    return sqrt(apart / all);
}

static void products_in_bfloat16_are_near_and_kept(void **state) {
    (void)state;
    const char *level = getenv("LEXMASK_CPU");
    if (level && !strcmp(level, "ref")) SKIP("level ref rounds nothing");
    io_weights *whole, *half, *one;
    first_gradients("in-float", "--batch 2", &whole);
    first_gradients("in-half", "--batch 2 --matmul bf16 --threads 2", &half);
    first_gradients("in-half-alone", "--batch 2 --matmul bf16 --threads 1", &one);
    double apart = gradients_apart(whole, half);
    print_message("gradients of products in bfloat16: %.4f apart\n", apart);
    assert_true(apart > 1e-4 && apart < 0.1);
    assert_true(gradients_apart(half, one) == 0);
    io_weights_close(whole);
    io_weights_close(half);
    io_weights_close(one);

    // A resumed run keeps its options, and reports different ones.
    test_run run =
        test_lexmask("%s --steps 4 --matmul bf16 --stop-after 2", scene_words("half-run"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask("train --resume --out %s --matmul f32", temporary_path("half-run"));
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--matmul");
    test_run_free(&run);
    run = test_lexmask("train --resume --out %s", temporary_path("half-run"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    uint8_t want[IO_SHA256], is[IO_SHA256];
    run = test_lexmask("%s --steps 4 --matmul bf16 --cache %s", scene_words("half-whole"),
                       temporary_path("cache"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    checkpoint_of("half-run", want);
    checkpoint_of("half-whole", is);
    assert_memory_equal(want, is, sizeof want);
}

static int64_t regions_of(const char *run, const char *how) {
    io_weights *dump;
    first_gradients(run, how, &dump);
    const io_tensor *rois = io_weights_find(dump, "0.regions.rois");
    assert_non_null(rois);
    int64_t count = rois->dim[0];
    io_weights_close(dump);
    return count;
}

static void regions_are_as_many_as_were_asked_for(void **state) {
    (void)state;
    assert_int_equal(regions_of("few-regions", "--batch 2 --regions 16"), 16);
    assert_true(regions_of("all-regions", "--batch 2") > 16);
}

static void open_adapters(const char *run, io_weights **out) {
    char path[512];
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/adapters.safetensors", temporary_path(run));
    ASSERT_OK(io_weights_open(path, out, &err), err);
}

// One update of the same gradients by each optimizer: parameters of AdamW in both are equal.
static void muon_has_all_matrices_but_those_of_the_rpn(void **state) {
    (void)state;
    io_weights *adamw, *muon;
    int same = 0, other = 0;
    first_gradients("by-adamw", "--batch 2", &adamw);
    io_weights_close(adamw);
    first_gradients("by-muon", "--batch 2 --optimizer muon", &muon);
    io_weights_close(muon);
    open_adapters("by-adamw", &adamw);
    open_adapters("by-muon", &muon);
    for (size_t i = 0; i < io_weights_count(adamw); i++) {
        const io_tensor *a = io_weights_at(adamw, i), *b = io_weights_find(muon, a->name);
        tn_tensor view = tn_view((void *)a->data, TN_F32, a->rank, a->dim);
        assert_non_null(b);
        bool equal = memcmp(a->data, b->data, tn_bytes(&view)) == 0;
        bool muons = a->rank >= 2 && strncmp(a->name, "rpn.", 4) != 0;
        if (equal == muons) fail_msg("%s: %s", a->name, equal ? "as by AdamW" : "not as by AdamW");
        if (equal)
            same++;
        else
            other++;
    }
    assert_true(same > 20 && other > 10);
    io_weights_close(adamw);
    io_weights_close(muon);
}

// What a run says at its end is what to do next; names that differ in case are one.
static void the_model_of_the_best_validation_is_used(void **state) {
    (void)state;
    char *text, path[512];
    size_t bytes;
    tn_error err = {0};
    ASSERT_OK(io_read_text(temporary_path("data.json"), 0, &text, &bytes, &err), err);
    char *blue = strstr(text, "{\"id\":2,\"name\":\"blue square\"}");
    assert_non_null(blue);
    memcpy(blue, "{\"id\":2,\"name\":\"Red  Circle\"}", 29);
    temporary_text("case.json", text);
    tn_free(text);
    test_run run = test_lexmask("train --preset small --clip %s --data %s/case.json --pictures %s "
                                "--out %s --size 128 --flip --batch 2 --steps 2 --val %s/case.json",
                                SCENE_CLIP, temporary_folder(), temporary_folder(),
                                temporary_path("case"), temporary_folder());
    ASSERT_CODE(run, 0);
    char *note = strstr(run.err, "case.json: categories whose name is to CLIP the same text as an "
                                 "earlier one's: 1, the first \"Red  Circle\"; it is one with "
                                 "\"red circle\"");
    assert_non_null(note);
    assert_non_null(strstr(note + 1, "categories whose name")); // of both files
    ASSERT_SAYS(run.err, ", 1 names, 2 updates");
    tn_tensor both;
    snprintf(path, sizeof path, "%s/validation/step-000002-1.png", temporary_path("case"));
    ASSERT_OK(io_image_read(path, 0, &both, &err), err);
    assert_int_equal(both.dim[0], 128);
    assert_int_equal(both.dim[1], 2 * 128 + 8);
    assert_memory_equal(tn_u8(&both), tn_u8(&both) + 3 * (128 + 8), 3); // no object there
    int64_t centre = 44 * both.dim[1] + 38; // of the first circle, which is drawn on the left
    assert_memory_not_equal(tn_u8(&both) + 3 * centre, "\xdc\x28\x28", 3);
    tn_free(both.data);
    ASSERT_SAYS(run.err, "case/best: the model of the best validation");
    ASSERT_SAYS(run.err, "lexmask detect --model ");
    test_run_free(&run);
    snprintf(path, sizeof path, "%s/best", temporary_path("case"));
    run = test_lexmask("detect --model %s %s --score 0 --no-cache -q --jsonl -", path,
                       temporary_path("0.ppm"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "red circle");
    test_run_free(&run);
    // The CLIP that its configuration names has moved.
    char file[640];
    snprintf(file, sizeof file, "%s/config.json", path);
    ASSERT_OK(io_read_text(file, 0, &text, &bytes, &err), err);
    char *clip = strstr(text, SCENE_CLIP "\"");
    assert_non_null(clip);
    clip[0] = 'D';
    temporary_text("case/best/config.json", text);
    tn_free(text);
    run = test_lexmask("detect --model %s %s", path, temporary_path("0.ppm"));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "Demo/pair/clip: no such CLIP; ");
    ASSERT_SAYS(run.err, "lexmask convert ");
    test_run_free(&run);
    run = test_lexmask("detect --model demo/pair %s", temporary_path("0.ppm"));
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "what to look for? Give --names");
    test_run_free(&run);
}

static void ctrl_c_saves_first(void **state) {
    (void)state;
    test_run run =
        test_lexmask_interrupted(1.5, "%s --steps 100000 --warmup 5", scene_words("long"));
    if (run.code != 130 || !strstr(run.err, "saved")) fail_msg("not interrupted:\n%s", run.err);
    test_run_free(&run);
    run = test_lexmask("%s --steps 100000 --warmup 5 --resume --stop-after 1", scene_words("long"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask("train --resume --out %s --stop-after 1", temporary_path("long"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
}

static int clean(void **state) {
    return temporary_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_and_resumed_it_ends_in_the_same_bits),
        cmocka_unit_test(the_job_alone_ends_in_the_same_bits),
        cmocka_unit_test(a_batch_in_parts_has_the_same_gradients),
        cmocka_unit_test(products_in_bfloat16_are_near_and_kept),
        cmocka_unit_test(regions_are_as_many_as_were_asked_for),
        cmocka_unit_test(muon_has_all_matrices_but_those_of_the_rpn),
        cmocka_unit_test(the_model_of_the_best_validation_is_used),
        cmocka_unit_test(ctrl_c_saves_first),
    };
    return cmocka_run_group_tests(tests, scene_write, clean);
}
