// SPDX-License-Identifier: Apache-2.0
// lexmask pretrain, until all is open: names, texts, vocabulary, model.
#include "tools/train/pretrain_job.h"

#include "models/names/prompts.h"
#include "models/text/bpe_train.h"
#include "tools/shared/context.h"
#include "tools/shared/files.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

static const char *const default_templates[] = {
    MD_PROMPT,
    "{}",
    "a photo of a {}",
    "an emoji of {}",
    "a picture of {}",
    "a picture of a {}",
    "{} emoji",
    "the {}",
    "a drawing of {}",
    "a small picture of {}",
    "a cropped photo of {}",
    "an image of a {}",
    "a photo of the {}",
};

// The first is what `lexmask detect` calls the background.
static const char *const empty_texts[] = {
    "a random photo with no specific object",
    "background",
    "nothing",
    "a photo of nothing",
    "an empty background",
    "a photo of the background",
};
#define EMPTY_TEXTS (sizeof empty_texts / sizeof *empty_texts)

#define SENTENCE_TIMES 20 // how often a template or an empty text counts in the vocabulary's making

// ---- names and templates -----------------------------------------------------------------------

static tn_status open_names(tool_pretrainer *t) {
    const char *path = t->options->names;
    TN_TRY(tr_glyphs_open(t->options->font, t->options->list, &t->glyphs, t->err));
    TN_TRY(tr_crop_maker_open(t->glyphs, &t->crops, t->err));
    if (path) TN_TRY(tool_read_lines(path, &t->name_text, &t->name, t->err));
    for (int64_t i = 0; !path && i < t->glyphs->count; i++)
        if (!tool_list_add(&t->name, t->glyphs->glyph[i].name))
            return tn_fail(t->err, TN_ENOMEM, "out of memory for names");
    if (!t->name.count) return tn_fail(t->err, TN_EINVAL, "%s: no names", path);
    t->glyph_of = tn_alloc_zero(t->name.count, sizeof *t->glyph_of);
    if (!t->glyph_of) return tn_fail(t->err, TN_ENOMEM, "out of memory for names");
    for (size_t i = 0; i < t->name.count; i++) {
        int64_t glyph = tr_glyphs_find(t->glyphs, t->name.word[i]);
        if (glyph < 0)
            return tn_fail(t->err, TN_EINVAL, "%s: line %zu: '%s' is no emoji that can be painted",
                           path, i + 1, t->name.word[i]);
        t->glyph_of[i] = (int32_t)glyph;
    }
    return TN_OK;
}

static tn_status open_templates(tool_pretrainer *t) {
    const char *path = t->options->templates;
    if (path) TN_TRY(tool_read_lines(path, &t->template_text, &t->template_list, t->err));
    for (size_t i = 0; !path && i < sizeof default_templates / sizeof *default_templates; i++)
        if (!tool_list_add(&t->template_list, default_templates[i]))
            return tn_fail(t->err, TN_ENOMEM, "out of memory for templates");
    if (!t->template_list.count) return tn_fail(t->err, TN_EINVAL, "%s: no templates", path);
    for (size_t i = 0; i < t->template_list.count; i++)
        if (!strstr(t->template_list.word[i], "{}"))
            return tn_fail(t->err, TN_EINVAL, "%s: line %zu: no {} for the name in '%s'", path,
                           i + 1, t->template_list.word[i]);
    return TN_OK;
}

// ---- the vocabulary ----------------------------------------------------------------------------

static tn_status add_text(md_bpe_corpus *corpus, const char *text, int64_t times, tn_error *err) {
    return md_bpe_corpus_add(corpus, text, strlen(text), times, err);
}

static tn_status collect_corpus(const tool_pretrainer *t, md_bpe_corpus *corpus) {
    for (size_t i = 0; i < t->name.count; i++) TN_TRY(add_text(corpus, t->name.word[i], 1, t->err));
    for (size_t i = 0; i < t->template_list.count; i++) {
        char *bare;
        TN_TRY(md_prompt_fill(t->template_list.word[i], "", &bare, t->err));
        tn_status status = add_text(corpus, bare, SENTENCE_TIMES, t->err);
        tn_free(bare);
        TN_TRY(status);
    }
    for (size_t i = 0; i < EMPTY_TEXTS; i++)
        TN_TRY(add_text(corpus, empty_texts[i], SENTENCE_TIMES, t->err));
    return TN_OK;
}

static tn_status make_vocabulary(const tool_pretrainer *t) {
    const tool_pretrain_options *o = t->options;
    md_bpe_corpus *corpus;
    int64_t symbols;
    TN_TRY(md_bpe_corpus_new(&corpus, t->err));
    tn_status status = collect_corpus(t, corpus);
    if (status == TN_OK)
        status = md_bpe_train(corpus, o->vocabulary, o->context, o->run.out, &symbols, t->err);
    md_bpe_corpus_free(corpus);
    return status;
}

static tn_status open_vocabulary(tool_pretrainer *t) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/vocab.json", t->options->run.out);
    if (!t->options->run.resume || access(path, F_OK) != 0)
        TN_TRY(t->options->tokenizer
                   ? tool_copy_vocabulary(t->options->tokenizer, t->options->run.out, t->err)
                   : make_vocabulary(t));
    TN_TRY(md_bpe_open(path, &t->bpe, t->err));
    return tr_clip_texts_make(t->bpe, (const char *const *)t->name.word, (int64_t)t->name.count,
                              (const char *const *)t->template_list.word,
                              (int64_t)t->template_list.count, empty_texts, EMPTY_TEXTS,
                              t->options->context, &t->texts, t->err);
}

// ---- the model ---------------------------------------------------------------------------------

static md_clip_config configure(const tool_pretrainer *t) {
    const tool_pretrain_options *o = t->options;
    md_clip_config c = md_clip_small();
    c.image_size = c.resize = o->size;
    c.patch = o->patch, c.width = o->width, c.layers = o->layers, c.heads = o->heads;
    c.embed_dim = o->embed, c.text_width = o->text_width, c.text_layers = o->text_layers;
    c.text_heads = o->text_heads, c.context = o->context;
    c.vocabulary = md_bpe_size(t->bpe);
    return c;
}

static tn_status open_model(tool_pretrainer *t) {
    const tool_pretrain_options *o = t->options;
    md_clip_config config = configure(t);
    TN_TRY(nn_params_init(&t->params, TN_F32, t->err));
    TN_TRY(o->init
               ? md_clip_open_trained(o->init, NULL, &t->params, t->kn, &t->clip, t->err)
               : md_clip_new(&config, (uint64_t)o->run.seed, &t->params, t->kn, &t->clip, t->err));
    const md_clip_config *c = md_clip_settings(t->clip);
    if (c->vocabulary != md_bpe_size(t->bpe) || c->context < o->context)
        return tn_fail(t->err, TN_EINVAL,
                       "%s: is of %lld symbols and %lld tokens a text; the vocabulary has %lld, "
                       "texts up to %lld (--tokenizer, --context)",
                       o->init, (long long)c->vocabulary, (long long)c->context,
                       (long long)md_bpe_size(t->bpe), (long long)o->context);
    TN_TRY(nn_params_add_buffer(
        &t->params, "bank", TN_DIMS((int64_t)t->name.count + 1, c->embed_dim), &t->bank, t->err));
    t->task = (tr_clip){.model = t->clip, .kn = t->kn, .tape = t->tape, .step = &t->step};
    if (o->refresh) t->task.bank = t->bank->value;
    return TN_OK;
}

tn_status tool_pretrainer_open(tool_pretrainer *t) {
    const tool_pretrain_options *o = t->options;
    TN_TRY(tool_clip_run_folder(&o->run, t->err));
    TN_TRY(kn_open("cpu", NULL, (int)o->run.threads, &t->kn, t->err));
    TN_TRY(tool_set_matmul(t->kn, o->run.matmul, t->err));
    TN_TRY(tn_arena_init_large(&t->step, t->err));
    TN_TRY(nn_tape_new(&t->tape, t->err));
    TN_TRY(open_names(t));
    TN_TRY(open_templates(t));
    TN_TRY(open_vocabulary(t));
    TN_TRY(open_model(t));
    return tr_order_init(&t->order, (uint64_t)o->run.seed, (int64_t)t->name.count, t->err);
}

void tool_pretrainer_close(tool_pretrainer *t) {
    tr_order_deinit(&t->order);
    tr_clip_texts_free(&t->texts);
    md_clip_close(t->clip);
    md_bpe_close(t->bpe);
    nn_params_deinit(&t->params);
    nn_tape_free(t->tape);
    tn_arena_deinit(&t->step);
    tn_free(t->glyph_of);
    tool_list_free(&t->name);
    tool_list_free(&t->template_list);
    tn_free(t->name_text);
    tn_free(t->template_text);
    tr_crop_maker_close(&t->crops);
    tr_glyphs_close(t->glyphs);
    kn_close(t->kn);
}
