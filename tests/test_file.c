// SPDX-License-Identifier: Apache-2.0
// Files are there whole or not at all; links are followed; devices stay devices.
#include "io/file.h"
#include "io/map_fault.h"
#include "tests/support/program.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[512];

static const char *in(const char *name) {
    snprintf(path, sizeof path, "%s/%s", temporary_folder(), name);
    return path;
}

static tn_status write_text(const char *to, const char *text, bool commit, tn_error *err) {
    io_writer writer;
    TN_TRY(io_writer_open(&writer, to, err));
    tn_status status = io_write(&writer, text, strlen(text), err);
    if (status == TN_OK && commit) return io_writer_commit(&writer, err);
    io_writer_abort(&writer);
    return status;
}

static void assert_holds(const char *file, const char *text) {
    char *is;
    size_t count;
    tn_error err = {0};
    ASSERT_OK(io_read_text(file, 0, &is, &count, &err), err);
    assert_string_equal(is, text);
    tn_free(is);
}

static void writer_abort_leaves_the_old_file(void **state) {
    (void)state;
    tn_error err = {0};
    ASSERT_OK(write_text(in("a"), "old", true, &err), err);
    ASSERT_OK(write_text(in("a"), "new", false, &err), err);
    assert_holds(in("a"), "old");
    ASSERT_OK(write_text(in("a"), "new", true, &err), err);
    assert_holds(in("a"), "new");
    char command[600]; // and nothing lies beside it
    snprintf(command, sizeof command, "test $(ls %s | grep -c '^a') = 1", temporary_folder());
    assert_int_equal(system(command), 0);
}

static void writer_follows_links(void **state) {
    (void)state;
    tn_error err = {0};
    char target[512];
    snprintf(target, sizeof target, "%s", in("target"));
    ASSERT_OK(write_text(target, "old", true, &err), err);
    assert_int_equal(symlink("target", in("link")), 0);
    ASSERT_OK(write_text(in("link"), "new", true, &err), err);
    struct stat info;
    assert_int_equal(lstat(in("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_holds(target, "new");
}

static void writer_writes_to_a_pipe(void **state) {
    (void)state;
    tn_error err = {0};
    assert_int_equal(mkfifo(in("pipe"), 0600), 0);
    fflush(stdout);
    pid_t reader = fork();
    if (reader == 0) {
        char text[16] = {0};
        FILE *file = fopen(in("pipe"), "r");
        _exit(file && fread(text, 1, sizeof text - 1, file) == 5 && !strcmp(text, "bytes") ? 0 : 1);
    }
    ASSERT_OK(write_text(in("pipe"), "bytes", true, &err), err);
    int how;
    assert_int_equal(waitpid(reader, &how, 0), reader);
    assert_int_equal(how, 0);
    struct stat info;
    assert_int_equal(lstat(in("pipe"), &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
}

static void writer_names_a_path_that_cannot_be_written(void **state) {
    (void)state;
    tn_error err = {0};
    assert_int_equal(write_text("/no/such/folder/x", "x", true, &err), TN_EIO);
    assert_non_null(strstr(err.text, "/no/such/folder/x"));
    assert_int_equal(write_text(temporary_folder(), "x", true, &err), TN_EIO);
    assert_int_equal(io_make_folder("/proc/none/x", &err), TN_EIO);
    assert_non_null(strstr(err.text, "/proc/none"));
}

static void map_open_refuses_a_pipe(void **state) {
    (void)state;
    tn_error err = {0};
    io_map map;
    assert_int_equal(mkfifo(in("silent"), 0600), 0);
    alarm(10); // waiting for a writer would end the test
    assert_int_equal(io_map_open(in("silent"), &map, &err), TN_EIO);
    alarm(0);
    assert_non_null(strstr(err.text, "/silent: a pipe, expected a file"));
    assert_int_equal(io_map_open(temporary_folder(), &map, &err), TN_EIO);
    assert_non_null(strstr(err.text, "a folder, expected a file"));
}

// In a process of its own: maps a file of two pages, makes it shorter, reads behind its end.
static void read_behind_the_end(const char *file) {
    tn_error err = {0};
    io_map other, map;
    io_map_report_faults();
    if (io_map_open(file, &other, &err) != TN_OK || io_map_open(file, &map, &err) != TN_OK)
        _exit(3);
    io_map_close(&other);
    if (truncate(file, 100) != 0) _exit(4);
    _exit(((volatile const uint8_t *)map.bytes)[5000] ? 5 : 6);
}

static void map_fault_names_a_file_that_became_shorter(void **state) {
    (void)state;
    static char text[8192];
    tn_error err = {0};
    char file[512], said[512] = {0};
    int end[2], how;
    memset(text, 'x', sizeof text);
    snprintf(file, sizeof file, "%s", in("shrinks"));
    ASSERT_OK(io_write_file(file, text, sizeof text, &err), err);
    assert_int_equal(pipe(end), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(end[1], STDERR_FILENO);
        read_behind_the_end(file);
    }
    close(end[1]);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(read(end[0], said, sizeof said - 1) > 0);
    close(end[0]);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 1);
    assert_non_null(strstr(said, file));
    assert_non_null(strstr(said, "became shorter"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_abort_leaves_the_old_file),
        cmocka_unit_test(writer_follows_links),
        cmocka_unit_test(writer_writes_to_a_pipe),
        cmocka_unit_test(map_open_refuses_a_pipe),
        cmocka_unit_test(map_fault_names_a_file_that_became_shorter),
        cmocka_unit_test(writer_names_a_path_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
