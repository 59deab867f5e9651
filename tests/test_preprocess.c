// SPDX-License-Identifier: Apache-2.0
// CLIP's preprocessing of pieces of a picture: cutting first or saying which box is one thing, for
// tall, wide and square boxes.
#include "models/clip/clip.h"
#include "tensor/rng.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static void a_box_is_a_piece(void **state) {
    (void)state;
    static const int64_t boxes[][4] = {{0, 0, 90, 70},  {3, 5, 83, 25},  {10, 0, 31, 69},
                                       {7, 9, 8, 10},   {1, 2, 65, 66},  {0, 3, 90, 4},
                                       {89, 0, 90, 70}, {20, 20, 50, 51}};
    kn_ctx *kn;
    md_clip *clip;
    tn_arena step;
    tn_error err = {0};
    tn_tensor image, a, b;
    ASSERT_OK(kn_open("cpu", NULL, 1, &kn, &err), err);
    ASSERT_OK(tn_arena_init(&step, 1 << 24, &err), err);
    ASSERT_OK(md_clip_open("demo/pair/clip", NULL, kn, &clip, &err), err);
    ASSERT_OK(tn_new_heap(&image, TN_U8, TN_DIMS(70, 90, 3), &err), err);
    tn_rng rng = tn_rng_new(5, 0);
    for (int64_t i = 0; i < tn_count(&image); i++) tn_u8(&image)[i] = (uint8_t)tn_rng_u32(&rng);
    int64_t size = md_clip_settings(clip)->image_size;
    ASSERT_OK(tn_new_heap(&a, TN_F32, TN_DIMS(size, size, 3), &err), err);
    ASSERT_OK(tn_new_heap(&b, TN_F32, TN_DIMS(size, size, 3), &err), err);
    nn_ctx cx = {.kn = kn, .step = &step, .err = &err};
    for (size_t k = 0; k < sizeof boxes / sizeof *boxes; k++) {
        const int64_t *box = boxes[k], w = box[2] - box[0], h = box[3] - box[1];
        tn_tensor piece;
        ASSERT_OK(tn_new_heap(&piece, TN_U8, TN_DIMS(h, w, 3), &err), err);
        for (int64_t y = 0; y < h; y++)
            memcpy(tn_u8(&piece) + y * w * 3, tn_u8(&image) + ((box[1] + y) * 90 + box[0]) * 3,
                   (size_t)w * 3);
        memset(step.base, 0xa5, 1 << 20); // what is not written shows
        ASSERT_OK(md_clip_preprocess(&cx, clip, &image, box, &a), err);
        memset(step.base, 0x5a, 1 << 20);
        ASSERT_OK(md_clip_preprocess(&cx, clip, &piece, NULL, &b), err);
        assert_memory_equal(a.data, b.data, tn_bytes(&a));
        tn_free(piece.data);
    }
    tn_free(a.data);
    tn_free(b.data);
    tn_free(image.data);
    md_clip_close(clip);
    tn_arena_deinit(&step);
    kn_close(kn);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_box_is_a_piece)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
