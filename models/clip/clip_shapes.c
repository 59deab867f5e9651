// SPDX-License-Identifier: Apache-2.0
// The published CLIPs. The number of heads and the kind of GELU are not in the tensors; these are
// facts from OpenAI's and OpenCLIP's model configurations.
#include "models/clip/clip_config.h"

#include <stdio.h>
#include <string.h>

static const struct tower {
    int64_t width, layers, heads;
} vits[] = {{384, 12, 6},   {512, 12, 8},   {768, 12, 12},  {896, 12, 14}, {1024, 24, 16},
            {1280, 32, 16}, {1408, 40, 16}, {1664, 48, 16}, {1792, 56, 16}},
  texts[] = {{256, 10, 4},   {384, 12, 6},   {512, 12, 8},   {640, 12, 10}, {768, 12, 12},
             {1024, 12, 16}, {1024, 24, 16}, {1280, 32, 20}, {1280, 36, 20}};

static int64_t heads_of(const struct tower *table, size_t count, int64_t width, int64_t layers) {
    for (size_t i = 0; i < count; i++)
        if (table[i].width == width && table[i].layers == layers) return table[i].heads;
    return 0;
}

// Names; OpenAI trained some of them, always with QuickGELU.
static const struct published {
    const char *name;
    md_clip_family family;
    int64_t width, layers, patch, embed_dim, text_width, text_layers;
    bool openai;
    int64_t size; // of the picture, if the name does not contain it
} published[] = {
    {"ViT-B/32", MD_CLIP_VIT, 768, 12, 32, 512, 512, 12, true, 224},
    {"ViT-B/16", MD_CLIP_VIT, 768, 12, 16, 512, 512, 12, true, 224},
    {"ViT-L/14", MD_CLIP_VIT, 1024, 24, 14, 768, 768, 12, true, 224},
    {"ViT-S/32", MD_CLIP_VIT, 384, 12, 32, 384, 384, 12, false, 224},
    {"ViT-S/16", MD_CLIP_VIT, 384, 12, 16, 384, 384, 12, false, 224},
    {"ViT-M/32", MD_CLIP_VIT, 512, 12, 32, 512, 512, 12, false, 224},
    {"ViT-M/16", MD_CLIP_VIT, 512, 12, 16, 512, 512, 12, false, 224},
    {"ViT-B/32-plus", MD_CLIP_VIT, 896, 12, 32, 640, 640, 12, false, 256},
    {"ViT-B/16-plus", MD_CLIP_VIT, 896, 12, 16, 640, 640, 12, false, 224},
    {"ViT-L/16", MD_CLIP_VIT, 1024, 24, 16, 768, 768, 12, false, 224},
    {"ViT-H/14", MD_CLIP_VIT, 1280, 32, 14, 1024, 1024, 24, false, 224},
    {"ViT-H/16", MD_CLIP_VIT, 1280, 32, 16, 1024, 1024, 24, false, 224},
    {"ViT-g/14", MD_CLIP_VIT, 1408, 40, 14, 1024, 1024, 24, false, 224},
    {"ViT-bigG/14", MD_CLIP_VIT, 1664, 48, 14, 1280, 1280, 32, false, 224},
    {"ViT-e/14", MD_CLIP_VIT, 1792, 56, 14, 1280, 1280, 36, false, 224},
    {"RN50", MD_CLIP_RESNET, 64, 16, 32, 1024, 512, 12, true, 224},
    {"RN101", MD_CLIP_RESNET, 64, 33, 32, 512, 512, 12, true, 224},
    {"RN50x4", MD_CLIP_RESNET, 80, 26, 32, 640, 640, 12, true, 288},
    {"RN50x16", MD_CLIP_RESNET, 96, 40, 32, 768, 768, 12, true, 384},
    {"RN50x64", MD_CLIP_RESNET, 128, 64, 32, 1024, 1024, 12, true, 448},
};

static const struct published *find(const md_clip_config *c) {
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        const struct published *p = &published[i];
        if (p->family == c->family && p->width == c->width && p->layers == c->layers &&
            p->patch == c->patch && p->embed_dim == c->embed_dim &&
            p->text_width == c->text_width && p->text_layers == c->text_layers)
            return p;
    }
    return NULL;
}

static void name_it(const struct published *p, md_clip_config *c) {
    if (p && p->size == c->image_size)
        snprintf(c->name, sizeof c->name, "%s", p->name);
    else if (p)
        snprintf(c->name, sizeof c->name, "%s@%lld", p->name, (long long)c->image_size);
    else if (c->family == MD_CLIP_VIT)
        snprintf(c->name, sizeof c->name, "ViT (%lld layers of %lld, patch %lld)",
                 (long long)c->layers, (long long)c->width, (long long)c->patch);
    else
        snprintf(c->name, sizeof c->name, "ModifiedResNet (width %lld, blocks %lld,%lld,%lld,%lld)",
                 (long long)c->width, (long long)c->stage[0], (long long)c->stage[1],
                 (long long)c->stage[2], (long long)c->stage[3]);
}

void md_clip_published(bool from_openai, md_clip_config *c) {
    const struct published *p = find(c);
    name_it(p, c);
    if (!c->heads && c->family == MD_CLIP_RESNET && c->width * 32 % 64 == 0 && p)
        c->heads = c->width * 32 / 64;
    if (!c->heads && c->family == MD_CLIP_VIT)
        c->heads = heads_of(vits, sizeof vits / sizeof *vits, c->width, c->layers);
    if (!c->text_heads)
        c->text_heads =
            heads_of(texts, sizeof texts / sizeof *texts, c->text_width, c->text_layers);
    if (!p || md_clip_is_set(c->text_activation)) return;
    kn_act act = p->openai ? KN_QUICK_GELU : KN_GELU;
    if (!md_clip_is_set(c->activation)) c->activation = act;
    c->text_activation = act;
    if (p->openai && !from_openai)
        snprintf(c->assumed, sizeof c->assumed,
                 "it is unknown whether this %s is OpenAI's; QuickGELU is assumed, as in OpenAI's "
                 "(most others of this shape, such as LAION's, need --activation gelu)",
                 c->name);
    else if (!p->openai)
        snprintf(c->assumed, sizeof c->assumed,
                 "the kind of GELU of this %s is unknown; plain GELU is assumed, as in most of "
                 "this shape (--activation quick_gelu for the others)",
                 c->name);
}
