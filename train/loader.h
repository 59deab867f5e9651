// SPDX-License-Identifier: Apache-2.0
// Batches for training, made ahead by threads of its own and handed out in order: the same ones for
// any number of threads, and from any position on.
#pragma once

#include "models/detector/targets.h"
#include "train/augment.h"
#include "train/dataset.h"

typedef struct tr_loader tr_loader;

typedef struct tr_loader_options {
    const tr_dataset *data; // outlives the loader
    tr_augment augment;
    float mean[3], std[3]; // the checkpoint's own
    uint64_t seed;
    int64_t position; // of the first sample: 0, or where a run goes on
    int64_t batch;    // pictures; 1 with TR_FIT_SHORT_EDGE
    int workers;      // threads that read ahead; 0: the caller reads
    bool masks;       // make masks, too; not with a data set of boxes only
    // Both are called in the thread that calls tr_loader_next. May be NULL.
    bool (*cancelled)(void *context); // asked at least every 50 ms
    void (*skipped)(void *context, const char *path, const tn_error *why); // once for each file
    void *context;
} tr_loader_options;

typedef struct tr_sample {
    int64_t position; // the seed of all that is drawn for it: tr_rng(seed, stream, position)
    const tr_picture *picture;
    tr_frame frame; // net_h, net_w: what of the input is picture
    md_truth truth; // boxes in network coordinates, labels, masks over net_h x net_w
    int64_t cut;    // objects that the crop left outside (or under a pixel a side)
} tr_sample;

typedef struct tr_batch {
    tn_tensor x;              // float32 [N,S,S,3], normalised; padding is 0
    const tr_sample *samples; // [N]
    int64_t count;            // N
    int64_t position;         // of the sample after it: what a checkpoint keeps
} tr_batch;

typedef struct tr_loader_counts {
    int64_t samples;         // handed out
    int64_t missing, broken; // files that could not be read, each counted once
    int64_t other_size;      // files whose size is not the one of the annotations, likewise
} tr_loader_counts;

// TN_EINVAL, TN_ENOMEM.
tn_status tr_loader_open(const tr_loader_options *options, tr_loader **out, tn_error *err);
// The next batch, valid until the next call. A file that cannot be read is left out and its place
// taken by the next position. TN_EIO: not one file of a whole epoch could be read. TN_ENOMEM.
// TN_ECANCELLED.
tn_status tr_loader_next(tr_loader *loader, tr_batch *out, tn_error *err);
tr_loader_counts tr_loader_tally(const tr_loader *loader);
void tr_loader_close(tr_loader *loader); // NULL is fine; ends its threads

// One sample without a loader, at a position of `seed` for a picture: image uint8 [net_h,net_w,3]
// and what else there is come from arena. kn: one thread is enough. The statuses of a file that is
// to be left out: TN_EIO, TN_EFORMAT, TN_EUNSUPPORTED.
typedef struct kn_ctx kn_ctx;
tn_status tr_sample_load(kn_ctx *kn, const tr_loader_options *options, size_t picture,
                         int64_t position, tn_arena *arena, tn_arena *scratch, tn_tensor *image,
                         tr_sample *out, tn_error *err);
