// SPDX-License-Identifier: Apache-2.0
// lexmask pretrain: a CLIP from nothing.
#include "tools/commands.h"
#include "tools/shared/context.h"
#include "tools/shared/files.h"
#include "tools/shared/run_options.h"
#include "tools/train/run_watch.h"
#include "train/clip_loss.h"
#include "train/jobs/painted/pretrain_job.h"

#include "models/text/bpe_train.h"

#include <string.h>

static tr_pretrain_options o;

static const tool_option table[] = {
    {"out", TOOL_TEXT, "RUN",
     "folder of the run: checkpoints, log.jsonl, charts, and the model itself as transformers "
     "reads it",
     &o.job.out},
    {"resume", TOOL_FLAG, NULL, "go on with the run in RUN, bit for bit as if it had never stopped",
     &o.job.resume},
    {"names", TOOL_TEXT, "FILE", "names of emoji to learn, one a line; default: all that there are",
     &o.names_file},
    {"templates", TOOL_TEXT, "FILE",
     "sentences with {} for a name, one a line; the first is what the model will be asked with. "
     "Default: \"a photo of {}\" and twelve others",
     &o.templates_file},
    {"tokenizer", TOOL_TEXT, "DIR",
     "vocab.json and merges.txt; default: a vocabulary is made of names and templates",
     &o.tokenizer},
    {"init", TOOL_TEXT, "DIR", "begin with this CLIP instead of random values", &o.init},
    {"steps", TOOL_INT, "N", "updates; default 3000", &o.job.steps, 1, 1e12},
    {"batch", TOOL_INT, "N", "crops of an update; default 160", &o.job.batch, 2, 65536},
    {"empty", TOOL_INT, "N", "of these, crops without an object; default 16", &o.empty, 0, 65535},
    {"lr", TOOL_REAL, "X", "highest learning rate; default 1e-3", &o.job.lr, 0, 1e3},
    {"optimizer", TOOL_CHOICE, "NAME",
     "adamw, or muon for the matrices of all blocks, with AdamW for the rest; default adamw",
     &o.optimizer, .choices = "adamw|muon"},
    {"warmup", TOOL_INT, "N", "updates until it is reached; default 200", &o.job.warmup, 0, 1e12},
    {"decay", TOOL_REAL, "X", "weight decay, not of norms, biases and the scale; default 0.05",
     &o.decay, 0, 1e3},
    {"clip-norm", TOOL_REAL, "X", "gradients are clipped at this norm; 0: not; default 1",
     &o.job.clip_norm, 0, 1e9},
    {"half-until", TOOL_REAL, "X",
     "part of the run that looks at a random half of each crop's patches; default 0.65", &o.half, 0,
     1},
    {"easy-until", TOOL_REAL, "X",
     "part of the run until crops are at their hardest; default 0.175", &o.easy, 0, 1},
    {"refresh", TOOL_INT, "N",
     "updates between two encodings of all names, against which each crop is held besides; 0: "
     "never; default 20",
     &o.refresh, 0, 1e9},
    {"size", TOOL_INT, "N", "pixels a side of a crop; default 64", &o.size, 8, 1024},
    {"patch", TOOL_INT, "N", "pixels a side of a patch; default 8", &o.patch, 1, 1024},
    {"width", TOOL_INT, "N", "channels of the image tower; default 128", &o.width, 1, 65536},
    {"layers", TOOL_INT, "N", "its blocks; default 6", &o.layers, 1, 1024},
    {"heads", TOOL_INT, "N", "its heads; default 4", &o.heads, 1, 1024},
    {"embed", TOOL_INT, "N", "numbers of an embedding; default 128", &o.embed, 1, 65536},
    {"text-width", TOOL_INT, "N", "channels of the text tower; default 128", &o.text_width, 1,
     65536},
    {"text-layers", TOOL_INT, "N", "its blocks; default 3", &o.text_layers, 1, 1024},
    {"text-heads", TOOL_INT, "N", "its heads; default 4", &o.text_heads, 1, 1024},
    {"context", TOOL_INT, "N", "most tokens of a text; default 32", &o.context, 4, 65536},
    {"vocabulary", TOOL_INT, "N", "symbols of the vocabulary at most; default 2048", &o.vocabulary,
     MD_BPE_MIN_SIZE, 1 << 24},
    {"val-every", TOOL_INT, "N", "updates between measurements; default 250", &o.job.validate_every,
     1, 1e12},
    TOOL_PAINTED_OPTIONS(o),
    TOOL_RUN_OPTIONS(o.job),
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static const char *misuse(const tool_list *words) {
    (void)words;
    if (!o.job.out) return "where to? Give --out RUN, a folder";
    if (o.empty >= o.job.batch) return "--empty: a batch needs crops with an object, too";
    return NULL;
}

static void losses_text(const double *loss, char *out, size_t bytes) {
    snprintf(out, bytes, "pictures %.3f, texts %.3f, bank %.3f", loss[TR_CLIP_PICTURES],
             loss[TR_CLIP_TEXTS], loss[TR_CLIP_BANK]);
}

static void figures_text(const tr_value *values, size_t count, char *out, size_t bytes) {
    (void)count;
    snprintf(out, bytes,
             "crops named right %.4f (among five %.4f), taken for background %.4f; crops without "
             "an object known as such %.4f",
             values[0].value, values[1].value, values[2].value, values[3].value);
}

// Lines of a file, where one was given.
static tn_status read_list(const char *file, char **text, tool_list *lines,
                           const char *const **list, size_t *count, tn_error *err) {
    static const char *const none[1];
    if (!file) return TN_OK;
    TN_TRY(tool_read_lines(file, text, lines, err));
    *list = lines->count ? lines->word : none;
    *count = lines->count;
    return TN_OK;
}

static int pretrain(void) {
    tn_error err = {0};
    char *text[2] = {0};
    tool_list lines[2] = {0};
    tool_run_watch watch = {.losses = losses_text, .figures = figures_text};
    tr_job_watcher watcher = tool_run_watch_start(&watch);
    tn_status status = read_list(o.names_file, &text[0], &lines[0], &o.names, &o.name_count, &err);
    if (status == TN_OK)
        status =
            read_list(o.templates_file, &text[1], &lines[1], &o.templates, &o.template_count, &err);
    if (status == TN_OK) status = tr_pretrain_run(&o, &watcher, &err);
    for (int i = 0; i < 2; i++) {
        tool_list_free(&lines[i]);
        tn_free(text[i]);
    }
    return tool_run_ended(&watch, status, &err);
}

static int run(const tool_command *self, int argc, char **argv) {
    o = tr_pretrain_defaults();
    int code = tool_parse(self, argc, argv, NULL);
    o.job.device = tool_context.device;
    return code == TOOL_GO ? pretrain() : code;
}

const tool_command tool_pretrain = {
    .name = "pretrain",
    .summary = "train a small CLIP from nothing on crops of colour emoji",
    .usage = "--out RUN [OPTIONS]",
    .details =
        "Crops are painted as they are needed, with clutter as a detector would cut it. The loss\n"
        "is CLIP's, and each crop is also told from all names at once. RUN becomes a folder that\n"
        "Hugging Face's transformers and every --clip of this program read. Ctrl-C and SIGTERM\n"
        "save first; the same command with --resume goes on bit for bit.\n",
    .examples =
        "  lexmask pretrain --out clip\n"
        "  lexmask pretrain --out tiny --names names.txt --steps 300 --width 64 --layers 2\n"
        "  lexmask embed --clip clip --out heart.npy --texts \"a photo of a red heart\"\n",
    .misuse = misuse,
    .run = run,
    .options = options,
};
