// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/model_choice.h"

#include "tensor/alloc.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <string.h>

void tool_model_defaults(tool_model_choice *choice) {
    *choice =
        (tool_model_choice){.score = -1, .nms = -1, .objectness = -1, .alpha = -1, .beta = -1};
}

void tool_model_free(tool_model_choice *choice) {
    tool_list_free(&choice->prompts);
}

bool tool_model_given(const tool_model_choice *c) {
    return c->model || c->detector || c->clip;
}

const char *tool_model_misuse(const tool_model_choice *c) {
    if (c->model && (c->detector || c->clip))
        return "--model stands for --detector and --clip: give one or the other";
    if (!c->model && !c->detector != !c->clip)
        return "which model? Give --model DIR, or --detector FILE and --clip FILE";
    return NULL; // none: the one that comes with the program
}

static tn_status open_model(const tool_model_choice *c, int64_t threads, tool_model *out,
                            tn_error *err) {
    lexmask_model_options options;
    lexmask_model_options_init(&options);
    options.folder = c->model, options.detector = c->detector, options.clip = c->clip;
    options.tokenizer = c->tokenizer, options.activation = c->activation;
    options.size = (int)c->size, options.heads = (int)c->heads,
    options.text_heads = (int)c->text_heads;
    options.threads = (int)threads, options.bn_eps = -1, options.log = tool_api_log;
    lexmask_error failure = {0};
    return tool_api_status(lexmask_model_open(&options, &out->model, &failure), &failure, err);
}

// The names to look for, and which categories they are.
static tn_status choose_names(const io_coco *data, const io_coco_split *split, const char ***list,
                              size_t *count, tool_model *out, tn_error *err) {
    *count = 0;
    *list = tn_alloc_zero(data->category_count + 1, sizeof **list);
    out->category = tn_alloc_zero(data->category_count + 1, sizeof *out->category);
    out->category_id = tn_alloc_zero(data->category_count + 1, sizeof *out->category_id);
    if (!*list || !out->category || !out->category_id)
        return tn_fail(err, TN_ENOMEM, "out of memory for names");
    for (size_t i = 0; i < data->category_count; i++) {
        const io_coco_category *category = &data->categories[i];
        if (split && split->part[i] == IO_PART_NONE) continue;
        if (!category->name)
            return tn_fail(err, TN_EFORMAT, "category %lld has no name to look for",
                           (long long)category->id);
        out->category[*count] = i;
        out->category_id[*count].number = category->id;
        (*list)[(*count)++] = category->name;
    }
    return *count ? TN_OK : tn_fail(err, TN_EFORMAT, "no categories to look for");
}

static tn_status make_names(const tool_model_choice *c, const char *const *list, size_t count,
                            int64_t threads, tool_model *out, tn_error *err) {
    lexmask_names_options options;
    lexmask_names_options_init(&options);
    options.names = list, options.count = count;
    options.prompts = c->prompts.word, options.prompt_count = c->prompts.count;
    options.background = c->background, options.use_cache = !c->no_cache;
    options.no_contrast = c->no_contrast;
    options.threads = (int)threads, options.log = tool_api_log;
    options.progress = tool_sentences_progress;
    lexmask_error failure = {0};
    return tool_api_status(lexmask_names_new(out->model, &options, &out->names, &failure), &failure,
                           err);
}

static tn_status open_session(const tool_model_choice *c, int64_t threads, tool_model *out,
                              tn_error *err) {
    lexmask_session_options options;
    lexmask_session_options_init(&options);
    options.threads = (int)threads, options.log = tool_api_log;
    options.proposals = (int)c->proposals, options.clip_batch = (int)c->clip_batch;
    if (c->crop_shape)
        options.crop_shape = strcmp(c->crop_shape, "tight") ? LEXMASK_SQUARE : LEXMASK_TIGHT;
    options.crop_context = c->crop_context, options.objectness = c->objectness;
    options.score = c->score, options.nms = c->nms, options.top = (int)c->top;
    options.score2 = c->score2, options.alpha = c->alpha, options.beta = c->beta;
    options.novel = lexmask_model_is_fvlm(out->model) ? c->novel : NULL;
    options.keep_scores = c->keep_scores, options.agnostic = c->agnostic;
    options.progress = tool_api_cancelled;
    lexmask_error failure = {0};
    return tool_api_status(
        lexmask_session_new(out->model, out->names, &options, &out->session, &failure), &failure,
        err);
}

tn_status tool_model_open(const tool_model_choice *choice, const io_coco *data,
                          const io_coco_split *split, int64_t threads, tool_model *out,
                          tn_error *err) {
    const char **list = NULL;
    size_t count;
    *out = (tool_model){0};
    tn_status status = choose_names(data, split, &list, &count, out, err);
    if (status == TN_OK) status = open_model(choice, threads, out, err);
    if (status == TN_OK) status = make_names(choice, list, count, threads, out, err);
    if (status == TN_OK) status = open_session(choice, threads, out, err);
    if (status != TN_OK) tool_model_close(out);
    tn_free(list);
    return status;
}

void tool_model_close(tool_model *model) {
    lexmask_session_free(model->session);
    lexmask_names_free(model->names);
    lexmask_model_close(model->model);
    tn_free(model->category);
    tn_free(model->category_id);
    *model = (tool_model){0};
}
