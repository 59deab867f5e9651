// SPDX-License-Identifier: Apache-2.0
// lexmask bench: how fast kernels, whole models and the reading of data are on this machine.
#include "tools/bench/bench.h"
#include "tools/commands.h"
#include "tools/shared/context.h"

#include <string.h>

static struct {
    bool json;
    bench_data data;
} o;

enum { KERNELS = 1, DATA = 2 }; // kinds of a run, for used_by

static const tool_option table[] = {
    {"json", TOOL_FLAG, NULL, "print JSON", &o.json},
    {"matmul", TOOL_CHOICE, "TYPE",
     "f32, or bf16: products of numbers rounded to bfloat16, summed in float32; default f32",
     &tool_context.dtype, .choices = "f32|bf16", .used_by = KERNELS},
    {"annotations", TOOL_TEXT, "FILE", "data: instance annotations, COCO JSON", &o.data.annotations,
     .used_by = DATA},
    {"pictures", TOOL_TEXT, "DIR", "data: the folder of its pictures; without it they are not read",
     &o.data.pictures, .used_by = DATA},
    {"size", TOOL_INT, "N", "data: pixels a side of what training is shown; default 640",
     &o.data.size, 1, 16384, .used_by = DATA},
    {"batch", TOOL_INT, "N", "data: pictures in a batch; default 8", &o.data.batch, 1, 4096,
     .used_by = DATA},
    {"workers", TOOL_INT, "N", "data: threads that read ahead; default 2, 0: none", &o.data.workers,
     0, 256, .used_by = DATA},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static const tool_option_group *const shared[] = {&tool_thread_group, NULL};

static int bench(const char *what, tn_error *err) {
    kn_ctx *kn;
    int code = 0;
    if (tool_context_open(&kn, err) != TN_OK) return tool_failed(err);
    if (!strcmp(what, "kernels"))
        code = tool_bench_kernels(kn, o.json);
    else if (!strcmp(what, "training"))
        code = tool_bench_training(kn, o.json);
    else if (!strcmp(what, "pretrain"))
        code = tool_bench_pretrain(kn, o.json, err) == TN_OK ? 0 : tool_failed(err);
    else if (tool_bench_models(kn, o.json, err) != TN_OK)
        code = tool_failed(err);
    kn_close(kn);
    return code;
}

static int measure_data(tn_error *err) {
    if (!o.data.annotations) {
        tool_error("bench data needs --annotations FILE");
        return 2;
    }
    o.data.json = o.json;
    return tool_bench_data(&o.data, err) == TN_OK ? 0 : tool_failed(err);
}

static const char *misuse_of(const char *kind) {
    static char text[128];
    bool data = !strcmp(kind, "data");
    const tool_option *unused = tool_given_unused(data ? DATA : KERNELS);
    if (!unused) return NULL;
    snprintf(text, sizeof text, "--%s is %s `bench data`", unused->name, data ? "not for" : "for");
    return text;
}

static const char *misuse(const tool_list *words) {
    static const char *const kinds[] = {"kernels", "models", "training", "pretrain", "data"};
    for (size_t i = 0; words->count == 1 && i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(words->word[0], kinds[i])) return misuse_of(kinds[i]);
    return "bench what? Give kernels, models, training, pretrain or data";
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    o.data = (bench_data){.size = 640, .batch = 8, .workers = 2};
    tool_list words = {0};
    tn_error err = {0};
    int code = tool_parse(self, argc, argv, &words);
    if (code == TOOL_GO)
        code = strcmp(words.word[0], "data") ? bench(words.word[0], &err) : measure_data(&err);
    tool_list_free(&words);
    return code;
}

const tool_command tool_bench = {
    .name = "bench",
    .summary = "time kernels, whole models, training or the reading of data on this machine",
    .usage = "kernels|models|training|pretrain|data [options]",
    .details =
        "Shapes are those of Mask R-CNN R50-FPN at 800x1333 and CLIP ViT-B/32 (training: of the\n"
        "presets fvit-b16 and small; pretrain: whole updates of the small CLIP); weights are\n"
        "random. The share is that of the peak measured in the same run. LEXMASK_CPU chooses the\n"
        "processor level. `bench data` reads annotations as training does, counts what is left\n"
        "out, and mirrors, scales, crops and batches about 240 pictures.\n",
    .examples =
        "  lexmask bench kernels\n"
        "  LEXMASK_CPU=avx2 lexmask bench models --json\n"
        "  lexmask bench data --annotations instances_train2017.json --pictures train2017\n",
    .misuse = misuse,
    .run = run,
    .options = options,
    .shared = shared,
};
