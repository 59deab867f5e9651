// SPDX-License-Identifier: Apache-2.0
// --cache: what entries of the cache are made by, so that a program, a processor or a setting that
// would give other bits finds none of them.
#include "tools/train/train_job.h"

#include "tools/shared/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static tn_status identity(const tool_trainer *t, uint8_t out[IO_SHA256]) {
    const md_fvlm_config *c = &t->config;
    uint8_t program[IO_SHA256];
    char text[512], program_hex[IO_SHA256_HEX], tower_hex[IO_SHA256_HEX];
    TN_TRY(io_sha256_file("/proc/self/exe", program, t->err));
    int length =
        snprintf(text, sizeof text,
                 "program %s level %s products %s tower %s kind %d window %lld positions %d taps",
                 io_sha256_text(program, program_hex), kn_level(t->kn),
                 tn_dtype_name(kn_products(t->kn)), io_sha256_text(t->frozen[0], tower_hex),
                 (int)c->pyramid_kind, (long long)c->tower_window, c->tower_positions);
    for (int i = 0; i < c->pyramid_taps; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, " %lld",
                           (long long)c->pyramid_tap[i]);
    io_sha256_memory(text, (size_t)length, out);
    return TN_OK;
}

tn_status tool_train_open_cache(tool_trainer *t) {
    const double *jitter = t->config.training_jitter;
    if (!t->options->cache) return TN_OK;
    if (jitter[0] != jitter[1] || jitter[0] > 1)
        return tn_fail(t->err, TN_EINVAL,
                       "--cache: pictures are scaled at random (--jitter %g,%g), so that none is "
                       "seen twice: give --jitter 1,1, or leave the cache out",
                       jitter[0], jitter[1]);
    tr_cache_options options = {.folder = t->options->cache,
                                .limit = (int64_t)(t->options->cache_limit * 1e9)};
    TN_TRY(identity(t, options.identity));
    return tr_cache_open(&options, &t->task.cache, t->err);
}

void tool_train_watch_cache(tool_trainer *t) {
    const char *trouble = t->task.cache ? tr_cache_trouble(t->task.cache) : NULL;
    if (!trouble) return;
    tool_train_break(&t->progress);
    tool_note("cache: %s; training goes on", trouble);
}

void tool_train_tell_cache(const tool_trainer *t) {
    if (!t->task.cache) return;
    tr_cache_counts c = tr_cache_tally(t->task.cache);
    tool_note("cache: features of %lld pictures found, %lld computed, %lld damaged; %.1f GB%s",
              (long long)c.found, (long long)c.computed, (long long)c.damaged,
              (double)c.bytes / 1e9, c.full ? ", full" : "");
}
