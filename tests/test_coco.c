// SPDX-License-Identifier: Apache-2.0
// COCO files: reading, refused files with their error texts, writing.
#include "io/coco/coco.h"
#include "io/coco/rle.h"
#include "io/number.h"
#include "tensor/rng.h"
#include "tests/support/golden.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

static tn_error err;

static const char annotations[] =
    "{\"info\": {\"year\": 2017, \"odd\": [1, -2.5e-3, true, false, null, \"\\u00e9\\n\", {}, "
    "[]]},\n"
    " \"images\": [{\"id\": 7, \"width\": 640, \"height\": 480, \"file_name\": \"a\\/b.jpg\",\n"
    "               \"license\": 3}, {\"id\": 5}],\n"
    " \"annotations\": [\n"
    "  {\"id\": 11, \"image_id\": 7, \"category_id\": 2, \"bbox\": [1, 2.5, 3e1, 4.25],\n"
    "   \"area\": 127.5, \"iscrowd\": 0, \"segmentation\": [[1, 2, 3.5, 4, 5, 6.75], "
    "[0,0,1,1,0,1]]},\n"
    "  {\"id\": 12, \"image_id\": 5.0, \"category_id\": 1, \"iscrowd\": 1, \"area\": 9,\n"
    "   \"segmentation\": {\"counts\": [3, 4, 5], \"size\": [3, 4]}, \"bbox\": null},\n"
    "  {\"category_id\": -1, \"image_id\": 9007199254740993, \"id\": 1e3, \"iscrowd\": true,\n"
    "   \"segmentation\": {\"size\": [3, 4], \"counts\": \"3\\\\4\\u00355\"}},\n"
    "  {\"\\u0069d\": 14, \"image_id\": 7, \"category_id\": 2, \"segmentation\": null, \"bbox\": "
    "[]},\n"
    "  {\"id\": 15, \"image_id\": 7, \"category_id\": 2, \"segmentation\": []}],\n"
    " \"categories\": [{\"id\": 2, \"name\": \"caf\\u00e9 \\ud83d\\udc08\", \"supercategory\": "
    "\"x\"},\n"
    "                  {\"id\": 1, \"name\": null}]}\n";

static tn_status read_text(const char *text, bool results, unsigned want, io_coco **out) {
    return io_coco_read(text, strlen(text), "x.json", results, want, out, &err);
}

static void the_first_images_stay_with_what_is_in_them(void **state) {
    (void)state;
    io_coco *c;
    ASSERT_OK(read_text("{\"images\":[{\"id\":7},{\"id\":5},{\"id\":6}],\"annotations\":["
                        "{\"id\":1,\"image_id\":6,\"category_id\":1},"
                        "{\"id\":2,\"image_id\":5,\"category_id\":1},"
                        "{\"id\":3,\"image_id\":9,\"category_id\":1},"
                        "{\"id\":4,\"image_id\":7,\"category_id\":1}]}",
                        false, 0, &c),
              err);
    io_coco_keep_first(c, 3);
    assert_int_equal(c->object_count, 4); // nothing to drop: nothing is
    io_coco_keep_first(c, 2);
    assert_int_equal(c->image_count, 2);
    assert_int_equal(io_coco_find_image(c, 7), 0);
    assert_int_equal(io_coco_find_image(c, 5), 1);
    assert_int_equal(io_coco_find_image(c, 6), -1);
    assert_int_equal(c->object_count, 2);
    assert_int_equal(c->objects[0].id, 2);
    assert_int_equal(c->objects[1].id, 4);
    io_coco_close(c);
}

static void annotations_are_read(void **state) {
    (void)state;
    io_coco *c;
    ASSERT_OK(read_text(annotations, false, IO_COCO_SHAPES, &c), err);
    assert_int_equal(c->image_count, 2);
    assert_int_equal(c->images[0].id, 7);
    assert_int_equal(c->images[0].w, 640);
    assert_int_equal(c->images[0].h, 480);
    assert_string_equal(c->images[0].file, "a/b.jpg");
    assert_null(c->images[1].file);
    assert_int_equal(io_coco_find_image(c, 5), 1);
    assert_int_equal(io_coco_find_image(c, 7), 0);
    assert_int_equal(io_coco_find_image(c, 6), -1);
    assert_int_equal(c->category_count, 2);
    assert_string_equal(c->categories[0].name, "café 🐈");
    assert_string_equal(c->categories[0].group, "x");
    assert_null(c->categories[1].name);
    assert_int_equal(io_coco_find_category(c, 1), 1);
    assert_int_equal(io_coco_find_category(c, 0), -1);
    assert_int_equal(c->object_count, 5);
    const io_coco_object *o = c->objects;
    assert_int_equal(o->id, 11);
    assert_true(o->has_box && o->box[1] == 2.5 && o->box[2] == 30 && o->area == 127.5 && !o->crowd);
    assert_int_equal(o->shape.kind, IO_COCO_POLYGONS);
    assert_int_equal(o->shape.count, 2);
    assert_int_equal(o->shape.polygons[0].points, 3);
    assert_true(o->shape.polygons[0].xy[5] == 6.75 && o->shape.polygons[1].xy[2] == 1);
    o = &c->objects[1];
    assert_true(o->crowd && !o->has_box && o->image_id == 5 && o->shape.kind == IO_COCO_COUNTS);
    assert_true(o->shape.h == 3 && o->shape.w == 4 && o->shape.count == 3);
    assert_memory_equal(o->shape.counts, ((uint32_t[]){3, 4, 5}), 12);
    o = &c->objects[2];
    assert_true(o->crowd && o->category_id == -1 && o->image_id == 9007199254740993);
    assert_int_equal(o->id, 1000);
    assert_int_equal(o->shape.kind, IO_COCO_TEXT);
    assert_int_equal(o->shape.count, 5);
    assert_string_equal(o->shape.text, "3\\455");
    assert_int_equal(c->objects[3].id, 14);
    assert_int_equal(c->objects[3].shape.kind, IO_COCO_NONE);
    assert_false(c->objects[3].has_box);
    assert_int_equal(c->objects[4].shape.kind, IO_COCO_POLYGONS);
    assert_int_equal(c->objects[4].shape.count, 0);
    io_coco_close(c);
    ASSERT_OK(read_text(annotations, false, 0, &c),
              err); // shapes are skipped, the rest is the same
    assert_int_equal(c->object_count, 5);
    for (size_t i = 0; i < 5; i++) assert_int_equal(c->objects[i].shape.kind, IO_COCO_NONE);
    assert_true(c->objects[0].area == 127.5);
    io_coco_close(c);
}

static void results_are_read(void **state) {
    (void)state;
    io_coco *c;
    ASSERT_OK(read_text("[{\"image_id\":42,\"category_id\":18,\"bbox\":[1,2,3,4],\"score\":0.5},"
                        "{\"image_id\":1,\"category_id\":2,\"score\":1e-5,\"segmentation\":"
                        "{\"size\":[2,2],\"counts\":\"04\"}}]",
                        true, IO_COCO_SHAPES, &c),
              err);
    assert_int_equal(c->object_count, 2);
    assert_true(c->objects[0].score == 0.5 && c->objects[0].has_box && c->objects[0].id == 1);
    assert_true(c->objects[1].score == 1e-5 && !c->objects[1].has_box && c->objects[1].id == 2);
    assert_string_equal(c->objects[1].shape.text, "04");
    io_coco_close(c);
    ASSERT_OK(read_text("[]", true, 0, &c), err);
    assert_int_equal(c->object_count, 0);
    io_coco_close(c);
}

#define IMAGE "{\"images\":[{\"id\":1}],\"annotations\":["
#define WHERE "\"image_id\":1,\"category_id\":1"
#define FOUND WHERE ",\"score\":1,\"bbox\":[1,2,3,4]"
#define OBJECT "\"id\":1,\"image_id\":1,\"category_id\":1"

// Broken files and the words that the error must contain. 'a': annotations, 'r': results.
static const struct {
    char kind;
    const char *text, *why;
} broken[] = {
    {'a', "", "line 1, byte 0: the end of the file, expected an object"},
    {'a', "  \n ", "line 2, byte 4: the end of the file, expected an object"},
    {'a', "[]", "byte 0: '[', expected an object of annotations (results begin like this)"},
    {'a', "null", "'n', expected an object"},
    {'a', "hello", "'h', expected an object"},
    {'a', "{}", "with \"images\" and \"annotations\""},
    {'a', "{\"info\":1}", "with \"images\" and \"annotations\""},
    {'a', "{\"images\":[]} x", "'x', expected the end of the file"},
    {'a', "{\"images\":[]}{}", "expected the end of the file"},
    {'a', "{\"images\":[],}", "'}', expected a key in quotes"},
    {'a', "{\"images\":[] \"annotations\":[]}", "'\"', expected ',' or '}'"},
    {'a', "{\"images\" []}", "'[', expected ':'"},
    {'a', "{images:[]}", "'i', expected a key in quotes"},
    {'a', "{'images':[]}", "expected a key in quotes"},
    {'a', "{\"images\":{}}", "'{', expected an array"},
    {'a', "{\"images\":null}", "'n', expected an array"},
    {'a', "{\"images\":[1]}", "'1', expected an object"},
    {'a', "{\"images\":[{}]}", "'{', expected an image with \"id\""},
    {'a', "{\"images\":[{\"id\":1},]}", "']', expected an object"},
    {'a', "{\"images\":[{\"id\":1} {\"id\":2}]}", "'{', expected ',' or ']'"},
    {'a', "{\"images\":[{\"id\":true}]}", "'t', expected an integer"},
    {'a', "{\"images\":[{\"id\":1.5}]}", "'1', expected an integer"},
    {'a', "{\"images\":[{\"id\":1e40}]}", "expected an integer"},
    {'a', "{\"images\":[{\"id\":9223372036854775808}]}", "expected an integer"},
    {'a', "{\"images\":[{\"id\":1,\"width\":-1}]}", "'-', expected a size"},
    {'a', "{\"images\":[{\"id\":1,\"height\":2147483648}]}", "expected a size of 0..2147483647"},
    {'a', "{\"images\":[{\"id\":1,\"height\":\"10\"}]}", "expected an integer"},
    {'a', "{\"images\":[{\"id\":1,\"file_name\":3}]}", "'3', expected a string"},
    {'a', "{\"images\":[{\"id\":1},{\"id\":2},{\"id\":1}]}", "image id 1 appears twice"},
    {'a', "{\"images\":[],\"images\":[]}", "expected \"images\" only once"},
    {'a', "{\"images\":[],\"categories\":[{\"name\":\"cat\"}]}", "a category with \"id\""},
    {'a', "{\"images\":[],\"categories\":[{\"id\":3},{\"id\":3}]}", "category id 3 appears twice"},
    {'a', "{\"images\":[],\"categories\":[{\"id\":3,\"name\":[]}]}", "expected a string"},
    {'a', IMAGE "{\"id\":1,\"category_id\":1}]}", "an annotation with \"image_id\""},
    {'a', IMAGE "{\"id\":1,\"image_id\":1}]}", "an annotation with \"category_id\""},
    {'a', IMAGE "{\"image_id\":1,\"category_id\":1}]}", "an annotation with \"id\""},
    {'a', IMAGE "{" OBJECT ",\"bbox\":[1,2,3]}]}", "expected a box"},
    {'a', IMAGE "{" OBJECT ",\"bbox\":[1,2,3,4,5]}]}", "expected a box"},
    {'a', IMAGE "{" OBJECT ",\"bbox\":[1,2,3,4,5,6,7,8]}]}", "expected a box"},
    {'a', IMAGE "{" OBJECT ",\"bbox\":\"1 2 3 4\"}]}", "expected an array"},
    {'a', IMAGE "{" OBJECT ",\"bbox\":[1,2,null,4]}]}", "'n', expected a number"},
    {'a', IMAGE "{" OBJECT ",\"area\":NaN}]}", "NaN is not JSON"},
    {'a', IMAGE "{" OBJECT ",\"area\":-Infinity}]}", "-Infinity is not JSON"},
    {'a', IMAGE "{" OBJECT ",\"area\":1e999}]}", "a number that a double can hold"},
    {'a', IMAGE "{" OBJECT ",\"area\":01}]}", "'0', expected a number"},
    {'a', IMAGE "{" OBJECT ",\"area\":+1}]}", "'+', expected a number"},
    {'a', IMAGE "{" OBJECT ",\"area\":1.}]}", "'1', expected a number"},
    {'a', IMAGE "{" OBJECT ",\"area\":.5}]}", "'.', expected a number"},
    {'a', IMAGE "{" OBJECT ",\"area\":1e}]}", "'1', expected a number"},
    {'a', IMAGE "{" OBJECT ",\"area\":1e+}]}", "'1', expected a number"},
    {'a', IMAGE "{" OBJECT ",\"area\":-}]}", "'-', expected a number"},
    {'a', IMAGE "{" OBJECT ",\"area\":0x10}]}", "'x', expected ',' or '}'"},
    {'a', IMAGE "{" OBJECT ",\"area\":1 000}]}", "'0', expected ',' or '}'"},
    {'a', IMAGE "{" OBJECT ",\"iscrowd\":2}]}", "'2', expected 0 or 1"},
    {'a', IMAGE "{" OBJECT ",\"iscrowd\":\"no\"}]}", "'\"', expected 0 or 1"},
    {'a', IMAGE "{" OBJECT ",\"iscrowd\":truth}]}", "'t', expected 0 or 1"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":5}]}", "expected polygons or run lengths"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":\"04\"}]}", "expected polygons or run lengths"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":[1,2,3,4,5,6]}]}", "'1', expected an array"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":[[1,2,3]]}]}", "pairs of coordinates"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":[[]]}]}", "pairs of coordinates"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":[[1,\"2\"]]}]}", "'\"', expected a number"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":{}}]}", "with \"size\" and \"counts\""},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":{\"counts\":[1]}}]}", "with \"size\" and \"counts\""},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":{\"size\":[1,1]}}]}", "with \"size\" and \"counts\""},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":{\"size\":[1],\"counts\":[1]}}]}",
     "height and width"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":{\"size\":[-1,1],\"counts\":[1]}}]}", "a size of 0"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":{\"size\":[1,1],\"counts\":[-1]}}]}", "a run of 0"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":{\"size\":[1,1],\"counts\":[4294967296]}}]}",
     "a run"},
    {'a', IMAGE "{" OBJECT ",\"segmentation\":{\"size\":[1,1],\"counts\":5}}]}",
     "expected an array"},
    {'a', "{\"images\":[],\"x\":\"\x01\"}", "byte 0x01, expected the rest of a string"},
    {'a', "{\"images\":[],\"x\":\"line\nbreak\"}", "byte 0x0a, expected the rest of a string"},
    {'a', "{\"images\":[],\"x\":\"no end", "the end of the file, expected the rest of a string"},
    {'a', "{\"images\":[],\"x\":\"\\q\"}", "'\\', expected a whole escape"},
    {'a', "{\"images\":[],\"x\":\"\\u12g4\"}", "expected a whole escape"},
    {'a', "{\"images\":[],\"x\":\"\\u12", "expected a whole escape"},
    {'a', "{\"images\":[],\"x\":\"\\ud800\"}", "expected a whole escape"},
    {'a', "{\"images\":[],\"x\":\"\\udc00\"}", "expected a whole escape"},
    {'a', "{\"images\":[],\"x\":\"\\ud800\\u0041\"}", "expected a whole escape"},
    {'a', "{\"images\":[],\"x\":\"\\", "expected a whole escape"},
    {'a', "{\"images\":[],\"x\":\"\x80\"}", "byte 0x80, expected valid UTF-8"},
    {'a', "{\"images\":[],\"x\":\"\xc0\xaf\"}", "byte 0xc0, expected valid UTF-8"},
    {'a', "{\"images\":[],\"x\":\"\xe0\x80\xaf\"}", "byte 0xe0, expected valid UTF-8"},
    {'a', "{\"images\":[],\"x\":\"\xed\xa0\x80\"}", "byte 0xed, expected valid UTF-8"},
    {'a', "{\"images\":[],\"x\":\"\xf4\x90\x80\x80\"}", "byte 0xf4, expected valid UTF-8"},
    {'a', "{\"images\":[],\"x\":\"\xf5\x80\x80\x80\"}", "byte 0xf5, expected valid UTF-8"},
    {'a', "{\"images\":[],\"x\":\"\xe2\x82\"}", "byte 0xe2, expected valid UTF-8"},
    {'a', "{\"images\":[],\"x\":tru}", "'t', expected a value"},
    {'a', "{\"images\":[],\"x\":nul}", "'n', expected a value"},
    {'a', "{\"images\":[],\"x\":}", "'}', expected a value"},
    {'a', "{\"images\":[],\"x\":undefined}", "'u', expected a value"},
    {'a', "{\"images\":[],\"x\":[1,]}", "']', expected a value"},
    {'a', "{\"images\":[],\"x\":[1 2]}", "'2', expected ',' or ']'"},
    {'a', "{\"images\":[],\"x\":[1}", "'}', expected ',' or ']'"},
    {'a', "{\"images\":[],\"x\":/* note */1}", "'/', expected a value"},
    {'a', "{\"images\":[", "the end of the file, expected an object"},
    {'a', "{\"images\":[]", "the end of the file, expected ',' or '}'"},
    {'r', "{}", "'{', expected an array of results (annotations begin like this)"},
    {'r', "[1]", "'1', expected an object"},
    {'r', "[{}]", "a result with \"image_id\""},
    {'r', "[{\"image_id\":1}]", "a result with \"category_id\""},
    {'r', "[{\"image_id\":1,\"category_id\":1}]", "a result with \"score\""},
    {'r', "[{\"image_id\":1,\"category_id\":1,\"score\":1}]", "\"bbox\" or \"segmentation\""},
    {'r', "[{\"image_id\":1,\"category_id\":1,\"score\":1,\"bbox\":[]}]", "\"bbox\" or"},
    {'r', "[{\"image_id\":1,\"category_id\":1,\"score\":\"1\",\"bbox\":[1,2,3,4]}]", "a number"},
    {'r', "[{\"image_id\":\"\",\"category_id\":1}]", "expected an id, a number or a text"},
    {'r', "[{\"image_id\":\"a\\u0000b\",\"category_id\":1}]", "expected an id"},
    {'r', "[{\"image_id\":[1],\"category_id\":1}]", "expected an integer"},
    {'a', "{\"images\":[{\"id\":\"a\"},{\"id\":\"a\"}]}", "image id a appears twice"},
    {'a', "{\"images\":[{\"id\":\"5\"},{\"id\":5}]}", "image id 5 appears twice"},
    {'r', "[{\"image_id\":1,\"category_id\":1,\"score\":1,\"segmentation\":null}]", "\"bbox\" or"},
    {'r', "", "the end of the file, expected an array"},
    {'r', "null", "'n', expected an array"},
    {'r', "{\"images\":[],\"annotations\":[]}", "'{', expected an array"},
    {'r', "[", "the end of the file, expected an object"},
    {'r', "[null]", "'n', expected an object"},
    {'r', "[[]]", "'[', expected an object"},
    {'r', "[{" FOUND "},]", "']', expected an object"},
    {'r', "[{" FOUND "} {" FOUND "}]", "'{', expected ',' or ']'"},
    {'r', "[{" FOUND "}", "the end of the file, expected ',' or ']'"},
    {'r', "[{" FOUND "}]]", "']', expected the end of the file"},
    {'r', "[{" FOUND "}],\n[{" FOUND "}]", "',', expected the end of the file"},
    {'r', "{" FOUND "}\n{" FOUND "}", "line 1, byte 0: '{', expected an array"},
    {'r', "[{" WHERE ",\"score\":NaN,\"bbox\":[1,2,3,4]}]",
     "line 1, byte 39: NaN is not JSON; Python's json.dump writes it for a float that is not a "
     "number; write a number, or leave the member out (expected a number)"},
    {'r', "[{\"image_id\":NaN}]", "NaN is not JSON"},
    {'a', "{\"images\":[],\"x\":[NaN]}", "NaN is not JSON"},
    {'a', "{\"images\":[],\"x\":-Infinity}", "-Infinity is not JSON; Python's json.dump"},
    {'r', "[{" WHERE ",\"score\":null,\"bbox\":[1,2,3,4]}]", "'n', expected a number"},
    {'r', "[{" WHERE ",\"score\":[1],\"bbox\":[1,2,3,4]}]", "'[', expected a number"},
    {'r', "[{" WHERE ",\"score\":1e999,\"bbox\":[1,2,3,4]}]", "a number that a double can hold"},
    {'r', "[{" WHERE ",\"score\":true,\"bbox\":[1,2,3,4]}]", "'t', expected a number"},
    {'r', "[{" WHERE ",\"score\":1,\"bbox\":[1,2,3,Infinity]}]",
     "Infinity is not JSON; Python's json.dump writes it for a float that is infinite"},
    {'r', "[{" WHERE ",\"score\":1,\"bbox\":[[1,2,3,4]]}]", "'[', expected a number"},
    {'r', "[{" WHERE ",\"score\":1,\"bbox\":{\"x\":1}}]", "'{', expected an array"},
    {'r', "[{" WHERE ",\"score\":1,\"bbox\":[1,2,3,4}]", "'}', expected ',' or ']'"},
    {'r', "[{" WHERE ",\"score\":1,\"segmentation\":7}]", "expected polygons or run lengths"},
    {'r', "[{" WHERE ",\"score\":1,\"segmentation\":{\"size\":[4],\"counts\":\"04\"}}]",
     "height and width"},
    {'r', "[{" WHERE ",\"score\":1,\"segmentation\":{\"size\":[4,4]}}]",
     "with \"size\" and \"counts\""},
    {'r', "[{" WHERE ",\"score\":1,\"segmentation\":{\"counts\":\"04\"}}]", "with \"size\" and"},
    {'r', "[{" WHERE ",\"score\":1,\"segmentation\":{\"size\":[4,4],\"counts\":null}}]",
     "expected"},
    {'r', "[{\"image_id\":1.5,\"category_id\":1,\"score\":1,\"bbox\":[1,2,3,4]}]", "an integer"},
    {'r', "[{\"image_id\":1,\"category_id\":1e30,\"score\":1,\"bbox\":[1,2,3,4]}]", "an integer"},
};

static void broken_coco_files_are_refused_with_the_position(void **state) {
    (void)state;
    size_t count = sizeof broken / sizeof *broken;
    for (size_t i = 0; i < count; i++) {
        io_coco *c;
        tn_status status = read_text(broken[i].text, broken[i].kind == 'r', IO_COCO_SHAPES, &c);
        if (status != TN_EFORMAT || !strstr(err.text, broken[i].why) ||
            strncmp(err.text, "x.json: ", 8) != 0)
            fail_msg("%s\n%s\nexpected: %s", broken[i].text,
                     status == TN_OK ? "was read" : err.text, broken[i].why);
    }
    assert_true(count > 100);
}

// ---- unusual but accepted files ----------------------------------------------------------------

static void ids_that_are_text_have_a_number_in_every_file(void **state) {
    (void)state;
    io_coco *c, *r;
    ASSERT_OK(read_text("{\"images\":[{\"id\":\"b.jpg\"},{\"id\":\"0139\"},{\"id\":\"139\"},"
                        "{\"id\":5}],\"categories\":[{\"id\":\"cat\",\"name\":\"cat\"}],"
                        "\"annotations\":[{\"id\":\"x\",\"image_id\":\"0139\",\"category_id\":"
                        "\"cat\",\"area\":1},{\"id\":\"y\",\"image_id\":\"0139\",\"category_id\":"
                        "\"cat\",\"area\":1},{\"id\":3,\"image_id\":\"\\u0062.jpg\","
                        "\"category_id\":\"cat\",\"area\":1}]}",
                        false, 0, &c),
              err);
    ASSERT_OK(read_text("[{\"image_id\":\"0139\",\"category_id\":\"cat\",\"score\":1,\"bbox\":"
                        "[1,2,3,4]},{\"image_id\":\"5\",\"category_id\":\"cat\",\"score\":1,"
                        "\"bbox\":[1,2,3,4]},{\"image_id\":\"c\",\"category_id\":1,\"score\":1,"
                        "\"bbox\":[1,2,3,4]}]",
                        true, 0, &r),
              err);
    static const int of[] = {1, 1, 0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(io_coco_find_image(c, c->objects[i].image_id), of[i]);
    assert_string_equal(c->images[0].id_text, "b.jpg");
    assert_string_equal(c->images[1].id_text, "0139");
    assert_string_equal(c->images[2].id_text, "139"); // unchanged, to be written again
    assert_int_equal(c->images[2].id, 139);
    assert_null(c->images[3].id_text);
    assert_string_equal(c->objects[1].image_text, "0139");
    assert_string_equal(c->objects[2].image_text, "b.jpg");
    assert_string_equal(c->objects[0].id_text, "x");
    assert_null(c->objects[2].id_text);
    assert_int_equal(io_coco_find_category(c, c->objects[0].category_id), 0);
    assert_string_equal(c->categories[0].id_text, "cat");
    assert_int_equal(io_coco_find_image(c, r->objects[0].image_id), 1);
    assert_int_equal(io_coco_find_category(c, r->objects[0].category_id), 0);
    assert_int_equal(io_coco_find_image(c, r->objects[1].image_id), 3); // "5" is 5
    assert_int_equal(io_coco_find_image(c, r->objects[2].image_id), -1);
    assert_string_equal(r->objects[2].image_text, "c");
    io_coco_close(c);
    io_coco_close(r);
}

static void a_text_is_an_integer_only_if_written_like_one(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t number; // -1: a hash
    } cases[] = {
        {"0", 0},   {"7", 7},    {"-12", -12}, {"9223372036854775807", INT64_MAX},
        {"07", -1}, {"-0", -1},  {"+7", -1},   {"9223372036854775808", -1},
        {"", -1},   {"-", -1},   {"7.0", -1},  {"99999999999999999999999", -1},
        {" 7", -1}, {"a.b", -1}, {"1e3", -1},  {"00", -1},
    };
    size_t count = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < count; i++) {
        int64_t number = io_coco_text_number(cases[i].text, strlen(cases[i].text));
        if (cases[i].number != -1)
            assert_int_equal(number, cases[i].number);
        else
            assert_true(number < -((int64_t)1 << 61));
        for (size_t j = 0; j < i; j++)
            assert_true(number != io_coco_text_number(cases[j].text, strlen(cases[j].text)));
    }
}

static void an_area_that_is_missing_is_computed(void **state) {
    (void)state;
#define AREAS                                                                                      \
    "{\"annotations\":["                                                                           \
    "{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,4,5],\"segmentation\":"              \
    "[[1,1,5,1,5,4,1,4]]},"                                                                        \
    "{\"id\":2,\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,4,5],\"area\":null},"                \
    "{\"id\":3,\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,4,5],\"area\":3,"                    \
    "\"segmentation\":[[1,1,5,1,5,4,1,4]]},"                                                       \
    "{\"id\":4,\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,4,5],\"segmentation\":"              \
    "[[1,1,5,1,5,4,1,4]]},"                                                                        \
    "{\"id\":5,\"image_id\":2,\"category_id\":1,\"segmentation\":{\"size\":[4,5],\"counts\":"      \
    "[3,7,10]}},"                                                                                  \
    "{\"id\":6,\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,4,5],\"segmentation\":"              \
    "[[1,1,5e6,1,5,4]]},"                                                                          \
    "{\"id\":7,\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,-4,-5],\"segmentation\":[]},"        \
    "{\"id\":8,\"image_id\":1,\"category_id\":1}],"                                                \
    "\"images\":[{\"id\":1,\"width\":20,\"height\":10},{\"id\":2}]}"
    static const double area[] = {12, 20, 3, 20, 7, 20, 0};
    for (unsigned want = 0; want <= IO_COCO_SHAPES; want++) {
        io_coco *c;
        char text[600];
        ASSERT_OK(read_text(AREAS, false, want, &c), err);
        for (int i = 0; i < 7; i++) {
            assert_true(c->objects[i].has_area && c->objects[i].area == area[i]);
            if (!want) assert_int_equal(c->objects[i].shape.kind, IO_COCO_NONE);
        }
        if (want) assert_int_equal(c->objects[0].shape.kind, IO_COCO_POLYGONS);
        assert_false(c->objects[7].has_area); // nothing to compute it from
        assert_int_equal(c->areas_of_masks, 2);
        assert_int_equal(c->areas_of_boxes, 4);
        assert_string_equal(
            io_coco_notes(c, text, sizeof text),
            "annotations without \"area\": 6; it was computed from the mask (2) or the box (4)");
        io_coco_close(c);
    }
}

static void annotations_of_one_id_are_kept_and_counted(void **state) {
    (void)state;
    io_coco *c;
    char text[600];
    ASSERT_OK(read_text("{\"images\":[{\"id\":1}],\"annotations\":["
                        "{\"id\":0,\"image_id\":1,\"category_id\":1,\"area\":1},"
                        "{\"id\":7,\"image_id\":1,\"category_id\":1,\"area\":2},"
                        "{\"id\":7,\"image_id\":1,\"category_id\":1,\"area\":3},"
                        "{\"id\":0,\"image_id\":1,\"category_id\":1,\"area\":4},"
                        "{\"id\":7,\"image_id\":1,\"category_id\":1,\"area\":5}]}",
                        false, 0, &c),
              err);
    assert_int_equal(c->object_count, 5);
    assert_true(c->objects[1].area == 2 && c->objects[2].area == 3);
    assert_int_equal(c->repeated_ids, 3);
    assert_int_equal(c->repeated, 2);
    io_coco_notes(c, text, sizeof text);
    assert_non_null(strstr(text, "annotations with a duplicate id: 3, the first 7; all are kept"));
    io_coco_notes(c, text, 20); // cut, not overrun
    assert_int_equal(strlen(text), 19);
    io_coco_close(c);
    ASSERT_OK(read_text(annotations, false, 0, &c), err);
    assert_int_equal(c->repeated_ids, 0);
    io_coco_close(c);
}

static void a_byte_order_mark_is_skipped(void **state) {
    (void)state;
    io_coco *c;
    ASSERT_OK(read_text("\xef\xbb\xbf{\"images\":[{\"id\":1}]}", false, 0, &c), err);
    assert_int_equal(c->image_count, 1);
    io_coco_close(c);
    ASSERT_OK(read_text("\xef\xbb\xbf[]", true, 0, &c), err);
    io_coco_close(c);
    assert_int_equal(read_text("\xef\xbb\xbf", true, 0, &c), TN_EFORMAT);
    assert_int_equal(read_text("\xef\xbb{}", false, 0, &c), TN_EFORMAT);
}

static void nesting_has_a_limit(void **state) {
    (void)state;
    char text[400] = "{\"images\":[],\"x\":";
    io_coco *c;
    for (int depth = 60; depth <= 66; depth++) {
        char *at = text + 17;
        for (int i = 0; i < depth; i++) *at++ = '[';
        for (int i = 0; i < depth; i++) *at++ = ']';
        strcpy(at, "}");
        tn_status status = read_text(text, false, 0, &c);
        assert_int_equal(status, depth < 64 ? TN_OK : TN_EFORMAT);
        if (status == TN_OK)
            io_coco_close(c);
        else
            assert_non_null(strstr(err.text, "at most 64 levels"));
    }
}

// Every truncated file is an error, and none is read past its end (ASan checks the block).
static void a_cut_file_is_refused_wherever_it_is_cut(void **state) {
    (void)state;
    size_t length = strlen(annotations) - 1; // without the line's end
    for (size_t n = 0; n < length; n++) {
        char *block = tn_alloc(n + 1);
        memcpy(block, annotations, n);
        io_coco *c;
        assert_int_equal(io_coco_read(block, n, "x.json", false, IO_COCO_SHAPES, &c, &err),
                         TN_EFORMAT);
        tn_free(block);
    }
}

static void changed_bytes_do_no_harm(void **state) {
    (void)state;
    tn_rng rng = tn_rng_new(2, 2);
    size_t length = strlen(annotations);
    char *block = tn_alloc(length);
    for (int round = 0; round < 3000; round++) {
        memcpy(block, annotations, length);
        for (int64_t n = tn_rng_below(&rng, 3); n >= 0; n--) {
            static const char odd[] = "\"\\{}[],:0-.e \x80\xff\x01u";
            block[tn_rng_below(&rng, (int64_t)length)] = odd[tn_rng_below(&rng, sizeof odd)];
        }
        io_coco *c;
        tn_status status =
            io_coco_read(block, length, "x.json", round % 2, IO_COCO_SHAPES, &c, &err);
        assert_true(status == TN_OK || status == TN_EFORMAT);
        if (status == TN_OK) io_coco_close(c);
    }
    tn_free(block);
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        io_coco *c;
        tn_alloc_fail_after(n);
        status = read_text(annotations, false, IO_COCO_SHAPES, &c);
        tn_alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ENOMEM);
        if (status == TN_OK)
            io_coco_close(c);
        else
            assert_memory_equal(err.text, "x.json", 6);
        assert_true(n < 100);
    }
}

static void files_that_are_not_there(void **state) {
    (void)state;
    io_coco *c;
    assert_int_equal(io_coco_open("/nowhere.json", 0, &c, &err), TN_EIO);
    assert_non_null(strstr(err.text, "/nowhere.json"));
    assert_int_equal(io_coco_open("/dev/null", 0, &c, &err), TN_EIO);
    const char *path = temporary_text("empty.json", "");
    assert_int_equal(io_coco_results_open(path, 0, &c, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "the end of the file, expected an array"));
    io_coco_close(NULL);
}

static double read_number(const char *text) {
    char json[200];
    snprintf(json, sizeof json, IMAGE "{" OBJECT ",\"area\":%s}]}", text);
    io_coco *c;
    ASSERT_OK(read_text(json, false, 0, &c), err);
    double value = c->objects[0].area;
    io_coco_close(c);
    return value;
}

static void numbers_are_the_nearest_doubles(void **state) {
    (void)state;
    static const char *const odd[] = {
        "0",
        "-0",
        "0.1",
        "123456.789",
        "9007199254740993",
        "1e23",
        "8.5e-5",
        "4.9e-324",
        "1e-400",
        "0.000000000000000000000000000000001",
        "123456789012345678901234567890",
        "1.7976931348623157e308",
        "999999999999999.9",
        "99999999999999.99",
        "0.30000000000000004",
        "2.2250738585072011e-308",
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_true(read_number(odd[i]) == strtod(odd[i], NULL));
    assert_true(signbit(read_number("-0.0")));
    tn_rng rng = tn_rng_new(4, 4);
    for (int i = 0; i < 20000; i++) {
        char text[64];
        double value = (tn_rng_unit(&rng) - 0.5) * pow(10, (double)tn_rng_below(&rng, 40) - 20);
        snprintf(text, sizeof text, i % 2 ? "%.*f" : "%.*e", (int)tn_rng_below(&rng, 20), value);
        if (read_number(text) != strtod(text, NULL)) fail_msg("%s", text);
    }
}

static void floats_are_written_short_and_exact(void **state) {
    (void)state;
    static const struct {
        float value;
        const char *text;
    } known[] = {
        {0, "0"},        {-0.0f, "-0"},    {0.1f, "0.1"},          {0.5f, "0.5"},
        {100, "100"},    {1e-5f, "1e-05"}, {16777216, "16777216"}, {1.0f / 3, "0.33333334"},
        {3e38f, "3e+38"}};
    char text[24];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_int_equal(io_number_float(known[i].value, text), strlen(known[i].text));
        assert_string_equal(text, known[i].text);
    }
    tn_rng rng = tn_rng_new(5, 5);
    bool comma = setlocale(LC_NUMERIC, "de_DE.UTF-8"); // where the machine has it
    for (int i = 0; i < 20000; i++) {
        uint32_t bits = tn_rng_u32(&rng);
        float value;
        memcpy(&value, &bits, 4);
        if (!isfinite(value)) continue;
        size_t length = io_number_float(value, text);
        assert_null(strchr(text, ','));
        assert_true((float)io_number_parse(text, length) == value);
    }
    if (comma) setlocale(LC_NUMERIC, "C");
}

static void results_come_back_as_written(void **state) {
    (void)state;
    const char *path = temporary_path("results.json");
    io_coco_writer writer;
    ASSERT_OK(io_coco_writer_open(&writer, path, &err), err);
    const float box[4] = {0.5f, 0, 30.75f, 1.0f / 3};
    io_coco_found thing = {.image = {.number = 42},
                           .category = {.number = 18},
                           .box = {0.5f, 0, 30.75f, 1.0f / 3},
                           .score = 0.9f,
                           .counts = "3\\4\\\\",
                           .h = 3,
                           .w = 4};
    ASSERT_OK(io_coco_writer_add(&writer, &thing, &err), err);
    thing.image.number = -1, thing.category.number = 1, thing.score = 1, thing.counts = NULL;
    ASSERT_OK(io_coco_writer_add(&writer, &thing, &err), err);
    ASSERT_OK(io_coco_writer_commit(&writer, &err), err);
    char *text;
    size_t count;
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    assert_string_equal(
        text,
        "[{\"image_id\":42,\"category_id\":18,\"bbox\":[0.5,0,30.25,0.33333334],\"score\":0.9,"
        "\"segmentation\":{\"size\":[3,4],\"counts\":\"3\\\\4\\\\\\\\\"}},\n"
        "{\"image_id\":-1,\"category_id\":1,\"bbox\":[0.5,0,30.25,0.33333334],\"score\":1}]\n");
    tn_free(text);
    io_coco *c;
    ASSERT_OK(io_coco_results_open(path, IO_COCO_SHAPES, &c, &err), err);
    assert_int_equal(c->object_count, 2);
    for (int i = 0; i < 4; i++)
        assert_true((float)c->objects[0].box[i] == box[i] - (i < 2 ? 0 : box[i - 2]));
    assert_string_equal(c->objects[0].shape.text, "3\\4\\\\");
    io_coco_close(c);
    // An aborted writer leaves the old file.
    ASSERT_OK(io_coco_writer_open(&writer, path, &err), err);
    thing.box[2] = NAN, thing.image.number = 5;
    assert_int_equal(io_coco_writer_add(&writer, &thing, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "image 5"));
    io_coco_writer_abort(&writer);
    ASSERT_OK(io_coco_results_open(path, 0, &c, &err), err);
    assert_int_equal(c->object_count, 2);
    io_coco_close(c);
    ASSERT_OK(io_coco_writer_open(&writer, path, &err), err);
    ASSERT_OK(io_coco_writer_commit(&writer, &err), err);
    ASSERT_OK(io_coco_results_open(path, 0, &c, &err), err);
    assert_int_equal(c->object_count, 0);
    io_coco_close(c);
    unlink(path);
    assert_int_equal(io_coco_writer_open(&writer, "/nowhere/x.json", &err), TN_EIO);
}

static void results_take_ids_that_are_text(void **state) {
    (void)state;
    const char *path = temporary_path("texts.json");
    io_coco_writer writer;
    ASSERT_OK(io_coco_writer_open(&writer, path, &err), err);
    io_coco_found thing = {.image = {.text = "a \"b\"\\\n\xc3\xa9"},
                           .category = {.number = 3},
                           .box = {1, 2, 3, 4},
                           .score = 1};
    ASSERT_OK(io_coco_writer_add(&writer, &thing, &err), err);
    ASSERT_OK(io_coco_writer_commit(&writer, &err), err);
    char *text;
    size_t count;
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    assert_string_equal(text, "[{\"image_id\":\"a \\\"b\\\"\\\\\\u000a\xc3\xa9\",\"category_id\":3,"
                              "\"bbox\":[1,2,2,2],\"score\":1}]\n");
    tn_free(text);
}

static void detection_becomes_a_result_in_memory(void **state) {
    (void)state;
    io_coco_found thing = {
        .image = {.number = 4}, .category = {.number = 3}, .box = {1, 2, 4, 8}, .score = 0.25f};
    io_coco_object object = io_coco_object_of(&thing);
    assert_int_equal(object.image_id, 4);
    assert_int_equal(object.category_id, 3);
    assert_true(object.box[0] == 1 && object.box[1] == 2 && object.box[2] == 3);
    assert_true(object.box[3] == 6 && object.area == 18 && object.score == 0.25);
    assert_true(object.has_box && object.shape.kind == IO_COCO_NONE);
    thing.counts = "06", thing.h = 2, thing.w = 3;
    object = io_coco_object_of(&thing);
    assert_true(!object.has_box && object.shape.kind == IO_COCO_TEXT);
    assert_int_equal(object.shape.count, 2);
    assert_true(object.shape.h == 2 && object.shape.w == 3);
}

// The mask of an annotation as pycocotools' annToRLE makes it of polygons.
static io_rle mask_of(const io_coco_shape *shape, uint32_t h, uint32_t w, tn_arena *arena) {
    io_rle parts[100], whole;
    assert_true(shape->count >= 1 && shape->count <= 100);
    for (size_t i = 0; i < shape->count; i++)
        ASSERT_OK(io_rle_from_polygon(shape->polygons[i].xy, shape->polygons[i].points, h, w, arena,
                                      &parts[i], &err),
                  err);
    ASSERT_OK(io_rle_merge(parts, shape->count, false, arena, &whole, &err), err);
    return whole;
}

static void check_real_masks(golden *g, tn_arena *arena) {
    char name[64], path[200];
    golden_text(g, name, sizeof name);
    snprintf(path, sizeof path, SHARED_DATA "/coco_mini/annotations/%s", name);
    uint32_t count = golden_u32(g);
    io_coco *c;
    ASSERT_OK(io_coco_open(path, IO_COCO_SHAPES, &c, &err), err);
    for (size_t i = 0; i < c->object_count; i++) {
        const io_coco_object *o = &c->objects[i];
        const io_coco_image *image = &c->images[io_coco_find_image(c, o->image_id)];
        tn_arena_reset(arena, 0);
        if (o->shape.kind == IO_COCO_COUNTS) {
            io_rle rle;
            ASSERT_OK(io_rle_from_counts(o->shape.counts, o->shape.count, o->shape.h, o->shape.w,
                                         arena, &rle, &err),
                      err);
            assert_true(rle.h == (uint32_t)image->h && io_rle_area(&rle) > 0);
            continue;
        }
        io_rle rle = mask_of(&o->shape, (uint32_t)image->h, (uint32_t)image->w, arena);
        char *text;
        size_t length;
        ASSERT_OK(io_rle_to_text(&rle, arena, &text, &length, &err), err);
        uint32_t crc = (uint32_t)crc32(0, (const Bytef *)text, (uInt)length);
        if (crc != golden_u32(g)) fail_msg("%s: annotation %lld", name, (long long)o->id);
        count--;
    }
    assert_int_equal(count, 0);
    io_coco_close(c);
}

static void real_polygons_give_pycocotools_masks(void **state) {
    (void)state;
    if (access(SHARED_DATA "/coco_mini", R_OK) != 0) SKIP("no " SHARED_DATA "/coco_mini");
    golden g;
    golden_open(&g, "tests/golden/rle.bin");
    // These records are the file's last: they begin with 'c' and the name of a file.
    const char *first = memmem(g.file.bytes, g.file.count, "instances_", 10);
    assert_non_null(first);
    g.at = (size_t)((const uint8_t *)first - g.file.bytes) - 5;
    tn_arena arena;
    ASSERT_OK(tn_arena_init(&arena, 1 << 24, &err), err);
    int files = 0;
    for (; golden_more(&g); files++) {
        assert_int_equal(*golden_bytes(&g, 1), 'c');
        check_real_masks(&g, &arena);
    }
    assert_int_equal(files, 2);
    tn_arena_deinit(&arena);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(annotations_are_read),
        cmocka_unit_test(the_first_images_stay_with_what_is_in_them),
        cmocka_unit_test(results_are_read),
        cmocka_unit_test(broken_coco_files_are_refused_with_the_position),
        cmocka_unit_test(ids_that_are_text_have_a_number_in_every_file),
        cmocka_unit_test(a_text_is_an_integer_only_if_written_like_one),
        cmocka_unit_test(an_area_that_is_missing_is_computed),
        cmocka_unit_test(annotations_of_one_id_are_kept_and_counted),
        cmocka_unit_test(a_byte_order_mark_is_skipped),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(a_cut_file_is_refused_wherever_it_is_cut),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(files_that_are_not_there),
        cmocka_unit_test(numbers_are_the_nearest_doubles),
        cmocka_unit_test(floats_are_written_short_and_exact),
        cmocka_unit_test(results_come_back_as_written),
        cmocka_unit_test(results_take_ids_that_are_text),
        cmocka_unit_test(detection_becomes_a_result_in_memory),
        cmocka_unit_test(real_polygons_give_pycocotools_masks),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
