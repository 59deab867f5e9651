// SPDX-License-Identifier: Apache-2.0
// Overfits eight photographs with each pyramid, on frozen CLIPs with random weights, by `lexmask
// train` from the command line. Not part of `make test`: `make test-slow`.
#include "io/coco/coco.h"
#include "models/fvlm/fvlm.h"
#include "tests/support/program.h"
#include "tests/support/random_clip.h"
#include "tests/support/run_log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COCO SHARED_DATA "/coco_mini/"
#define ANNOTATIONS COCO "annotations/instances_train2017.json"
#define PHOTOS 8
#define MIN_SIDE 64 // minimum side of every object in pixels

// ---- the photographs ---------------------------------------------------------------------------

// Photographs of two to four objects, all of them large and none a crowd.
static bool is_wanted(const io_coco *coco, const io_coco_image *image) {
    int count = 0;
    for (size_t i = 0; i < coco->object_count; i++) {
        const io_coco_object *o = &coco->objects[i];
        if (o->image_id != image->id) continue;
        if (o->crowd || o->shape.kind != IO_COCO_POLYGONS || o->box[2] <= MIN_SIDE ||
            o->box[3] <= MIN_SIDE)
            return false;
        count++;
    }
    return count >= 2 && count <= 4;
}

static void write_object(FILE *to, const io_coco_object *o, bool first) {
    fprintf(to,
            "%s{\"id\":%lld,\"image_id\":%lld,\"category_id\":%lld,\"iscrowd\":0,\"area\":%.17g,"
            "\"bbox\":[%.17g,%.17g,%.17g,%.17g],\"segmentation\":[",
            first ? "" : ",", (long long)o->id, (long long)o->image_id, (long long)o->category_id,
            o->area, o->box[0], o->box[1], o->box[2], o->box[3]);
    for (size_t p = 0; p < o->shape.count; p++) {
        const io_coco_polygon *polygon = &o->shape.polygons[p];
        for (size_t k = 0; k < 2 * polygon->points; k++)
            fprintf(to, "%s%.17g", k ? "," : p ? ",[" : "[", polygon->xy[k]);
        fputc(']', to);
    }
    fputs("]}", to);
}

// The first eight that are wanted, with all categories of the file.
static void write_photographs(const char *path) {
    io_coco *coco;
    tn_error err;
    int64_t wanted[PHOTOS];
    size_t photos = 0, objects = 0;
    ASSERT_OK(io_coco_open(ANNOTATIONS, IO_COCO_SHAPES, &coco, &err), err);
    FILE *to = fopen(path, "w");
    assert_non_null(to);
    fputs("{\"categories\":[", to);
    for (size_t i = 0; i < coco->category_count; i++)
        fprintf(to, "%s{\"id\":%lld,\"name\":\"%s\"}", i ? "," : "",
                (long long)coco->categories[i].id, coco->categories[i].name);
    fputs("],\"images\":[", to);
    for (size_t i = 0; i < coco->image_count && photos < PHOTOS; i++) {
        const io_coco_image *image = &coco->images[i];
        if (!is_wanted(coco, image)) continue;
        fprintf(to, "%s{\"id\":%lld,\"file_name\":\"%s\",\"width\":%d,\"height\":%d}",
                photos ? "," : "", (long long)image->id, image->file, image->w, image->h);
        wanted[photos++] = image->id;
    }
    fputs("],\"annotations\":[", to);
    for (size_t i = 0; i < coco->object_count; i++)
        for (size_t k = 0; k < photos; k++)
            if (coco->objects[i].image_id == wanted[k])
                write_object(to, &coco->objects[i], !objects++);
    fputs("]}", to);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(photos, PHOTOS);
    io_coco_close(coco);
}

static bool have_photographs(void) {
    static bool written;
    if (access(ANNOTATIONS, R_OK) != 0) return false;
    if (!written) write_photographs(temporary_path("photographs.json"));
    written = true;
    return true;
}

// ---- models ------------------------------------------------------------------------------------

// `small`, narrow and with this pyramid; its CLIP uses global attention.
static md_fvlm_config small_on(const char *clip, md_pyramid pyramid) {
    md_fvlm_config c;
    tn_error err;
    assert_true(md_fvlm_preset("small", &c));
    c.pyramid_kind = pyramid;
    if (pyramid != MD_PYRAMID_STEM) c.pyramid_blocks = 0;
    c.tower_window = 0, c.tower_positions = 0;
    snprintf(c.clip_path, sizeof c.clip_path, "%s", clip);
    ASSERT_OK(md_fvlm_clip_hash(clip, c.clip_sha256, &err), err);
    char *tokenizer = realpath(RANDOM_CLIP_TOKENIZER, NULL);
    assert_non_null(tokenizer);
    snprintf(c.clip_tokenizer, sizeof c.clip_tokenizer, "%s", tokenizer);
    free(tokenizer);
    c.score2_mode = MD_SCORE2_NONE;
    c.pyramid_channels = 32, c.box_convs = 1;
    for (int i = 0; i < MD_FVLM_MAPS; i++) c.pyramid_stride[i] = 4 << i;
    for (int i = 0; i < MD_FVLM_LEVELS; i++) c.anchor_size[i] = 24 << i;
    return c;
}

// The folder of an untrained model: only its configuration.
static const char *write_model(const char *name, const md_fvlm_config *config) {
    char path[640];
    tn_error err;
    const char *folder = temporary_path(name);
    ASSERT_OK(io_make_folder(folder, &err), err);
    snprintf(path, sizeof path, "%s/config.json", folder);
    ASSERT_OK(md_fvlm_config_write(path, config, &err), err);
    return folder;
}

static const char *write_clip(const char *name, const random_clip *size) {
    tn_error err;
    const char *folder = temporary_path(name);
    ASSERT_OK(io_make_folder(folder, &err), err);
    random_clip_write(folder, size);
    return folder;
}

// ---- learning ----------------------------------------------------------------------------------

typedef struct bars {
    double box, mask, recall;
} bars;

static void learn(const char *model, const char *run, const char *flags, bars bar) {
    test_run done = test_lexmask("train --model %s --data %s --pictures " COCO
                                 "train2017 --out %s --val %s --val-every 100000 --jitter 1,1 "
                                 "--no-flip --accumulate 1 %s",
                                 model, temporary_path("photographs.json"), temporary_path(run),
                                 temporary_path("photographs.json"), flags);
    ASSERT_CODE(done, 0);
    ASSERT_SAYS(done.err, "frozen weights unchanged");
    double box = run_last_of(temporary_path(run), "AP50"),
           mask = run_last_of(temporary_path(run), "mask_AP50");
    double recall = run_last_of(temporary_path(run), "box_R50@100");
    printf("%s: %.0f s, box AP50 %.3f, mask AP50 %.3f, recall at IoU 0.5: RPN %.3f of 1000 boxes, "
           "box head %.3f of 100\n",
           run, done.seconds, box, mask, run_last_of(temporary_path(run), "rpn_R50@1000"), recall);
    test_run_free(&done);
    assert_true(box > bar.box);
    assert_true(mask > bar.mask);
    assert_true(recall > bar.recall);
}

static const bars whole = {0.9, 0.85, 0.95};

static void vit4(void **state) {
    (void)state;
    if (!have_photographs()) SKIP("no " COCO);
    md_fvlm_config c = small_on(write_clip("vit", &(random_clip){16, 14, 192, 6}), MD_PYRAMID_VIT4);
    learn(write_model("vit4-model", &c), "vit4", "--size 256 --batch 2 --steps 400 --lr 2e-3",
          whole);
}

// With windows, as in `small`.
static void stem(void **state) {
    (void)state;
    if (!have_photographs()) SKIP("no " COCO);
    md_fvlm_config c =
        small_on(write_clip("vit-stem", &(random_clip){16, 14, 192, 6}), MD_PYRAMID_STEM);
    c.tower_window = 8;
    for (int i = 0; i < MD_FVLM_MAPS; i++) c.pyramid_stride[i] = 8 << i;
    learn(write_model("stem-model", &c), "stem", "--size 256 --batch 2 --steps 600 --lr 2e-3",
          whole);
}

static void simple(void **state) {
    (void)state;
    if (!have_photographs()) SKIP("no " COCO);
    md_fvlm_config c =
        small_on(write_clip("vit-simple", &(random_clip){16, 14, 256, 6}), MD_PYRAMID_SIMPLE);
    c.pyramid_taps = 1, c.pyramid_tap[0] = 5;
    learn(write_model("simple-model", &c), "simple", "--size 256 --batch 2 --steps 400 --lr 2e-3",
          whole);
}

static void resnet(void **state) {
    (void)state;
    if (!have_photographs()) SKIP("no " COCO);
    md_fvlm_config c =
        small_on(write_clip("resnet-clip", &(random_clip){0, 7, 16, 4}), MD_PYRAMID_RESNET);
    for (int i = 0; i < MD_FVLM_MAPS; i++) c.pyramid_tap[i] = i;
    learn(write_model("resnet-model", &c), "resnet", "--size 256 --batch 2 --steps 400 --lr 2e-3",
          whole);
}

// The project's first design: one map of 7x7, tapped at the embeddings.
static void single_at_224(void **state) {
    (void)state;
    if (!have_photographs()) SKIP("no " COCO);
    md_fvlm_config c =
        small_on(write_clip("vit32", &(random_clip){32, 7, 256, 2}), MD_PYRAMID_SINGLE);
    c.pyramid_taps = 1, c.pyramid_tap[0] = -1;
    learn(write_model("single-model", &c), "single", "--size 224 --batch 2 --steps 400 --lr 2e-3",
          (bars){0.4999, 0, 0});
}

// Many updates of the preset `small` on the small CLIP, at a size that makes them quick.
static void a_thousand_updates_leave_clip_as_it_was(void **state) {
    (void)state;
    uint8_t before[IO_SHA256], after[IO_SHA256];
    tn_error err = {0};
    if (!have_photographs()) SKIP("no " COCO);
    ASSERT_OK(io_sha256_file("demo/pair/clip/model.safetensors", before, &err), err);
    test_run run =
        test_lexmask("train --preset small --clip demo/pair/clip --data %s --pictures " COCO
                     "train2017 --out %s --size 64 --batch 1 --accumulate 1 --steps 1000",
                     temporary_path("photographs.json"), temporary_path("thousand"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "frozen weights unchanged");
    assert_true(run_last_of(temporary_path("thousand"), "step") == 1000);
    test_run_free(&run);
    ASSERT_OK(io_sha256_file("demo/pair/clip/model.safetensors", after, &err), err);
    assert_memory_equal(before, after, sizeof before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vit4),          cmocka_unit_test(stem),
        cmocka_unit_test(simple),        cmocka_unit_test(resnet),
        cmocka_unit_test(single_at_224), cmocka_unit_test(a_thousand_updates_leave_clip_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
