// SPDX-License-Identifier: Apache-2.0
// lexmask refine: a CLIP that can say what is where in a whole scene.
#include "tools/commands.h"
#include "tools/shared/context.h"
#include "tools/shared/run_options.h"
#include "tools/train/run_watch.h"
#include "train/jobs/painted/refine_job.h"
#include "train/refine_step.h"

static tr_refine_job_options o;

static const tool_option table[] = {
    {"clip", TOOL_TEXT, "DIR", "Hugging Face folder of a ViT, with its vocabulary", &o.clip},
    {"out", TOOL_TEXT, "RUN",
     "folder of the run: checkpoints, log.jsonl, charts, and the refined CLIP", &o.job.out},
    {"resume", TOOL_FLAG, NULL, "go on with the run in RUN, bit for bit as if it had never stopped",
     &o.job.resume},
    {"pool", TOOL_CHOICE, "PART",
     "things in the scenes to learn from are base names or all; default all", &o.pool,
     .choices = "base|all"},
    {"size", TOOL_INT, "N", "pixels a side of a scene; default 256", &o.size, 8, 4096},
    {"window", TOOL_INT, "N",
     "patches a side that attend to each other, with CLIP's own positions; default: all", &o.window,
     1, 512},
    {"steps", TOOL_INT, "N", "updates; default 600", &o.job.steps, 1, 1e12},
    {"batch", TOOL_INT, "N", "scenes of an update; default 8", &o.job.batch, 1, 1024},
    {"regions", TOOL_INT, "N", "of each scene that are taught; default 20", &o.regions, 1, 4096},
    {"things", TOOL_REAL, "X",
     "share of the regions that are a thing's box, about; the others are anywhere; default 0.5",
     &o.things, 0, 1},
    {"smallest", TOOL_REAL, "X", "pixels a side of the smallest region; default 20", &o.smallest, 1,
     4096},
    {"context", TOOL_REAL, "X",
     "the teacher's crop is a square of so many longer sides of the region; default 1.15",
     &o.context, 0.1, 10},
    {"which", TOOL_REAL, "X",
     "weight of telling a region from the others of the batch, beside the cosine; default 1",
     &o.which, 0, 1e3},
    {"lr", TOOL_REAL, "X", "highest learning rate; default 5e-4", &o.job.lr, 0, 1e3},
    {"warmup", TOOL_INT, "N", "updates until it is reached; default 50", &o.job.warmup, 0, 1e12},
    {"clip-norm", TOOL_REAL, "X", "gradients are clipped at this norm; 0: not; default 1",
     &o.job.clip_norm, 0, 1e9},
    {"val-every", TOOL_INT, "N", "updates between measurements; default 100", &o.job.validate_every,
     1, 1e12},
    {"val-pictures", TOOL_INT, "N", "scenes of a measurement; default 64", &o.val_pictures, 1, 1e6},
    TOOL_PAINTED_OPTIONS(o),
    TOOL_RUN_OPTIONS(o.job),
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static const char *misuse(const tool_list *words) {
    (void)words;
    if (!o.clip) return "which CLIP? Give --clip DIR";
    if (!o.job.out) return "where to? Give --out RUN, a folder";
    return NULL;
}

static void losses_text(const double *loss, char *out, size_t bytes) {
    snprintf(out, bytes, "cosine %.4f, which %.4f", loss[TR_REFINE_COSINE], loss[TR_REFINE_WHICH]);
}

static void figures_text(const tr_value *values, size_t count, char *out, size_t bytes) {
    (void)count;
    snprintf(out, bytes, "things named right by the map %.4f (novel ones %.4f), by crops %.4f",
             values[0].value, values[1].value, values[2].value);
}

static int run(const tool_command *self, int argc, char **argv) {
    o = tr_refine_defaults();
    tn_error err = {0};
    int code = tool_parse(self, argc, argv, NULL);
    if (code != TOOL_GO) return code;
    o.job.device = tool_context.device;
    tool_run_watch watch = {.losses = losses_text, .figures = figures_text};
    tr_job_watcher watcher = tool_run_watch_start(&watch);
    return tool_run_ended(&watch, tr_refine_run(&o, &watcher, &err), &err);
}

const tool_command tool_refine = {
    .name = "refine",
    .summary = "teach a CLIP to name regions of a scene as it names them cut out",
    .usage = "--clip DIR --out RUN [OPTIONS]",
    .details =
        "CLIPSelf (Wu et al., ICLR 2024), without labels: regions of the image tower's dense map\n"
        "are taught to be what the same tower, as it was, makes of the region cut out, and to be\n"
        "told from each other (--which 0 leaves that out, as the paper does). Scenes are painted\n"
        "as they are needed. RUN becomes a CLIP for score 2 by `dense`. Ctrl-C and SIGTERM save\n"
        "first; the same command with --resume goes on bit for bit.\n",
    .examples = "  lexmask refine --clip clip --out refined\n"
                "  lexmask refine --clip clip --out refined --pool base --steps 1000\n",
    .misuse = misuse,
    .run = run,
    .options = options,
};
