// SPDX-License-Identifier: Apache-2.0
#include "tests/support/program.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int test_demo_picture(char *out, size_t size) {
    glob_t found;
    if (glob("demo/pictures/*.[jp][pn]g", 0, NULL, &found) != 0) return -1;
    snprintf(out, size, "%s", found.gl_pathv[0]);
    globfree(&found);
    return 0;
}

static char *read_all(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("cannot read %s", path);
    size_t room = 1 << 20, used;
    char *text = malloc(room);
    assert_non_null(text);
    used = fread(text, 1, room - 1, file);
    text[used] = 0;
    fclose(file);
    return text;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void become_writing(char *line, int o, const char *err) {
    char *word[256], *save = NULL;
    int count = 0;
    for (char *at = strtok_r(line, " ", &save); at && count < 255;
         at = strtok_r(NULL, " ", &save)) {
        for (char *tab = at; (tab = strchr(tab, '\t'));) *tab = ' ';
        word[count++] = at;
    }
    word[count] = NULL;
    int in = open("/dev/null", O_RDONLY);
    int e = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (in < 0 || o < 0 || e < 0) _exit(126);
    dup2(in, 0), dup2(o, 1), dup2(e, 2);
    execv(word[0], word);
    _exit(127);
}

static void become(char *line, const char *out, const char *err) {
    become_writing(line, open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600), err);
}

static test_run run_line(char *line, int signal, double after) {
    char out[256], err[256];
    snprintf(out, sizeof out, "%s/stdout", temporary_folder());
    snprintf(err, sizeof err, "%s/stderr", temporary_folder());
    double start = now();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) become(line, out, err);
    if (signal) {
        usleep((useconds_t)(after * 1e6));
        kill(child, signal);
    }
    int how = 0;
    waitpid(child, &how, 0);
    test_run run = {.seconds = now() - start, .out = read_all(out), .err = read_all(err)};
    run.code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    return run;
}

static void make_line(char *line, size_t bytes, const char *format, va_list args) {
    const char *build = getenv("BUILD");
    int used = snprintf(line, bytes, "%s/lexmask ", build ? build : "build");
    used += vsnprintf(line + used, bytes - (size_t)used, format, args);
    assert_true(used < (int)bytes);
}

test_run test_lexmask(const char *format, ...) {
    char line[8192];
    va_list args;
    va_start(args, format);
    make_line(line, sizeof line, format, args);
    va_end(args);
    return run_line(line, 0, 0);
}

// Everything that the terminal receives until its last user has closed it.
static char *read_terminal(int terminal) {
    size_t room = 1 << 20, used = 0;
    char *text = malloc(room);
    assert_non_null(text);
    for (ssize_t n; (n = read(terminal, text + used, room - 1 - used)) > 0;) used += (size_t)n;
    text[used] = 0;
    close(terminal);
    return text;
}

test_run test_lexmask_at_terminal(const char *format, ...) {
    char line[8192], out[256];
    va_list args;
    va_start(args, format);
    make_line(line, sizeof line, format, args);
    va_end(args);
    snprintf(out, sizeof out, "%s/stdout", temporary_folder());
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 && (errno == ENODEV || errno == ENOENT))
        SKIP("this machine gives no terminal: /dev/pts is not mounted");
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int user = open(ptsname(terminal),
                    O_RDWR | O_NOCTTY); // keeps the terminal open until the program has ended
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) become(line, out, ptsname(terminal));
    close(user);
    test_run run = {.err = read_terminal(terminal)};
    int how = 0;
    waitpid(child, &how, 0);
    run.code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    run.out = read_all(out);
    return run;
}

test_run test_lexmask_interrupted(double seconds, const char *format, ...) {
    char line[8192];
    va_list args;
    va_start(args, format);
    make_line(line, sizeof line, format, args);
    va_end(args);
    return run_line(line, SIGINT, seconds);
}

test_run test_lexmask_stopped(int signal, double seconds, const char *format, ...) {
    char line[8192];
    va_list args;
    va_start(args, format);
    make_line(line, sizeof line, format, args);
    va_end(args);
    return run_line(line, signal, seconds);
}

test_run test_lexmask_unread(const char *format, ...) {
    char line[8192], err[256];
    int end[2], how = 0;
    va_list args;
    va_start(args, format);
    make_line(line, sizeof line, format, args);
    va_end(args);
    snprintf(err, sizeof err, "%s/stderr", temporary_folder());
    assert_int_equal(pipe(end), 0);
    fflush(stdout);
    double start = now();
    pid_t child = fork();
    close(end[0]);
    if (child == 0) become_writing(line, end[1], err);
    close(end[1]);
    waitpid(child, &how, 0);
    test_run run = {.seconds = now() - start, .out = strdup(""), .err = read_all(err)};
    run.code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    return run;
}

void test_run_free(test_run *run) {
    free(run->out);
    free(run->err);
    *run = (test_run){0};
}

void test_misuse(const char *const cases[][2], size_t count) {
    for (size_t i = 0; i < count; i++) {
        test_run run = test_lexmask("%s", cases[i][0]);
        ASSERT_CODE(run, 2);
        ASSERT_SAYS(run.err, cases[i][1]);
        test_run_free(&run);
    }
}
