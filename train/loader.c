// SPDX-License-Identifier: Apache-2.0
#include "train/loader.h"

#include "kernels/kernels.h"
#include "train/order.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

// A slot for a sample that is being made, is ready, or is in the batch. Slots are taken in the
// order of positions, so the next position to return always has one.
typedef enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_READY, SLOT_HELD } slot_state;

typedef struct slot {
    slot_state state;
    int64_t position;
    size_t picture;
    tn_arena arena;
    tn_tensor image;
    tr_sample sample;
    tn_status status;
    tn_error err;
} slot;

// The state of one thread.
typedef struct reader {
    tr_loader *loader;
    kn_ctx *kn;
    tn_arena scratch;
    pthread_t thread;
    bool started;
} reader;

struct tr_loader {
    tr_loader_options options;
    float value[256][3]; // normalised
    tr_order order;      // under lock
    int64_t taken, next; // positions: given to readers, next to return; taken under lock
    slot *slots;
    int slot_count;
    reader *readers; // one per worker, or one for the caller
    int reader_count;
    tr_sample *samples;
    tn_arena batch; // x
    bool *reported; // [pictures] files already reported
    tr_loader_counts tally;
    int64_t failed_in_a_row; // consecutive unreadable samples
    bool quit;               // under lock
    bool synced;             // lock and changed are initialised
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

// Under lock: a free slot for the next position, or NULL.
static slot *take(tr_loader *l) {
    for (int i = 0; i < l->slot_count; i++) {
        slot *s = &l->slots[i];
        if (s->state != SLOT_FREE) continue;
        s->state = SLOT_BUSY;
        s->position = l->taken++;
        s->picture = (size_t)tr_order_at(&l->order, s->position);
        return s;
    }
    return NULL;
}

static void make(reader *r, slot *s) {
    tn_arena_reset(&s->arena, 0);
    tn_arena_reset(&r->scratch, 0);
    s->status = tr_sample_load(r->kn, &r->loader->options, s->picture, s->position, &s->arena,
                               &r->scratch, &s->image, &s->sample, &s->err);
}

static void *work(void *argument) {
    reader *r = argument;
    tr_loader *l = r->loader;
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        slot *s = take(l);
        if (!s) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        pthread_mutex_unlock(&l->lock);
        make(r, s);
        pthread_mutex_lock(&l->lock);
        s->state = SLOT_READY;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static bool cancelled(const tr_loader *l) {
    return l->options.cancelled && l->options.cancelled(l->options.context);
}

// Under lock: waits for a change, 50 ms at most.
static void wait_a_little(tr_loader *l) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 50000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&l->changed, &l->lock, &until);
}

static slot *find(tr_loader *l, int64_t position) {
    for (int i = 0; i < l->slot_count; i++)
        if (l->slots[i].state == SLOT_READY && l->slots[i].position == position)
            return &l->slots[i];
    return NULL;
}

// The finished slot of the next position. NULL: cancelled.
static slot *await(tr_loader *l) {
    if (!l->options.workers) {
        slot *mine = cancelled(l) ? NULL : take(l);
        if (mine) make(&l->readers[0], mine);
        return mine;
    }
    pthread_mutex_lock(&l->lock);
    slot *s = NULL;
    while (!cancelled(l) && !(s = find(l, l->next))) wait_a_little(l);
    pthread_mutex_unlock(&l->lock);
    return s;
}

static void set_state(tr_loader *l, slot *s, slot_state state) {
    pthread_mutex_lock(&l->lock);
    s->state = state;
    if (state == SLOT_FREE) pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

// Counts an unusable file and reports it once.
static void report(tr_loader *l, const slot *s) {
    if (l->reported[s->picture]) return;
    l->reported[s->picture] = true;
    l->tally.missing += s->status == TN_EIO;
    l->tally.other_size += s->status == TN_EINVAL;
    l->tally.broken += s->status == TN_EFORMAT || s->status == TN_EUNSUPPORTED;
    char *path = tr_dataset_path(l->options.data, s->picture);
    if (l->options.skipped && path) l->options.skipped(l->options.context, path, &s->err);
    tn_free(path);
}

// The next readable sample.
static tn_status next_sample(tr_loader *l, slot **out, tn_error *err) {
    for (;;) {
        slot *s = await(l);
        if (!s) return tn_fail(err, TN_ECANCELLED, "cancelled while reading pictures");
        l->next++;
        tn_status status = s->status;
        if (status == TN_OK) {
            set_state(l, s, SLOT_HELD);
            l->failed_in_a_row = 0;
            *out = s;
            return TN_OK;
        }
        if (status != TN_ENOMEM) report(l, s);
        // This many in a row include a whole epoch, wherever they begin.
        bool all = ++l->failed_in_a_row >= 2 * l->order.count - 1;
        if (status == TN_ENOMEM)
            tn_fail(err, status, "%s", s->err.text);
        else if (all)
            tn_fail(err, TN_EIO, "none of %lld pictures can be used; the last: %s",
                    (long long)l->order.count, s->err.text);
        set_state(l, s, SLOT_FREE);
        if (status == TN_ENOMEM || all) return all ? TN_EIO : status;
    }
}

static void place(const tr_loader *l, const slot *s, float *x) {
    const tr_frame *f = &s->sample.frame;
    const uint8_t *from = tn_u8(&s->image);
    for (int64_t y = 0; y < f->pad_h; y++, x += f->pad_w * 3) {
        int64_t shown = y < f->net_h ? f->net_w : 0;
        for (int64_t i = 0; i < shown; i++, from += 3)
            for (int c = 0; c < 3; c++) x[3 * i + c] = l->value[from[c]][c];
        memset(x + 3 * shown, 0, (size_t)(f->pad_w - shown) * 3 * sizeof *x);
    }
}

static void release_batch(tr_loader *l) {
    tn_arena_reset(&l->batch, 0);
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < l->slot_count; i++)
        if (l->slots[i].state == SLOT_HELD) l->slots[i].state = SLOT_FREE;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

tn_status tr_loader_next(tr_loader *l, tr_batch *out, tn_error *err) {
    release_batch(l);
    int64_t n = l->options.batch, each = 0;
    for (int64_t i = 0; i < n; i++) {
        slot *s = NULL;
        TN_TRY(next_sample(l, &s, err));
        const tr_frame *f = &s->sample.frame;
        if (!i) {
            TN_TRY(tn_new(&l->batch, &out->x, TN_F32, TN_DIMS(n, f->pad_h, f->pad_w, 3), err));
            each = f->pad_h * f->pad_w * 3;
        }
        place(l, s, tn_f32(&out->x) + i * each);
        l->samples[i] = s->sample;
    }
    l->tally.samples += n;
    out->samples = l->samples, out->count = n, out->position = l->next;
    return TN_OK;
}

tr_loader_counts tr_loader_tally(const tr_loader *loader) {
    return loader->tally;
}

// ---- opening and closing -----------------------------------------------------------------------

static tn_status check(const tr_loader_options *o, tn_error *err) {
    TN_TRY(tr_augment_check(&o->augment, err));
    if (o->batch < 1 || o->batch > 4096)
        return tn_fail(err, TN_EINVAL, "a batch of %lld, expected 1..4096", (long long)o->batch);
    if (o->augment.fit == TR_FIT_SHORT_EDGE && o->batch != 1)
        return tn_fail(err, TN_EINVAL, "a batch of %lld pictures of unequal shape, expected 1",
                       (long long)o->batch);
    if (o->workers < 0 || o->workers > 256)
        return tn_fail(err, TN_EINVAL, "%d workers, expected 0..256", o->workers);
    if (o->position < 0 || o->position >= (int64_t)1 << 55)
        return tn_fail(err, TN_EINVAL, "position %lld in the data, expected 0 or more",
                       (long long)o->position);
    for (int c = 0; c < 3; c++)
        if (!(o->std[c] > 0))
            return tn_fail(err, TN_EINVAL, "a standard deviation of %g, expected over 0",
                           (double)o->std[c]);
    return TN_OK;
}

// A byte has 256 values, so they are looked up; computed as in kn_normalize_u8_fwd.
static void fill_values(tr_loader *l) {
    for (int i = 0; i < 256; i++)
        for (int c = 0; c < 3; c++)
            l->value[i][c] = ((float)i / 255.0f - l->options.mean[c]) / l->options.std[c];
}

static tn_status open_sync(tr_loader *l, tn_error *err) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    bool locked = pthread_mutex_init(&l->lock, NULL) == 0;
    l->synced = locked && pthread_cond_init(&l->changed, &attributes) == 0;
    if (locked && !l->synced) pthread_mutex_destroy(&l->lock);
    pthread_condattr_destroy(&attributes);
    return l->synced ? TN_OK : tn_fail(err, TN_ENOMEM, "cannot create a lock");
}

static tn_status open_parts(tr_loader *l, tn_error *err) {
    const tr_loader_options *o = &l->options;
    TN_TRY(open_sync(l, err));
    TN_TRY(tr_order_init(&l->order, o->seed, (int64_t)o->data->count, err));
    // The batch in use, one that is ready, and one sample per worker.
    int slots = (int)o->batch + (o->workers ? (int)o->batch + o->workers : 0);
    int readers = o->workers ? o->workers : 1;
    l->slots = tn_alloc_zero((size_t)slots, sizeof *l->slots);
    l->readers = tn_alloc_zero((size_t)readers, sizeof *l->readers);
    l->samples = tn_alloc_zero((size_t)o->batch, sizeof *l->samples);
    l->reported = tn_alloc_zero(o->data->count, sizeof *l->reported);
    if (!l->slots || !l->readers || !l->samples || !l->reported)
        return tn_fail(err, TN_ENOMEM, "out of memory for batches of %lld", (long long)o->batch);
    TN_TRY(tn_arena_init_large(&l->batch, err));
    for (; l->slot_count < slots; l->slot_count++)
        TN_TRY(tn_arena_init_large(&l->slots[l->slot_count].arena, err));
    for (; l->reader_count < readers; l->reader_count++) {
        reader *r = &l->readers[l->reader_count];
        r->loader = l;
        TN_TRY(tn_arena_init_large(&r->scratch, err));
        tn_status status = kn_open("cpu", NULL, 1, &r->kn, err);
        if (status != TN_OK) {
            tn_arena_deinit(&r->scratch);
            return status;
        }
    }
    fill_values(l);
    return TN_OK;
}

// Workers block signals: a worker that received Ctrl-C would leave the main thread asleep.
static tn_status start_workers(tr_loader *l, tn_error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = true;
    for (int i = 0; good && i < l->options.workers; i++) {
        reader *r = &l->readers[i];
        good = r->started = pthread_create(&r->thread, NULL, work, r) == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good ? TN_OK : tn_fail(err, TN_ENOMEM, "cannot start %d workers", l->options.workers);
}

tn_status tr_loader_open(const tr_loader_options *options, tr_loader **out, tn_error *err) {
    *out = NULL;
    TN_CHECK(options->data && options->data->count, "no data");
    TN_TRY(check(options, err));
    tr_loader *l = tn_alloc_zero(1, sizeof *l);
    if (!l) return tn_fail(err, TN_ENOMEM, "out of memory for a loader");
    l->options = *options;
    l->taken = l->next = options->position;
    tn_status status = open_parts(l, err);
    if (status == TN_OK) status = start_workers(l, err);
    if (status == TN_OK)
        *out = l;
    else
        tr_loader_close(l);
    return status;
}

void tr_loader_close(tr_loader *l) {
    if (!l) return;
    if (l->synced) {
        pthread_mutex_lock(&l->lock);
        l->quit = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
    }
    for (int i = 0; i < l->reader_count; i++) {
        if (l->readers[i].started) pthread_join(l->readers[i].thread, NULL);
        kn_close(l->readers[i].kn);
        tn_arena_deinit(&l->readers[i].scratch);
    }
    for (int i = 0; i < l->slot_count; i++) tn_arena_deinit(&l->slots[i].arena);
    tn_arena_deinit(&l->batch);
    tr_order_deinit(&l->order);
    tn_free(l->slots), tn_free(l->readers), tn_free(l->samples), tn_free(l->reported);
    if (l->synced) pthread_cond_destroy(&l->changed), pthread_mutex_destroy(&l->lock);
    tn_free(l);
}
