// SPDX-License-Identifier: Apache-2.0
// --cache: what entries of the cache are made by, so that other code, another processor or another
// setting, which would give other bits, finds none of them.
#include "train/jobs/train_parts.h"

#include <link.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool holds(const struct dl_phdr_info *object, const ElfW(Phdr) * segment,
                  uintptr_t address) {
    uintptr_t from = object->dlpi_addr + segment->p_vaddr;
    return segment->p_type == PT_LOAD && address >= from && address - from < segment->p_memsz;
}

// A segment holds the gaps between constants too, which AddressSanitizer guards: this function may
// read them. volatile keeps the loop from becoming a call of memcpy, which is checked.
__attribute__((no_sanitize("address"))) static void
copy_guarded(uint8_t *to, const volatile uint8_t *from, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] = from[i];
}

static void hash_segment(io_sha256 *hash, uintptr_t from, size_t count) {
    uint8_t part[4096];
    for (size_t at = 0; at < count; at += sizeof part) {
        size_t n = count - at < sizeof part ? count - at : sizeof part;
        copy_guarded(part, (const volatile uint8_t *)(from + at), n);
        io_sha256_add(hash, part, n);
    }
}

static int hash_object(struct dl_phdr_info *object, size_t size, void *user) {
    bool ours = false;
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++)
        ours = ours || holds(object, &object->dlpi_phdr[i], (uintptr_t)hash_object);
    for (int i = 0; ours && i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *s = &object->dlpi_phdr[i];
        if (s->p_type == PT_LOAD && (s->p_flags & PF_R) && !(s->p_flags & PF_W))
            hash_segment(user, object->dlpi_addr + s->p_vaddr, s->p_filesz);
    }
    return ours;
}

// Of code and constants, as they are in memory, of the program or the shared library that this
// file is linked into.
static void hash_code(uint8_t out[IO_SHA256]) {
    io_sha256 hash;
    io_sha256_init(&hash);
    int found = dl_iterate_phdr(hash_object, &hash);
    TN_CHECK(found, "no loaded object holds this code");
    io_sha256_end(&hash, out);
}

static void identity(const tr_trainer *t, uint8_t out[IO_SHA256]) {
    const md_fvlm_config *c = &t->config;
    uint8_t code[IO_SHA256];
    char text[512], code_hex[IO_SHA256_HEX], tower_hex[IO_SHA256_HEX];
    hash_code(code);
    int length =
        snprintf(text, sizeof text,
                 "code %s level %s products %s tower %s kind %d window %lld positions %d taps",
                 io_sha256_text(code, code_hex), kn_level(t->job.kn),
                 tn_dtype_name(kn_products(t->job.kn)), io_sha256_text(t->frozen[0], tower_hex),
                 (int)c->pyramid_kind, (long long)c->tower_window, c->tower_positions);
    for (int i = 0; i < c->pyramid_taps; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, " %lld",
                           (long long)c->pyramid_tap[i]);
    io_sha256_memory(text, (size_t)length, out);
}

tn_status tr_train_open_cache(tr_trainer *t) {
    const double *jitter = t->config.training_jitter;
    if (!t->options->cache) return TN_OK;
    if (jitter[0] != jitter[1] || jitter[0] > 1)
        return tn_fail(t->job.err, TN_EINVAL,
                       "--cache: pictures are scaled at random (--jitter %g,%g), so that none is "
                       "seen twice: give --jitter 1,1, or leave the cache out",
                       jitter[0], jitter[1]);
    tr_cache_options options = {.folder = t->options->cache,
                                .limit = (int64_t)(t->options->cache_limit * 1e9)};
    identity(t, options.identity);
    return tr_cache_open(&options, &t->task.cache, t->job.err);
}

void tr_train_note_cache_trouble(const tr_trainer *t) {
    const char *trouble = t->task.cache ? tr_cache_error(t->task.cache) : NULL;
    if (!trouble) return;
    tr_job_note(&t->job, "cache: %s; training continues", trouble);
}

void tr_train_note_cache_counts(const tr_trainer *t) {
    if (!t->task.cache) return;
    tr_cache_counts c = tr_cache_tally(t->task.cache);
    tr_job_note(&t->job,
                "cache: features of %lld pictures found, %lld computed, %lld damaged; %.1f GB%s",
                (long long)c.found, (long long)c.computed, (long long)c.damaged,
                (double)c.bytes / 1e9, c.full ? ", full" : "");
}
