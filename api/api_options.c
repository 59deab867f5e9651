// SPDX-License-Identifier: Apache-2.0
#include "api/api_options.h"
#include "api/internal.h"

#include "io/image/image.h"
#include "models/crop/crop.h"
#include "models/fvlm/fvlm_config.h"

#include <stddef.h>
#include <string.h>

// A larger size means that no _init function filled the struct.
#define MAX_SIZE 65536

API_ENDS_WITH(lexmask_model_options, text_heads);
API_ENDS_WITH(lexmask_names_options, progress_user);
API_ENDS_WITH(lexmask_session_options, log_user);

// ---- sizes -------------------------------------------------------------------------------------

void api_init_sized(void *to, size_t size, const void *defaults, size_t known) {
    memset(to, 0, size);
    memcpy(to, defaults, size < known ? size : known);
    if (size >= sizeof size) memcpy(to, &size, sizeof size);
}

tn_status api_take_sized(const void *given, void *to, size_t known, const char *name,
                         tn_error *err) {
    if (!given) return TN_OK;
    size_t size;
    const unsigned char *bytes = given;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size || size > MAX_SIZE)
        return tn_fail(err, TN_EINVAL, "%s of %zu bytes: fill them by their _init function first",
                       name, size);
    for (size_t i = known; i < size; i++)
        if (bytes[i])
            return tn_fail(err, TN_EUNSUPPORTED,
                           "%s: an option is set that lexmask " LEXMASK_VERSION " does not know",
                           name);
    memcpy(to, given, size < known ? size : known);
    memcpy(to, &known, sizeof known);
    return TN_OK;
}

// ---- defaults ----------------------------------------------------------------------------------

static lexmask_model_options model_defaults(void) {
    return (lexmask_model_options){.size = sizeof(lexmask_model_options),
                                   .device = "cpu",
                                   .dtype = "f32",
                                   .bn_eps = LEXMASK_DEFAULT,
                                   .use_clip = 1,
                                   .use_tokenizer = 1,
                                   .threads = LEXMASK_DEFAULT,
                                   .picture_size = LEXMASK_DEFAULT,
                                   .heads = LEXMASK_DEFAULT,
                                   .text_heads = LEXMASK_DEFAULT};
}

static lexmask_names_options names_defaults(void) {
    return (lexmask_names_options){.size = sizeof(lexmask_names_options),
                                   .threads = LEXMASK_DEFAULT,
                                   .use_cache = 1,
                                   .contrast = 1};
}

static lexmask_session_options session_defaults(void) {
    md_crop_options crop = md_crop_default_options();
    return (lexmask_session_options){.size = sizeof(lexmask_session_options),
                                     .mode = LEXMASK_MODE_CROP,
                                     .threads = LEXMASK_DEFAULT,
                                     .max_pixels = IO_MAX_PIXELS,
                                     .score = LEXMASK_DEFAULT,
                                     .nms = LEXMASK_DEFAULT,
                                     .top = LEXMASK_DEFAULT,
                                     .proposals = LEXMASK_DEFAULT,
                                     .clip_batch = 64,
                                     .crop_shape = LEXMASK_CROP_SHAPE_SQUARE,
                                     .crop_context = crop.crops.context,
                                     .objectness = crop.objectness,
                                     .objectness_of = LEXMASK_OBJECTNESS_AUTO,
                                     .max_size = LEXMASK_DEFAULT,
                                     .alpha = LEXMASK_DEFAULT,
                                     .beta = LEXMASK_DEFAULT};
}

void api_set_rules(const lexmask_session_options *o, nn_select_rules *rules) {
    if (o->score != LEXMASK_DEFAULT) rules->score = o->score;
    if (o->nms != LEXMASK_DEFAULT) rules->nms = o->nms;
    if (o->top != LEXMASK_DEFAULT) rules->top = o->top;
}

void lexmask_model_options_init_sized(lexmask_model_options *options, size_t size) {
    lexmask_model_options all = model_defaults();
    api_init_sized(options, size, &all, sizeof all);
}

void lexmask_names_options_init_sized(lexmask_names_options *options, size_t size) {
    lexmask_names_options all = names_defaults();
    api_init_sized(options, size, &all, sizeof all);
}

void lexmask_session_options_init_sized(lexmask_session_options *options, size_t size) {
    lexmask_session_options all = session_defaults();
    api_init_sized(options, size, &all, sizeof all);
}

// ---- ranges and users of options ---------------------------------------------------------------

#define AT(type) (*(const type *)((const char *)options + o->offset))

static double number_of(const api_option *o, const void *options) {
    return o->type == API_INT ? AT(int) : o->type == API_INT64 ? (double)AT(int64_t) : AT(double);
}

tn_status api_check(const char *what, const api_option *list, size_t count, const void *options,
                    tn_error *err) {
    for (const api_option *o = list; o < list + count; o++) {
        if (o->type == API_TEXT) continue;
        double is = number_of(o, options);
        if ((is >= o->low && is <= o->high) || (o->automatic && is == LEXMASK_DEFAULT)) continue;
        return tn_fail(err, TN_EINVAL, "%s option %s is %.12g: expected %.12g to %.12g%s", what,
                       o->name, is, o->low, o->high, o->automatic ? ", or LEXMASK_DEFAULT" : "");
    }
    return TN_OK;
}

#define MODEL(name, ...) API_OPTION(lexmask_model_options, name, __VA_ARGS__)
static const api_option of_model[] = {
    MODEL(bn_eps, REAL, 0, 1, true),
    MODEL(use_clip, INT, 0, 1),
    MODEL(use_tokenizer, INT, 0, 1),
    MODEL(threads, INT, 1, 4096, true),
    MODEL(picture_size, INT, MD_FVLM_MIN_SIZE, MD_FVLM_MAX_SIZE, true),
    MODEL(heads, INT, 1, 1024, true),
    MODEL(text_heads, INT, 1, 1024, true),
};

#define NAMES(name, ...) API_OPTION(lexmask_names_options, name, __VA_ARGS__)
static const api_option of_names[] = {
    NAMES(threads, INT, 1, 4096, true),
    NAMES(use_cache, INT, 0, 1),
    NAMES(contrast, INT, 0, 1),
};

#define SESSION(name, ...) API_OPTION(lexmask_session_options, name, __VA_ARGS__)
static const api_option of_session[] = {
    SESSION(mode, INT, LEXMASK_MODE_CROP, LEXMASK_MODE_CLOSED, .used_by = API_ALL),
    SESSION(threads, INT, 1, 4096, true, API_ALL),
    SESSION(max_pixels, INT64, 1, 1e15, .used_by = API_ALL),
    SESSION(score, REAL, 0, 1, true, API_ALL),
    SESSION(nms, REAL, 0, 1, true, API_ALL),
    SESSION(top, INT, 1, 1000000, true, API_ALL),
    SESSION(proposals, INT, 1, 1000000, true, API_CROP | API_FVLM),
    SESSION(clip_batch, INT, 1, 65536, .used_by = API_CROP | API_FVLM),
    SESSION(crop_shape, INT, LEXMASK_CROP_SHAPE_TIGHT, LEXMASK_CROP_SHAPE_SQUARE,
            .used_by = API_CROP),
    SESSION(crop_context, REAL, 1, 10, .used_by = API_CROP),
    SESSION(objectness, REAL, 0, 1, .used_by = API_CROP),
    SESSION(objectness_of, INT, LEXMASK_OBJECTNESS_AUTO, LEXMASK_OBJECTNESS_RPN,
            .used_by = API_CROP),
    SESSION(agnostic, INT, 0, 1, .used_by = API_FVLM),
    SESSION(keep_scores, INT, 0, 1, .used_by = API_FVLM),
    SESSION(each_score, INT, 0, 1, .used_by = API_FVLM),
    SESSION(max_size, INT, MD_FVLM_MIN_SIZE, MD_FVLM_MAX_SIZE, true, API_FVLM),
    SESSION(score2, TEXT, .used_by = API_FVLM),
    SESSION(alpha, REAL, 0, 1, true, API_FVLM),
    SESSION(beta, REAL, 0, 1, true, API_FVLM),
    SESSION(novel, TEXT, .used_by = API_FVLM),
};
enum { SESSION_OPTIONS = sizeof of_session / sizeof *of_session };

unsigned api_kind(bool fvlm, lexmask_mode mode) {
    if (mode == LEXMASK_MODE_CLOSED) return API_CLOSED;
    return mode != LEXMASK_MODE_CROP ? 0 : fvlm ? API_FVLM : API_CROP;
}

static bool is_set(const api_option *o, const lexmask_session_options *options) {
    lexmask_session_options plain = session_defaults();
    if (o->type == API_TEXT) return AT(char *) != NULL;
    return number_of(o, options) != number_of(o, &plain);
}

tn_status api_session_used(const lexmask_session_options *options, unsigned kind, tn_error *err) {
    static const char *const who[] = {[API_CROP] = "the crop mode of a Mask R-CNN",
                                      [API_CLOSED] = "the closed mode",
                                      [API_FVLM] = "an F-VLM"};
    for (const api_option *o = of_session; o < of_session + SESSION_OPTIONS; o++)
        if (!(o->used_by & kind) && is_set(o, options))
            return tn_fail(err, TN_EINVAL, "session option %s is not used by %s", o->name,
                           who[kind]);
    return TN_OK;
}

// ---- reading the caller's structs --------------------------------------------------------------

#define COUNT(list) (sizeof(list) / sizeof *(list))

tn_status api_model_options(const lexmask_model_options *given, lexmask_model_options *to,
                            tn_error *err) {
    *to = model_defaults();
    TN_TRY(api_take_sized(given, to, sizeof *to, "model options", err));
    if (!to->device) to->device = "cpu";
    if (!to->dtype) to->dtype = "f32";
    return api_check("model", of_model, COUNT(of_model), to, err);
}

tn_status api_names_options(const lexmask_names_options *given, lexmask_names_options *to,
                            tn_error *err) {
    *to = names_defaults();
    TN_TRY(api_take_sized(given, to, sizeof *to, "names options", err));
    return api_check("names", of_names, COUNT(of_names), to, err);
}

tn_status api_session_options(const lexmask_session_options *given, lexmask_session_options *to,
                              tn_error *err) {
    *to = session_defaults();
    TN_TRY(api_take_sized(given, to, sizeof *to, "session options", err));
    return api_check("session", of_session, COUNT(of_session), to, err);
}
