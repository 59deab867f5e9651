// SPDX-License-Identifier: Apache-2.0
#include "tools/train/clip_run.h"

#include "io/file.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"
#include "train/checkpoint.h"

#include <string.h>

tn_status tool_clip_run_folder(const tool_clip_run *run, tn_error *err) {
    TN_TRY(io_make_folder(run->out, err));
    if (tr_checkpoint_exists(run->out) && !run->resume)
        return tn_fail(err, TN_EINVAL,
                       "%s: holds a run already: go on with it (--resume), or give another folder",
                       run->out);
    return TN_OK;
}

tr_loop tool_clip_run_begin(const tool_clip_run *run, const tool_run_settings *settings,
                            const char *const *figures, size_t figure_count) {
    tr_loop out = {.folder = run->out,
                   .schedule = {.lr = run->lr,
                                .least = run->lr / 200,
                                .start = 1e-2,
                                .warmup = run->warmup < run->steps ? run->warmup : run->steps,
                                .steps = run->steps},
                   .optimizer = tr_optimizer_default(),
                   .batch = run->batch,
                   .accumulate = 1,
                   .save_every = run->save_every,
                   .validate_every = run->val_every,
                   .plot_every = run->save_every,
                   .seed = (uint64_t)run->seed,
                   .resume = run->resume,
                   .settings = settings->pair,
                   .setting_count = settings->count,
                   .figures = figures,
                   .figure_count = figure_count};
    out.optimizer.beta2 = 0.98;
    out.optimizer.decay = 0;
    out.optimizer.clip = run->clip_norm;
    out.optimizer.average = run->average;
    return out;
}

bool tool_clip_run_stop(const tool_clip_run *run, int64_t updates) {
    return tool_interrupted() || (run->stop_after && updates >= run->stop_after);
}

tn_status tool_clip_run_keep(const tool_clip_run *run, const md_clip *clip, const nn_params *params,
                             const md_bpe *bpe, tn_error *err) {
    return md_clip_write(clip, params, md_bpe_start(bpe), md_bpe_end(bpe),
                         run->dtype && !strcmp(run->dtype, "f16") ? TN_F16 : TN_F32, run->out, err);
}
