// SPDX-License-Identifier: Apache-2.0
// lexmask train: trains the adapters of an F-VLM around a frozen CLIP.
#include "models/fvlm/fvlm_config.h"
#include "tools/commands.h"
#include "tools/shared/context.h"
#include "tools/shared/run_options.h"
#include "tools/train/run_watch.h"
#include "train/fvlm_step.h"
#include "train/jobs/train_job.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_RUNS 1000

static tr_train_options o;
static tr_train_recalled recalled;

static const tool_option table[] = {
    {"preset", TOOL_CHOICE, "NAME",
     "begin a new model of this kind: seed, small, fvlm-rn50, fvit-b16 or fvit-l14", &o.preset,
     .choices = "seed|small|fvlm-rn50|fvit-b16|fvit-l14"},
    {"clip", TOOL_TEXT, "FILE|DIR", "the CLIP of a new model", &o.clip},
    {"tokenizer", TOOL_TEXT, "FILE", "its vocabulary; default: looked for in and beside the CLIP",
     &o.tokenizer},
    {"model", TOOL_TEXT, "DIR",
     "begin with this model's configuration, and with its adapters if it has any", &o.model},
    {"data", TOOL_TEXT, "FILE", "COCO instance annotations to train on", &o.data},
    {"pictures", TOOL_TEXT, "DIR", "folder of their pictures", &o.pictures},
    {"out", TOOL_TEXT, "RUN",
     "folder of the run: checkpoints, log.jsonl, charts, and the model itself", &o.job.out},
    {"resume", TOOL_FLAG, NULL,
     "go on with the run in RUN, bit for bit as if it had never stopped; its settings need not be "
     "given again",
     &o.job.resume},
    {"base", TOOL_TEXT, "FILE",
     "train on the classes named there, one a line, or on the base classes of the built-in split "
     "coco-ovd. Default: all",
     &o.base},
    {"batch", TOOL_INT, "N", "pictures that go through together; default at most 2", &o.job.batch,
     1, TR_BATCH},
    {"accumulate", TOOL_INT, "N",
     "batches of one update; default 1 with --batch, else what makes up the configuration's",
     &o.accumulate, 1, 65536},
    {"steps", TOOL_INT, "N", "updates", &o.job.steps, 1, 1e9},
    {"epochs", TOOL_REAL, "X", "the same in rounds through the data", &o.epochs, 0, 1e6},
    {"optimizer", TOOL_CHOICE, "NAME",
     "adamw, or muon for all matrices and kernels but the RPN's, with AdamW for the rest; default "
     "adamw",
     &o.optimizer, .choices = "adamw|muon"},
    {"lr", TOOL_REAL, "X", "highest learning rate", &o.job.lr, 0, 10},
    {"warmup", TOOL_INT, "N", "updates until it is reached", &o.job.warmup, 0, 1e9},
    {"decay", TOOL_REAL, "X", "weight decay, not of norms and biases", &o.decay, 0, 10},
    {"clip-norm", TOOL_REAL, "X", "gradients are clipped at this norm; 0: not", &o.job.clip_norm, 0,
     1e6},
    {"loss", TOOL_CHOICE, "KIND",
     "of names: softmax (cross-entropy over all names and background) or cosine (the seed's)",
     &o.loss, .choices = "softmax|cosine"},
    {"background-weight", TOOL_REAL, "X", "of background regions in the cross-entropy",
     &o.background, 0, 100},
    {"regions", TOOL_INT, "N",
     "of a picture, that the box and mask heads learn from; fewer are faster; default 512",
     &o.regions, 8, 4096},
    {"norm", TOOL_CHOICE, "KIND",
     "of a new model's trainable parts: batch (its statistics are those of the pictures that go "
     "through together), group (each picture's own, for small batches) or none; default the "
     "preset's",
     &o.norm, .choices = "batch|group|none"},
    {"size", TOOL_INT, "N", "pictures are N x N pixels", &o.size, MD_FVLM_MIN_SIZE,
     MD_FVLM_MAX_SIZE},
    {"jitter", TOOL_TEXT, "A,B", "pictures are scaled by a random factor in between", &o.jitter},
    {"flip", TOOL_FLAG, NULL, "mirror pictures at random; default the model's own", &o.flip},
    {"no-flip", TOOL_FLAG, NULL, "do not mirror pictures", &o.no_flip},
    {"val", TOOL_TEXT, "FILE", "COCO annotations to validate on", &o.val},
    {"val-pictures", TOOL_TEXT, "DIR", "folder of their pictures; default: that of --pictures",
     &o.val_pictures},
    {"val-every", TOOL_INT, "N", "updates between validations; default 1000", &o.job.validate_every,
     1, 1e12},
    {"val-limit", TOOL_INT, "N", "validate on the first N pictures; default all", &o.val_limit, 1,
     1e9},
    {"patience", TOOL_INT, "N",
     "end after N validations in a row that were no better than the best one; default: never",
     &o.patience, 1, 1e9},
    {"cache", TOOL_TEXT, "DIR",
     "keep the frozen tower's features of each picture there and read them back; only where "
     "pictures are not scaled at random (--jitter 1,1)",
     &o.cache},
    {"cache-limit", TOOL_REAL, "GB", "no more than that is written there; default 50",
     &o.cache_limit, 0, 1e6},
    {"workers", TOOL_INT, "N", "threads that read pictures ahead; default 2", &o.workers, 0, 256},
    {"dtype", TOOL_CHOICE, "TYPE",
     "f32, or f64, for comparisons, with LEXMASK_CPU=ref; default f32", &o.dtype,
     .choices = "f32|f64"},
    {"dump", TOOL_TEXT, "DIR",
     "write what every update saw, chose and gave, for tools/reference/train_reference.py",
     &o.dump},
    TOOL_RUN_OPTIONS(o.job),
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static void set_defaults(void) {
    o = tr_train_defaults();
}

// RUN holds a run, which knows what it was told.
static bool goes_on(void) {
    return o.job.resume && o.job.out && tr_train_is_run(o.job.out);
}

static const char *nothing_to_resume(void) {
    static char text[PATH_MAX + 128];
    snprintf(text, sizeof text,
             "--resume: %s holds no run to go on with%s: give all options, to begin one", o.job.out,
             access(o.job.out, F_OK) ? "" : " (no checkpoint was saved there yet)");
    return text;
}

static const char *misuse(const tool_list *words) {
    (void)words;
    bool asked = recalled.count > 0; // RUN has been
    if (goes_on() && !asked) return NULL;
    if (!asked && o.job.resume && o.job.out && !o.preset && !o.model) return nothing_to_resume();
    if (!o.preset == !o.model && (o.preset || !asked))
        return "train what? Give --preset NAME and --clip FILE for a new model, or --model DIR";
    if (o.preset && !o.clip) return "a new model needs a CLIP: give --clip FILE or DIR";
    if (!o.preset && o.clip) return "--model says which CLIP it has: --clip goes with --preset";
    if (o.norm && !o.preset) return "--norm goes with --preset: a model has its own";
    if (!o.data) return "train on what? Give --data FILE, COCO annotations";
    if (!o.pictures) return "where are the pictures? Give --pictures DIR";
    if (!o.job.out) return "where to? Give --out RUN, a folder";
    if (o.job.steps && o.epochs > 0) return "--steps or --epochs, not both";
    if (o.flip && o.no_flip) return "--flip or --no-flip, not both";
    if (o.patience && !o.val) return "--patience goes with --val";
    if (o.val_pictures && !o.val) return "--val-pictures goes with --val";
    return NULL;
}

// What the run was told comes first, what is given now over it: a contradiction is found when
// settings are compared with those of the checkpoint.
static int recall(const tool_command *self, int argc, char **argv) {
    tn_error err = {0};
    const char *folder = o.job.out;
    set_defaults();
    if (tr_train_recall(folder, &recalled, &o, &err) != TN_OK) return tool_failed(&err);
    return tool_parse(self, argc, argv, NULL);
}

// RUN, or RUN-2, RUN-3 and so on where a run is in it already.
static bool free_folder(char folder[PATH_MAX]) {
    const char *name = o.job.out;
    size_t length = strlen(name);
    while (length > 1 && name[length - 1] == '/') length--;
    if (!tr_checkpoint_exists(name)) return true;
    for (int number = 2; number <= MAX_RUNS; number++) {
        snprintf(folder, PATH_MAX, "%.*s-%d", (int)length, name, number);
        if (tr_checkpoint_exists(folder)) continue;
        tool_note("%s holds a run already (--resume goes on with it): this one is in %s", name,
                  folder);
        o.job.out = folder;
        return true;
    }
    return false;
}

// Where the result lies, and the command that uses it.
static void sum_up(void) {
    char best[PATH_MAX + 32];
    snprintf(best, sizeof best, "%s/" TR_TRAIN_BEST, o.job.out);
    bool validated = o.val && access(best, F_OK) == 0;
    if (validated)
        tool_note("%s: the model of the best validation; %s: the last one; %s/results.csv: the "
                  "figures of all",
                  best, o.job.out, o.job.out);
    tool_note("look for what it has learned: lexmask detect --model %s --out drawn PICTURE...",
              validated ? best : o.job.out);
}

static void losses_text(const double *loss, char *out, size_t bytes) {
    snprintf(out, bytes, "objects %.3f, proposals %.3f, classes %.3f, boxes %.3f, masks %.3f",
             loss[TR_LOSS_OBJECTNESS], loss[TR_LOSS_PROPOSALS], loss[TR_LOSS_CLASSES],
             loss[TR_LOSS_BOXES], loss[TR_LOSS_MASKS]);
}

static void figures_text(const tr_value *values, size_t count, char *out, size_t bytes) {
    size_t used = 0;
    for (size_t i = 0; i < count && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%s %.4f", i ? "  " : " ",
                                 values[i].name, values[i].value);
}

static int train(const tool_command *self, int argc, char **argv) {
    set_defaults();
    tn_error err = {0};
    int code = tool_parse(self, argc, argv, NULL);
    if (code == TOOL_GO && goes_on()) code = recall(self, argc, argv);
    if (code != TOOL_GO) return code;
    char folder[PATH_MAX];
    if (!o.job.resume && !free_folder(folder)) {
        tool_error("%s and the 999 after it hold runs: give another folder", o.job.out);
        return 2;
    }
    o.job.device = tool_context.device;
    tool_run_watch watch = {.losses = losses_text, .figures = figures_text};
    tr_job_watcher watcher = tool_run_watch_start(&watch);
    code = tool_run_ended(&watch, tr_train_run(&o, &watcher, &err), &err);
    if (code == 0) sum_up();
    return code;
}

static int run(const tool_command *self, int argc, char **argv) {
    int code = train(self, argc, argv);
    tr_train_recalled_free(&recalled);
    return code;
}

const tool_command tool_train = {
    .name = "train",
    .summary = "train the adapters of an open-vocabulary detector around a frozen CLIP",
    .usage = "--preset NAME --clip FILE --data FILE --pictures DIR --out RUN [OPTIONS]",
    .details =
        "What is not given comes from the model's configuration. RUN becomes a model folder for\n"
        "lexmask detect and eval, and holds two checkpoints (the newest and the one before),\n"
        "log.jsonl, losses.png and figures.png. With --val, RUN/best is the model folder of the\n"
        "best validation, by mask AP (by box AP without masks), and results.csv has a line per\n"
        "validation. Where RUN holds a run already, a new one goes to RUN-2 and so on. Ctrl-C\n"
        "and SIGTERM save first; lexmask train --resume --out RUN goes on bit for bit, with the\n"
        "settings of the run. A validation that fails is a warning. A picture\n"
        "that cannot be read is left out, counted and named. Frozen weights are checked by their\n"
        "SHA-256 at the end.\n",
    .examples =
        "  lexmask train --preset fvit-b16 --clip ViT-B-16.pt --data instances_train2017.json "
        "\\\n"
        "      --pictures train2017 --base coco-ovd --out run --batch 4 --accumulate 16\n"
        "  lexmask train --resume --out run\n"
        "  lexmask train --preset fvlm-rn50 --clip RN50.pt --data mine.json --pictures mine \\\n"
        "      --out run --steps 500 --val mine.json --val-every 100\n",
    .misuse = misuse,
    .run = run,
    .options = options,
};
