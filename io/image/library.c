// SPDX-License-Identifier: Apache-2.0
// Libraries that are loaded when they are needed. They stay loaded: unloading one while another
// thread is inside it would crash, and loading it for every picture would cost more than decoding.
#include "io/image/codec.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static tn_status load(io_library *library, tn_error *err) {
    void *handle = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return tn_fail(err, TN_EUNSUPPORTED, "cannot load the library: %s", dlerror());
    for (size_t i = 0; i < library->count; i++) {
        const io_symbol *s = &library->symbols[i];
        void *address = dlsym(handle, s->name);
        if (!address) {
            dlclose(handle);
            return tn_fail(err, TN_EUNSUPPORTED, "the library %s has no function %s", library->file,
                           s->name);
        }
        memcpy(s->function, &address, sizeof address); // POSIX: a function's address fits in void *
    }
    library->loaded = true;
    return TN_OK;
}

tn_status io_library_load(io_library *library, tn_error *err) {
    pthread_mutex_lock(&loading);
    tn_status status = library->loaded ? TN_OK : load(library, err);
    pthread_mutex_unlock(&loading);
    return status;
}
