// SPDX-License-Identifier: Apache-2.0
#include "tests/support/broken.h"

#include "io/weights/weights.h"
#include "tests/support/test.h"

#include <string.h>
#include <time.h>

void broken_is_refused(const char *name, const char *path, tn_status status, const tn_error *err,
                       const char *part) {
    const char *slash = strrchr(path, '/');
    if (status != TN_EFORMAT && status != TN_EUNSUPPORTED && status != TN_EIO)
        fail_msg("%s: %s, expected a refusal (%s)", name, tn_status_name(status), err->text);
    if (err->status != status)
        fail_msg("%s: returned %s but the error says %s", name, tn_status_name(status),
                 tn_status_name(err->status));
    if (!strstr(err->text, slash ? slash + 1 : path))
        fail_msg("%s: the text does not name the file: %s", name, err->text);
    if (part && !strstr(err->text, part))
        fail_msg("%s: expected '%s' in: %s", name, part, err->text);
}

static double processor_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static tn_status open_quickly(const char *name, const char *path, io_weights **out, tn_error *err) {
    double start = processor_seconds();
    tn_status status = io_weights_open(path, out, err);
    double seconds = processor_seconds() - start;
    if (!(seconds < 1)) fail_msg("%s: took %.1f s to refuse", name, seconds);
    return status;
}

void broken_weights(const char *name, const char *path, const char *part) {
    tn_error err = {0};
    io_weights *file = NULL;
    tn_status status = open_quickly(name, path, &file, &err);
    io_weights_close(file);
    broken_is_refused(name, path, status, &err, part);
}

// volatile, so that the compiler keeps the reads.
static void read_elements(const io_tensor *t) {
    tn_tensor view = tn_view(NULL, t->dtype, t->rank, t->dim);
    const volatile uint8_t *bytes = t->data;
    for (size_t i = 0, n = tn_bytes(&view); i < n; i++) (void)bytes[i];
}

void broken_or_good_weights(const char *name, const char *path) {
    tn_error err = {0};
    io_weights *file = NULL;
    tn_status status = open_quickly(name, path, &file, &err);
    if (status != TN_OK) {
        broken_is_refused(name, path, status, &err, NULL);
        return;
    }
    for (size_t i = 0; i < io_weights_count(file); i++) read_elements(io_weights_at(file, i));
    io_weights_close(file);
}

int broken_memory_weights(const char *path) {
    for (int n = 1; n < 100000; n++) {
        tn_error err = {0};
        io_weights *file = NULL;
        tn_alloc_fail_after(n);
        tn_status status = io_weights_open(path, &file, &err);
        tn_alloc_fail_after(0);
        if (status == TN_OK) {
            io_weights_close(file);
            return n - 1;
        }
        if (status != TN_ENOMEM || file || !*err.text)
            fail_msg("%s: allocation %d failed: %s (%s)", path, n, tn_status_name(status),
                     err.text);
    }
    fail_msg("%s: never opened", path);
    return 0;
}
