// SPDX-License-Identifier: Apache-2.0
#include "tests/support/run_log.h"

#include "io/file.h"
#include "io/json.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static double value_of(const char *folder, const char *key, bool first) {
    char path[640], *text;
    size_t count;
    double value = NAN;
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    for (char *save, *line = strtok_r(text, "\n", &save); line && !(first && !isnan(value));
         line = strtok_r(NULL, "\n", &save)) {
        io_json document;
        ASSERT_OK(io_json_parse(line, strlen(line), "log", &document, &err), err);
        ASSERT_OK(io_json_maybe_number(&document, key, &value, &err), err);
        io_json_close(&document);
    }
    tn_free(text);
    return value;
}

double run_first_of(const char *folder, const char *key) {
    return value_of(folder, key, true);
}

double run_last_of(const char *folder, const char *key) {
    return value_of(folder, key, false);
}

void run_digest(const char *folder, const char *name, uint8_t out[IO_SHA256]) {
    char path[640];
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ASSERT_OK(io_sha256_file(path, out, &err), err);
}

void run_assert_same(const char *folder, const char *other) {
    static const char *const files[] = {"checkpoint.safetensors", "model.safetensors",
                                        "vocab.json"};
    uint8_t want[IO_SHA256], is[IO_SHA256];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        run_digest(folder, files[i], want);
        run_digest(other, files[i], is);
        assert_memory_equal(want, is, sizeof want);
    }
}
