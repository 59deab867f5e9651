// SPDX-License-Identifier: Apache-2.0
// Contexts: devices, levels, scratch, and that misuse aborts with the shapes in the message.
#include "kernels/table.h"
#include "tests/support/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void unknown_devices_and_levels_are_named(void **state) {
    (void)state;
    kn_ctx *cx;
    tn_error err = {0};
    assert_int_equal(kn_open("tpu", NULL, 1, &cx, &err), TN_EDEVICE);
    assert_non_null(strstr(err.text, "'tpu'"));
    assert_non_null(strstr(err.text, "cpu"));
    assert_int_equal(kn_open("cpu", "mmx", 1, &cx, &err), TN_EDEVICE);
    assert_non_null(strstr(err.text, "'mmx'"));
    assert_non_null(strstr(err.text, "ref"));
    assert_int_equal(kn_open("cpu", "ref", -1, &cx, &err), TN_EINVAL);
}

static void the_environment_chooses_the_level(void **state) {
    (void)state;
    kn_ctx *cx;
    tn_error err = {0};
    const char *before = getenv("LEXMASK_CPU");
    char *kept = before ? tn_strdup(before) : NULL;
    setenv("LEXMASK_CPU", "ref", 1);
    ASSERT_OK(kn_open("cpu", NULL, 1, &cx, &err), err);
    assert_string_equal(kn_level(cx), "ref");
    kn_close(cx);
    setenv("LEXMASK_CPU", "mmx", 1);
    assert_int_equal(kn_open("cpu", NULL, 1, &cx, &err), TN_EDEVICE);
    assert_non_null(strstr(err.text, "LEXMASK_CPU"));
    ASSERT_OK(kn_open("cpu", "ref", 1, &cx, &err), err); // an argument goes before it
    kn_close(cx);
    kept ? setenv("LEXMASK_CPU", kept, 1) : unsetenv("LEXMASK_CPU");
    tn_free(kept);
}

static void opening_survives_every_failed_allocation(void **state) {
    (void)state;
    kn_ctx *cx;
    tn_error err = {0};
    int64_t before = tn_alloc_count();
    ASSERT_OK(kn_open("cpu", "ref", 3, &cx, &err), err);
    int64_t allocations = tn_alloc_count() - before;
    kn_close(cx);
    assert_true(allocations >= 5);
    for (int64_t i = 1; i <= allocations; i++) {
        tn_alloc_fail_after(i);
        assert_int_equal(kn_open("cpu", "ref", 3, &cx, &err), TN_ENOMEM);
        tn_alloc_fail_after(0);
    }
}

static void scratch_grows_and_starts_again(void **state) {
    (void)state;
    kn_ctx *cx;
    tn_error err = {0};
    ASSERT_OK(kn_open("cpu", "ref", 2, &cx, &err), err);
    char *a = kn_scratch(cx, 1, 100), *b = kn_scratch(cx, 1, 100);
    assert_true(b >= a + 100 && (uintptr_t)b % TN_ALIGN == 0);
    assert_ptr_not_equal(kn_scratch(cx, 0, 100), a);
    kn_scratch_reset(cx, 1);
    assert_ptr_equal(kn_scratch(cx, 1, 1), a);
    kn_close(cx);
}

// Each slot of ops.def in turn is left empty and must be named.
static void a_table_that_lacks_an_operation_is_found(void **state) {
    (void)state;
    const kn_table *whole = kn_ref_table();
    int operations = 0;
    assert_null(kn_table_lacks(whole));
#define KN_OP(result, name, parameters, arguments)                                                 \
    {                                                                                              \
        kn_table table = *whole;                                                                   \
        table.name = NULL;                                                                         \
        assert_string_equal(kn_table_lacks(&table), #name);                                        \
        operations++;                                                                              \
    }
#include "kernels/ops.def"
    assert_true(operations >= 54);
}

static const kn_table *inner;
static int entered, left;

#define KN_OP(result, name, parameters, arguments)                                                 \
    static result counted_##name parameters {                                                      \
        entered++;                                                                                 \
        KN_AROUND_##result(inner->name arguments, left++)                                          \
    }
#include "kernels/ops.def"

static const kn_table counted = {
#define KN_OP(result, name, parameters, arguments) .name = counted_##name,
#include "kernels/ops.def"
};

static void wrappers_round_all_operations_come_from_the_list(void **state) {
    (void)state;
    kn_ctx *cx;
    tn_error err = {0};
    float data[3] = {3, 4, 0}, box[4] = {0, 0, 1, 1};
    int32_t index[1] = {-1};
    ASSERT_OK(kn_open("cpu", "ref", 1, &cx, &err), err);
    assert_null(kn_table_lacks(&counted));
    inner = cx->table;
    cx->table = &counted;
    tn_tensor x = tn_view(data, TN_F32, TN_DIMS(2)), y = tn_view(data + 2, TN_F32, TN_DIMS(1));
    tn_tensor boxes = tn_view(box, TN_F32, TN_DIMS(1, 4));
    tn_tensor keep = tn_view(index, TN_I32, TN_DIMS(1));
    assert_true(kn_sum_squares(cx, &x) == 25);
    assert_int_equal(kn_nms(cx, 0.5, &boxes, &y, NULL, &keep), 1);
    assert_int_equal(index[0], 0);
    kn_act_fwd(cx, KN_RELU, &x, &x);
    assert_int_equal(entered, 3);
    assert_int_equal(left, 3);
    cx->table = inner;
    kn_close(cx);
}

static void levels_are_listed_from_the_lowest(void **state) {
    (void)state;
    assert_string_equal(kn_level_at(0), "ref");
    assert_string_equal(kn_level_at(1), "portable");
    int count = 2;
    while (kn_level_at(count)) count++;
    assert_true(count <= 8);
}

// The stderr of a child that aborts; "" if it does not abort.
static void message_of(void (*misuse)(kn_ctx *cx), char *text, size_t bytes) {
    int out[2], how;
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        kn_ctx *cx;
        signal(SIGABRT, SIG_DFL);
        dup2(out[1], 2);
        if (kn_open("cpu", "ref", 1, &cx, NULL) == TN_OK) misuse(cx);
        _exit(0);
    }
    close(out[1]);
    size_t used = 0;
    for (ssize_t got; (got = read(out[0], text + used, bytes - 1 - used)) > 0;) used += (size_t)got;
    text[used] = 0;
    close(out[0]);
    assert_int_equal(waitpid(child, &how, 0), child);
    if (!WIFSIGNALED(how) || WTERMSIG(how) != SIGABRT) text[0] = 0;
}

static void softmax_of_two_shapes(kn_ctx *cx) {
    float data[12];
    tn_tensor x = tn_view(data, TN_F32, TN_DIMS(2, 3)),
              y = tn_view(data + 6, TN_F32, TN_DIMS(3, 2));
    kn_softmax_fwd(cx, 1, &x, &y);
}

static void softmax_of_integers(kn_ctx *cx) {
    int32_t data[6];
    tn_tensor x = tn_view(data, TN_I32, TN_DIMS(2, 3));
    kn_softmax_fwd(cx, 1, &x, &x);
}

static void pool_over_itself(kn_ctx *cx) {
    float data[16] = {0};
    tn_tensor x = tn_view(data, TN_F32, TN_DIMS(1, 4, 4, 1));
    tn_tensor y = tn_view(data + 12, TN_F32, TN_DIMS(1, 2, 2, 1));
    kn_max_pool2d_fwd(cx, &(kn_pool2d){.kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2}, &x, &y);
}

static void id_out_of_table(kn_ctx *cx) {
    float data[6] = {0}, out[2];
    int32_t id = 3;
    tn_tensor table = tn_view(data, TN_F32, TN_DIMS(3, 2)), ids = tn_view(&id, TN_I32, TN_DIMS(1));
    tn_tensor y = tn_view(out, TN_F32, TN_DIMS(1, 2));
    kn_gather_rows_fwd(cx, &table, &ids, &y);
}

static void half_a_gradient(kn_ctx *cx) {
    float data[12];
    tn_tensor x = tn_view(data, TN_F32, TN_DIMS(4)), dy = tn_view(data + 4, TN_F32, TN_DIMS(4)),
              dx = tn_view(data + 8, TN_F32, TN_DIMS(4));
    kn_act_bwd(cx, KN_GELU, &x, &dy, 0.5, &dx);
}

static void gradient_of_another_shape(kn_ctx *cx) {
    float data[24];
    tn_tensor gamma = tn_view(data, TN_F32, TN_DIMS(3)),
              x = tn_view(data + 3, TN_F32, TN_DIMS(2, 3)),
              dy = tn_view(data + 9, TN_F32, TN_DIMS(2, 3)),
              dx = tn_view(data + 15, TN_F32, TN_DIMS(3, 2));
    kn_layer_norm_bwd(cx, 0, &x, &gamma, &dy, 0, &dx, 0, NULL, NULL);
}

static void gradient_over_its_input(kn_ctx *cx) {
    float data[24];
    tn_tensor dx = tn_view(data, TN_F32, TN_DIMS(1, 2, 2, 1)),
              dy = tn_view(data + 2, TN_F32, TN_DIMS(1, 4, 4, 1));
    kn_upsample_bwd(cx, &dy, 0, &dx);
}

static void target_that_is_no_column(kn_ctx *cx) {
    float data[6] = {0};
    int32_t types[2] = {-1, 3};
    tn_tensor x = tn_view(data, TN_F32, TN_DIMS(2, 3)), t = tn_view(types, TN_I32, TN_DIMS(2));
    kn_cross_entropy(cx, 1, &x, &t, NULL, 1, NULL);
}

static void misuse_of_gradients_aborts(void **state) {
    (void)state;
    char text[2048];
    message_of(half_a_gradient, text, sizeof text);
    assert_non_null(strstr(text, "kn_act_bwd: beta 0.5"));
    message_of(gradient_of_another_shape, text, sizeof text);
    assert_non_null(strstr(text, "x [2,3] and dx [3,2]"));
    message_of(gradient_over_its_input, text, sizeof text);
    assert_non_null(strstr(text, "overlaps"));
    message_of(target_that_is_no_column, text, sizeof text);
    assert_non_null(strstr(text, "target[1] = 3 of x [2,3]"));
}

static void misuse_aborts_and_shows_the_shapes(void **state) {
    (void)state;
    char text[2048];
    message_of(softmax_of_two_shapes, text, sizeof text);
    assert_non_null(strstr(text, "kn_softmax_fwd: x [2,3] and y [3,2]"));
    message_of(softmax_of_integers, text, sizeof text);
    assert_non_null(strstr(text, "int32"));
    message_of(pool_over_itself, text, sizeof text);
    assert_non_null(strstr(text, "overlaps x [1,4,4,1]"));
    message_of(id_out_of_table, text, sizeof text);
    assert_non_null(strstr(text, "ids[0] = 3 of a table [3,2]"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_devices_and_levels_are_named),
        cmocka_unit_test(the_environment_chooses_the_level),
        cmocka_unit_test(opening_survives_every_failed_allocation),
        cmocka_unit_test(scratch_grows_and_starts_again),
        cmocka_unit_test(a_table_that_lacks_an_operation_is_found),
        cmocka_unit_test(wrappers_round_all_operations_come_from_the_list),
        cmocka_unit_test(levels_are_listed_from_the_lowest),
        cmocka_unit_test(misuse_aborts_and_shows_the_shapes),
        cmocka_unit_test(misuse_of_gradients_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
