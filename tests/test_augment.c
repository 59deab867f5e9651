// SPDX-License-Identifier: Apache-2.0
// From a picture to the network's input: pixels, boxes and masks of a bright rectangle are
// transformed alike by scale, flip and crop; order and random numbers depend on seed and position
// only.
#include "train/loader.h"

#include "io/image/image.h"
#include "kernels/kernels.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"
#include "train/order.h"

#include <math.h>
#include <string.h>

static tn_error err;
static tn_arena arena, scratch;
static kn_ctx *kn;

enum { W = 64, H = 48 };
static const int rectangle[4] = {10, 6, 36, 28};

static const char head[] = "{\"categories\":[{\"id\":1,\"name\":\"box\"}],\"images\":[{\"id\":1,"
                           "\"file_name\":\"box.png\"}],\"annotations\":[{\"id\":1,\"image_id\":1,"
                           "\"category_id\":1,\"bbox\":[10,6,26,22],\"segmentation\":";
// The rectangle as one polygon, as two, and as run lengths.
static const char *const shapes[] = {
    "[[10,6,36,6,36,28,10,28]]",
    "[[10,6,20,6,20,28,10,28],[20,6,36,6,36,28,20,28],[1,2,3,4]]",
    NULL,
};

static void run_lengths(char *text, size_t bytes) {
    int at = snprintf(text, bytes, "{\"size\":[%d,%d],\"counts\":[%d", H, W, 10 * H + 6);
    for (int x = 10; x < 36; x++)
        at += snprintf(text + at, bytes - (size_t)at, ",22,%d", x < 35 ? H - 22 : H - 28 + 28 * H);
    snprintf(text + at, bytes - (size_t)at, "]}");
}

static void write_picture(const uint8_t *pixels) {
    tn_tensor image = tn_view((void *)(uintptr_t)pixels, TN_U8, TN_DIMS(H, W, 3));
    ASSERT_OK(io_png_write(temporary_path("box.png"), &image, &err), err);
}

static tr_dataset *open_box(const char *shape) {
    char text[2048], runs[1024];
    run_lengths(runs, sizeof runs);
    int n = snprintf(text, sizeof text, "%s%s}]}", head, shape ? shape : runs);
    tr_dataset *data;
    tr_dataset_options o = {.annotations = temporary_file("box.json", text, (size_t)n),
                            .pictures = temporary_path("")};
    ASSERT_OK(tr_dataset_open(&o, &data, &err), err);
    return data;
}

static tr_loader_options usual(const tr_dataset *data, double scale) {
    tr_loader_options o = {
        .data = data, .augment = tr_augment_default(W / 2), .masks = true, .seed = 3};
    o.augment.scale[0] = o.augment.scale[1] = 2 * scale; // of the picture
    return o;
}

static void load(const tr_loader_options *o, int64_t position, tn_tensor *image, tr_sample *out) {
    tn_arena_reset(&arena, 0), tn_arena_reset(&scratch, 0);
    ASSERT_OK(tr_sample_load(kn, o, 0, position, &arena, &scratch, image, out, &err), err);
}

// The extent of bright pixels; false if there are none.
static bool lit(const tn_tensor *image, int64_t box[4]) {
    bool any = false;
    for (int64_t y = 0; y < image->dim[0]; y++)
        for (int64_t x = 0; x < image->dim[1]; x++) {
            if (tn_u8(image)[(y * image->dim[1] + x) * 3] < 128) continue;
            if (!any) box[0] = x, box[1] = y, box[2] = x + 1, box[3] = y + 1;
            if (x < box[0]) box[0] = x;
            if (x + 1 > box[2]) box[2] = x + 1;
            box[3] = y + 1;
            any = true;
        }
    return any;
}

// At these scales a rectangle with even coordinates keeps whole pixels, corners included.
static void pixels_boxes_and_masks_agree(void **state) {
    (void)state;
    uint8_t pixels[H * W * 3] = {0};
    for (int y = rectangle[1]; y < rectangle[3]; y++)
        memset(pixels + (y * W + rectangle[0]) * 3, 255, (size_t)(rectangle[2] - rectangle[0]) * 3);
    write_picture(pixels);
    int outside = 0, cut = 0, mirrored = 0;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        tr_dataset *data = open_box(shapes[s]);
        for (int k = 0; k < 3; k++) {
            tr_loader_options o = usual(data, (double[]){0.5, 1, 2}[k]);
            for (int64_t position = 0; position < 80; position++) {
                tn_tensor image;
                tr_sample t;
                int64_t pixel[4];
                load(&o, position, &image, &t);
                assert_int_equal(t.frame.scaled_w, W / 2 * o.augment.scale[0]);
                mirrored += t.frame.flip;
                if (!lit(&image, pixel)) {
                    assert_true(t.truth.boxes.dim[0] == 0 && t.cut == 1);
                    outside++;
                    continue;
                }
                assert_true(t.truth.boxes.dim[0] == 1 && t.cut == 0);
                uint32_t mask[4];
                io_rle_box(t.truth.masks, mask);
                assert_true(t.truth.masks->h == t.frame.net_h && t.truth.masks->w == t.frame.net_w);
                for (int i = 0; i < 4; i++) {
                    assert_true(tn_f32(&t.truth.boxes)[i] == (float)pixel[i]);
                    assert_int_equal(i < 2 ? mask[i] : mask[i] + mask[i - 2], pixel[i]);
                }
                assert_int_equal(io_rle_area(t.truth.masks), mask[2] * mask[3]);
                cut += mask[2] * mask[3] < 26 * 22 * o.augment.scale[0] * o.augment.scale[0] / 4;
            }
        }
        tr_dataset_close(data);
    }
    assert_true(outside > 5 && cut > 50 && mirrored > 200 && mirrored < 500);
}

// The crop may leave less of a triangle than of its box.
static void a_cut_object_has_the_box_of_its_rest(void **state) {
    (void)state;
    uint8_t pixels[H * W * 3] = {0};
    write_picture(pixels);
    tr_dataset *data = open_box("[[10,6,36,6,36,28]]");
    tr_loader_options o = usual(data, 2);
    int smaller = 0, whole = 0;
    for (int64_t position = 0; position < 200; position++) {
        tn_tensor image;
        tr_sample t;
        load(&o, position, &image, &t);
        if (!t.truth.boxes.dim[0]) continue;
        const double all[4] = {10, 6, 36, 28};
        const float *box = tn_f32(&t.truth.boxes);
        float cut[4];
        uint32_t mask[4];
        assert_true(tr_frame_box(&t.frame, all, cut));
        if (!tr_frame_cuts(&t.frame, all)) {
            assert_memory_equal(box, cut, sizeof cut);
            whole++;
            continue;
        }
        io_rle_box(t.truth.masks, mask);
        for (int i = 0; i < 4; i++) {
            assert_true(box[i] == (float)(i < 2 ? mask[i] : mask[i] + mask[i - 2]));
            smaller += box[i] != cut[i];
        }
    }
    o = usual(data, 0.5);
    o.augment.size = 2 * W; // the whole picture
    for (int64_t position = 0; position < 4; position++, whole++) {
        tn_tensor image;
        tr_sample t;
        load(&o, position, &image, &t);
        assert_true(tn_f32(&t.truth.boxes)[t.frame.flip ? 2 : 0] ==
                    (float)(t.frame.scaled_w * (t.frame.flip ? W - 10 : 10)) / W);
    }
    assert_true(smaller > 20 && whole > 0);
    tr_dataset_close(data);
}

// A crop of a mirrored, resized picture, made in three steps.
static void only_the_crop_is_computed(void **state) {
    (void)state;
    uint8_t pixels[H * W * 3];
    tn_rng rng = tn_rng_new(4, 0);
    for (int i = 0; i < H * W * 3; i++) pixels[i] = (uint8_t)tn_rng_u32(&rng);
    write_picture(pixels);
    tr_dataset *data = open_box(shapes[0]);
    for (int64_t position = 0; position < 40; position++) {
        tr_loader_options o = usual(data, 0.3 + 0.07 * (double)position);
        tn_tensor image, whole, from = tn_view(pixels, TN_U8, TN_DIMS(H, W, 3));
        tr_sample t;
        load(&o, position, &image, &t);
        const tr_frame *f = &t.frame;
        ASSERT_OK(tn_new(&arena, &whole, TN_U8, TN_DIMS(f->scaled_h, f->scaled_w, 3), &err), err);
        kn_resize_u8_fwd(kn, KN_BILINEAR, NULL, &from, &whole);
        for (int64_t y = 0; y < f->net_h; y++)
            for (int64_t x = 0; x < f->net_w; x++) {
                int64_t column = x + f->left;
                if (f->flip) column = f->scaled_w - 1 - column;
                assert_memory_equal(tn_u8(&image) + (y * f->net_w + x) * 3,
                                    tn_u8(&whole) + ((y + f->top) * f->scaled_w + column) * 3, 3);
            }
    }
    tr_dataset_close(data);
}

static void frames_stay_within_bounds(void **state) {
    (void)state;
    tr_augment how = tr_augment_default(64);
    static const int64_t sizes[][2] = {{1, 1},   {1, 5000},  {5000, 1},
                                       {64, 64}, {480, 640}, {33, 32}};
    double least = 9, most = 0;
    for (int64_t i = 0; i < 600; i++) {
        const int64_t *size = sizes[i % 6];
        tn_rng rng = tr_rng(1, TR_STREAM_AUGMENT, i);
        tr_frame f = tr_frame_draw(&how, size[0], size[1], &rng);
        assert_true(f.pad_h == 64 && f.pad_w == 64 && f.net_h >= 1 && f.net_w >= 1);
        assert_true(f.net_h <= 64 && f.net_w <= 64 && f.top >= 0 && f.left >= 0);
        assert_true(f.top + f.net_h <= f.scaled_h && f.left + f.net_w <= f.scaled_w);
        assert_true(f.net_h == 64 || f.net_h == f.scaled_h);
        if (i % 6 != 4) continue;
        double factor = (double)f.scaled_w / 64;
        assert_true(fabs((double)f.scaled_h - factor * 48) <= 1);
        least = fmin(least, factor), most = fmax(most, factor);
    }
    assert_true(least >= 0.09 && least < 0.3 && most > 1.8 && most <= 2.01);
    how.fit = TR_FIT_SQUARE, how.flip = 0;
    tn_rng rng = tr_rng(1, TR_STREAM_AUGMENT, 0);
    tr_frame f = tr_frame_draw(&how, 480, 640, &rng);
    assert_true(f.scaled_h == 48 && f.scaled_w == 64 && !f.top && !f.left && !f.flip);
    how.fit = TR_FIT_SHORT_EDGE, how.size = 800, how.longest = 1333, how.multiple = 32;
    f = tr_frame_draw(&how, 480, 640, &rng);
    assert_true(f.net_h == 800 && f.net_w == 1067 && f.pad_h == 800 && f.pad_w == 1088);
    f = tr_frame_draw(&how, 300, 100, &rng);
    assert_true(f.net_h == 1333 && f.net_w == 444 && f.pad_h == 1344 && f.pad_w == 448);
}

static void impossible_settings_are_refused(void **state) {
    (void)state;
    tr_augment good = tr_augment_default(64);
    assert_int_equal(tr_augment_check(&good, &err), TN_OK);
    tr_augment bad[12];
    const char *part[12] = {"pixels a side", "pixels a side", "jitter",  "jitter",
                            "jitter",        "jitter",        "flip",    "flip",
                            "flip",          "longest",       "longest", "multiple"};
    for (int i = 0; i < 12; i++) bad[i] = good;
    bad[0].size = 0, bad[1].size = 20000, bad[2].scale[0] = 0, bad[3].scale[0] = NAN;
    bad[4].scale[0] = 3, bad[5].scale[1] = 17, bad[6].flip = -0.1, bad[7].flip = 1.5;
    bad[8].flip = NAN, bad[9].longest = 63, bad[10].longest = 20000, bad[11].multiple = 0;
    for (int i = 9; i < 12; i++) bad[i].fit = TR_FIT_SHORT_EDGE;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(tr_augment_check(&bad[i], &err), TN_EINVAL);
        if (!strstr(err.text, part[i])) fail_msg("%d: %s", i, err.text);
    }
}

static void an_epoch_is_a_permutation(void **state) {
    (void)state;
    enum { N = 101 };
    tr_order order, other;
    ASSERT_OK(tr_order_init(&order, 5, N, &err), err);
    ASSERT_OK(tr_order_init(&other, 5, N, &err), err);
    int64_t previous[N] = {0};
    for (int epoch = 0; epoch < 5; epoch++) {
        bool seen[N] = {0};
        int same = 0;
        for (int64_t i = 0; i < N; i++) {
            int64_t at = tr_order_at(&order, epoch * N + i);
            assert_true(at >= 0 && at < N && !seen[at]);
            seen[at] = true;
            same += at == previous[i];
            previous[i] = at;
        }
        assert_true(epoch == 0 || same < 10);
    }
    for (int64_t p = 4 * N + 3; p >= 0; p -= 17) { // in any order
        int64_t at = tr_order_at(&other, p);
        assert_int_equal(tr_order_at(&order, p), at);
    }
    tr_order_deinit(&order), tr_order_deinit(&other);
    int count[6] = {0}; // all six orders of three
    for (uint64_t seed = 0; seed < 600; seed++) {
        ASSERT_OK(tr_order_init(&order, seed, 3, &err), err);
        int64_t first = tr_order_at(&order, 0), second = tr_order_at(&order, 1);
        count[first * 2 + (second > first ? second - 1 : second)]++;
        tr_order_deinit(&order);
    }
    for (int i = 0; i < 6; i++) assert_in_range(count[i], 55, 145);
}

static int set_up(void **state) {
    (void)state;
    return tn_arena_init(&arena, 1 << 24, &err) || tn_arena_init(&scratch, 1 << 24, &err) ||
           kn_open("cpu", NULL, 1, &kn, &err);
}

static int tear_down(void **state) {
    kn_close(kn);
    tn_arena_deinit(&arena), tn_arena_deinit(&scratch);
    return temporary_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_boxes_and_masks_agree),
        cmocka_unit_test(a_cut_object_has_the_box_of_its_rest),
        cmocka_unit_test(only_the_crop_is_computed),
        cmocka_unit_test(frames_stay_within_bounds),
        cmocka_unit_test(impossible_settings_are_refused),
        cmocka_unit_test(an_epoch_is_a_permutation),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
