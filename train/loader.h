// SPDX-License-Identifier: Apache-2.0
// Training batches, prepared by worker threads and returned in order. They do not depend on the
// number of threads, and can start at any position.
#pragma once

#include "models/detector/targets.h"
#include "train/augment.h"
#include "train/dataset.h"

typedef struct tr_loader tr_loader;

typedef struct tr_loader_options {
    const tr_dataset *data; // must outlive the loader
    tr_augment augment;
    float mean[3], std[3]; // of the model
    uint64_t seed;
    int64_t position; // of the first sample: 0, or the position to resume at
    int64_t batch;    // pictures; 1 with TR_FIT_SHORT_EDGE
    int workers;      // threads that read ahead; 0: the caller reads
    bool masks;       // also makes masks; not for a data set with boxes only
    // Both are called in the thread that calls tr_loader_next. May be NULL.
    bool (*cancelled)(void *context); // called at least every 50 ms
    void (*skipped)(void *context, const char *path, const tn_error *why); // called once per file
    void *context;
} tr_loader_options;

typedef struct tr_sample {
    int64_t position; // seeds everything drawn for the sample: tr_rng(seed, stream, position)
    const tr_picture *picture;
    tr_frame frame; // net_h, net_w: the part of the input covered by the picture
    md_truth truth; // boxes in network coordinates, labels, masks over net_h x net_w
    int64_t cut;    // objects dropped because the crop left less than one pixel per side
} tr_sample;

typedef struct tr_batch {
    tn_tensor x;              // float32 [N,S,S,3], normalised; padding is 0
    const tr_sample *samples; // [N]
    int64_t count;            // N
    int64_t position;         // of the next sample: stored in checkpoints
} tr_batch;

typedef struct tr_loader_counts {
    int64_t samples;         // returned
    int64_t missing, broken; // files that could not be read, each counted once
    int64_t other_size;      // files whose size differs from the annotations', each counted once
} tr_loader_counts;

// TN_EINVAL, TN_ENOMEM.
tn_status tr_loader_open(const tr_loader_options *options, tr_loader **out, tn_error *err);
// The next batch, valid until the next call. An unreadable file is skipped and the next position
// takes its place. TN_EIO: no file of a whole epoch could be read. TN_ENOMEM. TN_ECANCELLED.
tn_status tr_loader_next(tr_loader *loader, tr_batch *out, tn_error *err);
tr_loader_counts tr_loader_tally(const tr_loader *loader);
void tr_loader_close(tr_loader *loader); // NULL is allowed; stops its threads

// One sample without a loader, at a position of `seed` for a picture. image, uint8 [net_h,net_w,3],
// and the rest are allocated from arena. kn: one thread is enough. Errors that mean the file should
// be skipped: TN_EIO, TN_EFORMAT, TN_EUNSUPPORTED.
typedef struct kn_ctx kn_ctx;
tn_status tr_sample_load(kn_ctx *kn, const tr_loader_options *options, size_t picture,
                         int64_t position, tn_arena *arena, tn_arena *scratch, tn_tensor *image,
                         tr_sample *out, tn_error *err);
