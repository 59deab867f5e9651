// SPDX-License-Identifier: Apache-2.0
// Which objects of COCO annotations are used for training, and which are dropped for which reason.
#include "train/dataset.h"

#include "tests/support/broken.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <string.h>

static tn_error err;

// Picture 1 has a size, picture 2 has none.
#define START                                                                                      \
    "{\"categories\":[{\"id\":3,\"name\":\"cat\"},{\"id\":7,\"name\":\"dog\"},{\"id\":9}],"        \
    "\"images\":[{\"id\":1,\"width\":40,\"height\":30,\"file_name\":\"a.png\"},"                   \
    "{\"id\":2,\"file_name\":\"b.png\"}],\"annotations\":["
#define GOOD(id, image, category)                                                                  \
    "{\"id\":" #id ",\"image_id\":" #image ",\"category_id\":" #category                           \
    ",\"bbox\":[1,2,10,12],\"segmentation\":[[1,2,11,2,11,14]]}"
#define BOX(box)                                                                                   \
    "{\"id\":1,\"image_id\":1,\"category_id\":3,\"segmentation\":[[1,2,11,2,11,14]],"              \
    "\"bbox\":" box "}"
#define MASK(mask)                                                                                 \
    "{\"id\":1,\"image_id\":1,\"category_id\":3,\"bbox\":[1,2,10,12],\"segmentation\":" mask "}"

static tn_status open_text(const char *text, const tr_dataset_options *how, tr_dataset **out) {
    tr_dataset_options o = how ? *how : (tr_dataset_options){0};
    o.annotations = temporary_file("a.json", text, strlen(text));
    o.pictures = "pictures";
    return tr_dataset_open(&o, out, &err);
}

static const struct {
    const char *name, *object;
    tr_count why;
} objects[] = {
    {"good", GOOD(1, 1, 3), TR_OBJECTS_USED},
    {"picture that is not there", GOOD(1, 5, 3), TR_UNKNOWN_PICTURE},
    {"category that is not there", GOOD(1, 1, 4), TR_UNKNOWN_CATEGORY},
    {"category without a name", GOOD(1, 1, 9), TR_OTHER_NAMES},
    {"crowd",
     "{\"id\":1,\"image_id\":1,\"category_id\":3,\"bbox\":[1,2,10,12],\"iscrowd\":1,"
     "\"segmentation\":{\"size\":[30,40],\"counts\":[10,1190]}}",
     TR_CROWDS},
    {"crowd of an unknown category", "{\"id\":1,\"image_id\":1,\"category_id\":4,\"iscrowd\":1}",
     TR_CROWDS},
    {"no box", "{\"id\":1,\"image_id\":1,\"category_id\":3,\"segmentation\":[[1,2,11,2,11,14]]}",
     TR_NO_BOX},
    {"box null", BOX("null"), TR_NO_BOX},
    {"box of no numbers", BOX("[]"), TR_NO_BOX},
    {"no width", BOX("[1,2,0,12]"), TR_NO_AREA},
    {"no height", BOX("[1,2,10,0]"), TR_NO_AREA},
    {"under no width", BOX("[20,2,-10,12]"), TR_NO_AREA},
    {"right of the picture", BOX("[40,2,10,12]"), TR_NO_AREA},
    {"left of the picture", BOX("[-10,2,10,12]"), TR_NO_AREA},
    {"below the picture", BOX("[1,30,10,12]"), TR_NO_AREA},
    {"half outside", BOX("[-5,-5,10,12]"), TR_OBJECTS_USED},
    {"larger than the picture", BOX("[-5,-5,1e9,1e9]"), TR_OBJECTS_USED},
    {"no mask", "{\"id\":1,\"image_id\":1,\"category_id\":3,\"bbox\":[1,2,10,12]}", TR_NO_MASK},
    {"mask null", MASK("null"), TR_NO_MASK},
    {"no polygons", MASK("[]"), TR_NO_MASK},
    {"a polygon of two points", MASK("[[1,2,3,4]]"), TR_NO_MASK},
    {"a line and a triangle", MASK("[[1,2,3,4],[1,2,11,2,11,14]]"), TR_OBJECTS_USED},
    {"a polygon half outside", MASK("[[-20,2,50,2,50,40]]"), TR_OBJECTS_USED},
    {"a polygon far outside", MASK("[[1,2,1e7,2,11,14]]"), TR_BAD_MASK},
    {"a polygon far above", MASK("[[1,-31,11,2,11,14]]"), TR_BAD_MASK},
    {"a far polygon beside a good one", MASK("[[1,2,11,2,11,14],[1,2,11,2,11,1e99]]"), TR_BAD_MASK},
    {"runs", MASK("{\"size\":[30,40],\"counts\":[10,20,1170]}"), TR_OBJECTS_USED},
    {"runs as text", MASK("{\"size\":[30,40],\"counts\":\":d0bT1\"}"), TR_OBJECTS_USED},
    {"runs without a pixel", MASK("{\"size\":[30,40],\"counts\":[1200]}"), TR_NO_MASK},
    {"runs that are too short", MASK("{\"size\":[30,40],\"counts\":[10,20]}"), TR_BAD_MASK},
    {"runs that are too long", MASK("{\"size\":[30,40],\"counts\":[10,4294967295]}"), TR_BAD_MASK},
    {"runs of another size", MASK("{\"size\":[40,30],\"counts\":[10,20,1170]}"), TR_BAD_MASK},
    {"runs of no size", MASK("{\"size\":[0,0],\"counts\":[0]}"), TR_BAD_MASK},
    {"runs of a huge size", MASK("{\"size\":[2147483647,2147483647],\"counts\":[0]}"), TR_BAD_MASK},
    {"text that is cut", MASK("{\"size\":[30,40],\"counts\":\":d0bTo\"}"), TR_BAD_MASK},
    {"text of other characters", MASK("{\"size\":[30,40],\"counts\":\"~~~\"}"), TR_BAD_MASK},
    {"empty text", MASK("{\"size\":[30,40],\"counts\":\"\"}"), TR_BAD_MASK},
};

static void every_object_has_its_reason(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        char text[2048];
        snprintf(text, sizeof text, START "%s," GOOD(2, 2, 7) "]}", objects[i].object);
        tr_dataset *d;
        if (open_text(text, NULL, &d) != TN_OK) fail_msg("%s: %s", objects[i].name, err.text);
        int64_t wanted[TR_COUNTS] = {
            [TR_PICTURES] = 2, [TR_PICTURES_USED] = 1, [TR_OBJECTS] = 2, [TR_OBJECTS_USED] = 1};
        wanted[objects[i].why]++;
        bool used = objects[i].why == TR_OBJECTS_USED;
        bool empty = objects[i].why == TR_UNKNOWN_PICTURE;
        wanted[used ? TR_PICTURES_USED : empty ? TR_PICTURES_EMPTY : TR_PICTURES_UNUSABLE]++;
        for (int k = 0; k < TR_COUNTS; k++)
            if (d->counts[k] != wanted[k])
                fail_msg("%s: %s is %lld, expected %lld", objects[i].name, tr_count_name(k),
                         (long long)d->counts[k], (long long)wanted[k]);
        assert_int_equal(d->count, used ? 2 : 1);
        assert_int_equal(d->object_count, used ? 2 : 1);
        assert_int_equal(d->pictures[d->count - 1].objects[0].label, 1);
        tr_dataset_close(d);
    }
}

// Not in the annotations' order either: 7 comes before 3.
static void names_that_differ_in_case_are_one(void **state) {
    (void)state;
    tr_dataset *d;
    char notes[512];
    ASSERT_OK(
        open_text(
            "{\"categories\":[{\"id\":7,\"name\":\"Cat\"},{\"id\":5,\"name\":\"dog\"},"
            "{\"id\":3,\"name\":\" cat\"},{\"id\":4,\"name\":\"cow\"},{\"id\":9,"
            "\"name\":\"CAT\"}],"
            "\"images\":[{\"id\":1,\"file_name\":\"a.png\"}],\"annotations\":[" GOOD(
                1, 1, 3) "," GOOD(2, 1, 7) "," GOOD(3, 1, 4) "," GOOD(4, 1, 9) "," GOOD(5, 1,
                                                                                        5) "]}",
            NULL, &d),
        err);
    static const int labels[] = {0, 0, 2, 0, 1};
    assert_int_equal(d->name_count, 3);
    assert_string_equal(d->names[0], "Cat");
    assert_int_equal(d->object_count, 5);
    for (int i = 0; i < 5; i++) assert_int_equal(d->objects[i].label, labels[i]);
    assert_int_equal(d->coco->category_count, 3);
    assert_int_equal(io_coco_find_category(d->coco, 7), 0);
    assert_int_equal(io_coco_find_category(d->coco, 5), 1);
    assert_int_equal(io_coco_find_category(d->coco, 4), 2);
    assert_int_equal(io_coco_find_category(d->coco, 3), -1);
    assert_int_equal(io_coco_find_category(d->coco, 9), -1);
    assert_non_null(strstr(io_coco_notes(d->coco, notes, sizeof notes),
                           "the same text as an earlier one's: 2, the first \" cat\"; it is one "
                           "with \"Cat\""));
    tr_dataset_close(d);
}

static void objects_are_sorted_by_picture(void **state) {
    (void)state;
    tr_dataset *d;
    ASSERT_OK(open_text(START GOOD(1, 2, 7) "," GOOD(2, 1, 3) "," GOOD(3, 2, 3) "," GOOD(
                            4, 1, 7) "," GOOD(5, 2, 7) "]}",
                        NULL, &d),
              err);
    assert_true(d->count == 2 && d->pictures[0].count == 2 && d->pictures[1].count == 3);
    static const int ids[] = {2, 4, 1, 3, 5}, labels[] = {0, 1, 1, 0, 1};
    for (int i = 0; i < 5; i++) {
        const tr_object *o = i < 2 ? &d->pictures[0].objects[i] : &d->pictures[1].objects[i - 2];
        assert_true(o->source->id == ids[i] && o->label == labels[i]);
    }
    assert_true(d->name_count == 2 && !strcmp(d->names[0], "cat") && !strcmp(d->names[1], "dog"));
    char *path = tr_dataset_path(d, 1), text[256];
    assert_string_equal(path, "pictures/b.png");
    tn_free(path);
    assert_string_equal(tr_counts_text(d->counts, text, sizeof text),
                        "pictures 2, pictures_used 2, objects 5, objects_used 5");
    assert_int_equal(strlen(tr_counts_text(d->counts, text, 10)), 9);
    tr_dataset_close(d);
}

static void only_base_names_are_learned(void **state) {
    (void)state;
    const char *base = temporary_file("base.txt", "dog\n", 4);
    tr_dataset *d;
    const char *text = START GOOD(1, 1, 3) "," GOOD(2, 2, 7) "," GOOD(3, 2, 3) "]}";
    ASSERT_OK(open_text(text, &(tr_dataset_options){.base = base}, &d), err);
    assert_true(d->name_count == 1 && !strcmp(d->names[0], "dog") && d->count == 1);
    assert_true(d->pictures[0].source->id == 2 && d->pictures[0].count == 1);
    assert_true(!d->pictures[0].objects[0].label && d->counts[TR_OTHER_NAMES] == 2);
    tr_dataset_close(d);
    ASSERT_OK(open_text(text, &(tr_dataset_options){.base = base, .keep_empty = true}, &d), err);
    assert_true(d->count == 2 && d->pictures[0].count == 0);
    tr_dataset_close(d);
}

static void masks_are_not_needed_for_boxes(void **state) {
    (void)state;
    tr_dataset *d;
    ASSERT_OK(open_text(START MASK("[]") "," BOX("[1,2,0,3]") "]}",
                        &(tr_dataset_options){.boxes_only = true}, &d),
              err);
    assert_true(d->count == 1 && d->counts[TR_OBJECTS_USED] == 1 && d->counts[TR_NO_AREA] == 1);
    tr_dataset_close(d);
}

static void dataset_without_usable_objects_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *part;
        bool keep_empty;
    } cases[] = {
        {"not JSON", "pictures", "line 1", false},
        {"empty", "", NULL, false},
        {"cut", START GOOD(1, 1, 3), NULL, false},
        {"a list", "[]", NULL, false},
        {"no annotations", START "]}", "pictures_empty 2", false},
        {"crowds alone", START "{\"id\":1,\"image_id\":1,\"category_id\":3,\"iscrowd\":1}]}",
         "crowds 1", false},
        {"no masks", START MASK("[]") "]}", "no_mask 1", false},
        {"no names", "{\"images\":[{\"id\":1,\"file_name\":\"a\"}],\"annotations\":[]}",
         "no categories", true},
        {"no file names",
         "{\"images\":[{\"id\":1},{\"id\":2,\"file_name\":\"\"}],\"annotations\":[" GOOD(
             1, 1, 3) "],\"categories\":[{\"id\":3,\"name\":\"x\"}]}",
         "pictures_unnamed 2", false},
        {"two pictures of one id", "{\"images\":[{\"id\":1},{\"id\":1}],\"annotations\":[]}", NULL,
         false},
        {"no id", START "{\"image_id\":1,\"category_id\":3}]}", "\"id\"", false},
        {"no picture", START "{\"id\":1,\"category_id\":3}]}", "\"image_id\"", false},
        {"a box of three numbers", START BOX("[1,2,3]") "]}", "a box", false},
        {"a polygon of three numbers", START MASK("[[1,2,3]]") "]}", "pairs", false},
        {"a mask that is a number", START MASK("7") "]}", "polygons or run lengths", false},
        {"a negative size", "{\"images\":[{\"id\":1,\"width\":-3}],\"annotations\":[]}", "a size",
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tr_dataset *d = (void *)1;
        err = (tn_error){0};
        tr_dataset_options o = {.keep_empty = cases[i].keep_empty};
        tn_status status = open_text(cases[i].text, &o, &d);
        broken_is_refused(cases[i].name, "a.json", status, &err, cases[i].part);
        assert_null(d);
    }
    tr_dataset *d;
    tr_dataset_options gone = {.annotations = temporary_path("gone.json"), .pictures = "."};
    broken_is_refused("gone", "gone.json", tr_dataset_open(&gone, &d, &err), &err, NULL);
    tr_dataset_options split = {.base = temporary_file("names.txt", "cow\n", 4)};
    tn_status status = open_text(START GOOD(1, 1, 3) "]}", &split, &d);
    broken_is_refused("a base name that is not there", "names.txt", status, &err, "cow");
    split.base = "coco-ovd";
    assert_int_equal(open_text(START GOOD(1, 1, 3) "]}", &split, &d), TN_EFORMAT);
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    char base[512]; // outlives the eight cached paths
    snprintf(base, sizeof base, "%s", temporary_file("base.txt", "dog\n", 4));
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        tr_dataset *d;
        tr_dataset_options o = {.base = base};
        tn_alloc_fail_after(n);
        status = open_text(START GOOD(1, 1, 3) "," GOOD(2, 2, 7) "]}", &o, &d);
        tn_alloc_fail_after(0);
        if (status != TN_OK && status != TN_ENOMEM) fail_msg("%s", err.text);
        assert_true(n < 200);
        if (status == TN_OK) tr_dataset_close(d);
    }
}

static void coco_mini_is_counted(void **state) {
    (void)state;
    tr_dataset_options o = {.annotations =
                                SHARED_DATA "/coco_mini/annotations/instances_train2017.json",
                            .pictures = SHARED_DATA "/coco_mini/train2017"};
    FILE *there = fopen(o.annotations, "rb");
    if (!there) SKIP("no %s", o.annotations);
    fclose(there);
    tr_dataset *d;
    ASSERT_OK(tr_dataset_open(&o, &d, &err), err);
    char text[256];
    assert_string_equal(tr_counts_text(d->counts, text, sizeof text),
                        "pictures 343, pictures_used 340, pictures_empty 3, objects 2974, "
                        "objects_used 2945, crowds 29");
    assert_int_equal(d->name_count, 80);
    tr_dataset_close(d);
    o.base = "coco-ovd";
    ASSERT_OK(tr_dataset_open(&o, &d, &err), err);
    assert_int_equal(d->name_count, 48);
    assert_int_equal(d->counts[TR_OBJECTS_USED] + d->counts[TR_OTHER_NAMES], 2945);
    tr_dataset_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_object_has_its_reason),
        cmocka_unit_test(objects_are_sorted_by_picture),
        cmocka_unit_test(names_that_differ_in_case_are_one),
        cmocka_unit_test(only_base_names_are_learned),
        cmocka_unit_test(masks_are_not_needed_for_boxes),
        cmocka_unit_test(dataset_without_usable_objects_is_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(coco_mini_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
