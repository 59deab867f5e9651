// SPDX-License-Identifier: Apache-2.0
// Downloads from a small server on the loopback address: resume, a cut connection, a server without
// ranges, a wrong hash, a full disk, a cancel.
#include "io/file.h"
#include "io/published.h"
#include "io/sha256.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"
#include "tools/shared/download.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY 300000

typedef struct server {
    int listener;
    int port;
    pthread_t thread;
    _Atomic bool stop;
    // What it does.
    bool ranges;
    int64_t cut_at; // closes the connection after this byte of the file, as often as cuts says
    int cuts;
    int answer; // status to give instead of the file; 0: the file
    // What it saw.
    int requests;
    int64_t last_range;
} server;

static uint8_t body[BODY];

static void serve_one(server *s, int client) {
    char request[4096] = {0};
    size_t used = 0;
    while (used < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(client, request + used, sizeof request - 1 - used, 0);
        if (got <= 0) return;
        used += (size_t)got;
    }
    s->requests++;
    const char *range = strstr(request, "Range: bytes=");
    int64_t from = range && s->ranges ? atoll(range + 13) : 0;
    s->last_range = range ? atoll(range + 13) : 0;
    char head[256];
    if (s->answer || from > BODY) {
        int n = snprintf(head, sizeof head,
                         "HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                         s->answer ? s->answer : 416);
        send(client, head, (size_t)n, MSG_NOSIGNAL);
        return;
    }
    if (range && s->ranges && from == BODY) {
        int n = snprintf(head, sizeof head,
                         "HTTP/1.1 416 Done\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        send(client, head, (size_t)n, MSG_NOSIGNAL);
        return;
    }
    int n =
        range && s->ranges
            ? snprintf(head, sizeof head,
                       "HTTP/1.1 206 Partial\r\nContent-Length: %lld\r\nContent-Range: bytes "
                       "%lld-%d/%d\r\nConnection: close\r\n\r\n",
                       (long long)(BODY - from), (long long)from, BODY - 1, BODY)
            : snprintf(head, sizeof head,
                       "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", BODY);
    send(client, head, (size_t)n, MSG_NOSIGNAL);
    int64_t end = BODY;
    if (s->cuts > 0 && from < s->cut_at) end = s->cut_at, s->cuts--;
    while (from < end) {
        ssize_t put = send(client, body + from, (size_t)(end - from), MSG_NOSIGNAL);
        if (put <= 0) return;
        from += put;
    }
}

static void *serve(void *argument) {
    server *s = argument;
    while (!atomic_load(&s->stop)) {
        int client = accept(s->listener, NULL, NULL);
        if (client < 0) return NULL;
        if (!atomic_load(&s->stop)) serve_one(s, client);
        shutdown(client, SHUT_WR);
        char rest[256];
        while (recv(client, rest, sizeof rest, 0) > 0) {
        }
        close(client);
    }
    return NULL;
}

static void server_start(server *s) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &length), 0);
    s->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(server *s) {
    atomic_store(&s->stop, true);
    shutdown(s->listener, SHUT_RDWR);
    close(s->listener);
    pthread_join(s->thread, NULL);
}

typedef struct fetched {
    tn_status status;
    tn_error err;
    char path[256], part[300];
} fetched;

static fetched fetch(server *s, const char *name, const char *sha256,
                     int (*progress)(void *, int64_t, int64_t)) {
    fetched f = {0};
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", s->port, name);
    snprintf(f.path, sizeof f.path, "%s/%s", temporary_folder(), name);
    snprintf(f.part, sizeof f.part, "%s.part", f.path);
    uint8_t digest[IO_SHA256];
    char hex[IO_SHA256_HEX];
    io_sha256_memory(body, BODY, digest);
    io_sha256_text(digest, hex);
    tool_download download = {url, f.path, sha256 ? sha256 : hex, progress, NULL};
    f.status = tool_download_run(&download, &f.err);
    return f;
}

static void assert_whole(const fetched *f) {
    if (f->status != TN_OK) fail_msg("%s", f->err.text);
    io_map map;
    assert_int_equal(io_map_open(f->path, &map, NULL), TN_OK);
    assert_int_equal(map.count, BODY);
    assert_memory_equal(map.bytes, body, BODY);
    io_map_close(&map);
    assert_int_not_equal(access(f->part, F_OK), 0);
}

static void put_part(const char *name, const void *bytes, size_t count) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s.part", temporary_folder(), name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

static void a_file_comes_whole(void **state) {
    (void)state;
    server s = {.ranges = true};
    server_start(&s);
    fetched f = fetch(&s, "whole", NULL, NULL);
    server_stop(&s);
    assert_whole(&f);
    assert_int_equal(s.requests, 1);
}

static void a_part_is_gone_on_with(void **state) {
    (void)state;
    server s = {.ranges = true};
    server_start(&s);
    put_part("resumed", body, 1234);
    fetched f = fetch(&s, "resumed", NULL, NULL);
    server_stop(&s);
    assert_whole(&f);
    assert_int_equal(s.last_range, 1234);
}

static void a_part_that_is_all_there_is_only_checked(void **state) {
    (void)state;
    server s = {.ranges = true};
    server_start(&s);
    put_part("complete", body, BODY);
    fetched f = fetch(&s, "complete", NULL, NULL);
    server_stop(&s);
    assert_whole(&f);
}

static void a_server_without_ranges_starts_over(void **state) {
    (void)state;
    server s = {.ranges = false};
    server_start(&s);
    put_part("over", "something else entirely", 23);
    fetched f = fetch(&s, "over", NULL, NULL);
    server_stop(&s);
    assert_whole(&f);
}

static void a_cut_connection_is_tried_again(void **state) {
    (void)state;
    server s = {.ranges = true, .cut_at = 100000, .cuts = 1};
    server_start(&s);
    fetched f = fetch(&s, "cut", NULL, NULL);
    server_stop(&s);
    assert_whole(&f);
    assert_int_equal(s.requests, 2);
    assert_int_equal(s.last_range, 100000);
}

static void a_wrong_hash_leaves_nothing(void **state) {
    (void)state;
    server s = {.ranges = true};
    server_start(&s);
    fetched f = fetch(&s, "wrong", "0123abcd", NULL);
    server_stop(&s);
    assert_int_equal(f.status, TN_EFORMAT);
    assert_non_null(strstr(f.err.text, "expected 0123abcd"));
    assert_int_not_equal(access(f.path, F_OK), 0);
    assert_int_not_equal(access(f.part, F_OK), 0);
}

static void a_missing_file_is_said_with_its_address(void **state) {
    (void)state;
    server s = {.answer = 404};
    server_start(&s);
    fetched f = fetch(&s, "missing", NULL, NULL);
    server_stop(&s);
    assert_int_equal(f.status, TN_EIO);
    assert_non_null(strstr(f.err.text, "/missing: the server answered 404"));
    assert_int_equal(s.requests, 1);
}

static void a_full_disk_is_said_and_keeps_the_part(void **state) {
    (void)state;
    server s = {.ranges = true};
    server_start(&s);
    struct rlimit old, low;
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 50000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &low);
    fetched f = fetch(&s, "full", NULL, NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(f.status, TN_EIO);
    assert_non_null(strstr(f.err.text, "full.part: cannot write"));
    assert_int_not_equal(access(f.path, F_OK), 0);
    f = fetch(&s, "full", NULL, NULL); // there is room again: it goes on
    server_stop(&s);
    assert_whole(&f);
}

static int cancel_soon(void *user, int64_t done, int64_t total) {
    (void)user, (void)total;
    return done > 0;
}

static void a_cancel_keeps_the_part(void **state) {
    (void)state;
    server s = {.ranges = true};
    server_start(&s);
    fetched f = fetch(&s, "cancelled", NULL, cancel_soon);
    assert_int_equal(f.status, TN_ECANCELLED);
    assert_int_equal(access(f.part, F_OK), 0);
    f = fetch(&s, "cancelled", NULL, NULL);
    server_stop(&s);
    assert_whole(&f);
}

static void names_are_resolved(void **state) {
    (void)state;
    char path[512];
    tn_error err = {0};
    setenv("XDG_CACHE_HOME", temporary_folder(), 1);
    assert_int_equal(md_published_resolve("ViT-B/32", path, sizeof path, &err), TN_EIO);
    assert_non_null(strstr(err.text, "lexmask pull ViT-B/32"));
    char cache[300];
    snprintf(cache, sizeof cache, "%s/lexmask", temporary_folder());
    assert_int_equal(io_make_folder(cache, &err), TN_OK);
    snprintf(cache, sizeof cache, "%s/lexmask/ViT-B-32.pt", temporary_folder());
    fclose(fopen(cache, "wb"));
    assert_int_equal(md_published_resolve("ViT-B/32", path, sizeof path, &err), TN_OK);
    assert_string_equal(path, cache);
    assert_int_equal(md_published_resolve("no-such-thing", path, sizeof path, &err), TN_EIO);
    assert_non_null(strstr(err.text, "no-such-thing: no such file"));
    size_t count;
    const md_published *all = md_published_all(&count);
    for (size_t i = 0; i < count; i++) {
        size_t digits = strlen(all[i].sha256);
        assert_true(digits == 64 || digits == 8);
        assert_int_equal(strspn(all[i].sha256, "0123456789abcdef"), digits);
        assert_non_null(strstr(all[i].url, all[i].file));
    }
}

static int make_body(void **state) {
    (void)state;
    for (int i = 0; i < BODY; i++) body[i] = (uint8_t)(i * 7 + i / 251);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_comes_whole),
        cmocka_unit_test(a_part_is_gone_on_with),
        cmocka_unit_test(a_part_that_is_all_there_is_only_checked),
        cmocka_unit_test(a_server_without_ranges_starts_over),
        cmocka_unit_test(a_cut_connection_is_tried_again),
        cmocka_unit_test(a_wrong_hash_leaves_nothing),
        cmocka_unit_test(a_missing_file_is_said_with_its_address),
        cmocka_unit_test(a_full_disk_is_said_and_keeps_the_part),
        cmocka_unit_test(a_cancel_keeps_the_part),
        cmocka_unit_test(names_are_resolved),
    };
    return cmocka_run_group_tests(tests, make_body, temporary_teardown);
}
