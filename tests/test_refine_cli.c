// SPDX-License-Identifier: Apache-2.0
// `lexmask refine` as a user types it: the loss falls, the text tower stays, it ends in the same
// bits however often it is stopped, the result is a CLIP like any other, and what is wrong is said.
#include "io/weights/weights.h"
#include "tests/support/program.h"
#include "tests/support/run_log.h"

#include <string.h>

#define CLIP "demo/pair/clip"

// The words that all runs share; more follow.
static const char *words(const char *run) {
    static char text[2][1024];
    static int next;
    char *out = text[next++ % 2];
    snprintf(out, sizeof text[0],
             "refine --clip " CLIP " --out %s --size 64 --batch 2 --regions 12 --val-pictures 2 "
             "--warmup 2",
             temporary_path(run));
    return out;
}

static const io_tensor *tensor_of(io_weights *file, const char *name) {
    const io_tensor *t = io_weights_find(file, name);
    if (!t) fail_msg("no tensor '%s'", name);
    return t;
}

// Whether a tensor of the refined CLIP has the bits that it had.
static bool unchanged(const char *run, const char *name) {
    tn_error err;
    char path[512];
    io_weights *was, *is;
    ASSERT_OK(io_weights_open(CLIP "/model.safetensors", &was, &err), err);
    snprintf(path, sizeof path, "%s/model.safetensors", temporary_path(run));
    ASSERT_OK(io_weights_open(path, &is, &err), err);
    const io_tensor *a = tensor_of(was, name), *b = tensor_of(is, name);
    assert_true(a->rank == b->rank && a->dtype == TN_F16 && b->dtype == TN_F16);
    bool equal = !memcmp(a->data, b->data, (size_t)a->dim[0] * 2);
    io_weights_close(was);
    io_weights_close(is);
    return equal;
}

static void the_map_learns_and_the_text_stays(void **state) {
    (void)state;
    test_run run =
        test_lexmask("%s --steps 21 --lr 2e-3 --which 0 --val-every 1000 --dtype f16", words("a"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "things named right by the map");
    double first = run_first_of(temporary_path("a"), "loss"),
           last = run_last_of(temporary_path("a"), "loss");
    printf("%.1f s, loss %.4f to %.4f\n", run.seconds, first, last);
    assert_true(last < 0.7 * first);
    test_run_free(&run);
    assert_true(unchanged("a", "text_model.encoder.layers.0.mlp.fc1.weight"));
    assert_true(unchanged("a", "text_model.final_layer_norm.weight"));
    assert_false(unchanged("a", "vision_model.encoder.layers.5.self_attn.v_proj.weight"));
    assert_true(unchanged("a", "vision_model.encoder.layers.5.self_attn.k_proj.weight"));
    run = test_lexmask("embed --clip %s --texts a\tphoto\tof\tpizza --out %s", temporary_path("a"),
                       temporary_path("x.npy"));
    ASSERT_CODE(run, 0);
    assert_string_equal(run.err, "");
    test_run_free(&run);
}

static void stopped_and_resumed_it_ends_in_the_same_bits(void **state) {
    (void)state;
    const char *how = "--steps 5 --average 0.9 --pool base --window 4";
    test_run run = test_lexmask("%s --threads 1 %s", words("whole"), how);
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    for (int part = 0; part < 3; part++) {
        run = test_lexmask("%s --threads %d %s --stop-after %d --resume", words("parts"),
                           1 + part % 2, how, part < 2 ? 1 + part : 5);
        ASSERT_CODE(run, 0);
        test_run_free(&run);
    }
    run_assert_same(temporary_path("whole"), temporary_path("parts"));
    run = test_lexmask("%s %s --resume --things 0.9", words("parts"), how); // another run
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--things");
    test_run_free(&run);
    run = test_lexmask("%s %s", words("parts"), how);
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--resume");
    test_run_free(&run);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    static const char *const usage[][2] = {
        {"refine", "which CLIP?"},
        {"refine --clip x", "where to?"},
        {"refine --clip x --out y --things 2", "--things"},
        {"refine --clip x --out y --pool novel", "--pool"},
    };
    test_misuse(usage, sizeof usage / sizeof *usage);
    static const struct {
        const char *more, *says;
    } cases[] = {
        {"--clip /no/such", "/no/such"},
        {"--font /no/such", "/no/such"},
        {"--size 60", "patches of"},
        {"--window 3", "--window 3 does not divide"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_run run = test_lexmask("%s --steps 1 %s", words("wrong"), cases[i].more);
        if (run.code == 0) fail_msg("'%s' went through", cases[i].more);
        ASSERT_SAYS(run.err, cases[i].says);
        test_run_free(&run);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_map_learns_and_the_text_stays),
        cmocka_unit_test(stopped_and_resumed_it_ends_in_the_same_bits),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
