// SPDX-License-Identifier: Apache-2.0
// The job of lexmask refine, until all is open: both towers, scenes, names.
#include "train/jobs/painted/refine_parts.h"

#include "io/published.h"

#include <limits.h>
#include <string.h>

// ---- models ------------------------------------------------------------------------------------

static tn_status check_sizes(const tr_refiner *t) {
    const tr_refine_job_options *o = t->options;
    const md_clip_config *c = md_clip_settings(t->teacher);
    if (c->family != MD_CLIP_VIT)
        return tn_fail(t->job.err, TN_EUNSUPPORTED, "%s: only ViTs can be refined", o->clip);
    if (o->size % c->patch)
        return tn_fail(t->job.err, TN_EINVAL, "--size %lld: patches of %s are %lld pixels",
                       (long long)o->size, o->clip, (long long)c->patch);
    if (o->window && o->size / c->patch % o->window)
        return tn_fail(t->job.err, TN_EINVAL,
                       "--window %lld does not divide the %lld patches of a side",
                       (long long)o->window, (long long)(o->size / c->patch));
    return TN_OK;
}

static tn_status open_clips(tr_refiner *t) {
    const tr_refine_job_options *o = t->options;
    char path[PATH_MAX];
    TN_TRY(md_clip_open(o->clip, NULL, t->job.kn, &t->teacher, t->job.err));
    TN_TRY(check_sizes(t));
    TN_TRY(nn_params_init(&t->job.params, TN_F32, t->job.err));
    TN_TRY(md_clip_open_trained(o->clip, NULL, &t->job.params, t->job.kn, &t->student, t->job.err));
    TN_TRY(md_find_tokenizer(o->clip, NULL, path, sizeof path, t->job.err));
    TN_TRY(md_bpe_open(path, &t->bpe, t->job.err));
    int64_t patches = o->size / md_clip_settings(t->teacher)->patch;
    return md_scene_init(t->job.kn, &t->kept, md_clip_vit(t->student), patches, patches, o->window,
                         o->window != 0, &t->scene, t->job.err);
}

// ---- scenes and names --------------------------------------------------------------------------

static tn_status open_scenes(tr_refiner *t) {
    const tr_refine_job_options *o = t->options;
    TN_TRY(tr_glyphs_open(o->font, o->list, &t->glyphs, t->job.err));
    TN_TRY(tr_scene_maker_open(t->glyphs, &t->maker, t->job.err));
    t->scenes = tn_alloc_zero((size_t)o->job.batch, sizeof *t->scenes);
    t->made = tn_alloc_zero((size_t)o->job.batch, sizeof *t->made);
    t->pool = tn_alloc_zero((size_t)t->glyphs->count, sizeof *t->pool);
    if (!t->scenes || !t->made || !t->pool) return tn_fail(t->job.err, TN_ENOMEM, "out of memory");
    for (int64_t i = 0; i < o->job.batch; i++)
        TN_TRY(tn_arena_init(&t->scenes[i], (size_t)1 << 30, t->job.err));
    t->how = tr_scene_default_options(false);
    t->how.pool = t->pool;
    for (int32_t i = 0; i < t->glyphs->count; i++)
        if (!o->pool || strcmp(o->pool, "base") || !t->glyphs->glyph[i].novel)
            t->pool[t->how.pool_count++] = i;
    return TN_OK;
}

static tn_status open_text(tr_refiner *t) {
    nn_ctx cx = {t->job.kn, &t->job.step, t->job.err, NULL};
    md_names names;
    md_templates templates;
    const char **name = tn_alloc_zero((size_t)t->glyphs->count, sizeof *name);
    if (!name) return tn_fail(t->job.err, TN_ENOMEM, "out of memory for names");
    for (int64_t i = 0; i < t->glyphs->count; i++) name[i] = t->glyphs->glyph[i].name;
    tn_status status = md_names_from_array(name, (size_t)t->glyphs->count, &names, t->job.err);
    tn_free(name);
    TN_TRY(status);
    status = md_templates_init(NULL, 0, &templates, t->job.err);
    if (status == TN_OK) {
        md_vocabulary_options options = {.cache_folder = ""};
        status = md_vocabulary_make(&cx, t->teacher, t->bpe, &names, &templates, &options, &t->text,
                                    t->job.err);
        md_templates_deinit(&templates);
    }
    md_names_deinit(&names);
    return status;
}

// ---- all of it ---------------------------------------------------------------------------------

tn_status tr_refiner_open(tr_refiner *t) {
    const tr_refine_job_options *o = t->options;
    TN_TRY(tr_clip_job_open(&t->job));
    TN_TRY(tn_arena_init(&t->kept, (size_t)1 << 30, t->job.err));
    TN_TRY(open_clips(t));
    TN_TRY(open_scenes(t));
    TN_TRY(open_text(t));
    return tr_copy_vocabulary(o->clip, o->job.out, t->job.err);
}

void tr_refiner_close(tr_refiner *t) {
    md_vocabulary_deinit(&t->text);
    for (int64_t i = 0; t->scenes && i < t->options->job.batch; i++) tn_arena_deinit(&t->scenes[i]);
    tn_free(t->scenes);
    tn_free(t->made);
    tn_free(t->pool);
    tr_scene_maker_close(&t->maker);
    tr_glyphs_close(t->glyphs);
    md_bpe_close(t->bpe);
    md_clip_close(t->student);
    md_clip_close(t->teacher);
    tn_arena_deinit(&t->kept);
    tr_job_close(&t->job);
}
