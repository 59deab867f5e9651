// SPDX-License-Identifier: Apache-2.0
// Batches: the same for any number of workers and from any position; unusable files are skipped,
// counted and reported once; every failure is a status.
#include "train/loader.h"

#include "io/image/image.h"
#include "kernels/kernels.h"
#include "tests/support/scenes.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <string.h>
#include <unistd.h>

static tn_error err;

static tr_dataset *open_scenes(const scenes *s) {
    tr_dataset *data;
    tr_dataset_options o = {.annotations = s->annotations, .pictures = s->folder};
    ASSERT_OK(tr_dataset_open(&o, &data, &err), err);
    return data;
}

static tr_loader_options usual(const tr_dataset *data) {
    return (tr_loader_options){.data = data,
                               .augment = tr_augment_default(48),
                               .mean = {0.5f, 0.4f, 0.3f},
                               .std = {0.2f, 0.3f, 0.4f},
                               .seed = 7,
                               .batch = 3,
                               .masks = true};
}

// A hash of the meaningful bytes of a batch.
static uint64_t digest(const tr_batch *b) {
    uint64_t h = 14695981039346656037u;
#define ADD(data, bytes)                                                                           \
    for (size_t i_ = 0; i_ < (bytes); i_++) h = (h ^ ((const uint8_t *)(data))[i_]) * 1099511628211u
    ADD(b->x.data, tn_bytes(&b->x));
    ADD(&b->position, sizeof b->position);
    for (int64_t n = 0; n < b->count; n++) {
        const tr_sample *s = &b->samples[n];
        ADD(&s->position, sizeof s->position);
        ADD(&s->frame.net_h, 2 * sizeof s->frame.net_h);
        ADD(s->truth.boxes.data, tn_bytes(&s->truth.boxes));
        ADD(s->truth.labels.data, tn_bytes(&s->truth.labels));
        for (int64_t g = 0; g < s->truth.boxes.dim[0]; g++)
            ADD(s->truth.masks[g].counts, s->truth.masks[g].count * sizeof(uint32_t));
    }
#undef ADD
    return h;
}

static void run(const tr_loader_options *o, int batches, uint64_t *digests, int64_t *positions) {
    tr_loader *l;
    tr_batch b;
    ASSERT_OK(tr_loader_open(o, &l, &err), err);
    for (int i = 0; i < batches; i++) {
        ASSERT_OK(tr_loader_next(l, &b, &err), err);
        digests[i] = digest(&b);
        if (positions) positions[i] = b.position;
    }
    tr_loader_close(l);
}

static void workers_change_nothing(void **state) {
    (void)state;
    enum { BATCHES = 12 };
    scenes s;
    scenes_write(&s, "workers", 7);
    tr_dataset *data = open_scenes(&s);
    tr_loader_options o = usual(data);
    uint64_t first[BATCHES], other[BATCHES];
    int64_t positions[BATCHES];
    run(&o, BATCHES, first, positions);
    for (int workers = 1; workers <= 4; workers++) {
        o.workers = workers;
        run(&o, BATCHES, other, NULL);
        assert_memory_equal(first, other, sizeof first);
    }
    for (int at = 0; at < BATCHES - 1; at++) { // and neither does stopping
        o.workers = at % 3, o.position = positions[at];
        run(&o, BATCHES - 1 - at, other, NULL);
        assert_memory_equal(first + at + 1, other, (size_t)(BATCHES - 1 - at) * sizeof *other);
    }
    o.seed = 8, o.position = 0;
    run(&o, BATCHES, other, NULL);
    for (int i = 0; i < BATCHES; i++) assert_true(first[i] != other[i]);
    tr_dataset_close(data);
}

// ---- files that cannot be used ----------------------------------------------------------------

typedef struct heard {
    int count;
    char last[512], text[1024];
    tn_status status;
    int64_t cancel_after;
} heard;

static void hear(void *context, const char *path, const tn_error *why) {
    heard *h = context;
    h->count++;
    h->status = why->status;
    snprintf(h->last, sizeof h->last, "%s", path);
    snprintf(h->text, sizeof h->text, "%s", why->text);
}

static char good_png[1 << 12];
static size_t good_bytes;

static void replace(const scenes *s, int i, const void *bytes, size_t count) {
    char path[640];
    snprintf(path, sizeof path, "%s/%d.png", s->folder, i);
    assert_int_equal(unlink(path), 0);
    if (!bytes) return;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, count, f), count);
    assert_int_equal(fclose(f), 0);
}

// Replaces picture 2 of five with something else.
static const struct {
    const char *name, *bytes;
    int count; // of bytes; under 0: so much of a good picture
    tn_status status;
} bad_files[] = {
    {"gone", NULL, 0, TN_EIO},
    {"empty", "", 0, TN_EFORMAT},
    {"one byte", "\x89", 1, TN_EFORMAT},
    {"text", "<html>404</html>", 16, TN_EFORMAT},
    {"PNG's first bytes", NULL, -8, TN_EFORMAT},
    {"PNG without pixels", NULL, -33, TN_EFORMAT},
    {"half a PNG", NULL, -90, TN_EFORMAT},
    {"JPEG's first bytes", "\xff\xd8\xff\xe0", 4, TN_EFORMAT},
    {"JPEG's two ends", "\xff\xd8\xff\xd9", 4, TN_EFORMAT},
    {"PPM without pixels", "P6 66 64 255\n", 13, TN_EFORMAT},
    {"PPM of no size", "P6 0 0 255\n", 11, TN_EFORMAT},
    {"PPM of a size that no memory holds", "P6 2000000 2000000 255\n", 23, TN_EFORMAT},
    {"PPM of another size", "P5 2 2 255\nabcd", 15, TN_EINVAL},
    {"PPM of another kind", "P9 2 2 255\nabcd", 15, TN_EFORMAT},
    {"GIF", "GIF89a\1\0\1\0\0\0\0;", 14, TN_EFORMAT},
    {"BMP", "BM\x3a\0\0\0\0\0\0\0", 10, TN_EFORMAT},
    {"zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, TN_EFORMAT},
};

static void bad_files_are_left_out_and_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        char folder[32];
        snprintf(folder, sizeof folder, "bad%zu", i);
        scenes s;
        scenes_write(&s, folder, 5);
        int count = bad_files[i].count;
        const char *bytes = count < 0 ? good_png : bad_files[i].bytes;
        assert_true((size_t)(count < 0 ? -count : count) < good_bytes);
        replace(&s, 2, bytes, (size_t)(count < 0 ? -count : count));
        tr_dataset *data = open_scenes(&s);
        tr_loader_options o = usual(data);
        uint64_t digests[2][6];
        for (int workers = 0; workers < 3; workers += 2) {
            heard h = {0};
            o.skipped = hear, o.context = &h, o.workers = workers;
            tr_loader *l;
            tr_batch b;
            ASSERT_OK(tr_loader_open(&o, &l, &err), err);
            for (int k = 0; k < 6; k++) {
                ASSERT_OK(tr_loader_next(l, &b, &err), err);
                digests[workers / 2][k] = digest(&b);
                for (int64_t n = 0; n < 3; n++) assert_true(b.samples[n].picture->source->id != 21);
            }
            assert_true(b.position > 18); // 18 samples, and the skipped ones
            tr_loader_counts t = tr_loader_tally(l);
            if (h.count != 1 || !strstr(h.last, "2.png") || !strstr(h.text, "2.png"))
                fail_msg("%s: %d reports, the last of %s: %s", bad_files[i].name, h.count, h.last,
                         h.text);
            tn_status wanted = bad_files[i].status;
            bool broken = h.status == TN_EFORMAT || h.status == TN_EUNSUPPORTED;
            if (h.status != wanted && !(broken && wanted == TN_EFORMAT))
                fail_msg("%s: %s (%s)", bad_files[i].name, tn_status_name(h.status), h.text);
            assert_int_equal(t.missing, wanted == TN_EIO);
            assert_int_equal(t.broken, wanted == TN_EFORMAT);
            assert_int_equal(t.other_size, wanted == TN_EINVAL);
            assert_int_equal(t.samples, 18);
            tr_loader_close(l);
        }
        assert_memory_equal(digests[0], digests[1], sizeof digests[0]);
        tr_dataset_close(data);
    }
}

static void no_file_at_all_ends_it(void **state) {
    (void)state;
    scenes s;
    scenes_write(&s, "none", 5);
    for (int i = 0; i < 5; i++) replace(&s, i, "x", i % 2);
    tr_dataset *data = open_scenes(&s);
    tr_loader_options o = usual(data);
    for (o.workers = 0; o.workers < 3; o.workers++) {
        heard h = {0};
        o.skipped = hear, o.context = &h;
        tr_loader *l;
        tr_batch b;
        ASSERT_OK(tr_loader_open(&o, &l, &err), err);
        assert_int_equal(tr_loader_next(l, &b, &err), TN_EIO);
        assert_non_null(strstr(err.text, "none of 5 pictures"));
        assert_int_equal(h.count, 5);
        tr_loader_close(l);
    }
    tr_dataset_close(data);
}

// Failures of two epochs may be adjacent.
static void one_good_file_is_enough(void **state) {
    (void)state;
    for (int count = 2; count <= 4; count++) {
        char folder[32];
        snprintf(folder, sizeof folder, "one%d", count);
        scenes s;
        scenes_write(&s, folder, count);
        for (int i = 1; i < count; i++) replace(&s, i, "x", i % 2);
        tr_dataset *data = open_scenes(&s);
        tr_loader_options o = usual(data);
        for (o.workers = 0; o.workers < 3; o.workers += 2) {
            heard h = {0};
            o.skipped = hear, o.context = &h;
            tr_loader *l;
            tr_batch b;
            ASSERT_OK(tr_loader_open(&o, &l, &err), err);
            for (int k = 0; k < 60; k++) ASSERT_OK(tr_loader_next(l, &b, &err), err);
            assert_int_equal(h.count, count - 1);
            tr_loader_close(l);
        }
        tr_dataset_close(data);
    }
}

static bool soon(void *context) {
    heard *h = context;
    return --h->cancel_after < 0;
}

static void cancelling_ends_it(void **state) {
    (void)state;
    scenes s;
    scenes_write(&s, "cancelled", 5);
    tr_dataset *data = open_scenes(&s);
    tr_loader_options o = usual(data);
    for (int i = 0; i < 12; i++) {
        heard h = {.cancel_after = i};
        o.cancelled = soon, o.context = &h, o.workers = i % 3;
        tr_loader *l;
        tr_batch b;
        tn_status status = TN_OK;
        ASSERT_OK(tr_loader_open(&o, &l, &err), err);
        for (int k = 0; k < 100 && status == TN_OK; k++) status = tr_loader_next(l, &b, &err);
        assert_int_equal(status, TN_ECANCELLED);
        tr_loader_close(l);
    }
    o.cancelled = NULL, o.workers = 4; // closed while the workers are busy
    for (int i = 0; i < 5; i++) {
        tr_loader *l;
        ASSERT_OK(tr_loader_open(&o, &l, &err), err);
        tr_loader_close(l);
    }
    tr_dataset_close(data);
}

static void impossible_settings_are_refused(void **state) {
    (void)state;
    scenes s;
    scenes_write(&s, "settings", 2);
    tr_dataset *data = open_scenes(&s);
    tr_loader_options bad[9];
    for (int i = 0; i < 9; i++) bad[i] = usual(data);
    bad[0].batch = 0, bad[1].batch = 5000, bad[2].workers = -1, bad[3].workers = 1000;
    bad[4].position = -1, bad[5].std[1] = 0, bad[6].std[2] = -1, bad[7].augment.size = -5;
    bad[8].augment.fit = TR_FIT_SHORT_EDGE;
    for (int i = 0; i < 9; i++) {
        tr_loader *l = (void *)1;
        assert_int_equal(tr_loader_open(&bad[i], &l, &err), TN_EINVAL);
        assert_null(l);
    }
    tr_dataset_close(data);
}

// Opening only: a kernel without scratch aborts, and workers start at once.
static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    scenes s;
    scenes_write(&s, "memory", 4);
    tr_dataset *data = open_scenes(&s);
    tr_loader_options o = usual(data);
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        tr_loader *l = NULL;
        tn_alloc_fail_after(n);
        status = tr_loader_open(&o, &l, &err);
        tn_alloc_fail_after(0);
        tr_loader_close(l);
        assert_true(status == TN_OK || (status == TN_ENOMEM && !l));
        assert_true(n < 400);
    }
    tr_dataset_close(data);
}

// ---- what is in a batch -----------------------------------------------------------------------

static void pixels_are_normalised_and_padding_is_zero(void **state) {
    (void)state;
    scenes s;
    scenes_write(&s, "pixels", 3);
    tr_dataset *data = open_scenes(&s);
    tr_loader_options o = usual(data);
    o.augment.fit = TR_FIT_SQUARE, o.augment.flip = 0, o.augment.size = 80;
    tr_loader *l;
    tr_batch b;
    ASSERT_OK(tr_loader_open(&o, &l, &err), err);
    ASSERT_OK(tr_loader_next(l, &b, &err), err);
    assert_true(tn_has_shape(&b.x, 4, (int64_t[]){3, 80, 80, 3}));
    for (int n = 0; n < 3; n++) {
        const tr_frame *f = &b.samples[n].frame;
        assert_int_equal(f->net_h > f->net_w ? f->net_h : f->net_w, 80);
        const float *box = tn_f32(&b.samples[n].truth.boxes);
        int32_t label = tn_i32(&b.samples[n].truth.labels)[0];
        for (int64_t y = 0; y < 80; y++)
            for (int64_t x = 0; x < 80; x++)
                for (int c = 0; c < 3; c++) {
                    float v = tn_f32(&b.x)[((n * 80 + y) * 80 + x) * 3 + c], wanted = 0;
                    bool inside = (float)x > box[0] + 2 && (float)x < box[2] - 3 &&
                                  (float)y > box[1] + 2 && (float)y < box[3] - 3;
                    bool beside = (float)x < box[0] - 3 || (float)x > box[2] + 2 ||
                                  (float)y < box[1] - 3 || (float)y > box[3] + 2;
                    bool picture = y < f->net_h && x < f->net_w;
                    if (picture && !inside && !beside) continue; // an edge
                    if (picture) wanted = ((inside && c == label) - o.mean[c]) / o.std[c];
                    assert_true(v == wanted);
                }
    }
    tr_loader_close(l);
    tr_dataset_close(data);
}

// Every value of a byte, as in inference.
static void values_are_those_of_inference(void **state) {
    (void)state;
    uint8_t pixels[16 * 16 * 3];
    for (int i = 0; i < 256; i++) memset(pixels + 3 * i, i, 3);
    tn_tensor image = tn_view(pixels, TN_U8, TN_DIMS(16, 16, 3)), wanted;
    float values[16 * 16 * 3];
    wanted = tn_view(values, TN_F32, TN_DIMS(16, 16, 3));
    static const char text[] =
        "{\"categories\":[{\"id\":1,\"name\":\"x\"}],\"images\":[{\"id\":1,\"file_name\":\"g.png\"}"
        "],"
        "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":[5,4,9,9]}]}";
    ASSERT_OK(io_png_write(temporary_path("g.png"), &image, &err), err);
    tr_dataset *data;
    tr_dataset_options how = {.annotations = temporary_file("g.json", text, strlen(text)),
                              .pictures = temporary_path(""),
                              .boxes_only = true};
    ASSERT_OK(tr_dataset_open(&how, &data, &err), err);
    tr_loader_options o = usual(data);
    o.augment.fit = TR_FIT_SQUARE, o.augment.flip = 0, o.augment.size = 16;
    o.batch = 1, o.masks = false;
    tr_loader *l;
    tr_batch b;
    kn_ctx *kn;
    ASSERT_OK(kn_open("cpu", NULL, 1, &kn, &err), err);
    ASSERT_OK(tr_loader_open(&o, &l, &err), err);
    ASSERT_OK(tr_loader_next(l, &b, &err), err);
    kn_normalize_u8_fwd(kn, o.mean, o.std, &image, &wanted);
    assert_memory_equal(b.x.data, values, sizeof values);
    assert_true(b.samples->truth.boxes.dim[0] == 1 && !b.samples->truth.masks);
    tr_loader_close(l);
    tr_dataset_close(data);
    kn_close(kn);
}

static void pictures_without_objects_and_of_unknown_size(void **state) {
    (void)state;
    scenes s;
    scenes_write(&s, "sparse", 2);
    static const char text[] = "{\"categories\":[{\"id\":1,\"name\":\"x\"}],\"images\":[{\"id\":1,"
                               "\"file_name\":\"0.png\"},"
                               "{\"id\":2,\"file_name\":\"1.png\"}],\"annotations\":["
                               "{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":[5,4,9,9],"
                               "\"segmentation\":[[5,4,14,4,14,13,5,13]]},"
                               "{\"id\":2,\"image_id\":1,\"category_id\":1,\"bbox\":[5,4,9,9],"
                               "\"segmentation\":[[5,4,1400,4,14,13]]},"
                               "{\"id\":3,\"image_id\":1,\"category_id\":1,\"bbox\":[5,4,9,9],"
                               "\"segmentation\":{\"size\":[3,3],\"counts\":[9]}},"
                               "{\"id\":4,\"image_id\":1,\"category_id\":1,\"bbox\":[500,4,9,9],"
                               "\"segmentation\":[[5,4,14,4,14,13]]}]}";
    tr_dataset *data;
    tr_dataset_options how = {.annotations = temporary_file("sparse.json", text, strlen(text)),
                              .pictures = s.folder,
                              .keep_empty = true};
    ASSERT_OK(tr_dataset_open(&how, &data, &err), err);
    assert_int_equal(data->count, 2);
    tr_loader_options o = usual(data);
    o.augment.fit = TR_FIT_SHORT_EDGE, o.augment.size = 60, o.augment.longest = 200, o.batch = 1;
    tr_loader *l;
    tr_batch b;
    ASSERT_OK(tr_loader_open(&o, &l, &err), err);
    for (int i = 0; i < 6; i++) { // only the first object is usable
        ASSERT_OK(tr_loader_next(l, &b, &err), err);
        bool first = b.samples->picture->source->id == 1;
        assert_int_equal(b.samples->truth.boxes.dim[0], first);
        assert_int_equal(b.samples->truth.labels.dim[0], first);
        assert_int_equal(b.samples->cut, first ? 3 : 0);
        const tr_frame *f = &b.samples->frame;
        assert_int_equal(f->net_h < f->net_w ? f->net_h : f->net_w, 60);
        assert_true(b.x.dim[1] % 32 == 0 && b.x.dim[2] % 32 == 0);
    }
    tr_loader_close(l);
    tr_dataset_close(data);
}

// On photographs: a mask lies in its box and touches its sides, up to rounding.
static void real_masks_fill_their_boxes(void **state) {
    (void)state;
    tr_dataset_options how = {.annotations =
                                  SHARED_DATA "/coco_mini/annotations/instances_train2017.json",
                              .pictures = SHARED_DATA "/coco_mini/train2017"};
    FILE *there = fopen(how.annotations, "rb");
    if (!there) SKIP("no %s", how.annotations);
    fclose(there);
    tr_dataset *data;
    ASSERT_OK(tr_dataset_open(&how, &data, &err), err);
    tr_loader_options o = usual(data);
    o.augment = tr_augment_default(320), o.workers = 2, o.batch = 5;
    tr_loader *l;
    tr_batch b;
    int64_t objects = 0, sides = 0, off = 0;
    ASSERT_OK(tr_loader_open(&o, &l, &err), err);
    for (int i = 0; i < 12; i++) {
        ASSERT_OK(tr_loader_next(l, &b, &err), err);
        for (int64_t n = 0; n < b.count; n++) {
            const md_truth *t = &b.samples[n].truth;
            for (int64_t g = 0; g < t->boxes.dim[0]; g++, objects++) {
                const float *box = tn_f32(&t->boxes) + 4 * g;
                uint32_t m[4];
                io_rle_box(&t->masks[g], m);
                assert_true(box[0] >= 0 && box[1] >= 0 && box[2] <= (float)t->masks[g].w &&
                            box[3] <= (float)t->masks[g].h);
                float side[4] = {(float)m[0], (float)m[1], (float)(m[0] + m[2]),
                                 (float)(m[1] + m[3])};
                for (int k = 0; k < 4; k++, sides++) { // a thin corner may show no pixel
                    float d = k < 2 ? side[k] - box[k] : box[k] - side[k];
                    assert_true(d > -1.01f);
                    off += d > 1.5f;
                }
            }
        }
    }
    assert_int_equal(tr_loader_tally(l).missing, 0);
    assert_true(objects > 300 && off * 50 < sides);
    tr_loader_close(l);
    tr_dataset_close(data);
}

static int set_up(void **state) {
    (void)state;
    scenes s;
    scenes_write(&s, "good", 3);
    char path[640];
    snprintf(path, sizeof path, "%s/2.png", s.folder);
    FILE *f = fopen(path, "rb");
    if (!f) return -1;
    good_bytes = fread(good_png, 1, sizeof good_png, f);
    return fclose(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_change_nothing),
        cmocka_unit_test(bad_files_are_left_out_and_named),
        cmocka_unit_test(no_file_at_all_ends_it),
        cmocka_unit_test(one_good_file_is_enough),
        cmocka_unit_test(cancelling_ends_it),
        cmocka_unit_test(impossible_settings_are_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(pixels_are_normalised_and_padding_is_zero),
        cmocka_unit_test(values_are_those_of_inference),
        cmocka_unit_test(pictures_without_objects_and_of_unknown_size),
        cmocka_unit_test(real_masks_fill_their_boxes),
    };
    return cmocka_run_group_tests(tests, set_up, temporary_teardown);
}
