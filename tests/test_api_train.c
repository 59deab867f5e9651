// SPDX-License-Identifier: Apache-2.0
// A training by the C API: watched, validated, stopped and resumed; what is wrong is called by the
// names of the fields.
#include "lexmask.h"
#include "tests/support/run_log.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"
#include "tests/support/train_scene.h"

#include <math.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define STEPS 4
#define CANARY 0x5a

static lexmask_error err;
static char data[512], pictures[512];

// What a watcher was given.
typedef struct seen {
    int stop_at; // stops after so many updates; -1: never
    int updates, measured;
    double loss, recall;
    char notes[8192];
} seen;

static int stop(void *user) {
    const seen *s = user;
    return s->stop_at >= 0 && s->updates >= s->stop_at;
}

static void update(void *user, const lexmask_train_update *u) {
    seen *s = user;
    s->updates++;
    s->loss = u->loss;
    assert_int_equal(u->size, sizeof *u);
    assert_int_equal(u->steps, STEPS);
    assert_int_equal(u->loss_count, 5);
    assert_string_equal(u->loss_names[0], "objectness");
    assert_string_equal(u->loss_names[4], "masks");
    double sum = 0;
    for (size_t i = 0; i < u->loss_count; i++) sum += u->losses[i];
    assert_true(fabs(sum - u->loss) < 1e-6 * sum);
    assert_true(u->rate > 0 && u->norm > 0 && u->pictures_per_second > 0 && u->seconds_left >= 0);
}

static void note(void *user, const char *text) {
    seen *s = user;
    size_t used = strlen(s->notes);
    snprintf(s->notes + used, sizeof s->notes - used, "%s\n", text);
}

static void measured(void *user, int64_t step, const lexmask_value *values, size_t count) {
    seen *s = user;
    assert_int_equal(step, STEPS);
    s->measured++;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(values[i].name, "rpn_AR@1000")) s->recall = values[i].value;
}

static lexmask_train_watcher watcher_of(seen *s) {
    lexmask_train_watcher watcher;
    *s = (seen){.stop_at = -1, .recall = -1};
    lexmask_train_watcher_init(&watcher);
    watcher.user = s, watcher.stop = stop, watcher.update = update;
    watcher.note = note, watcher.measured = measured;
    return watcher;
}

static const char *folder_of(const char *run) {
    static char out[4][512];
    static int next;
    char *folder = out[next++ % 4];
    snprintf(folder, sizeof out[0], "%s", temporary_path(run));
    return folder;
}

static lexmask_train_options options_for(const char *run) {
    lexmask_train_options o;
    lexmask_train_options_init(&o);
    o.preset = "small", o.clip = SCENE_CLIP, o.data = data, o.pictures = pictures;
    o.picture_size = 128, o.jitter_min = o.jitter_max = 1, o.flip = 0, o.regions = 64;
    o.out = folder_of(run), o.batch = 2, o.steps = STEPS, o.threads = 1;
    return o;
}

static void is_ok(lexmask_status status) {
    if (status != LEXMASK_OK) fail_msg("%s", err.text);
}

static void a_run_is_watched(void **state) {
    (void)state;
    seen s;
    lexmask_train_watcher watcher = watcher_of(&s);
    lexmask_train_options o = options_for("watched");
    o.val = o.data, o.norm = "batch";
    is_ok(lexmask_train(&o, &watcher, &err));
    assert_int_equal(s.updates, STEPS);
    assert_true(s.loss > 0);
    assert_true(fabs(s.loss - run_last_of(o.out, "loss")) <= 1e-8 * s.loss); // 9 digits there
    assert_int_equal(s.measured, 1);
    assert_true(s.recall >= 0 && fabs(s.recall - run_last_of(o.out, "rpn_AR@1000")) <= 1e-8);
    assert_non_null(strstr(s.notes, "2 names, 4 updates of 2 pictures"));
    // Notes call options by the fields' names, too.
    assert_non_null(strstr(s.notes, " norm group "));
    assert_null(strstr(s.notes, "--"));
    lexmask_model_options from;
    lexmask_model *model = NULL;
    lexmask_model_options_init(&from);
    from.folder = o.out, from.threads = 1;
    is_ok(lexmask_model_open(&from, &model, &err));
    assert_int_equal(lexmask_model_is_fvlm(model), 1);
    lexmask_model_close(model);
}

static lexmask_status go_on(const char *run, int stop_at, int *updates) {
    seen s;
    lexmask_train_watcher watcher = watcher_of(&s);
    lexmask_train_options o;
    lexmask_train_options_init(&o);
    o.out = folder_of(run), o.resume = 1;
    s.stop_at = stop_at;
    lexmask_status status = lexmask_train(&o, &watcher, &err);
    *updates = s.updates;
    return status;
}

// By its own name, not by that of the command line's option.
static void names_the_field(const char *text) {
    if (!strstr(err.text, text)) fail_msg("expected '%s' in: %s", text, err.text);
    if (strstr(err.text, "--")) fail_msg("an option of the command line in: %s", err.text);
}

static void is_the_same(const char *run, const char *other, const char *file) {
    uint8_t digest[2][IO_SHA256];
    run_digest(run, file, digest[0]);
    run_digest(other, file, digest[1]);
    assert_memory_equal(digest[0], digest[1], IO_SHA256);
}

static void a_resumed_run_ends_with_the_same_bits(void **state) {
    (void)state;
    seen s;
    int updates;
    lexmask_train_watcher watcher = watcher_of(&s);
    lexmask_train_options whole = options_for("whole"), parts = options_for("parts");
    is_ok(lexmask_train(&whole, NULL, &err));
    s.stop_at = 1;
    assert_int_equal(lexmask_train(&parts, &watcher, &err), LEXMASK_ECANCELLED);
    assert_non_null(strstr(err.text, "stopped after step 1 of 4; saved"));
    names_the_field(" resume ");
    assert_int_equal(s.updates, 1);
    assert_int_equal(go_on("parts", 2, &updates), LEXMASK_ECANCELLED);
    assert_int_equal(updates, 2);
    // Options that are set again must agree.
    parts.resume = 1, parts.lr = 0.5;
    assert_int_equal(lexmask_train(&parts, NULL, &err), LEXMASK_EINVAL);
    assert_non_null(strstr(err.text, " lr 0."));
    is_ok(go_on("parts", -1, &updates));
    assert_int_equal(updates, 1);
    is_the_same(whole.out, parts.out, "checkpoint.safetensors");
    is_the_same(whole.out, parts.out, "adapters.safetensors");
    parts = options_for("parts"); // a run is not overwritten
    assert_int_equal(lexmask_train(&parts, NULL, &err), LEXMASK_EINVAL);
    names_the_field("resume");
}

static void resume_begins_a_run_that_is_not_there(void **state) {
    (void)state;
    seen s;
    lexmask_train_watcher watcher = watcher_of(&s);
    lexmask_train_options o = options_for("begun");
    o.resume = 1;
    s.stop_at = 0;
    assert_int_equal(lexmask_train(&o, &watcher, &err), LEXMASK_ECANCELLED);
    assert_non_null(strstr(err.text, "stopped after step "));
    lexmask_train_options none;
    lexmask_train_options_init(&none);
    none.out = folder_of("nowhere"), none.data = data, none.pictures = pictures, none.resume = 1;
    assert_int_equal(lexmask_train(&none, NULL, &err), LEXMASK_EINVAL);
    assert_non_null(strstr(err.text, "nowhere: "));
}

// ---- what is wrong -----------------------------------------------------------------------------

static void refuse(const lexmask_train_options *o, const char *text) {
    memset(&err, 0, sizeof err);
    assert_int_equal(lexmask_train(o, NULL, &err), LEXMASK_EINVAL);
    names_the_field(text);
    assert_int_equal(access(temporary_path("wrong"), F_OK), -1);
}

static void errors_name_the_field(void **state) {
    (void)state;
    const lexmask_train_options plain = options_for("wrong");
    lexmask_train_options o = plain;
    refuse(NULL, "options are NULL");
    o = plain, o.data = NULL, refuse(&o, "data: ");
    o = plain, o.pictures = NULL, refuse(&o, "pictures: ");
    o = plain, o.out = NULL, refuse(&o, "out: ");
    o = plain, o.preset = "big", refuse(&o, "preset big");
    o = plain, o.clip = NULL, refuse(&o, "clip");
    o = plain, o.loss = "huber", refuse(&o, "loss huber");
    o = plain, o.norm = "layer", refuse(&o, "norm layer");
    o = plain, o.optimizer = "sgd", refuse(&o, "optimizer sgd");
    o = plain, o.dtype = "f16", refuse(&o, "dtype f16: ");
    o = plain, o.val_pictures = "x", refuse(&o, "val_pictures ");
    o = plain, o.epochs = 1, refuse(&o, "epochs");
    o = plain, o.batch = 65, refuse(&o, "training option batch is 65");
    o = plain, o.batch = 0, refuse(&o, "training option batch is 0");
    o = plain, o.seed = -2, refuse(&o, "option seed is -2");
    o = plain, o.steps = INT64_MAX, refuse(&o, "option steps");
    o = plain, o.lr = (double)NAN, refuse(&o, "option lr is nan");
    o = plain, o.flip = -1, refuse(&o, "option flip is -1: expected 0 to 1");
    o = plain, o.picture_size = 1, refuse(&o, "option picture_size is 1");
    o = plain, o.save_every = 0, refuse(&o, "option save_every is 0");
    o = plain, o.jitter_max = LEXMASK_DEFAULT, refuse(&o, "jitter_min and jitter_max are 1 and -1");
    o = plain, o.jitter_min = 2, refuse(&o, "the smaller one first");
    o = plain, o.jitter_max = 2, o.cache = "x", refuse(&o, "(jitter_min, jitter_max 1,2)");
    o = plain, o.resume = 2, refuse(&o, "option resume is 2");
    o = plain, o.device = "abacus";
    assert_int_equal(lexmask_train(&o, NULL, &err), LEXMASK_EDEVICE);
}

// Words that are no option of a training stay as they are: a path may begin with dashes.
static void paths_stay_as_they_are(void **state) {
    (void)state;
    lexmask_train_options o = options_for("wrong");
    o.data = "--nothing--/--data.json", o.pictures = "a--seed";
    assert_int_equal(lexmask_train(&o, NULL, &err), LEXMASK_EIO);
    assert_non_null(strstr(err.text, "--nothing--/--data.json"));
}

// ---- programs with an older header -------------------------------------------------------------

typedef struct older_train {
    size_t size;
    const char *preset, *model, *clip, *tokenizer, *data, *pictures, *out;
    unsigned char behind[1024];
} older_train;
typedef struct older_watcher {
    size_t size;
    void *user;
    int (*stop)(void *user);
    unsigned char behind[256];
} older_watcher;
_Static_assert(offsetof(older_train, out) == offsetof(lexmask_train_options, out) &&
                   offsetof(older_watcher, stop) == offsetof(lexmask_train_watcher, stop),
               "an older struct is the beginning of the newer one");

static int at_once(void *user) {
    return ++*(int *)user > 0;
}

static void older_programs(void **state) {
    (void)state;
    int asked = 0;
    older_train o;
    older_watcher watcher;
    memset(&o, CANARY, sizeof o);
    memset(&watcher, CANARY, sizeof watcher);
    lexmask_train_options_init_sized((void *)&o, offsetof(older_train, behind));
    lexmask_train_watcher_init_sized((void *)&watcher, offsetof(older_watcher, behind));
    assert_int_equal(o.size, offsetof(older_train, behind));
    assert_int_equal(watcher.size, offsetof(older_watcher, behind));
    o.preset = "small", o.clip = SCENE_CLIP, o.data = data, o.pictures = pictures;
    o.out = folder_of("older");
    watcher.user = &asked, watcher.stop = at_once;
    // What lies behind is not read: as callbacks it would crash, as options be out of every range.
    if (lexmask_train((void *)&o, (void *)&watcher, &err) != LEXMASK_ECANCELLED)
        fail_msg("%s", err.text);
    assert_true(asked > 0);
    for (size_t i = 0; i < sizeof o.behind; i++) assert_int_equal(o.behind[i], CANARY);
    for (size_t i = 0; i < sizeof watcher.behind; i++) assert_int_equal(watcher.behind[i], CANARY);
}

static void structs_without_init(void **state) {
    (void)state;
    lexmask_train_options empty = {0}, o = options_for("wrong");
    lexmask_train_watcher none = {0};
    assert_int_equal(lexmask_train(&empty, NULL, &err), LEXMASK_EINVAL);
    assert_non_null(strstr(err.text, "training options of 0 bytes: fill them by their _init"));
    assert_int_equal(lexmask_train(&o, &none, &err), LEXMASK_EINVAL);
    assert_non_null(strstr(err.text, "watcher of 0 bytes"));
}

static int set_up(void **state) {
    snprintf(data, sizeof data, "%s", temporary_path("data.json"));
    snprintf(pictures, sizeof pictures, "%s", temporary_folder());
    return scene_write(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_watched),
        cmocka_unit_test(a_resumed_run_ends_with_the_same_bits),
        cmocka_unit_test(resume_begins_a_run_that_is_not_there),
        cmocka_unit_test(errors_name_the_field),
        cmocka_unit_test(paths_stay_as_they_are),
        cmocka_unit_test(older_programs),
        cmocka_unit_test(structs_without_init),
    };
    return cmocka_run_group_tests(tests, set_up, temporary_teardown);
}
