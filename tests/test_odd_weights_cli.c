// SPDX-License-Identifier: Apache-2.0
// Messages and results of the program for weights as written by training programs, and for a
// detector without a mask head.
#include "io/file.h"
#include "io/weights/safetensors.h"
#include "io/weights/weights.h"
#include "lexmask.h"
#include "tests/support/program.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <string.h>
#include <unistd.h>

#define ODD "tests/golden/odd_weights/"

static void assert_info(const char *file, const char *text, const char *json) {
    test_run run = test_lexmask("info --no-tensors %s", file);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, text);
    test_run_free(&run);
    run = test_lexmask("info --no-tensors --json %s", file);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, json);
    test_run_free(&run);
}

static void info_tells_where_weights_were(void **state) {
    (void)state;
    assert_info(ODD "averages.pth", "weights  under state_dict; not read: state_dict_ema\n",
                "\"weights_unused\": \"state_dict_ema\"");
    assert_info(ODD "torchvision.pth", "weights  under model\n", "\"weights_under\": \"model\"");
    assert_info(ODD "mmengine.pth", "prefix   module. (stripped from the names)\n",
                "\"prefix\": \"module.\"");
}

// A copy of a weight file with a prefix before every name, without the tensors whose names begin
// with `left_out` (NULL: with all), and with one tensor beside.
static const char *copy_of(const char *from, const char *prefix, const char *left_out,
                           const char *to) {
    static const float one = 1;
    static char names[400][128];
    static io_tensor tensors[401];
    tn_error err = {0};
    io_weights *file = NULL;
    ASSERT_OK(io_weights_open(from, &file, &err), err);
    size_t count = 0;
    assert_true(io_weights_count(file) <= 400);
    for (size_t i = 0; i < io_weights_count(file); i++) {
        const io_tensor *t = io_weights_at(file, i);
        if (left_out && !strncmp(t->name, left_out, strlen(left_out))) continue;
        snprintf(names[count], sizeof names[count], "%s%s", prefix, t->name);
        tensors[count] = *t;
        tensors[count].name = names[count];
        count++;
    }
    tensors[count] = (io_tensor){.name = "loss.weight", .dtype = TN_F32, .data = &one};
    const char *path = temporary_path(to);
    const char *settings = io_weights_meta(file, "lexmask.maskrcnn");
    const io_text_pair meta = {"lexmask.maskrcnn", settings ? settings : ""};
    ASSERT_OK(
        io_safetensors_write(path, tensors, count + 1, &meta, settings ? 1 : 0, IO_AS_STORED, &err),
        err);
    io_weights_close(file);
    return path;
}

#define PAIR "demo/pair"
#define PICTURE "demo/pictures/party.png"

// A detector inside a training module's attribute gives the same results.
static void a_detector_with_a_prefix(void **state) {
    (void)state;
    const char *path =
        copy_of(PAIR "/detector.safetensors", "net.detector.", NULL, "prefixed.safetensors");
    assert_info(path, "prefix   net.detector. (stripped from the names)\n",
                "\"prefix\": \"net.detector.\"");
    test_run plain = test_lexmask("detect -v " PICTURE " --detector " PAIR
                                  "/detector.safetensors --mode closed --jsonl -");
    test_run run =
        test_lexmask("detect -v " PICTURE " --detector %s --mode closed --jsonl -", path);
    ASSERT_CODE(plain, 0);
    ASSERT_CODE(run, 0);
    assert_string_equal(run.out, plain.out);
    ASSERT_SAYS(run.err, "the prefix net.detector. was stripped");
    assert_null(strstr(plain.err, "prefix"));
    test_run_free(&plain);
    test_run_free(&run);
    run = test_lexmask("convert %s %s/plain.safetensors", path, temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "names without the prefix net.detector.");
    test_run_free(&run);
}

static void a_clip_with_a_prefix(void **state) {
    (void)state;
    const char *path =
        copy_of(PAIR "/clip/model.safetensors", "model.clip.", NULL, "clip.safetensors");
    test_run run = test_lexmask("info %s", path);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "family   CLIP\nprefix   model.clip. (stripped from the names)\n");
    ASSERT_SAYS(run.out, "  vision_model.post_layernorm.weight ");
    test_run_free(&run);
}

// ---- a Faster R-CNN

#define NO_MASKS "boxes only, no masks"

// Compares standard output of detect with that of the same detector with masks.
static void assert_boxes_of(const char *faster, const char *options) {
    test_run with = test_lexmask("detect " PICTURE " --detector " PAIR "/detector.safetensors %s "
                                 "--jsonl -",
                                 options);
    test_run without =
        test_lexmask("detect " PICTURE " --detector %s %s --jsonl -", faster, options);
    ASSERT_CODE(with, 0);
    ASSERT_CODE(without, 0);
    ASSERT_SAYS(with.out, "\"box\"");
    assert_string_equal(with.out, without.out);
    ASSERT_SAYS(without.err, NO_MASKS);
    assert_null(strstr(with.err, NO_MASKS));
    test_run_free(&with);
    test_run_free(&without);
}

static void a_faster_rcnn_gives_boxes(void **state) {
    (void)state;
    const char *path =
        copy_of(PAIR "/detector.safetensors", "", "roi_heads.mask_", "faster.safetensors");
    assert_info(path, "family   Faster R-CNN\n", "no mask head: boxes alone");
    assert_boxes_of(path, "--mode closed");
    assert_boxes_of(path, "--mode crop --clip " PAIR "/clip --names banana,crown");
}

static void a_faster_rcnn_writes_no_masks(void **state) {
    (void)state;
    const char *path =
        copy_of(PAIR "/detector.safetensors", "", "roi_heads.mask_", "faster.safetensors");
    char *json;
    size_t bytes;
    tn_error err = {0};
    test_run run = test_lexmask("detect " PICTURE " --mode closed --detector %s --masks %s/m", path,
                                temporary_folder());
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "--masks: the detector is a Faster R-CNN, without masks");
    test_run_free(&run);
    run = test_lexmask("detect " PICTURE " --mode closed --detector %s --json %s/r.json --out %s/o",
                       path, temporary_folder(), temporary_folder());
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    ASSERT_OK(io_read_text(temporary_path("r.json"), 1 << 20, &json, &bytes, &err), err);
    ASSERT_SAYS(json, "\"bbox\"");
    assert_null(strstr(json, "segmentation"));
    tn_free(json);
    assert_int_equal(access(temporary_path("o/party.png"), F_OK), 0);
}

static void masks_of_a_faster_rcnn_are_not_evaluated(void **state) {
    (void)state;
    static const char truth[] =
        "{\"images\":[{\"id\":1,\"file_name\":\"party.png\",\"width\":10,\"height\":10}],"
        "\"annotations\":[],\"categories\":[{\"id\":1,\"name\":\"banana\"}]}";
    const char *path =
        copy_of(PAIR "/detector.safetensors", "", "roi_heads.mask_", "faster.safetensors");
    temporary_file("truth.json", truth, sizeof truth - 1);
    test_run run = test_lexmask("eval --gt %s/truth.json --pictures demo/pictures --detector %s "
                                "--clip " PAIR "/clip --type segm --results-out %s/e.json",
                                temporary_folder(), path, temporary_folder());
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "--type segm: the detector is a Faster R-CNN, without masks");
    test_run_free(&run);
}

static void a_faster_rcnn_in_a_program(void **state) {
    (void)state;
    const char *path =
        copy_of(PAIR "/detector.safetensors", "", "roi_heads.mask_", "faster.safetensors");
    lexmask_model_options how;
    lexmask_session_options session_how;
    lexmask_model *model;
    lexmask_session *session;
    lexmask_result *result;
    lexmask_error err = {0};
    const char *rle;
    static uint8_t mask[4096 * 4096];
    lexmask_model_options_init(&how);
    lexmask_session_options_init(&session_how);
    how.detector = path;
    session_how.mode = LEXMASK_MODE_CLOSED;
    assert_int_equal(lexmask_model_open(&how, &model, &err), LEXMASK_OK);
    assert_false(lexmask_model_has_masks(model));
    assert_int_equal(lexmask_session_new(model, NULL, &session_how, &session, &err), LEXMASK_OK);
    assert_int_equal(lexmask_run_file(session, PICTURE, &result, &err), LEXMASK_OK);
    assert_true(lexmask_result_count(result) > 0);
    assert_false(lexmask_result_has_masks(result));
    assert_int_equal(lexmask_result_mask(result, 0, mask, 4096, &err), LEXMASK_EUNSUPPORTED);
    ASSERT_SAYS(err.text, "no masks");
    assert_int_equal(lexmask_result_rle(result, 0, &rle, &err), LEXMASK_EUNSUPPORTED);
    lexmask_result_free(result);
    lexmask_session_free(session);
    lexmask_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_tells_where_weights_were),
        cmocka_unit_test(a_detector_with_a_prefix),
        cmocka_unit_test(a_clip_with_a_prefix),
        cmocka_unit_test(a_faster_rcnn_gives_boxes),
        cmocka_unit_test(a_faster_rcnn_writes_no_masks),
        cmocka_unit_test(masks_of_a_faster_rcnn_are_not_evaluated),
        cmocka_unit_test(a_faster_rcnn_in_a_program),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
