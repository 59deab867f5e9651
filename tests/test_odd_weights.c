// SPDX-License-Identifier: Apache-2.0
// Checkpoints as written by training programs: with more than tensors, wrappers' prefixes, whole
// modules. tests/golden/odd_weights holds one state in each form
// (tools/reference/dump_odd_weights.py).
#include "io/weights/safetensors.h"
#include "io/weights/weights.h"
#include "tests/support/broken.h"
#include "tests/support/expected_weights.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <string.h>

#define ODD "tests/golden/odd_weights/"

typedef struct odd_case {
    const char *name, *format, *under, *unused, *prefix;
} odd_case;

static void assert_text(const char *name, const char *what, const char *is, const char *expected) {
    if (!is != !expected || (is && strcmp(is, expected) != 0))
        fail_msg("%s: %s: %s, expected %s", name, what, is ? is : "nothing",
                 expected ? expected : "nothing");
}

static void check_case(const odd_case *c) {
    char path[256];
    tn_error err = {0};
    io_weights *file = NULL;
    snprintf(path, sizeof path, ODD "%s", c->name);
    expected_weights(path, ODD "expected.json", c->format);
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    assert_text(c->name, "under", io_weights_under(file), c->under);
    assert_text(c->name, "unused", io_weights_unused(file), c->unused);
    assert_text(c->name, "prefix", io_weights_prefix(file), c->prefix);
    io_weights_close(file);
}

static void checkpoints_with_more_than_tensors(void **state) {
    (void)state;
    static const odd_case cases[] = {
        {"torchvision.pth", ZIP, "model", NULL, NULL},
        {"torchvision_protocol4.pth", ZIP, "model", NULL, NULL},
        {"numpy.pth", ZIP, "state_dict", NULL, NULL},
        {"lightning.ckpt", ZIP, "state_dict", NULL, "model."},
        {"mmengine.pth", ZIP, "state_dict", NULL, "module."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i]);
}

static void weights_before_their_averages(void **state) {
    (void)state;
    static const odd_case cases[] = {
        {"averages.pth", ZIP, "state_dict", "state_dict_ema", NULL},
        {"ema_object.pth", ZIP, "model", NULL, "_orig_mod."}, // its "ema" is no module
        {"ema_alone.pth", ZIP, "ema", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i]);
}

static void whole_modules(void **state) {
    (void)state;
    static const odd_case cases[] = {
        {"module.pt", ZIP, NULL, NULL, NULL},
        {"module_legacy.pt", LEGACY, NULL, NULL, NULL},
        {"module_parallel.pt", ZIP, "model", NULL, "module."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i]);
}

// Each allocation fails once, in the search of placeholders and modules as well.
static void odd_files_without_memory(void **state) {
    (void)state;
    assert_true(broken_memory_weights(ODD "lightning.ckpt") > 5);
    assert_true(broken_memory_weights(ODD "module_parallel.pt") > 5);
}

// ---- prefixes

static const float one = 1;

// A file of scalars with these names (ends with NULL); opened.
static io_weights *scalars(const char *const *names) {
    io_tensor tensors[8];
    tn_error err = {0};
    io_weights *file = NULL;
    size_t count = 0;
    for (; names[count]; count++)
        tensors[count] = (io_tensor){.name = names[count], .dtype = TN_F32, .data = &one};
    const char *path = temporary_path("scalars.safetensors");
    ASSERT_OK(io_safetensors_write(path, tensors, count, NULL, 0, IO_AS_STORED, &err), err);
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    return file;
}

static void prefixes_of_wrappers(void **state) {
    (void)state;
    static const struct {
        const char *names[4], *prefix, *found;
    } cases[] = {
        {{"module.a", "module.b"}, "module.", "a"},
        {{"model.a", "model.b.c"}, "model.", "b.c"},
        {{"_orig_mod.a"}, "_orig_mod.", "a"},
        {{"module._orig_mod.model.a", "module._orig_mod.model.b"}, "module._orig_mod.model.", "b"},
        {{"module.a", "z"}, NULL, "module.a"},      // not all have it
        {{"net.a", "net.b"}, NULL, "net.a"},        // no wrapper's
        {{"model", "model.a"}, NULL, "model"},      // nothing would be left
        {{"modules.a"}, NULL, "modules.a"},         // no whole word
        {{"module.", "module.a"}, NULL, "module."}, // nothing would be left
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        io_weights *file = scalars(cases[i].names);
        assert_text(cases[i].names[0], "prefix", io_weights_prefix(file), cases[i].prefix);
        assert_non_null(io_weights_find(file, cases[i].found));
        io_weights_close(file);
    }
}

static void any_prefix_that_a_family_shares(void **state) {
    (void)state;
    static const char *const family[] = {"stem.w", "head.w", NULL};
    static const struct {
        const char *names[6], *prefix, *found;
    } cases[] = {
        {{"head.w", "stem.w", "x.head.w", "x.stem.w"}, NULL, "x.head.w"}, // there as they are
        {{"net.0.head.w", "net.0.stem.w", "loss.w"}, "net.0.", "loss.w"}, // others stay
        {{"model.a.stem.w", "model.a.head.w"}, "model.a.", "head.w"},     // after a wrapper's
        {{"net.stem.w", "tower.head.w"}, NULL, "net.stem.w"},             // not under one
        {{"netstem.w", "nethead.w"}, NULL, "netstem.w"},                  // no dot
        {{"loss.w"}, NULL, "loss.w"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_error err = {0};
        io_weights *file = scalars(cases[i].names);
        ASSERT_OK(io_weights_unwrap(file, family, &err), err);
        assert_text(cases[i].names[0], "prefix", io_weights_prefix(file), cases[i].prefix);
        assert_non_null(io_weights_find(file, cases[i].found));
        io_weights_close(file);
    }
}

static void prefixes_that_are_ambiguous(void **state) {
    (void)state;
    static const char *const family[] = {"stem.w", "head.w", NULL};
    static const char *const two[] = {"a.stem.w", "a.head.w", "b.stem.w", "b.head.w", NULL};
    static const char *const both[] = {"a.stem.w", "a.head.w", "a.x", "x", NULL};
    tn_error err = {0};
    io_weights *file = scalars(two);
    tn_status status = io_weights_unwrap(file, family, &err);
    broken_is_refused("two", io_weights_path(file), status, &err, "under 'a.' and under 'b.'");
    io_weights_close(file);
    file = scalars(both);
    status = io_weights_unwrap(file, family, &err);
    broken_is_refused("both", io_weights_path(file), status, &err, "two tensors 'x'");
    io_weights_close(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_with_more_than_tensors),
        cmocka_unit_test(weights_before_their_averages),
        cmocka_unit_test(whole_modules),
        cmocka_unit_test(odd_files_without_memory),
        cmocka_unit_test(prefixes_of_wrappers),
        cmocka_unit_test(any_prefix_that_a_family_shares),
        cmocka_unit_test(prefixes_that_are_ambiguous),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
