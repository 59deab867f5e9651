// SPDX-License-Identifier: Apache-2.0
// The jobs of `lexmask pretrain` and `lexmask refine` as a C program runs them: watched, stopped
// and resumed; names and sentences are given as lists; what is wrong is said.
#include "tests/support/run_log.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"
#include "train/jobs/painted/pretrain_job.h"
#include "train/jobs/painted/refine_job.h"

#include <string.h>

#define STEPS 3
#define CLIP "demo/pair/clip"

typedef struct seen {
    int64_t stop_at; // asks to stop after so many updates; -1: never
    int64_t updates;
    int measured, losses;
    double figure[8];
    char notes[4096];
} seen;

static bool stop(void *user) {
    const seen *s = user;
    return s->stop_at >= 0 && s->updates >= s->stop_at;
}

static void update(void *user, const tr_update *u) {
    seen *s = user;
    s->updates++;
    s->losses = u->losses;
    assert_true(u->loss > 0 && u->steps == STEPS);
}

static void note(void *user, const char *text) {
    seen *s = user;
    size_t used = strlen(s->notes);
    snprintf(s->notes + used, sizeof s->notes - used, "%s\n", text);
}

static void measured(void *user, int64_t step, const tr_value *values, size_t count) {
    seen *s = user;
    assert_true(step <= STEPS && count <= 8);
    s->measured++;
    for (size_t i = 0; i < count; i++) s->figure[i] = values[i].value;
}

static tr_job_watcher watcher_of(seen *s, int64_t stop_at) {
    *s = (seen){.stop_at = stop_at};
    return (tr_job_watcher){
        .user = s, .stop = stop, .update = update, .note = note, .measured = measured};
}

static const char *folder_of(const char *run) {
    static char folder[4][512];
    static int next;
    char *out = folder[next++ % 4];
    snprintf(out, sizeof folder[0], "%s", temporary_path(run));
    return out;
}

static const char *const names[] = {"red heart", "pizza", "cat face", "blue square"};
static const char *const sentences[] = {"a photo of {}", "the {}"};

static tr_pretrain_options pretraining(const char *run) {
    tr_pretrain_options o = tr_pretrain_defaults();
    o.job.out = folder_of(run), o.job.steps = STEPS, o.job.batch = 12, o.job.warmup = 1;
    o.job.threads = 1;
    o.names = names, o.name_count = 4;
    o.templates = sentences, o.template_count = 2;
    o.empty = 2, o.size = 32, o.width = 32, o.layers = 1, o.heads = 2, o.embed = 24;
    o.text_width = 32, o.text_layers = 1, o.text_heads = 2, o.context = 20, o.vocabulary = 560;
    return o;
}

static tr_refine_job_options refinement(const char *run) {
    tr_refine_job_options o = tr_refine_defaults();
    o.job.out = folder_of(run), o.job.steps = STEPS, o.job.batch = 2, o.job.warmup = 1;
    o.job.threads = 1;
    o.clip = CLIP, o.size = 64, o.regions = 6, o.val_pictures = 2;
    return o;
}

static void a_pretraining_is_watched_stopped_and_resumed(void **state) {
    (void)state;
    seen s;
    tn_error err = {0};
    tr_pretrain_options o = pretraining("clip");
    tr_job_watcher watcher = watcher_of(&s, -1);
    ASSERT_OK(tr_pretrain_run(&o, &watcher, &err), err);
    assert_int_equal(s.updates, STEPS);
    assert_int_equal(s.losses, 3);
    assert_int_equal(s.measured, 1);
    assert_true(s.figure[0] == run_last_of(o.job.out, "top1"));
    assert_true(s.figure[3] == run_last_of(o.job.out, "empty"));
    assert_non_null(strstr(s.notes, "4 names, "));
    tr_pretrain_options parts = pretraining("clip-parts");
    watcher = watcher_of(&s, 2);
    assert_int_equal(tr_pretrain_run(&parts, &watcher, &err), TN_ECANCELLED);
    parts.job.resume = true, parts.job.threads = 2;
    watcher = watcher_of(&s, -1);
    ASSERT_OK(tr_pretrain_run(&parts, &watcher, &err), err);
    assert_int_equal(s.updates, 1);
    run_assert_same(o.job.out, parts.job.out);
}

static void a_refinement_is_watched_stopped_and_resumed(void **state) {
    (void)state;
    seen s;
    tn_error err = {0};
    tr_refine_job_options o = refinement("refined");
    tr_job_watcher watcher = watcher_of(&s, -1);
    ASSERT_OK(tr_refine_run(&o, &watcher, &err), err);
    assert_int_equal(s.updates, STEPS);
    assert_int_equal(s.losses, 2);
    assert_int_equal(s.measured, 2); // before it begins, and at its end
    assert_true(s.figure[0] == run_last_of(o.job.out, "dense"));
    tr_refine_job_options parts = refinement("refined-parts");
    parts.job.stop_after = 1;
    assert_int_equal(tr_refine_run(&parts, NULL, &err), TN_ECANCELLED);
    parts.job.stop_after = 0, parts.job.resume = true;
    watcher = watcher_of(&s, -1);
    ASSERT_OK(tr_refine_run(&parts, &watcher, &err), err);
    assert_int_equal(s.updates, 2);
    assert_int_equal(s.measured, 1);
    run_assert_same(o.job.out, parts.job.out);
}

static void expect(tn_status status, tn_status want, const tn_error *err, const char *says) {
    if (status != want || !strstr(err->text, says)) fail_msg("%s: %s", says, err->text);
}

static void what_is_wrong_with_a_pretraining_is_said(void **state) {
    (void)state;
    static const char *const wrong[] = {"red heart", "no such thing"}, *const plain[] = {"a thing"};
    tn_error err = {0};
    for (int i = 0; i < 6; i++) {
        static const char *const says[] = {
            "--names: entry 2: 'no such thing' is no emoji that can be painted",
            "names.txt: line 2: 'no such thing' is no emoji that can be painted",
            "--templates: entry 1: no {} for the name in 'a thing'",
            "--names: no names",
            "--empty 12",
            "--matmul f8: expected one of f32|bf16"};
        tr_pretrain_options o = pretraining("wrong");
        if (i < 2) o.names = wrong, o.name_count = 2;
        if (i == 1) o.names_file = "names.txt";
        if (i == 2) o.templates = plain, o.template_count = 1;
        if (i == 3) o.name_count = 0;
        if (i == 4) o.empty = 12;
        if (i == 5) o.job.matmul = "f8";
        expect(tr_pretrain_run(&o, NULL, &err), TN_EINVAL, &err, says[i]);
    }
}

static void what_is_wrong_with_a_refinement_is_said(void **state) {
    (void)state;
    tn_error err = {0};
    for (int i = 0; i < 5; i++) {
        static const char *const says[] = {"--clip", "--things 2", "--pool some", "--batch 0",
                                           "cuda"};
        tr_refine_job_options o = refinement("wrong");
        if (i == 0) o.clip = NULL;
        if (i == 1) o.things = 2;
        if (i == 2) o.pool = "some";
        if (i == 3) o.job.batch = 0;
        if (i == 4) o.job.device = "cuda";
        tn_status status = tr_refine_run(&o, NULL, &err);
        expect(status, i == 4 ? TN_EDEVICE : TN_EINVAL, &err, says[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pretraining_is_watched_stopped_and_resumed),
        cmocka_unit_test(a_refinement_is_watched_stopped_and_resumed),
        cmocka_unit_test(what_is_wrong_with_a_pretraining_is_said),
        cmocka_unit_test(what_is_wrong_with_a_refinement_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
