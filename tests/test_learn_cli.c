// SPDX-License-Identifier: Apache-2.0
// `lexmask train` from the command line overfits two pictures and does not change the CLIP.
#include "tests/support/program.h"
#include "tests/support/run_log.h"
#include "tests/support/test.h"
#include "tests/support/train_scene.h"

#include <string.h>
#include <unistd.h>

static void train_overfits_two_pictures(void **state) {
    (void)state;
    uint8_t before[IO_SHA256], after[IO_SHA256];
    run_digest(SCENE_CLIP, "model.safetensors", before);
    test_run run = test_lexmask(
        "%s --steps 160 --regions 128 --warmup 5 --lr 2e-3 --cache %s --val %s --val-every 1000",
        scene_words("heart"), temporary_path("cache"), temporary_path("data.json"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "frozen weights unchanged");
    printf("%.1f s, box AP50 %.3f, mask AP50 %.3f, AR@100 %.3f, R50 %.3f\n", run.seconds,
           run_last_of(temporary_path("heart"), "AP50"),
           run_last_of(temporary_path("heart"), "mask_AP50"),
           run_last_of(temporary_path("heart"), "box_AR@100"),
           run_last_of(temporary_path("heart"), "box_R50@100"));
    assert_true(run_last_of(temporary_path("heart"), "AP50") > 0.9);
    assert_true(run_last_of(temporary_path("heart"), "mask_AP50") > 0.85);
    assert_true(run_last_of(temporary_path("heart"), "box_R50@100") > 0.95);
    test_run_free(&run);
    run_digest(SCENE_CLIP, "model.safetensors", after);
    assert_memory_equal(before, after, sizeof before);
    const char *const files[] = {"config.json", "adapters.safetensors", "losses.png", "figures.png",
                                 "checkpoint.safetensors"};
    char path[512];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", temporary_path("heart"), files[i]);
        if (access(path, F_OK) != 0) fail_msg("no %s", path);
    }
    // The trained model is usable like any other.
    run =
        test_lexmask("detect %s --model %s --names red\tcircle,blue\tsquare --score2 none --score "
                     "0.5 --jsonl -",
                     temporary_path("0.ppm"), temporary_path("heart"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "red circle");
    ASSERT_SAYS(run.out, "blue square");
    test_run_free(&run);
}

static int clean(void **state) {
    return temporary_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(train_overfits_two_pictures)};
    return cmocka_run_group_tests(tests, scene_write, clean);
}
