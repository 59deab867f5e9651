// SPDX-License-Identifier: Apache-2.0
// Allocation, arenas, conversions, the pool, random numbers.
#include "tensor/pool.h"
#include "tensor/rng.h"
#include "tensor/tensor.h"
#include "tests/support/test.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void arena_alloc_is_aligned_and_reset_frees(void **state) {
    (void)state;
    tn_arena arena;
    assert_int_equal(tn_arena_init(&arena, 1 << 20, NULL), TN_OK);
    char *a = tn_arena_alloc(&arena, 100);
    size_t mark = tn_arena_mark(&arena);
    char *b = tn_arena_alloc(&arena, 1);
    assert_true((uintptr_t)a % TN_ALIGN == 0 && (uintptr_t)b % TN_ALIGN == 0 && b >= a + 100);
    tn_arena_reset(&arena, mark);
    assert_ptr_equal(tn_arena_alloc(&arena, 1), b);
    assert_null(tn_arena_alloc(&arena, 1 << 21));
    assert_null(tn_arena_alloc(&arena, SIZE_MAX - 3));
    tn_arena_deinit(&arena);
}

// Out of order, with an empty and an absent one among them, and a view that is shorter than what
// was allocated.
static void arena_keep_moves_tensors_to_the_mark(void **state) {
    (void)state;
    tn_arena arena;
    tn_tensor first, scratch, empty, second, third, absent = {0};
    assert_int_equal(tn_arena_init(&arena, 1 << 16, NULL), TN_OK);
    tn_arena_alloc(&arena, 10);
    size_t mark = tn_arena_mark(&arena);
    char *at_mark = arena.base + mark;
    assert_int_equal(tn_new(&arena, &scratch, TN_I32, TN_DIMS(100), NULL), TN_OK);
    assert_int_equal(tn_new(&arena, &first, TN_I32, TN_DIMS(30), NULL), TN_OK);
    assert_int_equal(tn_new(&arena, &empty, TN_I32, TN_DIMS(0, 4), NULL), TN_OK);
    assert_int_equal(tn_new(&arena, &second, TN_I32, TN_DIMS(200), NULL), TN_OK);
    assert_int_equal(tn_new(&arena, &third, TN_I32, TN_DIMS(5), NULL), TN_OK);
    for (int i = 0; i < 200; i++) tn_i32(&second)[i] = i;
    for (int i = 0; i < 30; i++) tn_i32(&first)[i] = -i;
    for (int i = 0; i < 5; i++) tn_i32(&third)[i] = 1000 + i;
    tn_tensor some = tn_slice(&second, 0, 7);
    tn_arena_keep(&arena, mark, (tn_tensor *const[]){&third, &absent, &some, &empty, &first}, 5);
    assert_ptr_equal(first.data, at_mark);
    assert_ptr_equal(empty.data, at_mark + 2 * TN_ALIGN);
    assert_ptr_equal(some.data, at_mark + 2 * TN_ALIGN);
    assert_ptr_equal(third.data, at_mark + 3 * TN_ALIGN);
    assert_null(absent.data);
    assert_int_equal(tn_arena_mark(&arena), mark + 4 * TN_ALIGN);
    for (int i = 0; i < 30; i++) assert_int_equal(tn_i32(&first)[i], -i);
    for (int i = 0; i < 7; i++) assert_int_equal(tn_i32(&some)[i], i);
    for (int i = 0; i < 5; i++) assert_int_equal(tn_i32(&third)[i], 1000 + i);
    tn_arena_deinit(&arena);
}

static void arena_freeze_makes_writes_crash(void **state) {
    (void)state;
    tn_arena arena;
    assert_int_equal(tn_arena_init(&arena, 1 << 16, NULL), TN_OK);
    volatile char *a = tn_arena_alloc(&arena, 64);
    a[0] = 1;
    assert_int_equal(tn_arena_freeze(&arena, NULL), TN_OK);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); // cmocka would go on with the tests in the child
        a[0] = 2;
        _exit(0);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_false(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    assert_int_equal(a[0], 1);
    tn_arena_deinit(&arena);
}

static void alloc_fails_after_a_given_count(void **state) {
    (void)state;
    tn_alloc_fail_after(2);
    void *first = tn_alloc(1), *second = tn_alloc(1);
    tn_alloc_fail_after(0);
    assert_non_null(first);
    assert_null(second);
    tn_free(first);
    tn_tensor t;
    tn_error err = {0};
    assert_int_equal(tn_new_heap(&t, TN_F32, TN_DIMS(INT64_MAX, 3), &err), TN_ENOMEM);
    assert_non_null(strstr(err.text, "[9223372036854775807,3]"));
}

static void convert_half_to_float_and_back_is_exact(void **state) {
    (void)state;
    for (tn_dtype type = TN_F16; type <= TN_BF16; type++)
        for (uint32_t bits = 0; bits < 65536; bits++) {
            uint16_t in = (uint16_t)bits, out;
            float f;
            tn_convert(&in, type, &f, TN_F32, 1);
            tn_convert(&f, TN_F32, &out, type, 1);
            if (isnan(f))
                assert_true(type == TN_F16 ? (out & 0x7c00) == 0x7c00 : (out & 0x7f80) == 0x7f80);
            else
                assert_int_equal(in, out);
        }
}

static void convert_rounds_to_nearest_even_and_saturates(void **state) {
    (void)state;
    float f[] = {1 + 0x1p-11f, 1 + 0x1p-10f + 0x1p-11f, 65519.f, 65520.f, 0x1p-25f, 0x1.8p-25f};
    uint16_t want[] = {0x3c00, 0x3c02, 0x7bff, 0x7c00, 0x0000, 0x0001}, h[6];
    tn_convert(f, TN_F32, h, TN_F16, 6);
    assert_memory_equal(h, want, sizeof h);
    double d[] = {300, -1, 2.5, NAN};
    uint8_t u[4];
    tn_convert(d, TN_F64, u, TN_U8, 4);
    assert_memory_equal(u, ((uint8_t[]){255, 0, 2, 0}), 4);
    int64_t wide[] = {INT64_MAX, -5};
    int32_t narrow[2];
    tn_convert(wide, TN_I64, narrow, TN_I32, 2);
    assert_int_equal(narrow[0], INT32_MAX);
    assert_int_equal(narrow[1], -5);
}

static void count_task(void *job, int64_t task, int worker) {
    (void)worker;
    ((uint8_t *)job)[task]++;
}

static void pool_runs_every_task_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= 7; threads += 3) {
        tn_pool *pool;
        assert_int_equal(tn_pool_open(threads, &pool, NULL), TN_OK);
        assert_int_equal(tn_pool_workers(pool), threads);
        for (int round = 0; round < 200; round++) {
            uint8_t count[101] = {0};
            tn_pool_run(pool, round % 101, count_task, count);
            for (int i = 0; i < 101; i++) assert_int_equal(count[i], i < round % 101);
        }
        tn_pool_close(pool);
    }
    tn_error err;
    tn_pool *pool;
    assert_int_equal(tn_pool_open(-1, &pool, &err), TN_EINVAL);
}

static void philox_gives_the_published_numbers(void **state) {
    (void)state;
    uint32_t out[4]; // Random123's known answers, kat_vectors: philox4x32 10
    tn_philox(0, 0, 0, out);
    assert_memory_equal(out, ((uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}), 16);
    tn_philox(UINT64_MAX, UINT64_MAX, UINT64_MAX, out);
    assert_memory_equal(out, ((uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}), 16);
}

static void random_numbers_have_the_right_moments(void **state) {
    (void)state;
    tn_rng rng = tn_rng_new(1, 2);
    double sum = 0, square = 0;
    int n = 100000, below[7] = {0};
    for (int i = 0; i < n; i++) {
        double x = tn_rng_normal(&rng);
        sum += x, square += x * x;
        below[tn_rng_below(&rng, 7)]++;
    }
    assert_true(fabs(sum / n) < 0.02 && fabs(square / n - 1) < 0.02);
    for (int i = 0; i < 7; i++) assert_true(abs(below[i] - n / 7) < 600);
}

static void fail_prefix_goes_before_the_text(void **state) {
    (void)state;
    tn_error err;
    assert_int_equal(tn_fail(&err, TN_EFORMAT, "byte %d", 7), TN_EFORMAT);
    assert_int_equal(tn_fail_prefix(&err, "%s", "a.bin"), TN_EFORMAT);
    assert_string_equal(err.text, "a.bin: byte 7");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_alloc_is_aligned_and_reset_frees),
        cmocka_unit_test(arena_keep_moves_tensors_to_the_mark),
        cmocka_unit_test(arena_freeze_makes_writes_crash),
        cmocka_unit_test(alloc_fails_after_a_given_count),
        cmocka_unit_test(convert_half_to_float_and_back_is_exact),
        cmocka_unit_test(convert_rounds_to_nearest_even_and_saturates),
        cmocka_unit_test(pool_runs_every_task_once),
        cmocka_unit_test(philox_gives_the_published_numbers),
        cmocka_unit_test(random_numbers_have_the_right_moments),
        cmocka_unit_test(fail_prefix_goes_before_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
