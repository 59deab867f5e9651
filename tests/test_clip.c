// SPDX-License-Identifier: Apache-2.0
// CLIP against OpenCLIP (and, behind it, transformers): every intermediate of small random towers
// (golden dumps of tools/reference/dump_clip.py) at every level of the processor.
#include "models/clip/clip.h"
#include "tests/support/levels.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/clip/"
#define STEP ((size_t)1 << 28)
#define BAR 1e-5 // of the largest value

typedef struct fixture {
    const char *name;
    kn_ctx *kn;
    md_clip *clip;
    io_weights *dump;
    tn_arena step;
    nn_ctx cx;
    tn_error err;
    const char *side; // "image." or "text.": which taps are being compared
    int seen;
} fixture;

// What vit.pt and resnet.pt cannot tell.
static const md_clip_options vit_options = {3, 2, "quick_gelu"},
                             resnet_options = {4, 2, "quick_gelu"};

static void open_fixture(fixture *f, const char *name, kn_ctx *kn) {
    char path[256];
    *f = (fixture){.name = name, .kn = kn};
    snprintf(path, sizeof path, GOLDEN "%s.pt", name);
    const md_clip_options *options = strcmp(name, "vit") == 0 ? &vit_options : &resnet_options;
    ASSERT_OK(md_clip_open(path, options, kn, &f->clip, &f->err), f->err);
    snprintf(path, sizeof path, GOLDEN "%s_case.safetensors", name);
    ASSERT_OK(io_weights_open(path, &f->dump, &f->err), f->err);
    ASSERT_OK(tn_arena_init(&f->step, STEP, &f->err), f->err);
    f->cx = (nn_ctx){kn, &f->step, &f->err};
}

static void close_fixture(fixture *f) {
    tn_arena_deinit(&f->step);
    io_weights_close(f->dump);
    md_clip_close(f->clip);
}

static const io_tensor *find(const fixture *f, const char *prefix, const char *name) {
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const io_tensor *t = io_weights_find(f->dump, full);
    if (!t) fail_msg("the dump has no '%s'", full);
    return t;
}

// Float32, and channels last where the dump has [N,C,H,W].
static tn_tensor golden(fixture *f, const char *prefix, const char *name) {
    const io_tensor *t = find(f, prefix, name);
    tn_tensor x, y;
    ASSERT_OK(tn_new(&f->step, &x, TN_F32, t->rank, t->dim, &f->err), f->err);
    tn_convert(t->data, t->dtype, x.data, TN_F32, (size_t)tn_count(&x));
    if (t->rank != 4) return x;
    int64_t n = x.dim[0], c = x.dim[1], hw = x.dim[2] * x.dim[3];
    ASSERT_OK(tn_new(&f->step, &y, TN_F32, TN_DIMS(n, x.dim[2], x.dim[3], c), &f->err), f->err);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < hw; p++)
                tn_f32(&y)[(i * hw + p) * c + k] = tn_f32(&x)[(i * c + k) * hw + p];
    return y;
}

static void same_shape(const char *name, const tn_tensor *got, const tn_tensor *want) {
    char a[128], b[128];
    if (!tn_same_shape(got, want))
        fail_msg("%s: shape %s, expected %s", name, tn_shape_text(got->rank, got->dim, a, sizeof a),
                 tn_shape_text(want->rank, want->dim, b, sizeof b));
}

static void compare(void *user, const char *name, const tn_tensor *value) {
    fixture *f = user;
    size_t mark = tn_arena_mark(&f->step);
    tn_tensor want = golden(f, f->side, name);
    same_shape(name, value, &want);
    double error = test_relative_error(tn_f32(value), tn_f32(&want), (size_t)tn_count(&want));
    if (!(error <= BAR))
        fail_msg("%s %s%s: %g, expected at most %g", f->name, f->side, name, error, BAR);
    tn_arena_reset(&f->step, mark);
    f->seen++;
}

static int count_of(const fixture *f, const char *side) {
    int count = 0;
    for (size_t i = 0; i < io_weights_count(f->dump); i++)
        count += strncmp(io_weights_at(f->dump, i)->name, side, strlen(side)) == 0;
    return count;
}

// Rows of a dump's ids.
static const md_clip_text *texts_of(fixture *f, const char *name, int64_t *rows) {
    const io_tensor *t = find(f, "", name);
    md_clip_text *text = tn_arena_alloc(&f->step, (size_t)t->dim[0] * sizeof *text);
    assert_non_null(text);
    assert_int_equal(t->dtype, TN_I32);
    *rows = t->dim[0];
    for (int64_t i = 0; i < *rows; i++)
        text[i] = (md_clip_text){(const int32_t *)t->data + i * t->dim[1], t->dim[1]};
    return text;
}

static void towers(const char *name) {
    for (int l = 0; l < levels_count(); l++) {
        fixture f;
        open_fixture(&f, name, levels_at(l)->cx[TWO_THREADS]);
        const md_clip_config *c = md_clip_settings(f.clip);
        md_clip_tap tap = {compare, &f};
        int64_t rows;
        tn_tensor x = golden(&f, "", "pictures"), y;
        f.side = "image.";
        ASSERT_OK(tn_new(&f.step, &y, TN_F32, TN_DIMS(x.dim[0], c->embed_dim), &f.err), f.err);
        ASSERT_OK(md_clip_image_features(&f.cx, f.clip, &x, &tap, &y), f.err);
        assert_int_equal(f.seen, count_of(&f, f.side));
        f.seen = 0;
        f.side = "text.";
        const md_clip_text *text = texts_of(&f, "ids", &rows);
        ASSERT_OK(tn_new(&f.step, &y, TN_F32, TN_DIMS(rows, c->embed_dim), &f.err), f.err);
        ASSERT_OK(md_clip_text_features(&f.cx, f.clip, text, rows, &tap, &y), f.err);
        assert_int_equal(f.seen, count_of(&f, f.side));
        close_fixture(&f);
    }
}

static void vit_intermediates_equal_openclip(void **state) {
    (void)state;
    towers("vit");
}

static void resnet_intermediates_equal_openclip(void **state) {
    (void)state;
    towers("resnet");
}

// Texts of many lengths at once, cut at their end tokens, and unit length.
static void embeddings_equal_openclip(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++)
        for (int m = 0; m < 2; m++) {
            fixture f;
            open_fixture(&f, m ? "resnet" : "vit", levels_at(l)->cx[ONE_THREAD]);
            int64_t rows;
            const md_clip_text *text = texts_of(&f, "mixed_ids", &rows);
            tn_tensor want = golden(&f, "", "mixed_embeds"), got;
            ASSERT_OK(tn_new(&f.step, &got, TN_F32, want.rank, want.dim, &f.err), f.err);
            ASSERT_OK(md_clip_encode_texts(&f.cx, f.clip, text, rows, &got), f.err);
            ASSERT_WITHIN(test_max_difference(got.data, want.data, (size_t)tn_count(&want)), 1e-6);
            tn_tensor x = golden(&f, "", "pictures");
            want = golden(&f, "", "image_embeds");
            ASSERT_OK(tn_new(&f.step, &got, TN_F32, want.rank, want.dim, &f.err), f.err);
            ASSERT_OK(md_clip_encode_images(&f.cx, f.clip, &x, &got), f.err);
            ASSERT_WITHIN(test_max_difference(got.data, want.data, (size_t)tn_count(&want)), 1e-6);
            close_fixture(&f);
        }
}

static tn_tensor random_pictures(fixture *f, int64_t n) {
    int64_t s = md_clip_settings(f->clip)->image_size;
    tn_tensor x;
    ASSERT_OK(tn_new(&f->step, &x, TN_F32, TN_DIMS(n, s, s, 3), &f->err), f->err);
    uint32_t state = 1;
    for (int64_t i = 0; i < tn_count(&x); i++) {
        state = state * 1664525u + 1013904223u;
        tn_f32(&x)[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
    return x;
}

// Nine pictures at once, the same one by one; no picture is nothing.
static void encode_images_does_not_depend_on_the_batch(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++)
        for (int m = 0; m < 2; m++) {
            fixture f;
            open_fixture(&f, m ? "resnet" : "vit", levels_at(l)->cx[TWO_THREADS]);
            int64_t d = md_clip_settings(f.clip)->embed_dim;
            tn_tensor x = random_pictures(&f, 9), all, one;
            ASSERT_OK(tn_new(&f.step, &all, TN_F32, TN_DIMS(9, d), &f.err), f.err);
            ASSERT_OK(tn_new(&f.step, &one, TN_F32, TN_DIMS(1, d), &f.err), f.err);
            ASSERT_OK(md_clip_encode_images(&f.cx, f.clip, &x, &all), f.err);
            for (int64_t i = 0; i < 9; i++) {
                tn_tensor picture = tn_slice(&x, i, 1);
                ASSERT_OK(md_clip_encode_images(&f.cx, f.clip, &picture, &one), f.err);
                assert_memory_equal(one.data, tn_f32(&all) + i * d, tn_bytes(&one));
            }
            tn_tensor none = tn_slice(&x, 0, 0), empty = tn_slice(&all, 0, 0);
            ASSERT_OK(md_clip_encode_images(&f.cx, f.clip, &none, &empty), f.err);
            ASSERT_OK(md_clip_encode_texts(&f.cx, f.clip, NULL, 0, &empty), f.err);
            close_fixture(&f);
        }
}

static void encode_same_bits_for_any_threads(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++)
        for (int m = 0; m < 2; m++) {
            float first[2][5 * 64];
            for (int t = 0; t < LEVEL_THREADS; t++) {
                fixture f;
                open_fixture(&f, m ? "resnet" : "vit", levels_at(l)->cx[t]);
                int64_t d = md_clip_settings(f.clip)->embed_dim, rows;
                tn_tensor x = random_pictures(&f, 5), y, z;
                const md_clip_text *text = texts_of(&f, "mixed_ids", &rows);
                assert_true(5 * d <= 5 * 64 && rows >= 5);
                ASSERT_OK(tn_new(&f.step, &y, TN_F32, TN_DIMS(5, d), &f.err), f.err);
                ASSERT_OK(tn_new(&f.step, &z, TN_F32, TN_DIMS(5, d), &f.err), f.err);
                ASSERT_OK(md_clip_encode_images(&f.cx, f.clip, &x, &y), f.err);
                ASSERT_OK(md_clip_encode_texts(&f.cx, f.clip, text, 5, &z), f.err);
                if (t == 0) memcpy(first[0], y.data, tn_bytes(&y));
                if (t == 0) memcpy(first[1], z.data, tn_bytes(&z));
                assert_memory_equal(first[0], y.data, tn_bytes(&y));
                assert_memory_equal(first[1], z.data, tn_bytes(&z));
                close_fixture(&f);
            }
        }
}

// A row has the same bits alone, among others, and with or without what follows its end token.
static void encode_texts_does_not_depend_on_the_batch(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        fixture f;
        open_fixture(&f, "vit", levels_at(l)->cx[TWO_THREADS]);
        int64_t rows, d = md_clip_settings(f.clip)->embed_dim;
        const md_clip_text *text = texts_of(&f, "mixed_ids", &rows);
        tn_tensor all, one;
        ASSERT_OK(tn_new(&f.step, &all, TN_F32, TN_DIMS(rows, d), &f.err), f.err);
        ASSERT_OK(tn_new(&f.step, &one, TN_F32, TN_DIMS(1, d), &f.err), f.err);
        ASSERT_OK(md_clip_encode_texts(&f.cx, f.clip, text, rows, &all), f.err);
        for (int64_t i = 0; i < rows; i++) {
            md_clip_text cut = text[i];
            for (cut.count = 1; cut.ids[cut.count - 1] != 59;) cut.count++;
            ASSERT_OK(md_clip_encode_texts(&f.cx, f.clip, &cut, 1, &one), f.err);
            assert_memory_equal(one.data, tn_f32(&all) + i * d, tn_bytes(&one));
        }
        close_fixture(&f);
    }
}

static void encode_texts_refuses_tokens_out_of_range(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, "vit", levels_at(0)->cx[ONE_THREAD]);
    const int32_t large[] = {1, 60}, negative[] = {-1, 59}, long_one[17] = {0};
    const md_clip_text bad[] = {{large, 2}, {negative, 2}, {long_one, 17}, {large, 0}};
    tn_tensor y;
    ASSERT_OK(tn_new(&f.step, &y, TN_F32, TN_DIMS(1, md_clip_settings(f.clip)->embed_dim), &f.err),
              f.err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f.err = (tn_error){0};
        assert_int_equal(md_clip_encode_texts(&f.cx, f.clip, &bad[i], 1, &y), TN_EINVAL);
        assert_non_null(strstr(f.err.text, "text 0"));
    }
    close_fixture(&f);
}

// Too little room in the step arena is an error, and the arena is as it was.
static void encode_reports_out_of_memory(void **state) {
    (void)state;
    for (int m = 0; m < 2; m++) {
        fixture f;
        open_fixture(&f, m ? "resnet" : "vit", levels_at(0)->cx[ONE_THREAD]);
        tn_tensor x = random_pictures(&f, 2), y;
        int64_t rows;
        const md_clip_text *text = texts_of(&f, "ids", &rows);
        ASSERT_OK(
            tn_new(&f.step, &y, TN_F32, TN_DIMS(2, md_clip_settings(f.clip)->embed_dim), &f.err),
            f.err);
        size_t used = f.step.used, capacity = f.step.capacity;
        int failures = 0;
        for (f.step.capacity = used;; f.step.capacity += 1024, failures++) {
            tn_status status = md_clip_encode_images(&f.cx, f.clip, &x, &y);
            if (status == TN_OK) status = md_clip_encode_texts(&f.cx, f.clip, text, rows, &y);
            assert_int_equal(f.step.used, used);
            if (status == TN_OK) break;
            assert_int_equal(status, TN_ENOMEM);
        }
        f.step.capacity = capacity;
        assert_true(failures > 10);
        close_fixture(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vit_intermediates_equal_openclip),
        cmocka_unit_test(resnet_intermediates_equal_openclip),
        cmocka_unit_test(embeddings_equal_openclip),
        cmocka_unit_test(encode_images_does_not_depend_on_the_batch),
        cmocka_unit_test(encode_same_bits_for_any_threads),
        cmocka_unit_test(encode_texts_does_not_depend_on_the_batch),
        cmocka_unit_test(encode_texts_refuses_tokens_out_of_range),
        cmocka_unit_test(encode_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
