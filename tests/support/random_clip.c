// SPDX-License-Identifier: Apache-2.0
#include "tests/support/random_clip.h"

#include "io/weights/safetensors.h"
#include "tensor/rng.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#define MOST 512
#define EMBED 64
#define TEXT_WIDTH 64
#define CONTEXT 32
#define VOCABULARY 2048 // of the tokenizer
#define HEAD 32

typedef struct maker {
    io_tensor item[MOST];
    char name[MOST][96];
    size_t count;
} maker;

// Adds a tensor of constant + spread * normal; dimensions of 0 are omitted.
static void add(maker *m, double constant, double spread, const int64_t dim[4], const char *format,
                ...) __attribute__((format(printf, 5, 6)));
static void add(maker *m, double constant, double spread, const int64_t dim[4], const char *format,
                ...) {
    va_list list;
    size_t i = m->count++, count = 1;
    assert_true(i < MOST);
    va_start(list, format);
    vsnprintf(m->name[i], sizeof m->name[i], format, list);
    va_end(list);
    m->item[i] = (io_tensor){.name = m->name[i], .dtype = TN_F32};
    for (int d = 0; d < 4 && dim[d]; d++) {
        m->item[i].dim[m->item[i].rank++] = dim[d];
        count *= (size_t)dim[d];
    }
    float *data = tn_alloc(count * sizeof *data);
    assert_non_null(data);
    tn_rng rng = tn_rng_new(1, i);
    for (size_t k = 0; k < count; k++) data[k] = (float)(constant + spread * tn_rng_normal(&rng));
    m->item[i].data = data;
}

#define DIM(...) ((const int64_t[4]){__VA_ARGS__})

// ---- towers ------------------------------------------------------------------------------------

static void add_norm(maker *m, int64_t width, const char *prefix) {
    add(m, 1, 0, DIM(width), "%s.weight", prefix);
    add(m, 0, 0, DIM(width), "%s.bias", prefix);
}

static void add_linear(maker *m, int64_t out, int64_t in, double spread, const char *prefix) {
    add(m, 0, spread, DIM(out, in), "%s.weight", prefix);
    add(m, 0, 0, DIM(out), "%s.bias", prefix);
}

static void add_blocks(maker *m, int64_t width, int64_t layers, const char *tower) {
    double into = pow((double)width, -0.5), out = into * pow(2 * (double)layers, -0.5);
    char at[64], name[96];
    for (int64_t i = 0; i < layers; i++) {
        snprintf(at, sizeof at, "%stransformer.resblocks.%lld", tower, (long long)i);
        add(m, 0, into, DIM(3 * width, width), "%s.attn.in_proj_weight", at);
        add(m, 0, 0, DIM(3 * width), "%s.attn.in_proj_bias", at);
        snprintf(name, sizeof name, "%s.attn.out_proj", at);
        add_linear(m, width, width, out, name);
        snprintf(name, sizeof name, "%s.mlp.c_fc", at);
        add_linear(m, 4 * width, width, into * sqrt(0.5), name);
        snprintf(name, sizeof name, "%s.mlp.c_proj", at);
        add_linear(m, width, 4 * width, out, name);
        for (int k = 1; k <= 2; k++) {
            snprintf(name, sizeof name, "%s.ln_%d", at, k);
            add_norm(m, width, name);
        }
    }
}

static void add_vit(maker *m, const random_clip *c) {
    double spread = pow((double)c->width, -0.5);
    add(m, 0, 1 / sqrt(9.0 * (double)(c->patch * c->patch)), DIM(c->width, 3, c->patch, c->patch),
        "visual.conv1.weight");
    add(m, 0, spread, DIM(c->width), "visual.class_embedding");
    add(m, 0, spread, DIM(1 + c->grid * c->grid, c->width), "visual.positional_embedding");
    add_norm(m, c->width, "visual.ln_pre");
    add_norm(m, c->width, "visual.ln_post");
    add_blocks(m, c->width, c->layers, "visual.");
    add(m, 0, spread, DIM(c->width, EMBED), "visual.proj");
}

static void add_conv(maker *m, const char *conv, const char *bn, int64_t out, int64_t in,
                     int64_t size) {
    add(m, 0, sqrt(2.0 / (double)(in * size * size)), DIM(out, in, size, size), "%s.weight", conv);
    add_norm(m, out, bn);
    add(m, 0, 0, DIM(out), "%s.running_mean", bn);
    add(m, 1, 0, DIM(out), "%s.running_var", bn);
}

static void add_stage(maker *m, int stage, int64_t in, int64_t planes) {
    const struct {
        const char *conv, *bn;
        int64_t out, in, size;
    } all[] = {{"conv1", "bn1", planes, in, 1},
               {"conv2", "bn2", planes, planes, 3},
               {"conv3", "bn3", 4 * planes, planes, 1},
               {"downsample.0", "downsample.1", 4 * planes, in, 1}};
    for (int i = 0; i < 4; i++) {
        char conv[64], bn[64];
        snprintf(conv, sizeof conv, "visual.layer%d.0.%s", stage + 1, all[i].conv);
        snprintf(bn, sizeof bn, "visual.layer%d.0.%s", stage + 1, all[i].bn);
        add_conv(m, conv, bn, all[i].out, all[i].in, all[i].size);
    }
}

static void add_resnet(maker *m, const random_clip *c) {
    int64_t width = c->width, channels = 32 * width;
    add_conv(m, "visual.conv1", "visual.bn1", width / 2, 3, 3);
    add_conv(m, "visual.conv2", "visual.bn2", width / 2, width / 2, 3);
    add_conv(m, "visual.conv3", "visual.bn3", width, width / 2, 3);
    for (int i = 0; i < 4; i++) add_stage(m, i, i ? width << (i + 1) : width, width << i);
    double spread = pow((double)channels, -0.5);
    add(m, 0, spread, DIM(1 + c->grid * c->grid, channels), "visual.attnpool.positional_embedding");
    add_linear(m, channels, channels, spread, "visual.attnpool.q_proj");
    add_linear(m, channels, channels, spread, "visual.attnpool.k_proj");
    add_linear(m, channels, channels, spread, "visual.attnpool.v_proj");
    add_linear(m, EMBED, channels, spread, "visual.attnpool.c_proj");
}

static void add_text(maker *m) {
    add(m, 0, 0.02, DIM(VOCABULARY, TEXT_WIDTH), "token_embedding.weight");
    add(m, 0, 0.01, DIM(CONTEXT, TEXT_WIDTH), "positional_embedding");
    add_blocks(m, TEXT_WIDTH, 2, "");
    add_norm(m, TEXT_WIDTH, "ln_final");
    add(m, 0, pow(TEXT_WIDTH, -0.5), DIM(TEXT_WIDTH, EMBED), "text_projection");
    add(m, log(100), 0, DIM(1), "logit_scale");
}

// ---- the folder --------------------------------------------------------------------------------

static void write_settings(const char *folder, const random_clip *c) {
    char path[512];
    snprintf(path, sizeof path, "%s/open_clip_config.json", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "{\"model_cfg\":{\"embed_dim\":%d,\"quick_gelu\":true,\"vision_cfg\":{", EMBED);
    fprintf(file, "\"head_width\":%d},\"text_cfg\":{\"heads\":%d}}}", HEAD, TEXT_WIDTH / HEAD);
    (void)c;
    assert_int_equal(fclose(file), 0);
}

void random_clip_write(const char *folder, const random_clip *size) {
    static maker m;
    tn_error err;
    char path[512];
    m.count = 0;
    if (size->patch)
        add_vit(&m, size);
    else
        add_resnet(&m, size);
    add_text(&m);
    snprintf(path, sizeof path, "%s/open_clip_model.safetensors", folder);
    tn_status status = io_safetensors_write(path, m.item, m.count, NULL, 0, IO_AS_STORED, &err);
    for (size_t i = 0; i < m.count; i++) tn_free((void *)m.item[i].data);
    ASSERT_OK(status, err);
    write_settings(folder, size);
}
