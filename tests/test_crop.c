// SPDX-License-Identifier: Apache-2.0
// Crop mode: crop edges (golden tables of tools/reference/dump_detector.py), and names, boxes and
// scores against the same steps in PyTorch (tools/reference/parity_crop.py).
#include "tests/support/crop_dump.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TABLES "tests/golden/detector/tables.safetensors"

static const io_tensor *table(io_weights *tables, const char *name) {
    const io_tensor *t = io_weights_find(tables, name);
    if (!t) fail_msg("the tables have no '%s'", name);
    return t;
}

static void test_edges(void **state) {
    (void)state;
    static const double contexts[] = {0, 1.0, 1.15, 3.0}; // the first is tight
    io_weights *tables;
    tn_error err;
    ASSERT_OK(io_weights_open(TABLES, &tables, &err), err);
    const io_tensor *sizes = table(tables, "crops.sizes"), *boxes = table(tables, "crops.boxes");
    const io_tensor *want = table(tables, "crops.edges");
    int64_t count = boxes->dim[0];
    assert_true(count >= 100 && want->dim[0] == 4);
    for (int64_t i = 0; i < 4 * count; i++) {
        float box[4];
        int32_t size[2], edge[4];
        int64_t got[4];
        memcpy(box, (const char *)boxes->data + i % count * 16, 16);
        memcpy(size, (const char *)sizes->data + i % count * 8, 8);
        memcpy(edge, (const char *)want->data + i * 16, 16);
        double context = contexts[i / count];
        md_crop_edges(context > 0 ? MD_CROP_SQUARE : MD_CROP_TIGHT, context, box, size[0], size[1],
                      got);
        for (int k = 0; k < 4; k++)
            if (got[k] != edge[k])
                fail_msg("box %g %g %g %g of %d x %d, context %g: edge %d is %d, expected %d",
                         (double)box[0], (double)box[1], (double)box[2], (double)box[3], size[0],
                         size[1], context, k, (int)got[k], edge[k]);
    }
    io_weights_close(tables);
}

// ---- against the same steps in PyTorch ----------------------------------------------------------

typedef struct pair {
    kn_ctx *kn;
    md_mask_rcnn *detector;
    md_clip *clip;
    md_bpe *bpe;
    tn_arena step;
    nn_ctx cx;
    tn_error err;
} pair;

static void open_pair(pair *p, int threads) {
    *p = (pair){0};
    ASSERT_OK(kn_open("cpu", NULL, threads, &p->kn, &p->err), p->err);
    ASSERT_OK(
        md_mask_rcnn_open("demo/pair/detector.safetensors", NULL, p->kn, &p->detector, &p->err),
        p->err);
    ASSERT_OK(md_clip_open("demo/pair/clip", NULL, p->kn, &p->clip, &p->err), p->err);
    ASSERT_OK(md_bpe_open("demo/pair/clip", &p->bpe, &p->err), p->err);
    ASSERT_OK(tn_arena_init(&p->step, (size_t)1 << 30, &p->err), p->err);
    p->cx = (nn_ctx){p->kn, &p->step, &p->err};
}

static void close_pair(pair *p) {
    tn_arena_deinit(&p->step);
    md_bpe_close(p->bpe);
    md_clip_close(p->clip);
    md_mask_rcnn_close(p->detector);
    kn_close(p->kn);
}

// Counts over all pictures of a folder.
typedef struct tally {
    int64_t pictures, proposals, other_name; // the same boxes given to both
    int64_t boxes, lost, more;               // end to end
    double score, detection_score, box, mask;
} tally;

static double larger(double a, double b) {
    return isnan(b) || b > a ? b : a;
}

// Names the dump's proposals; scores are compared where the names are equal.
static void compare_names(const crop_dump *dump, const md_crop_named *got, tally *t) {
    tn_tensor names = crop_dump_tensor(dump, "names", TN_I32);
    tn_tensor scores = crop_dump_tensor(dump, "probability", TN_F32);
    assert_int_equal(got->labels.dim[0], names.dim[0]);
    for (int64_t i = 0; i < names.dim[0]; i++)
        if (tn_i32(&names)[i] != tn_i32(&got->labels)[i])
            t->other_name++;
        else
            t->score = larger(t->score,
                              fabs((double)tn_f32(&scores)[i] - (double)tn_f32(&got->scores)[i]));
    t->proposals += names.dim[0];
}

static double box_distance(const float *a, const float *b) {
    double worst = 0;
    for (int k = 0; k < 4; k++) worst = larger(worst, fabs((double)a[k] - (double)b[k]));
    return worst;
}

// IoU of detection i's mask with the dump's; 1 if both are empty.
static double mask_overlap(const crop_dump *dump, pair *p, const md_found *got, int64_t i,
                           int64_t theirs) {
    size_t mark = tn_arena_mark(&p->step);
    tn_tensor bits = crop_dump_tensor(dump, "masks", TN_U8), mask;
    ASSERT_OK(tn_new(&p->step, &mask, TN_U8, TN_DIMS(got->height, got->width), &p->err), p->err);
    ASSERT_OK(md_mask_paste(0.5, &got->masks, &got->boxes, i, &mask, &p->err), p->err);
    const uint8_t *row = tn_u8(&bits) + theirs * bits.dim[1];
    int64_t both = 0, any = 0;
    for (int64_t k = 0; k < tn_count(&mask); k++) {
        int ours = tn_u8(&mask)[k], their = row[k / 8] >> (7 - k % 8) & 1;
        both += ours & their, any += ours | their;
    }
    tn_arena_reset(&p->step, mark);
    return any ? (double)both / (double)any : 1;
}

// A detection of the dump is matched if one of ours has its name and, within 1 pixel and 1e-3, its
// box and score. The largest deviations of matches are recorded.
static void compare_detections(const crop_dump *dump, pair *p, const md_found *got, tally *t) {
    tn_tensor boxes = crop_dump_tensor(dump, "boxes", TN_F32);
    tn_tensor names = crop_dump_tensor(dump, "box_names", TN_I32);
    tn_tensor scores = crop_dump_tensor(dump, "scores", TN_F32);
    int64_t found = 0;
    for (int64_t j = 0; j < boxes.dim[0]; j++) {
        int64_t i = 0;
        for (; i < got->count; i++)
            if (tn_i32(&got->labels)[i] == tn_i32(&names)[j] &&
                fabs((double)tn_f32(&got->scores)[i] - (double)tn_f32(&scores)[j]) <= 1e-3 &&
                box_distance(tn_f32(&got->boxes) + 4 * i, tn_f32(&boxes) + 4 * j) <= 1)
                break;
        if (i == got->count) continue;
        found++;
        t->box = larger(t->box, box_distance(tn_f32(&got->boxes) + 4 * i, tn_f32(&boxes) + 4 * j));
        t->detection_score = larger(
            t->detection_score, fabs((double)tn_f32(&got->scores)[i] - (double)tn_f32(&scores)[j]));
        if (crop_dump_has(dump, "masks"))
            t->mask = larger(t->mask, 1 - mask_overlap(dump, p, got, i, j));
    }
    t->boxes += boxes.dim[0];
    t->lost += boxes.dim[0] - found;
    t->more += got->count - found;
}

static void compare_picture(pair *p, const char *path, md_vocabulary *vocabulary, tally *t) {
    crop_dump dump;
    md_found got;
    md_crop_named named;
    crop_dump_open(&dump, path);
    if (!vocabulary->rows) crop_dump_vocabulary(&dump, &p->cx, p->clip, p->bpe, vocabulary);
    tn_tensor given = crop_dump_tensor(&dump, "proposals", TN_F32);
    size_t mark = tn_arena_mark(&p->step);
    md_crop_options options = dump.options;
    options.boxes = &given;
    ASSERT_OK(md_crop_detect(&p->cx, p->detector, p->clip, vocabulary, &dump.image, &options, &got,
                             &named),
              p->err);
    compare_names(&dump, &named, t);
    options.boxes = NULL;
    ASSERT_OK(md_crop_detect(&p->cx, p->detector, p->clip, vocabulary, &dump.image, &options, &got,
                             &named),
              p->err);
    compare_detections(&dump, p, &got, t);
    tn_arena_reset(&p->step, mark);
    t->pictures++;
    crop_dump_close(&dump);
}

static int is_dump(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > 12 && strcmp(entry->d_name + length - 12, ".safetensors") == 0;
}

// All files of the folder; they share one list of names.
static void compare_folder(const char *folder, int64_t at_least) {
    struct dirent **entries;
    pair p;
    tally t = {0};
    md_vocabulary vocabulary = {0};
    open_pair(&p, 2);
    int count = scandir(folder, &entries, is_dump, alphasort);
    for (int i = 0; i < count; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        compare_picture(&p, path, &vocabulary, &t);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    printf("%s, %s: %lld pictures, %lld given boxes, %lld named otherwise, scores within %.2g; "
           "end to end %lld boxes, %lld lost, %lld more, within %.2g pixels, scores %.2g, masks "
           "IoU %.4f\n",
           folder, kn_level(p.kn), (long long)t.pictures, (long long)t.proposals,
           (long long)t.other_name, t.score, (long long)t.boxes, (long long)t.lost,
           (long long)t.more, t.box, t.detection_score, 1 - t.mask);
    md_vocabulary_deinit(&vocabulary);
    close_pair(&p);
    assert_true(t.pictures >= at_least && t.proposals > 0 && t.boxes > 0);
    assert_true(t.other_name * 1000 <= t.proposals); // 99.9 % the same
    ASSERT_WITHIN(t.score, 1e-3);
    assert_true((t.lost > t.more ? t.lost : t.more) * 100 <= t.boxes); // 99 % found again
    ASSERT_WITHIN(t.box, 0.05);
    ASSERT_WITHIN(t.mask, 0.01);
}

// At the default level; the operations are tested at every level elsewhere.
static void test_demo_pictures(void **state) {
    (void)state;
    compare_folder("tests/golden/crop", 2);
}

static void test_more_pictures(void **state) {
    (void)state;
    const char *folder = getenv("LEXMASK_CROP_DUMPS");
    if (folder && *folder) compare_folder(folder, 1);
}

// ---- properties
// -----------------------------------------------------------------------------------

// Batches and threads change no bit; the best five begin with the assigned name.
static void test_batches_and_threads(void **state) {
    (void)state;
    static const struct {
        int threads;
        int64_t batch;
    } ways[] = {{1, 64}, {2, 7}, {7, 1000}, {2, 1}};
    unsigned char *first = NULL;
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        pair p;
        crop_dump dump;
        md_vocabulary vocabulary;
        md_found got;
        md_crop_named named;
        open_pair(&p, ways[i].threads);
        crop_dump_open(&dump, "tests/golden/crop/party.safetensors");
        crop_dump_vocabulary(&dump, &p.cx, p.clip, p.bpe, &vocabulary);
        md_crop_options options = dump.options;
        options.crops.batch = ways[i].batch;
        options.proposals = 40;
        size_t mark = tn_arena_mark(&p.step);
        ASSERT_OK(md_crop_detect(&p.cx, p.detector, p.clip, &vocabulary, &dump.image, &options,
                                 &got, &named),
                  p.err);
        assert_true(got.count > 2);
        assert_int_equal(got.proposals.dim[0], 40);
        for (int64_t k = 0; k < got.count; k++)
            assert_int_equal(tn_i32(&got.best)[k * MD_BEST], tn_i32(&got.labels)[k]);
        // Only the result is left in the arena, in one block.
        size_t now = tn_arena_mark(&p.step) - mark;
        if (!first) {
            first = tn_alloc(now), bytes = now;
            memcpy(first, p.step.base + mark, now);
        }
        assert_int_equal(now, bytes);
        const tn_tensor *parts[] = {&got.boxes,       &got.scores, &got.labels,
                                    &got.best_scores, &got.masks,  &named.scores};
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
            size_t at = (size_t)((char *)parts[k]->data - (p.step.base + mark));
            assert_memory_equal(parts[k]->data, first + at, tn_bytes(parts[k]));
        }
        md_vocabulary_deinit(&vocabulary);
        crop_dump_close(&dump);
        close_pair(&p);
    }
    tn_free(first);
}

static bool stop_after(void *user, double done) {
    int *left = user;
    return done >= 0 && done < 1 && (*left)-- > 0;
}

// Cancelled at every batch; no proposal at all; a picture of one pixel.
static void test_ends(void **state) {
    (void)state;
    pair p;
    crop_dump dump;
    md_vocabulary vocabulary;
    md_found got;
    md_crop_named named;
    open_pair(&p, 2);
    crop_dump_open(&dump, "tests/golden/crop/sea.safetensors");
    crop_dump_vocabulary(&dump, &p.cx, p.clip, p.bpe, &vocabulary);
    md_crop_options options = dump.options;
    options.proposals = 20, options.crops.batch = 5;
    options.crops.progress = stop_after;
    for (int batches = 0; batches <= 4; batches++) {
        int left = batches;
        options.crops.user = &left;
        tn_status status = md_crop_detect(&p.cx, p.detector, p.clip, &vocabulary, &dump.image,
                                          &options, &got, &named);
        assert_int_equal(status, batches < 4 ? TN_ECANCELLED : TN_OK);
        tn_arena_reset(&p.step, 0);
    }
    options.crops.progress = NULL;
    tn_tensor none = tn_view(NULL, TN_F32, TN_DIMS(0, 4));
    options.boxes = &none;
    ASSERT_OK(
        md_crop_detect(&p.cx, p.detector, p.clip, &vocabulary, &dump.image, &options, &got, &named),
        p.err);
    assert_int_equal(got.count, 0);
    options.boxes = NULL;
    uint8_t pixel[3] = {200, 10, 10};
    tn_tensor tiny = tn_view(pixel, TN_U8, TN_DIMS(1, 1, 3));
    ASSERT_OK(md_crop_detect(&p.cx, p.detector, p.clip, &vocabulary, &tiny, &options, &got, &named),
              p.err);
    md_vocabulary_deinit(&vocabulary);
    crop_dump_close(&dump);
    close_pair(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),         cmocka_unit_test(test_demo_pictures),
        cmocka_unit_test(test_more_pictures), cmocka_unit_test(test_batches_and_threads),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
