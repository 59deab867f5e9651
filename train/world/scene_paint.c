// SPDX-License-Identifier: Apache-2.0
#include "train/world/scene_paint.h"

#include "io/image/image.h"

#include <math.h>
#include <string.h>

#define MIN_AREA 30 // pixels; an object with fewer visible ones is not in the ground truth

tr_scene_options tr_scene_default_options(bool chat) {
    return (tr_scene_options){
        .chat = chat, .min_side = 20, .max_side = 200, .min_objects = 2, .max_objects = 14};
}

tn_status tr_scene_maker_open(const tr_glyphs *glyphs, tr_scene_maker *out, tn_error *err) {
    *out = (tr_scene_maker){.glyphs = glyphs};
    return tr_sheets_open(&out->sheets, err);
}

void tr_scene_maker_close(tr_scene_maker *maker) {
    tr_sheets_close(&maker->sheets);
    maker->glyphs = NULL;
}

tn_status tr_painting_begin(tr_painting *p, int height, int width, tn_error *err) {
    size_t pixels = (size_t)height * (size_t)width;
    p->canvas = (tr_canvas){height, width, tn_arena_alloc(p->arena, pixels * 3 * sizeof(float)),
                            tn_arena_alloc(p->arena, pixels * sizeof(uint16_t))};
    if (!p->canvas.rgb || !p->canvas.owner)
        return tn_fail(err, TN_ENOMEM, "out of memory for a picture of %dx%d", width, height);
    memset(p->canvas.owner, 0, pixels * sizeof(uint16_t));
    return TN_OK;
}

int32_t tr_painting_name(tr_painting *p) {
    const tr_scene_options *o = p->options;
    if (!o->pool) return (int32_t)tn_rng_below(&p->rng, p->maker->glyphs->count);
    return o->pool[tn_rng_below(&p->rng, o->pool_count)];
}

void tr_painting_add(tr_painting *p, int32_t name, const tr_pose *pose, const tr_look *look) {
    TN_CHECK(p->count < TR_SCENE_MAX_OBJECTS, "%d objects", p->count);
    const tr_glyph *glyph = &p->maker->glyphs->glyph[name];
    const double *m = pose->m;
    p->name[p->count] = name;
    p->whole[p->count] = 4 * fabs(m[0] * m[4] - m[1] * m[3]) * (double)glyph->solid;
    tr_paint_glyph(&p->canvas, glyph, pose, look, (uint16_t)++p->count);
}

// ---- ground truth ------------------------------------------------------------------------------

static void count_seen(const tr_painting *p, int64_t seen[TR_SCENE_MAX_OBJECTS + 1]) {
    memset(seen, 0, (TR_SCENE_MAX_OBJECTS + 1) * sizeof *seen);
    size_t pixels = (size_t)p->canvas.h * (size_t)p->canvas.w;
    for (size_t i = 0; i < pixels; i++) seen[p->canvas.owner[i]]++;
}

static tn_status add_thing(const tr_painting *p, int object, tn_tensor *mask, tr_scene *out,
                           tn_error *err) {
    tr_scene_object *o = &out->objects[out->count];
    uint8_t *to = tn_u8(mask);
    for (int64_t i = 0, pixels = tn_count(mask); i < pixels; i++)
        to[i] = p->canvas.owner[i] == object + 1;
    o->name = p->name[object];
    TN_TRY(io_rle_encode(mask, p->arena, &o->mask, err));
    io_rle_box(&o->mask, o->box);
    o->area = io_rle_area(&o->mask);
    out->count++;
    return TN_OK;
}

static tn_status find_truth(const tr_painting *p, tr_scene *out, tn_error *err) {
    int64_t seen[TR_SCENE_MAX_OBJECTS + 1];
    tn_tensor mask;
    out->count = 0;
    out->objects = tn_arena_alloc(p->arena, (size_t)(p->count + 1) * sizeof *out->objects);
    if (!out->objects) return tn_fail(err, TN_ENOMEM, "out of memory for a picture");
    TN_TRY(tn_new(p->arena, &mask, TN_U8, TN_DIMS(p->canvas.h, p->canvas.w), err));
    count_seen(p, seen);
    for (int i = 0; i < p->count; i++)
        if (seen[i + 1] >= MIN_AREA && (double)seen[i + 1] >= p->min_visible * p->whole[i])
            TN_TRY(add_thing(p, i, &mask, out, err));
    return TN_OK;
}

// ---- the picture -------------------------------------------------------------------------------

static tn_status compress(const tr_painting *p, tr_scene *out, tn_error *err) {
    uint8_t *bytes;
    TN_TRY(io_jpeg_encode(&out->picture, p->wear.quality, p->wear.full_colour, &bytes,
                          &out->jpeg_bytes, err));
    uint8_t *kept = tn_arena_alloc(p->arena, out->jpeg_bytes);
    tn_tensor decoded = {0};
    tn_status status =
        kept ? io_image_decode(bytes, out->jpeg_bytes, "a JPEG just written", 0, &decoded, err)
             : tn_fail(err, TN_ENOMEM, "out of memory for a picture");
    if (status == TN_OK) {
        out->jpeg = memcpy(kept, bytes, out->jpeg_bytes);
        memcpy(out->picture.data, decoded.data, tn_bytes(&decoded));
    }
    tn_free(bytes);
    tn_free(decoded.data);
    return status;
}

static tn_status develop(tr_painting *p, tr_scene *out, tn_error *err) {
    tr_wear plain = {0};
    TN_TRY(tn_new(p->arena, &out->picture, TN_U8, TN_DIMS(p->canvas.h, p->canvas.w, 3), err));
    TN_TRY(tr_wear_apply(&p->canvas, &p->wear, &p->rng, err));
    TN_TRY(tr_wear_bytes(&p->canvas, &plain, tn_u8(&out->picture), err));
    return p->wear.quality ? compress(p, out, err) : TN_OK;
}

tn_status tr_scene_make(const tr_scene_maker *maker, const tr_scene_options *options, uint64_t seed,
                        int64_t index, tn_arena *arena, tr_scene *out, tn_error *err) {
    *out = (tr_scene){0};
    uint64_t kind = options->chat ? 0x63686174 : 0x7363656e65;
    tr_painting *p = tn_alloc_zero(1, sizeof *p);
    if (!p) return tn_fail(err, TN_ENOMEM, "out of memory for a picture");
    p->maker = maker, p->options = options, p->arena = arena;
    p->rng = tn_rng_new(seed ^ kind << 20, (uint64_t)index);
    tn_status status = options->chat ? tr_paint_chat(p, err) : tr_paint_scene(p, err);
    if (status == TN_OK) status = find_truth(p, out, err);
    if (status == TN_OK) status = develop(p, out, err);
    tn_free(p);
    return status;
}
