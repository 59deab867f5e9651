// SPDX-License-Identifier: Apache-2.0
#include "models/fvlm/shipped.h"

#include "models/fvlm/fvlm.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_model(const char *folder, char *out, size_t bytes) {
    return md_fvlm_is(folder) && (size_t)snprintf(out, bytes, "%s", folder) < bytes;
}

// file: the program or the library, by its full path.
static bool near(const char *file, char *out, size_t bytes) {
    static const char *const places[] = {"../share/lexmask/model", "../demo/model",
                                         "../../demo/model"};
    const char *slash = strrchr(file, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        char folder[PATH_MAX + 32], whole[PATH_MAX];
        snprintf(folder, sizeof folder, "%.*s/%s", (int)(slash - file), file, places[i]);
        if (realpath(folder, whole) && is_model(whole, out, bytes)) return true;
    }
    return false;
}

static bool near_program(char *out, size_t bytes) {
    char file[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", file, sizeof file - 1);
    if (length <= 0) return false;
    file[length] = 0;
    return near(file, out, bytes);
}

// For another program that loads the shared library.
static bool near_library(char *out, size_t bytes) {
    static const char here;
    Dl_info info;
    char file[PATH_MAX];
    return dladdr(&here, &info) && info.dli_fname && realpath(info.dli_fname, file) &&
           near(file, out, bytes);
}

tn_status md_shipped_model(char *out, size_t bytes, tn_error *err) {
    const char *given = getenv("LEXMASK_MODEL");
    if (given && *given) {
        if (is_model(given, out, bytes)) return TN_OK;
        return tn_fail(err, TN_EIO, "LEXMASK_MODEL: %s is not the folder of an F-VLM", given);
    }
    if (near_program(out, bytes) || near_library(out, bytes) ||
        is_model(LEXMASK_DATADIR "/model", out, bytes))
        return TN_OK;
    return tn_fail(err, TN_EINVAL,
                   "no model is given, and none is installed in %s/model: give --model DIR, or "
                   "--detector FILE and --clip FILE; or set LEXMASK_MODEL",
                   LEXMASK_DATADIR);
}
