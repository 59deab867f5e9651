// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/download.h"

#include "io/sha256.h"
#include "lexmask.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TRIES 4

typedef struct transfer {
    const tool_download *download;
    CURL *curl;
    FILE *file;
    char part[4096];
    int64_t start;   // bytes that were there before this try
    int write_errno; // of the disk, 0 if it did its work
    bool cancelled;
} transfer;

static size_t on_bytes(char *bytes, size_t size, size_t count, void *user) {
    transfer *t = user;
    errno = 0;
    if (fwrite(bytes, size, count, t->file) == count) return size * count;
    t->write_errno = errno ? errno : EIO;
    return 0;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now) {
    (void)up_total, (void)up_now;
    transfer *t = user;
    const tool_download *d = t->download;
    if (!d->progress) return 0;
    t->cancelled = d->progress(d->user, t->start + now, total ? t->start + total : 0) != 0;
    return t->cancelled;
}

static void set_up(transfer *t) {
    CURL *curl = t->curl;
    char agent[64];
    snprintf(agent, sizeof agent, "lexmask/%s", lexmask_version());
    curl_easy_setopt(curl, CURLOPT_URL, t->download->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, agent);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
}

// One connection. *again: the connection broke in a way that another try may mend.
static tn_status try_once(transfer *t, bool *again, tn_error *err) {
    const tool_download *d = t->download;
    *again = false;
    t->file = fopen(t->part, "ab");
    if (!t->file) return tn_fail(err, TN_EIO, "%s: cannot write: %s", t->part, strerror(errno));
    fseeko(t->file, 0, SEEK_END);
    t->start = ftello(t->file);
    curl_easy_setopt(t->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->start);
    CURLcode code = curl_easy_perform(t->curl);
    long answer = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &answer);
    int64_t have = ftello(t->file);
    if (fclose(t->file) != 0 && !t->write_errno) t->write_errno = errno;
    if (t->cancelled)
        return tn_fail(err, TN_ECANCELLED,
                       "%s: stopped; %lld bytes are kept in %s, the next try goes on there", d->url,
                       (long long)have, t->part);
    if (t->write_errno)
        return tn_fail(err, TN_EIO, "%s: cannot write: %s", t->part, strerror(t->write_errno));
    if (code == CURLE_OK) return TN_OK;
    if (code == CURLE_HTTP_RETURNED_ERROR && answer == 416 && t->start) return TN_OK; // had it all
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return tn_fail(err, TN_EIO, "%s: the server answered %ld", d->url, answer);
    if (code == CURLE_RANGE_ERROR) { // the server knows only whole files: start over
        *again = truncate(t->part, 0) == 0;
        return tn_fail(err, TN_EIO, "%s: cannot empty: %s", t->part, strerror(errno));
    }
    *again = have > t->start || code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR;
    return tn_fail(err, TN_EIO, "%s: %s; %lld bytes are kept in %s, the next try goes on there",
                   d->url, curl_easy_strerror(code), (long long)have, t->part);
}

static tn_status check_and_name(const transfer *t, tn_error *err) {
    const tool_download *d = t->download;
    uint8_t digest[IO_SHA256];
    char hex[IO_SHA256_HEX];
    TN_TRY(io_sha256_file(t->part, digest, err));
    io_sha256_text(digest, hex);
    if (strncmp(hex, d->sha256, strlen(d->sha256)) != 0) {
        unlink(t->part);
        return tn_fail(err, TN_EFORMAT,
                       "%s: SHA-256 is %s, expected %s%s; the download was removed: try again",
                       d->url, hex, d->sha256, strlen(d->sha256) < 64 ? "…" : "");
    }
    if (rename(t->part, d->path) != 0)
        return tn_fail(err, TN_EIO, "%s: cannot rename to %s: %s", t->part, d->path,
                       strerror(errno));
    return TN_OK;
}

tn_status tool_download_run(const tool_download *download, tn_error *err) {
    transfer t = {.download = download};
    if (snprintf(t.part, sizeof t.part, "%s.part", download->path) >= (int)sizeof t.part)
        return tn_fail(err, TN_EINVAL, "%s: the path is too long", download->path);
    t.curl = curl_easy_init();
    if (!t.curl) return tn_fail(err, TN_ENOMEM, "%s: cannot start a transfer", download->url);
    set_up(&t);
    tn_status status = TN_EIO;
    bool again = true;
    for (int i = 0; i < TRIES && again && status != TN_OK; i++) {
        if (i) sleep((unsigned)i);
        status = try_once(&t, &again, err);
    }
    curl_easy_cleanup(t.curl);
    return status == TN_OK ? check_and_name(&t, err) : status;
}
