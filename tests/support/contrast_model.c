// SPDX-License-Identifier: Apache-2.0
#include "tests/support/contrast_model.h"

#include "io/file.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN "tests/golden/fvlm/pair"
#define KNOWN "pizza\nguitar\nred heart\npenguin\nrocket\nunicorn\n"

char *contrast_text_of(const char *path) {
    char *text;
    size_t bytes;
    tn_error err = {0};
    ASSERT_OK(io_read_text(path, 0, &text, &bytes, &err), err);
    return text;
}

// Copies text with the first `from` replaced; release with tn_free.
static char *replaced(char *text, const char *from, const char *to) {
    char *at = strstr(text, from), *out = tn_alloc(strlen(text) + strlen(to) + 1);
    assert_non_null(at);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    tn_free(text);
    return out;
}

static const char *in(const char *folder, const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void contrast_model_write(const char *folder, const char *contrast) {
    char here[4096], text[4200];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(text, sizeof text, "\"path\": \"%s/demo/pair/clip\"", here);
    char *config = contrast_text_of(GOLDEN "/config.json");
    config = replaced(config, "\"path\": \"../../../../demo/pair/clip\"", text);
    snprintf(text, sizeof text, "\"version\": 2, \"contrast\": \"%s\"", contrast);
    config = replaced(config, "\"version\": 1", text);
    put(in(folder, "config.json"), config);
    put(in(folder, "names.txt"), KNOWN);
    tn_free(config);
    snprintf(text, sizeof text, "%s/" GOLDEN "/adapters.safetensors", here);
    unlink(in(folder, "adapters.safetensors"));
    assert_int_equal(symlink(text, in(folder, "adapters.safetensors")), 0);
    setenv("LEXMASK_MODEL", folder, 1);
}
