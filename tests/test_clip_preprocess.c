// SPDX-License-Identifier: Apache-2.0
// From a picture to CLIP's tensor: PIL's and torchvision's to the last bit on pictures of a formula
// (golden hashes of tools/reference/dump_clip.py), and OpenAI's tensors of real photos.
#include "io/file.h"
#include "io/image/image.h"
#include "io/json.h"
#include "io/sha256.h"
#include "models/clip/clip.h"
#include "tests/support/levels.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP ((size_t)1 << 28)

// OpenAI's settings at another size of the picture.
static md_clip_config settings(int64_t size) {
    return (md_clip_config){.image_size = size,
                            .resize = size,
                            .interpolation = KN_BICUBIC,
                            .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                            .std = {0.26862954f, 0.26130258f, 0.27577711f}};
}

// The same pixels as dump_clip.py's formula().
static void formula(uint64_t height, uint64_t width, uint64_t salt, uint8_t *out) {
    for (uint64_t y = 0; y < height; y++)
        for (uint64_t x = 0; x < width; x++)
            for (uint64_t c = 0; c < 3; c++) {
                uint64_t mixed =
                    x * 7 + y * 13 + c * 101 + x * y / 9 + (x / 5 + y / 3) % 2 * 90 + salt;
                *out++ =
                    (uint8_t)(mixed * 2654435761u % 4294967296u / 536870912u * 12 + mixed % 172);
            }
}

static void golden_pictures_come_out_to_the_last_bit(void **state) {
    (void)state;
    io_json all;
    tn_error err;
    tn_arena step;
    uint8_t *pixels = malloc(700 * 700 * 3);
    ASSERT_OK(io_json_read("tests/golden/clip/preprocess.json", 0, &all, &err), err);
    ASSERT_OK(tn_arena_init(&step, STEP, &err), err);
    assert_true(io_json_count(&all) >= 60);
    for (int l = 0; l < levels_count(); l++)
        for (size_t i = 0; i < io_json_count(&all); i++) {
            io_json row, list, item;
            int64_t height, width, size, box[4];
            const char *want;
            char got[IO_SHA256_HEX];
            uint8_t digest[IO_SHA256];
            ASSERT_OK(io_json_at(&all, i, IO_JSON_OBJECT, &row, &err), err);
            ASSERT_OK(io_json_int(&row, "height", 1, 700, &height, &err), err);
            ASSERT_OK(io_json_int(&row, "width", 1, 700, &width, &err), err);
            ASSERT_OK(io_json_int(&row, "size", 1, 700, &size, &err), err);
            ASSERT_OK(io_json_string(&row, "sha256", &want, &err), err);
            bool boxed = io_json_has(&row, "box");
            if (boxed) {
                ASSERT_OK(io_json_get(&row, "box", IO_JSON_ARRAY, &list, &err), err);
                for (size_t k = 0; k < 4; k++) {
                    ASSERT_OK(io_json_at(&list, k, IO_JSON_INTEGER, &item, &err), err);
                    ASSERT_OK(io_json_as_int(&item, 0, 700, &box[k], &err), err);
                }
            }
            formula((uint64_t)height, (uint64_t)width, i, pixels);
            tn_tensor x = tn_view(pixels, TN_U8, TN_DIMS(height, width, 3)), y;
            md_clip_config c = settings(size);
            nn_ctx cx = {levels_at(l)->cx[TWO_THREADS], &step, &err};
            ASSERT_OK(tn_new(&step, &y, TN_F32, TN_DIMS(size, size, 3), &err), err);
            size_t used = step.used;
            ASSERT_OK(md_clip_preprocess_for(&cx, &c, &x, boxed ? box : NULL, &y), err);
            assert_int_equal(step.used, used);
            io_sha256_memory(y.data, tn_bytes(&y), digest);
            io_sha256_text(digest, got);
            if (strcmp(got, want) != 0)
                fail_msg("%s: %lldx%lld to %lld%s: not PIL's bits", levels_at(l)->name,
                         (long long)width, (long long)height, (long long)size,
                         boxed ? ", cut" : "");
            tn_arena_reset(&step, 0);
        }
    io_json_close(&all);
    tn_arena_deinit(&step);
    free(pixels);
}

// A box gives what cutting first gives, whatever lies around it; so does a very long picture, with
// memory for little more than what the crop keeps.
static void a_long_picture_needs_little_memory(void **state) {
    (void)state;
    const int64_t sizes[][2] = {{20000, 1}, {1, 20000}, {30000, 7}, {3, 30000}};
    tn_error err;
    tn_arena step;
    ASSERT_OK(tn_arena_init(&step, 1 << 24, &err), err);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t h = sizes[i][0], w = sizes[i][1];
        uint8_t *pixels = malloc((size_t)(h * w * 3));
        formula((uint64_t)h, (uint64_t)w, i, pixels);
        tn_tensor x = tn_view(pixels, TN_U8, TN_DIMS(h, w, 3)), y;
        md_clip_config c = settings(224);
        nn_ctx cx = {levels_at(levels_count() - 1)->cx[ONE_THREAD], &step, &err};
        ASSERT_OK(tn_new(&step, &y, TN_F32, TN_DIMS(224, 224, 3), &err), err);
        ASSERT_OK(md_clip_preprocess_for(&cx, &c, &x, NULL, &y), err);
        for (int64_t k = 0; k < tn_count(&y); k++) assert_true(isfinite(tn_f32(&y)[k]));
        tn_arena_reset(&step, 0);
        free(pixels);
    }
    tn_arena_deinit(&step);
}

#define FORM "tests/golden/clip/forms/huggingface/"

// The Hugging Face folder of a tower of 16x16 pixels, with a processor's configuration.
static md_clip_config configured(const io_json *config) {
    static const char *const copied[] = {"config.json", "model.safetensors"};
    char path[512], *text;
    tn_error err;
    md_clip_config c;
    for (int i = 0; i < 2; i++) {
        io_map file;
        snprintf(path, sizeof path, FORM "%s", copied[i]);
        ASSERT_OK(io_map_open(path, &file, &err), err);
        temporary_file(copied[i], file.bytes, file.count);
        io_map_close(&file);
    }
    text = json_dumps(config->value, 0);
    temporary_text("preprocessor_config.json", text);
    free(text);
    ASSERT_OK(md_clip_describe(temporary_folder(), NULL, &c, &err), err);
    return c;
}

// Where mean and std are 0 and 1, the tensor holds the cropped bytes divided by 255.
static void cropped_bytes_are(const char *want, nn_ctx *cx, md_clip_config c, const tn_tensor *x,
                              tn_tensor *y) {
    uint8_t bytes[16 * 16 * 3], digest[IO_SHA256];
    char got[IO_SHA256_HEX];
    for (int i = 0; i < 3; i++) c.mean[i] = 0, c.std[i] = 1;
    ASSERT_OK(md_clip_preprocess_for(cx, &c, x, NULL, y), *cx->err);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)rintf(tn_f32(y)[i] * 255);
    io_sha256_memory(bytes, sizeof bytes, digest);
    io_sha256_text(digest, got);
    assert_string_equal(got, want);
}

// tools/reference/dump_clip_pictures.py: sizes, crops, filters, means as the configuration says.
static void a_hugging_face_folder_gives_transformers_pixels(void **state) {
    (void)state;
    io_json all;
    tn_error err;
    tn_arena step;
    uint8_t *pixels = malloc(300 * 300 * 3);
    ASSERT_OK(io_json_read("tests/golden/clip/transformers.json", 0, &all, &err), err);
    ASSERT_OK(tn_arena_init(&step, 1 << 24, &err), err);
    assert_true(io_json_count(&all) >= 60);
    for (size_t i = 0; i < io_json_count(&all); i++) {
        io_json row, config, list, item;
        int64_t height, width;
        const char *want;
        double number;
        ASSERT_OK(io_json_at(&all, i, IO_JSON_OBJECT, &row, &err), err);
        ASSERT_OK(io_json_int(&row, "height", 1, 300, &height, &err), err);
        ASSERT_OK(io_json_int(&row, "width", 1, 300, &width, &err), err);
        ASSERT_OK(io_json_string(&row, "sha256", &want, &err), err);
        ASSERT_OK(io_json_get(&row, "config", IO_JSON_OBJECT, &config, &err), err);
        ASSERT_OK(io_json_get(&row, "numbers", IO_JSON_ARRAY, &list, &err), err);
        formula((uint64_t)height, (uint64_t)width, i, pixels);
        tn_tensor x = tn_view(pixels, TN_U8, TN_DIMS(height, width, 3)), y;
        md_clip_config c = configured(&config);
        nn_ctx cx = {levels_at(levels_count() - 1)->cx[ONE_THREAD], &step, &err};
        ASSERT_OK(tn_new(&step, &y, TN_F32, TN_DIMS(16, 16, 3), &err), err);
        cropped_bytes_are(want, &cx, c, &x, &y);
        ASSERT_OK(md_clip_preprocess_for(&cx, &c, &x, NULL, &y), err);
        for (size_t k = 0; k < 12; k++) {
            ASSERT_OK(io_json_at(&list, k, IO_JSON_NUMBER, &item, &err), err);
            ASSERT_OK(io_json_as_number(&item, &number, &err), err);
            ASSERT_WITHIN(fabs(number - (double)tn_f32(&y)[k * 61 % 768]), 1e-6);
        }
        tn_arena_reset(&step, 0);
    }
    io_json_close(&all);
    tn_arena_deinit(&step);
    free(pixels);
}

#define PHOTOS SHARED_DATA "/clip_preprocess/"

static void real_photos_are_openais(void **state) {
    (void)state;
    static const char *const names[] = {"123_456", "208_495", "321_421", "389_535"};
    enum { COUNT = 3 * 224 * 224 };
    if (access(PHOTOS, F_OK) != 0) SKIP("no " PHOTOS);
    tn_error err;
    tn_arena step;
    ASSERT_OK(tn_arena_init(&step, STEP, &err), err);
    float *want = malloc(COUNT * sizeof *want);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        tn_tensor x, y;
        snprintf(path, sizeof path, PHOTOS "%s.jpg", names[i]);
        ASSERT_OK(io_image_read(path, 0, &x, &err), err);
        snprintf(path, sizeof path, PHOTOS "%s.f32", names[i]);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        assert_int_equal(fread(want, sizeof *want, COUNT, file), COUNT);
        fclose(file);
        md_clip_config c = settings(224);
        nn_ctx cx = {levels_at(levels_count() - 1)->cx[TWO_THREADS], &step, &err};
        ASSERT_OK(tn_new(&step, &y, TN_F32, TN_DIMS(224, 224, 3), &err), err);
        ASSERT_OK(md_clip_preprocess_for(&cx, &c, &x, NULL, &y), err);
        double sum = 0, worst = 0;
        for (int64_t p = 0; p < 224 * 224; p++)
            for (int64_t k = 0; k < 3; k++) {
                double d = fabs((double)tn_f32(&y)[p * 3 + k] - (double)want[k * 224 * 224 + p]);
                sum += d;
                if (!(d <= worst)) worst = d;
            }
        printf("%s: mean difference %.6f, largest %.4f\n", names[i], sum / COUNT, worst);
        ASSERT_WITHIN(sum / COUNT, 0.0016);
        ASSERT_WITHIN(worst, 0.05);
        tn_arena_reset(&step, 0);
        tn_free(x.data);
    }
    free(want);
    tn_arena_deinit(&step);
}

static int teardown(void **state) {
    temporary_teardown(state);
    return levels_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_pictures_come_out_to_the_last_bit),
        cmocka_unit_test(a_hugging_face_folder_gives_transformers_pixels),
        cmocka_unit_test(a_long_picture_needs_little_memory),
        cmocka_unit_test(real_photos_are_openais),
    };
    return cmocka_run_group_tests(tests, levels_setup, teardown);
}
