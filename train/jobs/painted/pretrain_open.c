// SPDX-License-Identifier: Apache-2.0
// The job of lexmask pretrain, until all is open: names, texts, vocabulary, model.
#include "train/jobs/painted/pretrain_parts.h"

#include "models/names/prompts.h"
#include "models/text/bpe_train.h"

#include <limits.h>
#include <stdio.h>
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

// A copy of the list of pointers.
static tn_status copy_list(const char *const *list, size_t count, const char ***out,
                           tn_error *err) {
    *out = tn_alloc_zero(count + 1, sizeof **out);
    if (!*out) return tn_fail(err, TN_ENOMEM, "out of memory for %zu names", count);
    memcpy(*out, list, count * sizeof **out);
    return TN_OK;
}

// Where entry i of a list stands: "names.txt: line 3", "--names: entry 3".
static const char *place_of(const char *file, const char *option, size_t i, char *out,
                            size_t bytes) {
    if (file)
        snprintf(out, bytes, "%s: line %zu", file, i + 1);
    else
        snprintf(out, bytes, "%s: entry %zu", option, i + 1);
    return out;
}

static tn_status all_names(tr_pretrainer *t) {
    t->names = (size_t)t->glyphs->count;
    t->name = tn_alloc_zero(t->names + 1, sizeof *t->name);
    if (!t->name) return tn_fail(t->job.err, TN_ENOMEM, "out of memory for names");
    for (size_t i = 0; i < t->names; i++) t->name[i] = t->glyphs->glyph[i].name;
    return TN_OK;
}

static tn_status open_names(tr_pretrainer *t) {
    const tr_pretrain_options *o = t->options;
    char place[PATH_MAX];
    TN_TRY(tr_glyphs_open(o->font, o->list, &t->glyphs, t->job.err));
    TN_TRY(tr_crop_maker_open(t->glyphs, &t->crops, t->job.err));
    t->names = o->name_count;
    TN_TRY(o->names ? copy_list(o->names, o->name_count, &t->name, t->job.err) : all_names(t));
    if (!t->names)
        return tn_fail(t->job.err, TN_EINVAL, "%s: no names",
                       o->names_file ? o->names_file : "--names");
    t->glyph_of = tn_alloc_zero(t->names, sizeof *t->glyph_of);
    if (!t->glyph_of) return tn_fail(t->job.err, TN_ENOMEM, "out of memory for names");
    for (size_t i = 0; i < t->names; i++) {
        int64_t glyph = tr_glyphs_find(t->glyphs, t->name[i]);
        if (glyph < 0)
            return tn_fail(t->job.err, TN_EINVAL, "%s: '%s' is no emoji that can be painted",
                           place_of(o->names_file, "--names", i, place, sizeof place), t->name[i]);
        t->glyph_of[i] = (int32_t)glyph;
    }
    return TN_OK;
}

static tn_status open_templates(tr_pretrainer *t) {
    const tr_pretrain_options *o = t->options;
    const size_t count = sizeof default_templates / sizeof *default_templates;
    char place[PATH_MAX];
    t->sentences = o->templates ? o->template_count : count;
    TN_TRY(copy_list(o->templates ? o->templates : default_templates, t->sentences, &t->sentence,
                     t->job.err));
    if (!t->sentences)
        return tn_fail(t->job.err, TN_EINVAL, "%s: no templates",
                       o->templates_file ? o->templates_file : "--templates");
    for (size_t i = 0; i < t->sentences; i++)
        if (!strstr(t->sentence[i], "{}"))
            return tn_fail(t->job.err, TN_EINVAL, "%s: no {} for the name in '%s'",
                           place_of(o->templates_file, "--templates", i, place, sizeof place),
                           t->sentence[i]);
    return TN_OK;
}

// ---- the vocabulary ----------------------------------------------------------------------------

static tn_status add_text(md_bpe_corpus *corpus, const char *text, int64_t times, tn_error *err) {
    return md_bpe_corpus_add(corpus, text, strlen(text), times, err);
}

static tn_status collect_corpus(const tr_pretrainer *t, md_bpe_corpus *corpus) {
    for (size_t i = 0; i < t->names; i++) TN_TRY(add_text(corpus, t->name[i], 1, t->job.err));
    for (size_t i = 0; i < t->sentences; i++) {
        char *bare;
        TN_TRY(md_prompt_fill(t->sentence[i], "", &bare, t->job.err));
        tn_status status = add_text(corpus, bare, SENTENCE_TIMES, t->job.err);
        tn_free(bare);
        TN_TRY(status);
    }
    for (size_t i = 0; i < EMPTY_TEXTS; i++)
        TN_TRY(add_text(corpus, empty_texts[i], SENTENCE_TIMES, t->job.err));
    return TN_OK;
}

static tn_status make_vocabulary(const tr_pretrainer *t) {
    const tr_pretrain_options *o = t->options;
    md_bpe_corpus *corpus;
    int64_t symbols;
    TN_TRY(md_bpe_corpus_new(&corpus, t->job.err));
    tn_status status = collect_corpus(t, corpus);
    if (status == TN_OK)
        status = md_bpe_train(corpus, o->vocabulary, o->context, o->job.out, &symbols, t->job.err);
    md_bpe_corpus_free(corpus);
    return status;
}

static tn_status open_vocabulary(tr_pretrainer *t) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/vocab.json", t->options->job.out);
    if (!t->options->job.resume || access(path, F_OK) != 0)
        TN_TRY(t->options->tokenizer
                   ? tr_copy_vocabulary(t->options->tokenizer, t->options->job.out, t->job.err)
                   : make_vocabulary(t));
    TN_TRY(md_bpe_open(path, &t->bpe, t->job.err));
    return tr_clip_texts_make(t->bpe, t->name, (int64_t)t->names, t->sentence,
                              (int64_t)t->sentences, empty_texts, EMPTY_TEXTS, t->options->context,
                              &t->texts, t->job.err);
}

// ---- the model ---------------------------------------------------------------------------------

static md_clip_config configure(const tr_pretrainer *t) {
    const tr_pretrain_options *o = t->options;
    md_clip_config c = md_clip_small();
    c.image_size = c.resize = o->size;
    c.patch = o->patch, c.width = o->width, c.layers = o->layers, c.heads = o->heads;
    c.embed_dim = o->embed, c.text_width = o->text_width, c.text_layers = o->text_layers;
    c.text_heads = o->text_heads, c.context = o->context;
    c.vocabulary = md_bpe_size(t->bpe);
    return c;
}

static tn_status open_model(tr_pretrainer *t) {
    const tr_pretrain_options *o = t->options;
    md_clip_config config = configure(t);
    TN_TRY(nn_params_init(&t->job.params, TN_F32, t->job.err));
    TN_TRY(o->init ? md_clip_open_trained(o->init, NULL, &t->job.params, t->job.kn, &t->clip,
                                          t->job.err)
                   : md_clip_new(&config, (uint64_t)o->job.seed, &t->job.params, t->job.kn,
                                 &t->clip, t->job.err));
    const md_clip_config *c = md_clip_settings(t->clip);
    if (c->vocabulary != md_bpe_size(t->bpe) || c->context < o->context)
        return tn_fail(t->job.err, TN_EINVAL,
                       "%s: is of %lld symbols and %lld tokens a text; the vocabulary has %lld, "
                       "texts up to %lld (--tokenizer, --context)",
                       o->init, (long long)c->vocabulary, (long long)c->context,
                       (long long)md_bpe_size(t->bpe), (long long)o->context);
    TN_TRY(nn_params_add_buffer(&t->job.params, "bank",
                                TN_DIMS((int64_t)t->names + 1, c->embed_dim), &t->bank,
                                t->job.err));
    t->task =
        (tr_clip){.model = t->clip, .kn = t->job.kn, .tape = t->job.tape, .step = &t->job.step};
    if (o->refresh) t->task.bank = t->bank->value;
    return TN_OK;
}

tn_status tr_pretrainer_open(tr_pretrainer *t) {
    const tr_pretrain_options *o = t->options;
    TN_TRY(tr_clip_job_open(&t->job));
    TN_TRY(open_names(t));
    TN_TRY(open_templates(t));
    TN_TRY(open_vocabulary(t));
    TN_TRY(open_model(t));
    return tr_order_init(&t->order, (uint64_t)o->job.seed, (int64_t)t->names, t->job.err);
}

void tr_pretrainer_close(tr_pretrainer *t) {
    tr_order_deinit(&t->order);
    tr_clip_texts_free(&t->texts);
    md_clip_close(t->clip);
    md_bpe_close(t->bpe);
    tr_job_close(&t->job);
    tn_free(t->glyph_of);
    tn_free(t->name);
    tn_free(t->sentence);
    tr_crop_maker_close(&t->crops);
    tr_glyphs_close(t->glyphs);
}
