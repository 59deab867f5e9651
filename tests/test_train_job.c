// SPDX-License-Identifier: Apache-2.0
// The job of `lexmask train` run from a C program: watched, validated, stopped and resumed; it
// prints nothing. test_train_cli compares it with the command.
#include "io/file.h"
#include "tests/support/run_log.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"
#include "tests/support/train_scene.h"
#include "train/jobs/train_job.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS 4

// Records of a watcher.
typedef struct seen {
    int64_t stop_at; // requests a stop after this many updates; -1: never
    int64_t updates, last_step, measured_at, measured;
    double loss, recall;
    int charts, asked, pictures;
    char notes[8192];
} seen;

static bool stop(void *user) {
    const seen *s = user;
    return s->stop_at >= 0 && s->updates >= s->stop_at;
}

static void update(void *user, const tr_update *u) {
    seen *s = user;
    s->updates++;
    s->last_step = u->step;
    s->loss = u->loss;
    assert_int_equal(u->steps, STEPS);
    assert_int_equal(u->losses, 5);
    assert_string_equal(u->loss_name[4], "masks");
}

static void note(void *user, const char *text) {
    seen *s = user;
    size_t used = strlen(s->notes);
    snprintf(s->notes + used, sizeof s->notes - used, "%s\n", text);
}

static void measured(void *user, int64_t step, const tr_value *values, size_t count) {
    seen *s = user;
    s->measured++;
    s->measured_at = step;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(values[i].name, "rpn_AR@1000")) s->recall = values[i].value;
}

static void sentences(void *user, size_t done, size_t all) {
    (void)user;
    assert_true(done <= all && all > 0);
}

static tn_status chart(void *user, const tr_log *log, const tr_chart *drawn, tn_error *err) {
    double x[TR_POINTS], y[TR_POINTS];
    (void)err;
    if (tr_log_curve(log, drawn->names[0], x, y)) ((seen *)user)->charts++;
    return TN_OK;
}

// What is annotated in data.json; no drawing.
static tn_status picture(void *user, const tr_shown *p, tn_error *err) {
    seen *s = user;
    assert_int_equal(p->truths, 2);
    assert_int_equal(p->picture->dim[1], 128);
    for (size_t i = 0; i < 2; i++) {
        const tr_shown_object *o = &p->truth[i];
        int64_t x = (int64_t)(o->box[0] + o->box[2]) / 2, y = (int64_t)(o->box[1] + o->box[3]) / 2;
        assert_string_equal(o->name, o->label ? "blue square" : "red circle");
        assert_true(isnan(o->score) && o->mask);
        assert_int_equal(tn_u8(o->mask)[y * 128 + x], 1);
        assert_int_equal(tn_u8(o->mask)[0], 0);
    }
    for (size_t i = 0; i < p->founds; i++) assert_true(p->found[i].score >= 0.25f);
    s->pictures++;
    return tn_fail(err, TN_EIO, "%s: the disk is full", p->path);
}

static tr_job_watcher watcher_of(seen *s) {
    *s = (seen){.stop_at = -1, .recall = -1};
    return (tr_job_watcher){.user = s,
                            .stop = stop,
                            .update = update,
                            .note = note,
                            .measured = measured,
                            .sentences = sentences,
                            .chart = chart};
}

// Texts of the options live in static memory.
static tr_train_options options_for(const char *run) {
    static char out[4][512], data[512], pictures[512];
    static int next;
    char *folder = out[next++ % 4];
    snprintf(folder, sizeof out[0], "%s", temporary_path(run));
    snprintf(data, sizeof data, "%s", temporary_path("data.json"));
    snprintf(pictures, sizeof pictures, "%s", temporary_folder());
    tr_train_options o = tr_train_defaults();
    o.preset = "small", o.clip = SCENE_CLIP;
    o.data = data, o.pictures = pictures;
    o.size = 128, o.jitter = "1,1", o.no_flip = true;
    o.job.out = folder, o.job.batch = 2, o.job.steps = STEPS, o.job.threads = 1;
    return o;
}

// Bytes written to standard output and standard error by the call.
static off_t output_of(const tr_train_options *o, const tr_job_watcher *watcher, tn_status *status,
                       tn_error *err) {
    int kept[2] = {dup(1), dup(2)};
    int file = open(temporary_path("output"), O_RDWR | O_CREAT | O_TRUNC, 0666);
    fflush(stdout);
    assert_true(file >= 0 && dup2(file, 1) == 1 && dup2(file, 2) == 2);
    *status = tr_train_run(o, watcher, err);
    fflush(stdout);
    off_t bytes = lseek(file, 0, SEEK_CUR);
    for (int i = 0; i < 2; i++) {
        dup2(kept[i], i + 1);
        close(kept[i]);
    }
    close(file);
    return bytes;
}

static bool is_there(const char *run, const char *name) {
    char path[640];
    snprintf(path, sizeof path, "%s/%s", temporary_path(run), name);
    return access(path, F_OK) == 0;
}

static void a_job_is_watched_and_silent(void **state) {
    (void)state;
    seen s;
    tn_error err = {0};
    tn_status status;
    tr_job_watcher watcher = watcher_of(&s);
    tr_train_options o = options_for("watched");
    watcher.picture = picture;
    o.val = o.data;
    o.job.validate_every = 3;
    assert_int_equal(output_of(&o, &watcher, &status, &err), 0);
    ASSERT_OK(status, err);
    assert_int_equal(s.updates, STEPS);
    assert_int_equal(s.last_step, STEPS);
    assert_true(s.loss > 0);
    assert_int_equal(s.measured, 2); // after 3 updates and at the end
    assert_int_equal(s.pictures, 4);
    assert_non_null(strstr(s.notes, "watched/validation/step-000003-2.png: the disk is full; "
                                    "training goes on without this drawing"));
    assert_int_equal(s.measured_at, STEPS);
    assert_true(s.recall >= 0 && s.recall <= 1);
    assert_true(s.recall == run_last_of(temporary_path("watched"), "rpn_AR@1000"));
    assert_true(s.charts >= 2);
    assert_non_null(strstr(s.notes, "best validation: mask_AP 0."));
    static const char *const of_best[] = {"best/config.json", "best/adapters.safetensors",
                                          "results.csv"};
    for (size_t i = 0; i < sizeof of_best / sizeof *of_best; i++)
        if (!is_there("watched", of_best[i])) fail_msg("no %s", of_best[i]);
    assert_non_null(strstr(s.notes, "2 names, 4 updates of 2 pictures"));
    assert_non_null(strstr(s.notes, "frozen weights unchanged"));
    static const char *const files[] = {"config.json", "adapters.safetensors", "run.json",
                                        "log.jsonl", "checkpoint.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!is_there("watched", files[i])) fail_msg("no %s", files[i]);
    assert_false(is_there("watched", "losses.png")); // which this watcher does not draw
}

static void checkpoint_of(const char *run, uint8_t out[IO_SHA256]) {
    run_digest(temporary_path(run), "checkpoint.safetensors", out);
}

// With the options that its folder holds, and nothing else.
static tn_status go_on(const char *run, int64_t stop_at, int64_t *updates, tn_error *err) {
    seen s;
    tr_job_watcher watcher = watcher_of(&s);
    tr_train_options o = tr_train_defaults();
    tr_train_recalled recalled = {0};
    char folder[512];
    snprintf(folder, sizeof folder, "%s", temporary_path(run));
    assert_true(tr_train_is_run(folder));
    tn_status status = tr_train_recall(folder, &recalled, &o, err);
    o.job.out = folder, o.job.resume = true;
    s.stop_at = stop_at;
    if (status == TN_OK) status = tr_train_run(&o, &watcher, err);
    tr_train_recalled_free(&recalled);
    *updates = s.updates;
    return status;
}

static void stopped_and_resumed_it_ends_in_the_same_bits(void **state) {
    (void)state;
    seen s;
    int64_t updates;
    tn_error err = {0};
    uint8_t want[IO_SHA256], is[IO_SHA256];
    tr_job_watcher watcher = watcher_of(&s);
    tr_train_options whole = options_for("whole"), o = options_for("parts");
    ASSERT_OK(tr_train_run(&whole, NULL, &err), err);
    s.stop_at = 1;
    assert_int_equal(tr_train_run(&o, &watcher, &err), TN_ECANCELLED);
    assert_non_null(strstr(err.text, "stopped after step 1 of 4; saved"));
    assert_int_equal(s.updates, 1);
    assert_int_equal(go_on("parts", 2, &updates, &err), TN_ECANCELLED);
    assert_int_equal(updates, 2);
    ASSERT_OK(go_on("parts", -1, &updates, &err), err);
    assert_int_equal(updates, 1);
    checkpoint_of("whole", want);
    checkpoint_of("parts", is);
    assert_memory_equal(want, is, sizeof want);
    // A run is not overwritten, and the error says so.
    assert_int_equal(tr_train_run(&o, &watcher, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "already holds a run"));
}

// Absolute file_names are found whatever the folder is; annotations without areas are noted.
static void absolute_names_of_pictures_are_found(void **state) {
    (void)state;
    tn_error err = {0};
    seen s;
    char text[1024], file[512];
    tr_job_watcher watcher = watcher_of(&s);
    tr_train_options o = options_for("absolute");
    snprintf(text, sizeof text,
             "{\"images\":[{\"id\":1,\"file_name\":\"%s\"}],\"categories\":[{\"id\":1,\"name\":"
             "\"red circle\"}],\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":1,"
             "\"bbox\":[12,18,52,52],\"segmentation\":[[12,18,64,18,64,70,12,70]]}]}",
             temporary_path("0.ppm"));
    snprintf(file, sizeof file, "%s", temporary_text("absolute.json", text));
    o.data = o.val = file, o.pictures = "/";
    ASSERT_OK(tr_train_run(&o, &watcher, &err), err);
    assert_int_equal(s.measured, 1);
    assert_null(strstr(s.notes, "validation goes on without it"));
    assert_null(strstr(s.notes, "left out"));
    char *areas = strstr(s.notes, "absolute.json: annotations without \"area\": 1");
    assert_non_null(areas);
    assert_non_null(strstr(areas + 1, "without \"area\": 1")); // of both files
}

#define BOXES(box)                                                                                 \
    "{\"images\":[{\"id\":1,\"file_name\":\"0.ppm\",\"width\":128,\"height\":128}],"               \
    "\"categories\":[{\"id\":1,\"name\":\"red circle\"}],\"annotations\":["                        \
    "{\"id\":7,\"image_id\":1,\"category_id\":1" box "}]}"

// Without masks boxes are compared; unusable validation annotations are reported before the first
// update.
static void annotations_to_validate_on_are_checked_first(void **state) {
    (void)state;
    tn_error err = {0};
    seen s;
    char file[512];
    tr_job_watcher watcher = watcher_of(&s);
    tr_train_options o = options_for("boxes");
    snprintf(file, sizeof file, "%s",
             temporary_text("boxes.json", BOXES(",\"bbox\":[12,18,52,52]")));
    o.val = file;
    ASSERT_OK(tr_train_run(&o, &watcher, &err), err);
    assert_int_equal(s.measured, 1);
    assert_non_null(strstr(s.notes, "boxes.json: annotation 7: no \"segmentation\": validation "
                                    "compares boxes, and no masks"));
    assert_true(run_last_of(temporary_path("boxes"), "AP50") >= 0);
    assert_true(isnan(run_last_of(temporary_path("boxes"), "mask_AP50")));

    watcher = watcher_of(&s);
    o = options_for("no-boxes");
    snprintf(file, sizeof file, "%s", temporary_text("no-boxes.json", BOXES("")));
    o.val = file;
    assert_int_equal(tr_train_run(&o, &watcher, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "no-boxes.json: annotation 7 has no \"bbox\""));
    assert_int_equal(s.updates, 0);
    assert_false(is_there("no-boxes", ""));
}

// Ctrl-C during a validation loses no update, wherever the last checkpoint is.
static bool stop_when_measuring(void *user) {
    seen *s = user;
    return s->updates == 3 && s->asked++ > 0; // first after the update, then for each picture
}

static void a_stop_in_a_validation_saves(void **state) {
    (void)state;
    seen s;
    tn_error err = {0};
    tr_job_watcher watcher = watcher_of(&s);
    tr_train_options o = options_for("validating");
    o.val = o.data;
    o.job.validate_every = 3, o.job.save_every = 100;
    watcher.stop = stop_when_measuring, watcher.chart = NULL;
    assert_int_equal(tr_train_run(&o, &watcher, &err), TN_ECANCELLED);
    assert_int_equal(s.measured, 0);
    assert_non_null(strstr(err.text, "stopped after step 3 of 4; saved"));
    assert_true(is_there("validating", "checkpoint.safetensors"));
    // The interrupted validation is repeated.
    tr_job_watcher next = watcher_of(&s);
    o.job.resume = true;
    ASSERT_OK(tr_train_run(&o, &next, &err), err);
    assert_int_equal(s.measured, 2); // after 3 and 4 updates
}

// Features cached by one job are used by the next, which computes only one for their shapes.
static void a_cache_serves_the_next_job(void **state) {
    (void)state;
    tn_error err = {0};
    char cache[512];
    snprintf(cache, sizeof cache, "%s", temporary_path("features"));
    for (int call = 0; call < 2; call++) {
        seen s;
        tr_job_watcher watcher = watcher_of(&s);
        tr_train_options o = options_for(call ? "cached-again" : "cached");
        o.job.steps = STEPS, o.cache = cache;
        ASSERT_OK(tr_train_run(&o, &watcher, &err), err);
        const char *served = call ? "cache: features of 7 pictures found, 1 computed, 0 damaged"
                                  : "cache: features of 6 pictures found, 2 computed, 0 damaged";
        if (!strstr(s.notes, served)) fail_msg("call %d: %s", call, s.notes);
    }
}

static void invalid_options_are_reported(void **state) {
    (void)state;
    for (int i = 0; i < 12; i++) {
        tr_train_options o = options_for("wrong");
        static const char *const says[] = {
            "--data",  "--pictures", "--out",     "--preset big",         "--loss huber",
            "--batch", "--seed",     "--steps 9", "--lr nan: expected a", "neither a preset",
            "--val-p", "cuda"};
        tn_error err = {0};
        switch (i) {
        case 0:
            o.data = NULL;
            break;
        case 1:
            o.pictures = NULL;
            break;
        case 2:
            o.job.out = NULL;
            break;
        case 3:
            o.preset = "big";
            break;
        case 4:
            o.loss = "huber";
            break;
        case 5:
            o.job.batch = 65;
            break;
        case 6:
            o.job.seed = -1;
            break;
        case 7:
            o.job.steps = INT64_MAX;
            break;
        case 8:
            o.job.lr = strtod("nan", NULL);
            break;
        case 9:
            o.preset = o.clip = NULL;
            break;
        case 10:
            o.val_pictures = "x";
            break;
        case 11:
            o.job.device = "cuda";
            break;
        }
        tn_status status = tr_train_run(&o, NULL, &err);
        assert_int_equal(status, i == 11 ? TN_EDEVICE : TN_EINVAL);
        if (!strstr(err.text, says[i])) fail_msg("%d: %s", i, err.text);
        assert_false(is_there("wrong", ""));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_watched_and_silent),
        cmocka_unit_test(stopped_and_resumed_it_ends_in_the_same_bits),
        cmocka_unit_test(absolute_names_of_pictures_are_found),
        cmocka_unit_test(annotations_to_validate_on_are_checked_first),
        cmocka_unit_test(a_stop_in_a_validation_saves),
        cmocka_unit_test(a_cache_serves_the_next_job),
        cmocka_unit_test(invalid_options_are_reported),
    };
    return cmocka_run_group_tests(tests, scene_write, temporary_teardown);
}
