// SPDX-License-Identifier: Apache-2.0
#include "train/jobs/painted/clip_job.h"

#include "io/file.h"

#include <string.h>

tn_status tr_clip_job_open(tr_job *job) {
    TN_TRY(io_make_folder(job->options->out, job->err));
    TN_TRY(tr_loop_check_folder(job->options->out, job->options->resume, job->err));
    return tr_job_open(job);
}

tr_loop tr_clip_job_loop(const tr_job *job, const char *const *figures, size_t figure_count) {
    const tr_job_options *o = job->options;
    tr_loop loop = tr_job_loop(job);
    loop.schedule = (tr_schedule){.lr = o->lr,
                                  .final = o->lr / 200,
                                  .start = 1e-2,
                                  .warmup = o->warmup < o->steps ? o->warmup : o->steps,
                                  .steps = o->steps};
    loop.figures = figures, loop.figure_count = figure_count;
    loop.optimizer.beta2 = 0.98;
    loop.optimizer.decay = 0;
    return loop;
}

tn_status tr_clip_job_check(const tr_job_options *o, double max_batch, const char *dtype,
                            tn_error *err) {
    const tr_job_number numbers[] = {
        {"batch", (double)o->batch, 1, max_batch}, {"steps", (double)o->steps, 1, 1e12},
        {"warmup", (double)o->warmup, 0, 1e12},    {"lr", o->lr, 0, 1e3},
        {"clip-norm", o->clip_norm, 0, 1e9},
    };
    TN_TRY(tr_job_check(o, err));
    TN_TRY(tr_job_check_word("dtype", dtype, "f32|f16", err));
    return tr_job_check_numbers(numbers, sizeof numbers / sizeof *numbers, err);
}

tn_status tr_clip_job_keep(const tr_job *job, const md_clip *clip, const md_bpe *bpe,
                           const char *dtype, tn_error *err) {
    tn_dtype type = dtype && !strcmp(dtype, "f16") ? TN_F16 : TN_F32;
    return md_clip_write(clip, &job->params, md_bpe_start(bpe), md_bpe_end(bpe), type,
                         job->options->out, err);
}
