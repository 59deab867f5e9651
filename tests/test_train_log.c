// SPDX-License-Identifier: Apache-2.0
// A run's log: every line is JSON, a resumed run drops the lines of steps that it repeats, and
// curves include values from before.
#include "train/log.h"

#include "io/file.h"
#include "io/json.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static const char *write_steps(const char *name, int64_t from, int64_t to, int64_t resume_at) {
    static char path[512];
    tr_log *log;
    tn_error err = {0};
    snprintf(path, sizeof path, "%s", temporary_path(name));
    ASSERT_OK(tr_log_open(path, resume_at, &log, &err), err);
    for (int64_t step = from; step <= to; step++) {
        const tr_value values[] = {{"loss", 1.0 / (double)step}, {"norm", NAN}};
        ASSERT_OK(tr_log_add(log, step, values, 2, &err), err);
    }
    ASSERT_OK(tr_log_note(log, to, "note", "a \"quoted\"\nline \\ and é", &err), err);
    tr_log_close(log);
    return path;
}

static char *text_of(const char *path) {
    char *text;
    size_t count;
    tn_error err = {0};
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    return text;
}

static void every_line_is_json(void **state) {
    (void)state;
    char *text = text_of(write_steps("a.jsonl", 1, 3, 0));
    int lines = 0;
    for (char *save, *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        io_json document;
        int64_t step;
        tn_error err = {0};
        ASSERT_OK(io_json_parse(line, strlen(line), "log", &document, &err), err);
        ASSERT_OK(io_json_int(&document, "step", 1, 3, &step, &err), err);
        io_json_close(&document);
        lines++;
    }
    assert_int_equal(lines, 4);
    tn_free(text);
}

static void later_lines_are_dropped(void **state) {
    (void)state;
    write_steps("b.jsonl", 1, 9, 0);
    const char *path = write_steps("b.jsonl", 6, 9, 5); // 6 to 9 again
    char *text = text_of(path), *fresh = text_of(write_steps("c.jsonl", 1, 9, 0));
    assert_string_equal(text, fresh);
    tn_free(text);
    tn_free(fresh);
}

static void a_line_that_was_cut_off_is_dropped(void **state) {
    (void)state;
    const char *path = write_steps("d.jsonl", 1, 3, 0);
    assert_int_equal(truncate(path, 20), 0); // inside the first line
    tr_log *log;
    tn_error err = {0};
    ASSERT_OK(tr_log_open(path, 3, &log, &err), err);
    assert_true(isnan(tr_log_last(log, "loss")));
    tr_log_close(log);
    char *text = text_of(path);
    assert_string_equal(text, "");
    tn_free(text);
}

static void invalid_log_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"nonsense\n",
                                        "{}\n",
                                        "[1]\n",
                                        "{\"step\":-1}\n",
                                        "{\"step\":\"1\"}\n",
                                        "{\"step\":1}\n{\"step\"\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *path = temporary_file("e.jsonl", texts[i], strlen(texts[i]));
        tr_log *log = NULL;
        tn_error err = {0};
        assert_int_equal(tr_log_open(path, 9, &log, &err), TN_EFORMAT);
        assert_non_null(strstr(err.text, "e.jsonl"));
        assert_non_null(strstr(err.text, i == 5 ? "line 2" : "line 1"));
        char *is = text_of(path); // and is unchanged
        assert_string_equal(is, texts[i]);
        tn_free(is);
    }
    tr_log *log = NULL;
    tn_error err = {0};
    assert_int_equal(tr_log_open("/no/such/folder/log", 0, &log, &err), TN_EIO);
}

static void curves_continue_after_resuming(void **state) {
    (void)state;
    const char *path = write_steps("f.jsonl", 1, 700, 0);
    tr_log *log;
    tn_error err = {0};
    ASSERT_OK(tr_log_open(path, 500, &log, &err), err);
    assert_true(fabs(tr_log_last(log, "loss") - 1.0 / 500) < 1e-9);
    double x[TR_POINTS], y[TR_POINTS];
    assert_int_equal(tr_log_curve(log, "nothing", x, y), 0);
    assert_int_equal(tr_log_curve(log, "loss", x, y), TR_POINTS); // of 500: two or three per point
    assert_true(fabs(x[0] - 1.5) < 1e-9 && fabs(y[0] - (1.0 + 0.5) / 2) < 1e-9);
    assert_true(fabs(x[TR_POINTS - 1] - 499) < 1e-9);
    tr_log_close(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_json),
        cmocka_unit_test(later_lines_are_dropped),
        cmocka_unit_test(a_line_that_was_cut_off_is_dropped),
        cmocka_unit_test(invalid_log_is_refused),
        cmocka_unit_test(curves_continue_after_resuming),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
