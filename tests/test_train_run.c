// SPDX-License-Identifier: Apache-2.0
// The training loop with a model so small that its gradients fit in a few lines: stopped anywhere
// and resumed, it ends in the same bits; a non-finite number ends it with the reason.
#include "train/loop.h"

#include "io/file.h"
#include "kernels/kernels.h"
#include "tensor/rng.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN 33
#define OUT 5
#define STEPS 24

// y = W x + b towards numbers drawn from (seed, position).
typedef struct toy {
    kn_ctx *kn;
    nn_params params;
    nn_param *weight, *bias;
    nn_buffer *seen; // how many pictures, as a running statistic
    int64_t nan_at;  // a step with a non-finite gradient; -1: none
    int64_t stop_at; // the watcher stops after this many updates; -1: never
    int64_t bad_at;  // a step at which a picture is skipped; -1: none
    int64_t updates, kept, validated;
    int charts; // 1: losses had a curve, 2: figures had one
    bool bad;
    int64_t fail_at; // a step whose validation fails; -1: none
    int validations;
    const double *figure; // of each validation; NULL: they rise
    int64_t best;         // the step of the last keep_best
    char note[1200];
} toy;

static tn_status toy_gradients(void *self, int64_t step, int64_t *position, int64_t pictures,
                               double share, tr_measure *m, tn_error *err) {
    (void)err;
    toy *t = self;
    float *w = tn_f32(&t->weight->value), *dw = tn_f32(&t->weight->grad);
    for (int64_t n = 0; n < pictures; n++, (*position)++) {
        tn_rng rng = tn_rng_new(17, (uint64_t)*position);
        float x[IN];
        for (int i = 0; i < IN; i++) x[i] = (float)tn_rng_normal(&rng);
        for (int k = 0; k < OUT; k++) {
            float y = tn_f32(&t->bias->value)[k] - (float)tn_rng_normal(&rng);
            for (int i = 0; i < IN; i++) y += w[k * IN + i] * x[i];
            if (step == t->nan_at) y = NAN;
            m->loss[1] += share * y * y / 2;
            for (int i = 0; i < IN; i++) dw[k * IN + i] += (float)share * y * x[i];
            tn_f32(&t->bias->grad)[k] += (float)share * y;
        }
    }
    m->pictures += pictures;
    m->tally[0] += OUT * pictures;
    if (step == t->bad_at) t->bad = true, m->left_out++;
    tn_f32(&t->seen->value)[0] += (float)pictures;
    return TN_OK;
}

static const char *const toy_loss[] = {"nothing", "boxes"}, *const toy_tally[] = {"outputs"};

static const char *toy_suspect(void *self) {
    (void)self;
    return "the toy";
}

static const char *toy_left_out(void *self) {
    toy *t = self;
    bool bad = t->bad;
    t->bad = false;
    return bad ? "b.jpg: \"broken\"" : NULL;
}

static void toy_start(toy *t, int threads) {
    tn_error err = {0};
    memset(t, 0, sizeof *t);
    t->nan_at = t->stop_at = t->bad_at = t->fail_at = -1;
    ASSERT_OK(kn_open("cpu", NULL, threads, &t->kn, &err), err);
    ASSERT_OK(nn_params_init(&t->params, TN_F32, &err), err);
    ASSERT_OK(nn_params_add(&t->params, "toy.weight", TN_DIMS(OUT, IN), true, &t->weight, &err),
              err);
    ASSERT_OK(nn_params_add(&t->params, "toy.bias", TN_DIMS(OUT), false, &t->bias, &err), err);
    ASSERT_OK(nn_params_add_buffer(&t->params, "toy.seen", TN_DIMS(1), &t->seen, &err), err);
    tn_rng rng = tn_rng_new(3, 0);
    for (int i = 0; i < OUT * IN; i++) tn_f32(&t->weight->value)[i] = (float)tn_rng_normal(&rng);
    memset(tn_f32(&t->bias->value), 0, OUT * sizeof(float));
}

static void toy_end(toy *t) {
    nn_params_deinit(&t->params);
    kn_close(t->kn);
}

static bool toy_stop(void *user) {
    toy *t = user;
    return t->stop_at >= 0 && t->updates >= t->stop_at;
}

static void toy_see(void *user, const tr_update *u) {
    toy *t = user;
    t->updates++;
    assert_true(u->step >= 1 && u->step <= STEPS && u->loss > 0 && u->norm > 0 && u->memory > 0);
}

static void toy_note(void *user, const char *event, const char *text) {
    toy *t = user;
    snprintf(t->note, sizeof t->note, "%s: %s", event, text);
}

static tn_status toy_keep(void *user, int64_t step, tn_error *err) {
    (void)err;
    toy *t = user;
    assert_true(step >= t->kept);
    t->kept = step;
    return TN_OK;
}

static tn_status toy_validate(void *user, int64_t step, tr_value *out, size_t *count,
                              tn_error *err) {
    toy *t = user;
    t->validations++;
    if (step == t->fail_at) return tn_fail(err, TN_EIO, "v.json: has gone");
    t->validated = step;
    double value = t->figure ? t->figure[t->validations - 1] : 0.1 * (double)step;
    out[(*count)++] = (tr_value){"AP50", value};
    return TN_OK;
}

static tn_status toy_keep_best(void *user, int64_t step, tn_error *err) {
    (void)err;
    toy *t = user;
    assert_int_equal(t->validated, step);
    t->best = step;
    return TN_OK;
}

// Records which curves have points: losses and, after a validation, figures.
static tn_status toy_chart(void *user, const tr_log *log, const tr_chart *chart, tn_error *err) {
    (void)err;
    double x[TR_POINTS], y[TR_POINTS];
    bool figures = strstr(chart->path, "/figures.png") != NULL;
    assert_true(figures || strstr(chart->path, "/losses.png"));
    assert_string_equal(chart->names[0], figures ? "AP50" : "loss");
    if (tr_log_curve(log, chart->names[0], x, y)) ((toy *)user)->charts |= figures ? 2 : 1;
    return TN_OK;
}

static const io_text_pair settings[] = {{"batch", "3"}};
static const char *const figures[] = {"AP50"};
static const tr_value facts[] = {{"pictures", 9}, {"crowds", 2}};

static tr_loop a_run(const char *folder, bool resume) {
    return (tr_loop){.folder = folder,
                     .schedule = {.lr = 1e-2, .start = 0.1, .warmup = 4, .steps = STEPS},
                     .optimizer = {0.9, 0.999, 1e-8, 0.1, 1.0, 0.95},
                     .batch = 3,
                     .accumulate = 2,
                     .save_every = 5,
                     .validate_every = 8,
                     .plot_every = 100,
                     .seed = 11,
                     .resume = resume,
                     .settings = settings,
                     .setting_count = 1,
                     .figures = figures,
                     .figure_count = 1,
                     .facts = facts,
                     .fact_count = 2};
}

static tn_status go(toy *t, const tr_loop *run, tn_error *err) {
    tr_task task = {.self = t,
                    .kn = t->kn,
                    .params = &t->params,
                    .gradients = toy_gradients,
                    .loss_name = toy_loss,
                    .losses = 2,
                    .tally_name = toy_tally,
                    .tallies = 1,
                    .suspect = toy_suspect,
                    .left_out = toy_left_out};
    tr_watcher watcher = {t,        toy_stop,      toy_see,      toy_note,
                          toy_keep, toy_keep_best, toy_validate, toy_chart};
    return tr_loop_run(run, &task, &watcher, err);
}

static const char *fresh_folder(void) {
    static int number;
    static char path[512];
    snprintf(path, sizeof path, "%s-%d", temporary_path("run"), number++);
    assert_int_equal(mkdir(path, 0777), 0);
    return path;
}

// The last checkpoint of a run: every bit of its state.
static io_map final_checkpoint(const char *folder) {
    char path[PATH_MAX];
    io_map map;
    tn_error err = {0};
    ASSERT_OK(io_map_open(tr_checkpoint_path(folder, false, path, sizeof path), &map, &err), err);
    return map;
}

static io_map without_a_stop(int threads) {
    toy t;
    tn_error err = {0};
    toy_start(&t, threads);
    const char *folder = fresh_folder();
    tr_loop run = a_run(folder, false);
    ASSERT_OK(go(&t, &run, &err), err);
    assert_int_equal(t.kept, STEPS);
    assert_int_equal(t.validated, STEPS);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(t.charts, 3);
    toy_end(&t);
    return final_checkpoint(folder);
}

static void assert_same(const io_map *a, const io_map *b) {
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->bytes, b->bytes, a->count);
}

static void one_stop(const io_map *want, int64_t at, int threads) {
    toy t;
    tn_error err = {0};
    const char *folder = fresh_folder();
    tr_loop run = a_run(folder, true);
    for (int part = 0; part < 2; part++) {
        toy_start(&t, threads);
        t.stop_at = part ? -1 : at;
        tn_status status = go(&t, &run, &err);
        if (part)
            ASSERT_OK(status, err);
        else
            assert_int_equal(status, TN_ECANCELLED);
        assert_int_equal(t.updates, part ? STEPS - at : at);
        toy_end(&t);
    }
    io_map is = final_checkpoint(folder);
    assert_same(want, &is);
    io_map_close(&is);
}

static void stopped_anywhere_it_ends_in_the_same_bits(void **state) {
    (void)state;
    io_map want = without_a_stop(1), two = without_a_stop(2);
    assert_same(&want, &two);
    tn_rng rng = tn_rng_new(2, 0);
    for (int threads = 1; threads <= 2; threads++)
        for (int i = 0; i < 10; i++) one_stop(&want, 1 + tn_rng_below(&rng, STEPS - 1), threads);
    one_stop(&want, 0, 1);
    io_map_close(&want);
    io_map_close(&two);
}

static void a_killed_run_goes_on_from_its_checkpoint(void **state) {
    (void)state;
    io_map want = without_a_stop(1);
    const char *folder = fresh_folder();
    char newest[PATH_MAX];
    tn_error err = {0};
    toy t;
    toy_start(&t, 1);
    t.nan_at = 13; // fails between checkpoints; the last is of step 10
    tr_loop run = a_run(folder, false);
    assert_int_equal(go(&t, &run, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "step 14: the loss 'boxes' is not a number, first seen in "
                                     "the toy; the last good checkpoint is"));
    assert_non_null(strstr(err.text, "of step 10"));
    toy_end(&t);
    // And its newest checkpoint is damaged besides.
    assert_int_equal(truncate(tr_checkpoint_path(folder, false, newest, sizeof newest), 700), 0);
    toy_start(&t, 1);
    run.resume = true;
    ASSERT_OK(go(&t, &run, &err), err);
    assert_int_equal(t.updates, STEPS - 5);
    assert_non_null(strstr(t.note, "of step 5"));
    toy_end(&t);
    io_map is = final_checkpoint(folder);
    assert_same(&want, &is);
    io_map_close(&is);
    io_map_close(&want);
}

static void a_run_is_not_overwritten(void **state) {
    (void)state;
    const char *folder = fresh_folder();
    static const io_text_pair others[] = {{"batch", "4"}};
    tn_error err = {0};
    toy t;
    tr_loop run = a_run(folder, false);
    toy_start(&t, 1);
    ASSERT_OK(go(&t, &run, &err), err);
    io_map before = final_checkpoint(folder);
    assert_int_equal(go(&t, &run, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "--resume"));
    run.resume = true;
    run.settings = others;
    assert_int_equal(go(&t, &run, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "batch 3, but this run has 4"));
    run.settings = settings; // and a finished run is finished
    t.updates = 0;
    ASSERT_OK(go(&t, &run, &err), err);
    assert_int_equal(t.updates, 0);
    toy_end(&t);
    io_map after = final_checkpoint(folder);
    assert_same(&before, &after);
    io_map_close(&before);
    io_map_close(&after);
}

static void nan_in_the_first_step(void **state) {
    (void)state;
    tn_error err = {0};
    toy t;
    tr_loop run = a_run(fresh_folder(), false);
    toy_start(&t, 1);
    t.nan_at = 0;
    assert_int_equal(go(&t, &run, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "there is no checkpoint yet"));
    toy_end(&t);
}

static char *log_of(const char *folder) {
    char path[PATH_MAX], *text;
    size_t count;
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    return text;
}

static int times(const char *text, const char *part) {
    int n = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) n++;
    return n;
}

static void skipped_pictures_are_logged(void **state) {
    (void)state;
    tn_error err = {0};
    toy t;
    tr_loop run = a_run(fresh_folder(), false);
    char path[PATH_MAX], *text;
    size_t count;
    for (int part = 0; part < 2; part++) {
        toy_start(&t, 1);
        t.bad_at = 7;
        t.stop_at = part ? -1 : 12;
        run.resume = part;
        tn_status status = go(&t, &run, &err);
        assert_int_equal(status, part ? TN_OK : TN_ECANCELLED);
        if (!part) assert_string_equal(t.note, "left out: b.jpg: \"broken\"");
        toy_end(&t);
    }
    snprintf(path, sizeof path, "%s/log.jsonl", run.folder);
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    assert_ptr_equal(strstr(text, "{\"step\":0,\"pictures\":9,\"crowds\":2}\n"), text);
    assert_int_equal(times(text, "\"crowds\""), 1);
    assert_int_equal(times(text, "{\"step\":7,\"event\":\"left out\",\"text\":\"b.jpg: "
                                 "\\\"broken\\\"\"}\n"),
                     2);
    assert_int_equal(times(text, "\"left_out\":2"), 1); // two parts of update 8
    assert_int_equal(times(text, "left_out"), 1);
    tn_free(text);
}

// --resume repeats it, also if the run is finished.
static void a_validation_that_fails_is_a_warning(void **state) {
    (void)state;
    static const int64_t fails[] = {8, STEPS};
    for (int i = 0; i < 2; i++) {
        tn_error err = {0};
        toy t;
        tr_loop run = a_run(fresh_folder(), false);
        toy_start(&t, 1);
        t.fail_at = fails[i];
        ASSERT_OK(go(&t, &run, &err), err);
        assert_int_equal(t.updates, STEPS);
        assert_int_equal(t.validations, 3);
        assert_non_null(strstr(t.note, "validation failed: step "));
        assert_non_null(strstr(t.note, ": v.json: has gone; training continues"));
        char *text = log_of(run.folder);
        assert_int_equal(times(text, "\"event\":\"validation failed\""), 1);
        assert_int_equal(times(text, "\"AP50\""), 2);
        tn_free(text);
        t.fail_at = -1, t.validations = 0, run.resume = true;
        ASSERT_OK(go(&t, &run, &err), err);
        assert_int_equal(t.validations, i); // only of the last step, if it is missing
        toy_end(&t);
    }
}

// A stop between an update and its validation.
static void stopped_validation_is_repeated_on_resume(void **state) {
    (void)state;
    tn_error err = {0};
    toy t;
    tr_loop run = a_run(fresh_folder(), false);
    toy_start(&t, 1);
    t.stop_at = 8;
    assert_int_equal(go(&t, &run, &err), TN_ECANCELLED);
    assert_int_equal(t.validations, 0);
    assert_non_null(strstr(err.text, run.folder));
    t.stop_at = 9, run.resume = true;
    assert_int_equal(go(&t, &run, &err), TN_ECANCELLED);
    assert_int_equal(t.validated, 8);
    assert_int_equal(t.validations, 1);
    toy_end(&t);
}

static const char *const best_of[] = {"mask_AP", "AP50", NULL};

static tr_loop a_validated_run(void) {
    tr_loop run = a_run(fresh_folder(), false);
    run.best_of = best_of, run.validate_every = 4, run.patience = 2;
    return run;
}

static void the_best_validation_is_kept_and_patience_ends_a_run(void **state) {
    (void)state;
    static const double figures_of[] = {0.1, 0.4, 0.4, 0.3, 0.9, 0.9};
    tn_error err = {0};
    toy t;
    tr_loop run = a_validated_run();
    toy_start(&t, 1);
    t.figure = figures_of;
    ASSERT_OK(go(&t, &run, &err), err);
    assert_int_equal(t.updates, 16); // the second of four was the best
    assert_int_equal(t.best, 8);
    assert_int_equal(t.kept, 16); // which is no multiple of save_every
    assert_string_equal(t.note, "best validation: stopped early, since no later validation was "
                                "better: AP50 0.4000, after step 8 of 24");
    char path[PATH_MAX], *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/results.csv", run.folder);
    ASSERT_OK(io_read_text(path, 0, &text, &bytes, &err), err);
    assert_string_equal(text, "step,AP50\n4,0.1\n8,0.4\n12,0.4\n16,0.3\n");
    tn_free(text);
    // It is over for --resume, too, unless there is more patience.
    run.resume = true, t.updates = 0;
    ASSERT_OK(go(&t, &run, &err), err);
    assert_int_equal(t.updates, 0);
    run.patience = 0;
    ASSERT_OK(go(&t, &run, &err), err);
    assert_int_equal(t.updates, STEPS - 16);
    assert_int_equal(t.best, 20); // 24 has the same
    assert_string_equal(t.note, "best validation: AP50 0.9000, after step 20 of 24");
    toy_end(&t);
}

static void a_folder_without_a_checkpoint_is_begun_again(void **state) {
    (void)state;
    tn_error err = {0};
    toy t;
    tr_loop run = a_run(fresh_folder(), false);
    for (int call = 0; call < 2; call++) {
        toy_start(&t, 1);
        t.nan_at = call ? -1 : 3;
        assert_int_equal(go(&t, &run, &err), call ? TN_OK : TN_EFORMAT);
        toy_end(&t);
    }
    char *text = log_of(run.folder);
    assert_int_equal(times(text, "\"crowds\""), 1);
    assert_int_equal(times(text, "\"step\":1,"), 1);
    tn_free(text);
}

// A model of many modules: each is in every line of the log, and values logged after them still
// have curves.
#define MODULES 120

static char *log_of_many_modules(void) {
    toy t;
    tn_error err = {0};
    nn_param *more;
    char name[32], path[PATH_MAX], *text;
    size_t bytes;
    toy_start(&t, 1);
    for (int i = 0; i < MODULES; i++) {
        snprintf(name, sizeof name, "module%d.weight", i);
        ASSERT_OK(nn_params_add(&t.params, name, TN_DIMS(2), true, &more, &err), err);
        memset(more->value.data, 0, tn_bytes(&more->value));
    }
    tr_loop loop = a_run(fresh_folder(), false);
    ASSERT_OK(go(&t, &loop, &err), err);
    assert_int_equal(t.charts, 3); // also "AP50", whose name comes after all of the modules'
    toy_end(&t);
    snprintf(path, sizeof path, "%s/log.jsonl", loop.folder);
    ASSERT_OK(io_read_text(path, 0, &text, &bytes, &err), err);
    return text;
}

static void no_module_is_dropped_from_the_log(void **state) {
    (void)state;
    char *text = log_of_many_modules(), name[40];
    for (int i = 0; i < MODULES; i++) {
        snprintf(name, sizeof name, "\"norm.module%d\":0", i);
        assert_int_equal(times(text, name), STEPS);
    }
    tn_free(text);
}

static void names_in_the_log_are_the_tasks(void **state) {
    (void)state;
    tn_error err = {0};
    toy t;
    char path[PATH_MAX], *text;
    size_t bytes;
    toy_start(&t, 1);
    tr_loop loop = a_run(fresh_folder(), false);
    ASSERT_OK(go(&t, &loop, &err), err);
    toy_end(&t);
    snprintf(path, sizeof path, "%s/log.jsonl", loop.folder);
    ASSERT_OK(io_read_text(path, 0, &text, &bytes, &err), err);
    assert_int_equal(times(text, "\"nothing\":0,\"boxes\":"), STEPS);
    assert_int_equal(times(text, "\"outputs\":30,"), STEPS); // 5 of each of 2 x 3 pictures
    assert_null(strstr(text, "regions"));
    assert_null(strstr(text, "objectness"));
    tn_free(text);
}

static void impossible_plans(void **state) {
    (void)state;
    tn_error err = {0};
    toy t;
    toy_start(&t, 1);
    tr_loop run = a_run(fresh_folder(), false);
    run.schedule.warmup = STEPS + 1;
    assert_int_equal(go(&t, &run, &err), TN_EINVAL);
    run = a_run("/no/such/folder", false);
    assert_int_equal(go(&t, &run, &err), TN_EIO);
    toy_end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_anywhere_it_ends_in_the_same_bits),
        cmocka_unit_test(a_killed_run_goes_on_from_its_checkpoint),
        cmocka_unit_test(a_run_is_not_overwritten),
        cmocka_unit_test(nan_in_the_first_step),
        cmocka_unit_test(skipped_pictures_are_logged),
        cmocka_unit_test(a_validation_that_fails_is_a_warning),
        cmocka_unit_test(stopped_validation_is_repeated_on_resume),
        cmocka_unit_test(the_best_validation_is_kept_and_patience_ends_a_run),
        cmocka_unit_test(a_folder_without_a_checkpoint_is_begun_again),
        cmocka_unit_test(no_module_is_dropped_from_the_log),
        cmocka_unit_test(names_in_the_log_are_the_tasks),
        cmocka_unit_test(impossible_plans),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
