// SPDX-License-Identifier: Apache-2.0
// `lexmask scenes` as a user types it: the data set that it writes, the same bytes for the same
// seed, and how it says no. What needs the font is skipped where it is not installed.
#include "io/coco/coco_rle.h"
#include "io/coco/coco_split.h"
#include "io/image/image.h"
#include "io/json.h"
#include "tests/support/program.h"
#include "train/world/glyphs.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define NEED_FONT()                                                                                \
    do {                                                                                           \
        (void)state;                                                                               \
        if (access(TR_GLYPH_FONT, R_OK) || access(TR_GLYPH_LIST, R_OK))                            \
            SKIP("no " TR_GLYPH_FONT " or no " TR_GLYPH_LIST);                                     \
    } while (0)

static void make(const char *name, const char *more) {
    test_run run = test_lexmask("scenes --out %s %s", temporary_path(name), more);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "pictures");
    test_run_free(&run);
}

static io_coco *open_set(const char *name) {
    char path[600];
    tn_error err = {0};
    io_coco *coco;
    snprintf(path, sizeof path, "%s/annotations.json", temporary_path(name));
    ASSERT_OK(io_coco_open(path, IO_COCO_SHAPES, &coco, &err), err);
    return coco;
}

static void assert_same_file(const char *a, const char *b, const char *name) {
    char path[2][600];
    io_map map[2];
    tn_error err = {0};
    snprintf(path[0], sizeof path[0], "%s/%s", temporary_path(a), name);
    snprintf(path[1], sizeof path[1], "%s/%s", temporary_path(b), name);
    for (int i = 0; i < 2; i++) ASSERT_OK(io_map_open(path[i], &map[i], &err), err);
    if (map[0].count != map[1].count || memcmp(map[0].bytes, map[1].bytes, map[0].count))
        fail_msg("%s and %s differ", path[0], path[1]);
    for (int i = 0; i < 2; i++) io_map_close(&map[i]);
}

static void assert_same_set(const char *a, const char *b) {
    io_coco *coco = open_set(a);
    char name[300];
    assert_same_file(a, b, "annotations.json");
    assert_same_file(a, b, "base.txt");
    assert_same_file(a, b, "novel.txt");
    for (size_t i = 0; i < coco->image_count; i++) {
        snprintf(name, sizeof name, "images/%s", coco->images[i].file);
        assert_same_file(a, b, name);
    }
    io_coco_close(coco);
}

static void scenes_same_seed_gives_the_same_bytes(void **state) {
    NEED_FONT();
    make("one", "--count 7 --seed 3 --threads 1");
    make("two", "--count 7 --seed 3 --threads 2");
    make("seven", "--count 7 --seed 3 --threads 7");
    assert_same_set("one", "two");
    assert_same_set("one", "seven");
    make("chat1", "--kind chat --count 7 --seed 3 --threads 1");
    make("chat2", "--kind chat --count 7 --seed 3 --threads 7");
    assert_same_set("chat1", "chat2");
    make("more", "--count 9 --seed 3"); // a longer run begins with the same pictures
    io_coco *coco = open_set("one");
    for (size_t i = 0; i < coco->image_count; i++) {
        char name[300];
        snprintf(name, sizeof name, "images/%s", coco->images[i].file);
        assert_same_file("one", "more", name);
    }
    io_coco_close(coco);
}

static void check_object(const io_coco_object *object, const io_coco_image *image,
                         tn_arena *arena) {
    tn_error err = {0};
    io_rle mask;
    uint32_t box[4];
    ASSERT_OK(io_rle_from_text(object->shape.text, object->shape.count, object->shape.h,
                               object->shape.w, arena, &mask, &err),
              err);
    assert_int_equal(mask.h, image->h);
    assert_int_equal(mask.w, image->w);
    io_rle_box(&mask, box);
    for (int i = 0; i < 4; i++) assert_true(object->box[i] == (double)box[i]);
    assert_true(object->area == (double)io_rle_area(&mask));
    assert_true(object->id > 0 && !object->crowd);
}

static void check_set(const char *name, size_t pictures) {
    io_coco *coco = open_set(name);
    tn_arena arena;
    tn_error err = {0};
    ASSERT_OK(tn_arena_init(&arena, (size_t)1 << 28, &err), err);
    assert_int_equal(coco->image_count, pictures);
    assert_true(coco->object_count > pictures);
    for (size_t i = 0; i < coco->object_count; i++) {
        const io_coco_object *object = &coco->objects[i];
        int64_t at = io_coco_find_image(coco, object->image_id);
        assert_true(at >= 0 && io_coco_find_category(coco, object->category_id) >= 0);
        assert_int_equal(object->shape.kind, IO_COCO_TEXT);
        check_object(object, &coco->images[at], &arena);
        assert_true(!i || object->id > object[-1].id);
        tn_arena_reset(&arena, 0);
    }
    for (size_t i = 0; i < coco->image_count; i++) {
        char path[800];
        tn_tensor picture;
        snprintf(path, sizeof path, "%s/images/%s", temporary_path(name), coco->images[i].file);
        ASSERT_OK(io_image_read(path, 0, &picture, &err), err);
        assert_int_equal(picture.dim[0], coco->images[i].h);
        assert_int_equal(picture.dim[1], coco->images[i].w);
        tn_free(picture.data);
    }
    tn_arena_deinit(&arena);
    io_coco_close(coco);
}

static void scenes_annotations_fit_the_pictures(void **state) {
    NEED_FONT();
    make("set", "--count 8 --seed 11");
    check_set("set", 8);
    make("screens", "--count 8 --seed 11 --kind chat");
    check_set("screens", 8);
    io_coco *coco = open_set("set");
    io_coco_split split;
    tn_error err = {0};
    char base[600], novel[600];
    snprintf(base, sizeof base, "%s/base.txt", temporary_path("set"));
    snprintf(novel, sizeof novel, "%s/novel.txt", temporary_path("set"));
    ASSERT_OK(io_coco_split_files(base, novel, coco, &split, &err), err);
    assert_int_equal(split.base + split.novel, coco->category_count);
    assert_true(split.novel * 5 > split.base && split.novel * 2 < split.base);
    for (size_t i = 0; i < coco->category_count; i++) {
        assert_int_equal(coco->categories[i].id, i + 1);
        assert_int_equal(split.part[i] == IO_PART_NOVEL, tr_glyph_novel(coco->categories[i].name));
    }
    io_coco_split_deinit(&split);
    io_coco_close(coco);
}

// The annotations as results of a detector that is always right.
static void write_perfect(const io_coco *coco, const char *path) {
    io_coco_writer writer;
    tn_error err = {0};
    ASSERT_OK(io_coco_writer_open(&writer, path, &err), err);
    for (size_t i = 0; i < coco->object_count; i++) {
        const io_coco_object *o = &coco->objects[i];
        io_coco_found found = {.image = {.number = o->image_id},
                               .category = {.number = o->category_id},
                               .score = 0.9f,
                               .counts = o->shape.text,
                               .h = o->shape.h,
                               .w = o->shape.w};
        for (int k = 0; k < 4; k++) found.box[k] = (float)(o->box[k] + (k < 2 ? 0 : o->box[k - 2]));
        ASSERT_OK(io_coco_writer_add(&writer, &found, &err), err);
    }
    ASSERT_OK(io_coco_writer_commit(&writer, &err), err);
}

static void scenes_truth_evaluates_to_1(void **state) {
    NEED_FONT();
    make("truth", "--count 6 --seed 4");
    io_coco *coco = open_set("truth");
    write_perfect(coco, temporary_path("perfect.json"));
    io_coco_close(coco);
    static const char *const types[] = {"bbox", "segm"};
    for (int t = 0; t < 2; t++) {
        test_run run =
            test_lexmask("eval --gt %s/annotations.json --results %s --type %s --base %s/base.txt",
                         temporary_path("truth"), temporary_path("perfect.json"), types[t],
                         temporary_path("truth"));
        ASSERT_CODE(run, 0);
        ASSERT_SAYS(run.out, "IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000");
        test_run_free(&run);
    }
}

static const char *names_file(const char *name, const char *text) {
    const char *path = temporary_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void scenes_names_and_pool_restrict_objects(void **state) {
    NEED_FONT();
    char words[700];
    const char *names =
        names_file("names.txt", "# three\nrocket\nwoman\xe2\x80\x99s boot\n\ndog\n");
    snprintf(words, sizeof words, "--count 5 --names %s", names);
    make("three", words);
    io_coco *coco = open_set("three");
    assert_int_equal(coco->category_count, 3);
    assert_string_equal(coco->categories[1].name, "woman's boot");
    assert_true(coco->object_count > 5);
    io_coco_close(coco);
    make("novel", "--count 5 --pool novel");
    coco = open_set("novel");
    assert_true(coco->category_count > 1300); // all names stay to be told apart
    for (size_t i = 0; i < coco->object_count; i++) {
        int64_t at = io_coco_find_category(coco, coco->objects[i].category_id);
        assert_true(tr_glyph_novel(coco->categories[at].name));
    }
    io_coco_close(coco);
}

static void one_sentence_and_code(const char *words, int code, const char *part) {
    test_run run = test_lexmask("scenes %s", words);
    ASSERT_CODE(run, code);
    ASSERT_SAYS(run.err, part);
    const char *end = strchr(run.err, '\n');
    if (!end || end[1]) fail_msg("more than one line:\n%s", run.err);
    test_run_free(&run);
}

static void scenes_names_the_missing_package(void **state) {
    NEED_FONT();
    char words[1200];
    snprintf(words, sizeof words, "--out %s --font /nowhere.ttf", temporary_path("no"));
    one_sentence_and_code(words, 1, "fonts-noto-color-emoji");
    snprintf(words, sizeof words, "--out %s --emoji-list /nowhere.txt", temporary_path("no"));
    one_sentence_and_code(words, 1, "unicode-data");
    char text[512];
    snprintf(text, sizeof text, "%s", names_file("text.txt", "no font, no list\n"));
    snprintf(words, sizeof words, "--out %s --font %s", temporary_path("no"), text);
    one_sentence_and_code(words, 1, "not a font");
    snprintf(words, sizeof words, "--out %s --emoji-list %s", temporary_path("no"), text);
    one_sentence_and_code(words, 1, "no emoji of this list");
    snprintf(words, sizeof words, "--out %s --names %s", temporary_path("no"),
             names_file("bad.txt", "dog\nno such thing\n"));
    one_sentence_and_code(words, 1, "line 2: no emoji is called 'no such thing'");
    snprintf(words, sizeof words, "--out %s --names %s", temporary_path("no"),
             names_file("twice.txt", "dog\ndog\n"));
    one_sentence_and_code(words, 1, "line 2: 'dog' is there twice");
    snprintf(words, sizeof words, "--out %s --names %s", temporary_path("no"),
             names_file("none.txt", "# nothing\n"));
    one_sentence_and_code(words, 1, "no names");
    snprintf(words, sizeof words, "--count 1 --out %s/below", text);
    one_sentence_and_code(words, 1, "text.txt");
    assert_int_equal(access(temporary_path("no"), F_OK), -1); // nothing was begun
}

static void scenes_misuse_is_explained(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"scenes", "Give --out DIR"},
        {"scenes --out x --count 0", "count"},
        {"scenes --out x --kind photos", "kind"},
        {"scenes --out x --pool rare", "pool"},
        {"scenes --out x --smallest 50 --largest 40", "--smallest is larger"},
        {"scenes --out x --least 5 --most 4", "--least is more"},
        {"scenes --out x --width 3", "width"},
        {"scenes --out x --seed -1", "seed"},
        {"scenes --out x extra", "extra"},
    };
    test_misuse(cases, sizeof cases / sizeof *cases);
}

static void scenes_interrupted_leaves_no_annotations(void **state) {
    NEED_FONT();
    test_run run =
        test_lexmask_interrupted(3, "scenes --out %s --count 5000", temporary_path("stop"));
    ASSERT_CODE(run, 130);
    test_run_free(&run);
    char path[600];
    snprintf(path, sizeof path, "%s/annotations.json", temporary_path("stop"));
    assert_int_equal(access(path, F_OK), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenes_same_seed_gives_the_same_bytes),
        cmocka_unit_test(scenes_annotations_fit_the_pictures),
        cmocka_unit_test(scenes_truth_evaluates_to_1),
        cmocka_unit_test(scenes_names_and_pool_restrict_objects),
        cmocka_unit_test(scenes_names_the_missing_package),
        cmocka_unit_test(scenes_misuse_is_explained),
        cmocka_unit_test(scenes_interrupted_leaves_no_annotations),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
