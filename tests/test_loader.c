// SPDX-License-Identifier: Apache-2.0
// Batches: the same for any number of workers and from any position on; files that cannot be used
// are left out, counted and named once; whatever happens ends in a status.
#include "train/loader.h"

#include "io/file.h"
#include "io/sha256.h"
#include "tests/scenes.h"
#include "tests/temporary.h"
#include "tests/test.h"
#include "train/order.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static tn_error err;

static tr_dataset *open_scenes(const scenes *s) {
    tr_dataset *data;
    tr_dataset_options o = {.annotations = s->annotations, .pictures = s->folder};
    ASSERT_OK(tr_dataset_open(&o, &data, &err), err);
    return data;
}

static tr_loader_options usual(const tr_dataset *data) {
    return (tr_loader_options){.data = data,
                               .augment = tr_augment_default(48),
                               .mean = {0.5f, 0.4f, 0.3f},
                               .std = {0.2f, 0.3f, 0.4f},
                               .seed = 7,
                               .batch = 3,
                               .masks = true};
}

// All bytes of a batch that mean something, as one number.
static uint64_t digest(const tr_batch *b) {
    uint64_t h = 14695981039346656037u;
#define ADD(data, bytes)                                                                           \
    for (size_t i_ = 0; i_ < (bytes); i_++) h = (h ^ ((const uint8_t *)(data))[i_]) * 1099511628211u
    ADD(b->x.data, tn_bytes(&b->x));
    ADD(&b->position, sizeof b->position);
    for (int64_t n = 0; n < b->count; n++) {
        const tr_sample *s = &b->samples[n];
        ADD(&s->position, sizeof s->position);
        ADD(&s->frame.net_h, 2 * sizeof s->frame.net_h);
        ADD(s->truth.boxes.data, tn_bytes(&s->truth.boxes));
        ADD(s->truth.labels.data, tn_bytes(&s->truth.labels));
        for (int64_t g = 0; g < s->truth.boxes.dim[0]; g++)
            ADD(s->truth.masks[g].counts, s->truth.masks[g].count * sizeof(uint32_t));
    }
#undef ADD
    return h;
}

static void run(const tr_loader_options *o, int batches, uint64_t *digests, int64_t *positions) {
    tr_loader *l;
    tr_batch b;
    ASSERT_OK(tr_loader_open(o, &l, &err), err);
    for (int i = 0; i < batches; i++) {
        ASSERT_OK(tr_loader_next(l, &b, &err), err);
        digests[i] = digest(&b);
        if (positions) positions[i] = b.position;
    }
    tr_loader_close(l);
}

static void workers_change_nothing(void **state) {
    (void)state;
    enum { BATCHES = 12 };
    scenes s;
    scenes_write(&s, "workers", 7);
    tr_dataset *data = open_scenes(&s);
    tr_loader_options o = usual(data);
    uint64_t first[BATCHES], other[BATCHES];
    int64_t positions[BATCHES];
    run(&o, BATCHES, first, positions);
    for (int workers = 1; workers <= 4; workers++) {
        o.workers = workers;
        run(&o, BATCHES, other, NULL);
        assert_memory_equal(first, other, sizeof first);
    }
    for (int at = 0; at < BATCHES - 1; at++) { // and neither does stopping
        o.workers = at % 3, o.position = positions[at];
        run(&o, BATCHES - 1 - at, other, NULL);
        assert_memory_equal(first + at + 1, other, (size_t)(BATCHES - 1 - at) * sizeof *other);
    }
    o.seed = 8, o.position = 0;
    run(&o, BATCHES, other, NULL);
    for (int i = 0; i < BATCHES; i++) assert_true(first[i] != other[i]);
    tr_dataset_close(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_change_nothing),
    };
    return cmocka_run_group_tests(tests, temporary_setup, temporary_teardown);
}
