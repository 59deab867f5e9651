// SPDX-License-Identifier: Apache-2.0
// What a pretraining and a refinement share: both train a CLIP on pictures that are painted as they
// are needed, and write it into their run's folder.
#pragma once

#include "models/clip/clip_train.h"
#include "models/text/bpe.h"
#include "train/jobs/job_run.h"

// Makes the run's folder, then opens the job's parts. TN_EINVAL: the folder holds a run, which is
// not to go on. Others as tr_job_open.
tn_status tr_clip_job_open(tr_job *job);
// The job's loop: a cosine to 1/200 of the learning rate, AdamW without decay; figures are charted.
tr_loop tr_clip_job_loop(const tr_job *job, const char *const *figures, size_t figure_count);
// batch, steps, warmup, lr, clip_norm, and dtype ("f32", "f16" or NULL). TN_EINVAL.
tn_status tr_clip_job_check(const tr_job_options *options, double max_batch, const char *dtype,
                            tn_error *err);
// Writes the CLIP as it is now, in dtype. Errors as md_clip_write.
tn_status tr_clip_job_keep(const tr_job *job, const md_clip *clip, const md_bpe *bpe,
                           const char *dtype, tn_error *err);

// vocab.json, merges.txt and, where they are, the files beside them, from one folder into another.
// TN_EIO, TN_ENOMEM.
tn_status tr_copy_vocabulary(const char *from_folder, const char *to_folder, tn_error *err);
