// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/model_choice.h"

#include "models/fvlm/fvlm_config.h"
#include "tools/shared/progress.h"

#include <string.h>

tool_model_choice tool_chosen;

static const tool_option model_rows[] = {
    {"model", TOOL_TEXT, "DIR",
     "model folder: detector.safetensors and clip/, or an F-VLM as `lexmask train` writes it; "
     "default: the model that comes with lexmask",
     &tool_chosen.model},
    {"detector", TOOL_TEXT, "FILE",
     "instead of --model: Mask R-CNN in torchvision's form (.pth, .safetensors), or the name of a "
     "pulled one",
     &tool_chosen.detector},
    {"bn-eps", TOOL_REAL, "X",
     "epsilon of the detector's batch norm; default: from the file (0 for frozen batch norm)",
     &tool_chosen.bn_eps, 0, 1, .used_by = TOOL_CROP | TOOL_CLOSED},
};

static const tool_option names_rows[] = {
    {"prompt", TOOL_LIST, "TEXT",
     "sentence around a name; several are averaged; imagenet80: the ensemble of 80. Default "
     "\"a photo of {}\"",
     &tool_chosen.prompts, .used_by = TOOL_NAMED},
    {"names-style", TOOL_CHOICE, "STYLE",
     "lvis: names are written as LVIS writes them, with _ for a space, and are read as plain "
     "words: "
     "cow_(animal) as \"cow (animal)\". Default plain: as they are",
     &tool_chosen.names_style, .choices = "plain|lvis", .used_by = TOOL_NAMED},
    {"background", TOOL_TEXT, "TEXT",
     "sentence for everything that has none of the names; none: no such sentence, and no "
     "background that an F-VLM has learned. Default \"a random photo with no specific object\", or "
     "the F-VLM's own",
     &tool_chosen.background, .used_by = TOOL_NAMED},
    {"embeddings", TOOL_TEXT, "FILE",
     "text embeddings of the names (.npy, one row per name) instead of the text tower",
     &tool_chosen.embeddings, .used_by = TOOL_NAMED},
    {"no-contrast", TOOL_FLAG, NULL,
     "F-VLM: only the given names compete. Default: the names that its CLIP was trained on compete "
     "too, so that not everything is called by the one name that was given",
     &tool_chosen.no_contrast, .used_by = TOOL_FVLM},
    {"no-cache", TOOL_FLAG, NULL, "do not keep text embeddings in the cache folder",
     &tool_chosen.no_cache, .used_by = TOOL_NAMED},
};

static const tool_option look_rows[] = {
    {"clip-batch", TOOL_INT, "N", "crops encoded at a time; default 64", &tool_chosen.clip_batch, 1,
     65536, .used_by = TOOL_CROP | TOOL_FVLM_CROPS},
    {"crop-shape", TOOL_CHOICE, "SHAPE",
     "tight: the box itself, of which CLIP's centre crop cuts off the ends; square: a square "
     "around "
     "it. Default square",
     &tool_chosen.crop_shape, .choices = "tight|square", .used_by = TOOL_CROP},
    {"crop-context", TOOL_REAL, "X", "side of the square, in longer sides of the box; default 1.15",
     &tool_chosen.session.crop_context, 1, 10, .used_by = TOOL_CROP},
    {"size", TOOL_INT, "N",
     "F-VLM: scale pictures to N x N pixels, a multiple of the CLIP's patch (and window); more "
     "pixels find smaller objects and take longer. Default: the model's own (detect: see "
     "--max-size)",
     &tool_chosen.size, MD_FVLM_MIN_SIZE, MD_FVLM_MAX_SIZE, .used_by = TOOL_FVLM},
    {"score2", TOOL_CHOICE, "MODE",
     "F-VLM: how CLIP itself scores a box: crop: by a crop of the picture; embed: by the box's "
     "patches through the whole encoder; dense: by the values of its last block; maskcls: by a "
     "class token that attends to the box alone; attnpool (ResNets): by its attention pool; none. "
     "Default: the model's own",
     &tool_chosen.score2, .choices = "none|crop|embed|dense|maskcls|attnpool",
     .used_by = TOOL_FVLM},
    {"alpha", TOOL_REAL, "W",
     "F-VLM: weight of score 2 for names that the model was trained on; default: the model's own",
     &tool_chosen.session.alpha, 0, 1, .used_by = TOOL_FVLM_SCORE2},
    {"beta", TOOL_REAL, "W", "F-VLM: weight of score 2 for all other names",
     &tool_chosen.session.beta, 0, 1, .used_by = TOOL_FVLM_SCORE2},
    {"max-megapixels", TOOL_INT, "N", "refuse larger pictures; default 100",
     &tool_chosen.max_megapixels, 1, 100000},
};

static const tool_option find_rows[] = {
    {"mode", TOOL_CHOICE, "MODE",
     "crop: proposals, each named by CLIP; closed: the detector with its own classes, no CLIP. "
     "Default crop",
     &tool_chosen.mode, .choices = "crop|closed"},
    {"score", TOOL_REAL, "X", "lowest score of a detection; default 0.05, or the model's own",
     &tool_chosen.session.score, 0, 1},
    {"nms", TOOL_REAL, "X",
     "IoU above which the lower-scored of two boxes of one name is dropped; default 0.5, or the "
     "model's own",
     &tool_chosen.session.nms, 0, 1},
    {"top", TOOL_INT, "N", "at most N detections per picture; default 100, or the model's own",
     &tool_chosen.top, 1, 100000},
    {"proposals", TOOL_INT, "N",
     "name only the N best proposals; default: all that the detector keeps", &tool_chosen.proposals,
     1, 100000, .used_by = TOOL_NAMED},
    {"objectness", TOOL_REAL, "W",
     "score = p^(1-W) o^W of CLIP's probability p and the proposal's objectness o; 0: p alone. "
     "Default 0.5",
     &tool_chosen.session.objectness, 0, 1, .used_by = TOOL_CROP},
    {"objectness-of", TOOL_CHOICE, "PART",
     "where the objectness comes from: head (the box head, which tells parts from whole objects) "
     "or "
     "rpn (the proposal, not tied to trained classes). Default: head if it is class-agnostic, else "
     "rpn",
     &tool_chosen.objectness_of, .choices = "head|rpn", .used_by = TOOL_CROP},
};

#define GROUP(title, rows)                                                                         \
    { title, rows, sizeof rows / sizeof *rows }
const tool_option_group tool_model_group = GROUP("the model", model_rows);
const tool_option_group tool_names_group = GROUP("names", names_rows);
const tool_option_group tool_look_group = GROUP("how it looks", look_rows);
const tool_option_group tool_find_group = GROUP("what it finds", find_rows);

void tool_model_defaults(void) {
    tool_clip_chosen = (tool_clip_choice){0};
    tool_chosen = (tool_model_choice){.bn_eps = -1};
    lexmask_session_options_init(&tool_chosen.session);
}

void tool_model_free(void) {
    tool_list_free(&tool_chosen.prompts);
}

bool tool_model_given(void) {
    return tool_chosen.model || tool_chosen.detector || tool_clip_chosen.clip;
}

bool tool_names_of_lvis(void) {
    return tool_chosen.names_style && !strcmp(tool_chosen.names_style, "lvis");
}

bool tool_model_closed(const tool_model_choice *c) {
    return c->mode && !strcmp(c->mode, "closed");
}

const char *tool_model_unused(void) {
    static char text[128];
    const tool_option_group *const groups[] = {&tool_model_group,     &tool_clip_group,
                                               &tool_clip_more_group, &tool_names_group,
                                               &tool_look_group,      &tool_find_group};
    const tool_option *option = NULL;
    for (size_t i = 0; !option && i < sizeof groups / sizeof *groups; i++)
        option = tool_given_of(groups[i]);
    if (!option) return NULL;
    snprintf(text, sizeof text, "--%s goes with a model, which is not run here", option->name);
    return text;
}

static const char *misuse_of_names(const tool_model_choice *c) {
    if (!c->embeddings) return NULL;
    if (c->prompts.count) return "--prompt is for the text tower: not with --embeddings";
    if (tool_clip_chosen.tokenizer)
        return "--tokenizer is for the text tower: not with --embeddings";
    if (c->background && strcmp(c->background, "none"))
        return "--background TEXT is for the text tower: with --embeddings only none";
    return NULL;
}

const char *tool_model_misuse(void) {
    const tool_model_choice *c = &tool_chosen;
    const char *clip = tool_clip_chosen.clip;
    if (c->model && (c->detector || clip))
        return "--model stands for --detector and --clip: give one or the other";
    if (!c->model && !c->detector && clip)
        return "which model? Give --model DIR, or --detector FILE and --clip FILE";
    if (!c->model && !c->detector && tool_model_closed(c))
        return "which model? The one that comes with lexmask has no classes of its own for --mode "
               "closed: give --model DIR or --detector FILE";
    if (c->detector && !clip && !tool_model_closed(c))
        return "--mode crop needs a CLIP: give --clip FILE (or --mode closed)";
    if (tool_given(&tool_chosen.session.crop_context) && c->crop_shape &&
        !strcmp(c->crop_shape, "tight"))
        return "--crop-context is for --crop-shape square";
    return misuse_of_names(c);
}

tn_status tool_model_open(tool_model *out, tn_error *err) {
    const tool_model_choice *c = &tool_chosen;
    const tool_clip_choice *clip = &tool_clip_chosen;
    lexmask_model_options options;
    *out = (tool_model){0};
    TN_TRY(tool_model_check(c, err));
    lexmask_model_options_init(&options);
    options.folder = c->model, options.detector = c->detector;
    options.clip = clip->clip, options.tokenizer = clip->tokenizer;
    options.device = tool_context.device, options.dtype = tool_context.dtype;
    options.threads = tool_api_count(tool_context.threads);
    options.picture_size = tool_api_count(c->size);
    options.heads = tool_api_count(clip->heads);
    options.text_heads = tool_api_count(clip->text_heads), options.activation = clip->activation;
    options.bn_eps = c->bn_eps, options.log = tool_api_log;
    options.use_clip = !tool_model_closed(c), options.use_tokenizer = !c->embeddings;
    lexmask_error failure = {0};
    return tool_api_status(lexmask_model_open(&options, &out->model, &failure), &failure, err);
}

tn_status tool_model_names(tool_model *model, lexmask_names_options wanted, tn_error *err) {
    const tool_model_choice *c = &tool_chosen;
    wanted.prompts = c->prompts.word, wanted.prompt_count = c->prompts.count;
    wanted.background = c->background, wanted.embeddings = c->embeddings;
    wanted.use_cache = !c->no_cache, wanted.contrast = !c->no_contrast;
    wanted.threads = tool_api_count(tool_context.threads);
    wanted.log = tool_api_log, wanted.progress = tool_sentences_progress;
    lexmask_error failure = {0};
    return tool_api_status(lexmask_names_new(model->model, &wanted, &model->names, &failure),
                           &failure, err);
}

static lexmask_session_options session_options(const tool_model *model) {
    const tool_model_choice *c = &tool_chosen;
    lexmask_session_options options = c->session;
    options.mode = tool_model_closed(c) ? LEXMASK_MODE_CLOSED : LEXMASK_MODE_CROP;
    options.threads = tool_api_count(tool_context.threads);
    if (c->max_megapixels) options.max_pixels = c->max_megapixels * 1000000;
    options.proposals = tool_api_count(c->proposals);
    if (c->clip_batch) options.clip_batch = (int)c->clip_batch;
    if (c->crop_shape && !strcmp(c->crop_shape, "tight"))
        options.crop_shape = LEXMASK_CROP_SHAPE_TIGHT;
    if (c->objectness_of)
        options.objectness_of =
            strcmp(c->objectness_of, "rpn") ? LEXMASK_OBJECTNESS_HEAD : LEXMASK_OBJECTNESS_RPN;
    options.top = tool_api_count(c->top), options.score2 = c->score2;
    bool fvlm = lexmask_model_is_fvlm(model->model);
    options.novel = fvlm ? c->novel : NULL;
    options.keep_scores = c->keep_scores, options.agnostic = fvlm && c->agnostic;
    options.each_score = fvlm && c->each_score;
    if (fvlm) options.max_size = tool_api_count(c->max_size);
    options.progress = c->progress ? c->progress : tool_api_cancelled;
    options.log = tool_api_log;
    return options;
}

tn_status tool_model_session(tool_model *model, tn_error *err) {
    lexmask_session_options options = session_options(model);
    lexmask_error failure = {0};
    return tool_api_status(
        lexmask_session_new(model->model, model->names, &options, &model->session, &failure),
        &failure, err);
}

void tool_model_close(tool_model *model) {
    lexmask_session_free(model->session);
    lexmask_names_free(model->names);
    lexmask_model_close(model->model);
    *model = (tool_model){0};
}
