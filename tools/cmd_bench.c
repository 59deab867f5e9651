// SPDX-License-Identifier: Apache-2.0
// lexmask bench: how fast kernels and whole models are on this machine.
#include "tools/bench.h"
#include "tools/commands.h"

#include <string.h>

static struct {
    bool json;
    int64_t threads;
} o;

static const tool_option table[] = {
    {"json", TOOL_FLAG, NULL, "print JSON", &o.json},
    {"threads", TOOL_INT, "N", "default: all processors", &o.threads, 1, 1024},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static int bench(const char *what, tn_error *err) {
    kn_ctx *kn;
    int code = 0;
    if (kn_open("cpu", NULL, (int)o.threads, &kn, err) != TN_OK) return tool_failed(err);
    if (!strcmp(what, "kernels"))
        code = tool_bench_kernels(kn, o.json);
    else if (!strcmp(what, "training"))
        code = tool_bench_training(kn, o.json);
    else if (tool_bench_models(kn, o.json, err) != TN_OK)
        code = tool_failed(err);
    kn_close(kn);
    return code;
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    tool_list words = {0};
    tn_error err = {0};
    int code = 2;
    tool_parsed parsed = tool_parse(self, argc, argv, &words);
    const char *what = words.count == 1 ? words.word[0] : "";
    bool known = !strcmp(what, "kernels") || !strcmp(what, "models") || !strcmp(what, "training");
    if (parsed == TOOL_HELPED)
        code = 0;
    else if (parsed == TOOL_GO && !known)
        tool_error("bench what? Give kernels, models or training");
    else if (parsed == TOOL_GO)
        code = bench(what, &err);
    tool_list_free(&words);
    return code;
}

const tool_command tool_bench = {
    .name = "bench",
    .summary = "time kernels, whole models or training on this machine",
    .usage = "kernels|models|training [--json]",
    .details =
        "Shapes are those of Mask R-CNN R50-FPN at 800x1333 and CLIP ViT-B/32 (training: of the\n"
        "presets fvit-b16 and small); weights are random. The share is of the peak measured in "
        "the\n"
        "same run. LEXMASK_CPU chooses the processor level.\n",
    .examples = "  lexmask bench kernels\n"
                "  LEXMASK_CPU=avx2 lexmask bench models --json\n",
    .run = run,
    .options = options,
};
