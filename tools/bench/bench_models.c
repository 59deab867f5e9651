// SPDX-License-Identifier: Apache-2.0
// lexmask bench models: whole models at their real sizes with random weights, which take the same
// time as trained ones where the work does not depend on what is found.
#include "io/weights/safetensors.h"
#include "models/clip/clip.h"
#include "models/detector/mask_rcnn.h"
#include "tensor/rng.h"
#include "tools/bench/bench.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_TENSORS 1024

typedef struct maker {
    tn_arena memory;
    io_tensor tensor[MAX_TENSORS];
    size_t count;
    tn_rng rng;
    tn_error *err;
    bool failed;
} maker;

// A normal tensor of standard deviation `deviation` around `mean`.
static void add(maker *m, double mean, double deviation, int rank, const int64_t *dim,
                const char *format, ...) __attribute__((format(printf, 6, 7)));
static void add(maker *m, double mean, double deviation, int rank, const int64_t *dim,
                const char *format, ...) {
    char name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    tn_tensor t;
    char *kept = tn_arena_alloc(&m->memory, strlen(name) + 1);
    if (m->failed || m->count == MAX_TENSORS || !kept ||
        tn_new(&m->memory, &t, TN_F32, rank, dim, m->err) != TN_OK) {
        m->failed = true;
        return;
    }
    strcpy(kept, name);
    float *x = tn_f32(&t);
    // Sums of two uniform numbers are near enough to normal here, and quick for millions.
    double width = deviation * sqrt(6.0);
    for (int64_t i = 0; i < tn_count(&t); i++)
        x[i] = (float)(mean + width * ((tn_rng_u32(&m->rng) >> 8) * 0x1p-24 +
                                       (tn_rng_u32(&m->rng) >> 8) * 0x1p-24 - 1));
    io_tensor *out = &m->tensor[m->count++];
    *out = (io_tensor){.name = kept, .dtype = TN_F32, .rank = rank, .data = t.data};
    memcpy(out->dim, dim, (size_t)rank * sizeof *dim);
}

static void add_conv(maker *m, int64_t k, int64_t c, int64_t side, bool bias, const char *name) {
    add(m, 0, sqrt(2.0 / (double)(c * side * side)), TN_DIMS(k, c, side, side), "%s.weight", name);
    if (bias) add(m, 0, 0.01, TN_DIMS(k), "%s.bias", name);
}

static void add_norm(maker *m, int64_t c, double gain, const char *name) {
    add(m, gain, 0.01, TN_DIMS(c), "%s.weight", name);
    add(m, 0, 0.01, TN_DIMS(c), "%s.bias", name);
    add(m, 0, 0.01, TN_DIMS(c), "%s.running_mean", name);
    add(m, 1, 0.01, TN_DIMS(c), "%s.running_var", name);
}

static void add_linear(maker *m, int64_t k, int64_t c, const char *name) {
    add(m, 0, 1 / sqrt((double)c), TN_DIMS(k, c), "%s.weight", name);
    add(m, 0, 0.01, TN_DIMS(k), "%s.bias", name);
}

static void add_bottleneck(maker *m, int64_t in, int64_t width, bool first, const char *block) {
    char name[256];
    const int64_t out = 4 * width;
    const struct {
        int64_t k, c, side;
    } conv[] = {{width, in, 1}, {width, width, 3}, {out, width, 1}};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.conv%d", block, i + 1);
        add_conv(m, conv[i].k, conv[i].c, conv[i].side, false, name);
        snprintf(name, sizeof name, "%s.bn%d", block, i + 1);
        add_norm(m, conv[i].k, i == 2 ? 0.2 : 1, name); // the residual branch stays small
    }
    if (!first) return;
    snprintf(name, sizeof name, "%s.downsample.0", block);
    add_conv(m, out, in, 1, false, name);
    snprintf(name, sizeof name, "%s.downsample.1", block);
    add_norm(m, out, 1, name);
}

// maskrcnn_resnet50_fpn of torchvision.
static void make_detector(maker *m) {
    static const int blocks[] = {3, 4, 6, 3};
    char name[128];
    int64_t in = 64;
    add_conv(m, 64, 3, 7, false, "backbone.body.conv1");
    add_norm(m, 64, 1, "backbone.body.bn1");
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < blocks[stage]; i++) {
            snprintf(name, sizeof name, "backbone.body.layer%d.%d", stage + 1, i);
            add_bottleneck(m, in, 64 << stage, i == 0, name);
            in = 256 << stage;
        }
        snprintf(name, sizeof name, "backbone.fpn.inner_blocks.%d.0", stage);
        add_conv(m, 256, in, 1, true, name);
        snprintf(name, sizeof name, "backbone.fpn.layer_blocks.%d.0", stage);
        add_conv(m, 256, 256, 3, true, name);
    }
    add_conv(m, 256, 256, 3, true, "rpn.head.conv.0.0");
    add(m, 0, 0.01, TN_DIMS(3, 256, 1, 1), "rpn.head.cls_logits.weight");
    add(m, 0, 0.01, TN_DIMS(3), "rpn.head.cls_logits.bias");
    add(m, 0, 0.01, TN_DIMS(12, 256, 1, 1), "rpn.head.bbox_pred.weight");
    add(m, 0, 0.01, TN_DIMS(12), "rpn.head.bbox_pred.bias");
    add_linear(m, 1024, 12544, "roi_heads.box_head.fc6");
    add_linear(m, 1024, 1024, "roi_heads.box_head.fc7");
    add_linear(m, 91, 1024, "roi_heads.box_predictor.cls_score");
    add_linear(m, 364, 1024, "roi_heads.box_predictor.bbox_pred");
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "roi_heads.mask_head.%d.0", i);
        add_conv(m, 256, 256, 3, true, name);
    }
    add_conv(m, 256, 256, 2, true, "roi_heads.mask_predictor.conv5_mask");
    add_conv(m, 91, 256, 1, true, "roi_heads.mask_predictor.mask_fcn_logits");
}

static void make_blocks(maker *m, int64_t width, int layers, const char *prefix) {
    char name[128];
    for (int i = 0; i < layers; i++) {
        for (int n = 1; n <= 2; n++) {
            add(m, 1, 0.01, TN_DIMS(width), "%s.%d.ln_%d.weight", prefix, i, n);
            add(m, 0, 0.01, TN_DIMS(width), "%s.%d.ln_%d.bias", prefix, i, n);
        }
        add(m, 0, 0.02, TN_DIMS(3 * width, width), "%s.%d.attn.in_proj_weight", prefix, i);
        add(m, 0, 0.01, TN_DIMS(3 * width), "%s.%d.attn.in_proj_bias", prefix, i);
        snprintf(name, sizeof name, "%s.%d.attn.out_proj", prefix, i);
        add_linear(m, width, width, name);
        snprintf(name, sizeof name, "%s.%d.mlp.c_fc", prefix, i);
        add_linear(m, 4 * width, width, name);
        snprintf(name, sizeof name, "%s.%d.mlp.c_proj", prefix, i);
        add_linear(m, width, 4 * width, name);
    }
}

// OpenAI's ViT-B/32.
static void make_clip(maker *m) {
    add(m, 0, 0.02, TN_DIMS(768, 3, 32, 32), "visual.conv1.weight");
    add(m, 0, 0.02, TN_DIMS(768), "visual.class_embedding");
    add(m, 0, 0.02, TN_DIMS(50, 768), "visual.positional_embedding");
    static const char *const norms[] = {"visual.ln_pre", "visual.ln_post"};
    for (int i = 0; i < 2; i++) {
        add(m, 1, 0.01, TN_DIMS(768), "%s.weight", norms[i]);
        add(m, 0, 0.01, TN_DIMS(768), "%s.bias", norms[i]);
    }
    add(m, 0, 0.04, TN_DIMS(768, 512), "visual.proj");
    make_blocks(m, 768, 12, "visual.transformer.resblocks");
    add(m, 0, 0.02, TN_DIMS(49408, 512), "token_embedding.weight");
    add(m, 0, 0.02, TN_DIMS(77, 512), "positional_embedding");
    add(m, 1, 0.01, TN_DIMS(512), "ln_final.weight");
    add(m, 0, 0.01, TN_DIMS(512), "ln_final.bias");
    add(m, 0, 0.04, TN_DIMS(512, 512), "text_projection");
    add(m, 4.6, 0, 0, NULL, "logit_scale");
    make_blocks(m, 512, 12, "transformer.resblocks");
}

// ---- timing ------------------------------------------------------------------------------------

#define RUNS 5 // odd: the median is one of them

typedef struct row {
    const char *name, *unit;
    double seconds, gflop, per_second; // median; 1e9 operations, a multiply-add being two
} row;

static void print_row(const row *r, double peak, bool json, bool last) {
    double rate = r->gflop / r->seconds;
    if (json)
        printf(
            "  {\"name\": \"%s\", \"seconds\": %.6g, \"gflops\": %.6g, \"per_second\": %.6g}%s\n",
            r->name, r->seconds, rate, r->per_second, last ? "" : ",");
    else
        printf("%-46s %9.1f ms %8.1f GFLOP/s %4.0f %% %9.2f %s\n", r->name, 1e3 * r->seconds, rate,
               100 * rate / peak, r->per_second, r->unit);
}

static tn_status make_file(void (*make)(maker *), const char *path, tn_error *err) {
    maker *m = tn_alloc_zero(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory for a benchmark");
    m->rng = tn_rng_new(1, 0), m->err = err;
    tn_status status = tn_arena_init(&m->memory, (size_t)2 << 30, err);
    if (status == TN_OK) make(m);
    if (status == TN_OK && m->failed)
        status = tn_fail(err, TN_ENOMEM, "out of memory for a benchmark");
    if (status == TN_OK)
        status = io_safetensors_write(path, m->tensor, m->count, NULL, 0, IO_AS_STORED, err);
    tn_arena_deinit(&m->memory);
    tn_free(m);
    return status;
}

// In a process of its own, so that the memory told at the end is the models' alone.
static tn_status write_model(void (*make)(maker *), const char *path, tn_error *err) {
    int how = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(make_file(make, path, err) == TN_OK ? 0 : 1);
    if (child < 0 || waitpid(child, &how, 0) != child || how != 0)
        return tn_fail(err, TN_EIO, "%s: cannot write a model there (about 600 MB are needed)",
                       path);
    return TN_OK;
}

// The parts of one picture through the detector at 800x1333, each with as much to do as it can get:
// 1000 proposals through the box head, 100 regions through the mask head.
enum { FEATURES, PROPOSE, BOXES, MASKS, PARTS };

static tn_status detector_once(nn_ctx *cx, const md_mask_rcnn *model, const tn_tensor *image,
                               const tn_tensor *regions, const tn_tensor *labels,
                               double seconds[PARTS]) {
    md_features features;
    tn_tensor boxes, scores, logits, masks;
    double start = tool_seconds();
    size_t mark = tn_arena_mark(cx->step);
    TN_TRY(md_mask_rcnn_features(cx, model, image, &features));
    seconds[FEATURES] = tool_seconds() - start, start = tool_seconds();
    TN_TRY(md_mask_rcnn_propose(cx, model, &features, 0, &boxes, &scores));
    seconds[PROPOSE] = tool_seconds() - start, start = tool_seconds();
    TN_TRY(md_mask_rcnn_boxes(cx, model, &features, regions, &logits, &boxes));
    seconds[BOXES] = tool_seconds() - start, start = tool_seconds();
    tn_tensor hundred = tn_slice(regions, 0, 100);
    TN_TRY(md_mask_rcnn_masks(cx, model, &features, &hundred, labels, &masks));
    seconds[MASKS] = tool_seconds() - start;
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

static tn_status random_inputs(tn_arena *arena, tn_tensor *image, tn_tensor *regions,
                               tn_tensor *labels, tn_error *err) {
    tn_rng rng = tn_rng_new(2, 0);
    TN_TRY(tn_new(arena, image, TN_U8, TN_DIMS(800, 1333, 3), err));
    TN_TRY(tn_new(arena, regions, TN_F32, TN_DIMS(1000, 4), err));
    TN_TRY(tn_new(arena, labels, TN_I32, TN_DIMS(100), err));
    for (int64_t i = 0; i < tn_count(image); i++) tn_u8(image)[i] = (uint8_t)tn_rng_u32(&rng);
    for (int i = 0; i < 1000; i++) {
        double w = exp(tn_rng_uniform(&rng, 2.5, 6)), h = exp(tn_rng_uniform(&rng, 2.5, 6));
        double x = tn_rng_uniform(&rng, 0, 1333 - w), y = tn_rng_uniform(&rng, 0, 800 - h);
        float box[4] = {(float)x, (float)y, (float)(x + w), (float)(y + h)};
        memcpy(tn_f32(regions) + 4 * i, box, sizeof box);
    }
    for (int i = 0; i < 100; i++) tn_i32(labels)[i] = 1 + i % 90;
    return TN_OK;
}

// Multiply-adds of the convolutions and products, counted from the shapes of R50-FPN at 800x1344:
// body 87.6 and pyramid 60.9, RPN, box head of 1000 regions, mask head of 100.
static const double detector_gmac[PARTS] = {148.5, 53.1, 14.4, 53.2};

static tn_status bench_detector(nn_ctx *cx, const char *path, row rows[PARTS + 1], tn_error *err) {
    static const char *const names[] = {"Mask R-CNN R50-FPN 800x1333: body, pyramid", "  proposals",
                                        "  boxes of 1000 regions", "  masks of 100 regions",
                                        "  all of it"};
    md_mask_rcnn *model;
    tn_tensor image, regions, labels;
    double seconds[PARTS + 1][RUNS], once[PARTS];
    TN_TRY(md_mask_rcnn_open(path, NULL, cx->kn, &model, err));
    tn_status status = random_inputs(cx->step, &image, &regions, &labels, err);
    for (int run = -1; status == TN_OK && run < RUNS; run++) { // the first one warms up
        status = detector_once(cx, model, &image, &regions, &labels, once);
        if (run < 0) continue;
        seconds[PARTS][run] = 0;
        for (int p = 0; p < PARTS; p++) seconds[PARTS][run] += seconds[p][run] = once[p];
    }
    md_mask_rcnn_close(model);
    TN_TRY(status);
    double all = 0;
    for (int p = 0; p <= PARTS; p++) {
        double gmac = p < PARTS ? detector_gmac[p] : all, median = bench_median(seconds[p], RUNS);
        all += gmac;
        rows[p] = (row){names[p], "pictures/s", median, 2 * gmac, 1 / median};
    }
    return TN_OK;
}

// ViT-B/32 of 50 tokens: 4.41 billion multiply-adds a picture.
static tn_status bench_clip(nn_ctx *cx, const char *path, row rows[2], tn_error *err) {
    static const int batches[] = {1, 32};
    static const char *const names[] = {"CLIP ViT-B/32: 1 picture", "CLIP ViT-B/32: 32 pictures"};
    md_clip *clip;
    TN_TRY(md_clip_open(path, NULL, cx->kn, &clip, err));
    tn_status status = TN_OK;
    tn_rng rng = tn_rng_new(3, 0);
    for (int b = 0; b < 2 && status == TN_OK; b++) {
        size_t mark = tn_arena_mark(cx->step);
        double seconds[RUNS];
        tn_tensor x, y;
        status = tn_new(cx->step, &x, TN_F32, TN_DIMS(batches[b], 224, 224, 3), err);
        if (status == TN_OK) status = tn_new(cx->step, &y, TN_F32, TN_DIMS(batches[b], 512), err);
        for (int64_t i = 0; status == TN_OK && i < tn_count(&x); i++)
            tn_f32(&x)[i] = (float)tn_rng_uniform(&rng, -2, 2);
        for (int run = -1; status == TN_OK && run < RUNS; run++) {
            double start = tool_seconds();
            status = md_clip_encode_images(cx, clip, &x, &y);
            if (run >= 0) seconds[run] = tool_seconds() - start;
        }
        if (status != TN_OK) break;
        double median = bench_median(seconds, RUNS);
        rows[b] = (row){names[b], "pictures/s", median, 2 * 4.41 * batches[b], batches[b] / median};
        tn_arena_reset(cx->step, mark);
    }
    md_clip_close(clip);
    return status;
}

static tn_status bench_all(nn_ctx *cx, const char *folder, row *rows, tn_error *err) {
    char path[256];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    tool_note("making a Mask R-CNN of random weights");
    TN_TRY(write_model(make_detector, path, err));
    tn_status status = bench_detector(cx, path, rows, err);
    unlink(path);
    TN_TRY(status);
    tool_note("making a CLIP ViT-B/32 of random weights");
    TN_TRY(write_model(make_clip, path, err));
    status = bench_clip(cx, path, rows + PARTS + 1, err);
    unlink(path);
    return status;
}

tn_status tool_bench_models(kn_ctx *kn, bool json, tn_error *err) {
    char folder[] = "/tmp/lexmask-bench-XXXXXX";
    row rows[PARTS + 3];
    tn_arena step = {0};
    nn_ctx cx = {.kn = kn, .step = &step, .err = err};
    if (!mkdtemp(folder)) return tn_fail(err, TN_EIO, "%s: cannot make the folder", folder);
    tn_status status = tn_arena_init_large(&step, err);
    if (status == TN_OK) status = bench_all(&cx, folder, rows, err);
    tn_arena_deinit(&step);
    rmdir(folder);
    TN_TRY(status);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double peak = bench_measure_peak(kn).gflops;
    if (json) printf("[\n");
    for (int i = 0; i < PARTS + 3; i++) print_row(&rows[i], peak, json, i == PARTS + 2);
    if (json)
        printf("]\n");
    else
        printf("largest memory of this process: %.0f MB\n", (double)usage.ru_maxrss / 1024);
    return TN_OK;
}
