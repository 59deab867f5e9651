// SPDX-License-Identifier: Apache-2.0
// Reads and checks a configuration.
#include "io/json.h"
#include "models/fvlm/fvlm_schema.h"

#include <math.h>
#include <stdio.h>

#define MAX_BYTES ((size_t)4 << 20) // maximum size of config.json

static void *place_of(const md_field *field, md_fvlm_config *config) {
    return (char *)config + field->at;
}

static int *count_of(const md_field *field, md_fvlm_config *config) {
    return (int *)(void *)((char *)config + field->count_at);
}

// ---- one value ---------------------------------------------------------------------------------

static tn_status read_text(const io_json *value, char *out, size_t capacity, tn_error *err) {
    const char *text;
    TN_TRY(io_json_as_string(value, &text, err));
    if (strlen(text) >= capacity)
        return io_json_fail(value, err, "expected at most %zu bytes, found %zu", capacity - 1,
                            strlen(text));
    snprintf(out, capacity, "%s", text);
    return TN_OK;
}

static tn_status read_real(const io_json *value, double low, double high, double *out,
                           tn_error *err) {
    TN_TRY(io_json_as_number(value, out, err));
    if (*out >= low && *out <= high) return TN_OK;
    return io_json_fail(value, err, "expected a number from %g to %g, found %g", low, high, *out);
}

static tn_status read_choice(const io_json *value, const md_field *field, int *out, tn_error *err) {
    const char *text;
    char all[160] = "";
    TN_TRY(io_json_as_string(value, &text, err));
    *out = md_field_choice(field, text);
    if (*out >= 0) return TN_OK;
    for (int i = 0; field->words[i]; i++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", field->words[i]);
    }
    return io_json_fail(value, err, "expected one of %s; found '%.40s'", all, text);
}

static tn_status read_list(const io_json *value, const md_field *field, md_fvlm_config *config,
                           tn_error *err) {
    size_t n = io_json_count(value), min = field->count_at ? 1 : field->capacity;
    if (n < min || n > field->capacity)
        return min == field->capacity
                   ? io_json_fail(value, err, "expected %zu numbers, found %zu", min, n)
                   : io_json_fail(value, err, "expected %zu to %zu numbers, found %zu", min,
                                  field->capacity, n);
    for (size_t i = 0; i < n; i++) {
        io_json item;
        TN_TRY(io_json_at(value, i, IO_JSON_NUMBER, &item, err));
        if (field->kind == MD_FIELD_INTS)
            TN_TRY(io_json_as_int(&item, (int64_t)field->low, (int64_t)field->high,
                                  (int64_t *)place_of(field, config) + i, err));
        else
            TN_TRY(read_real(&item, field->low, field->high, (double *)place_of(field, config) + i,
                             err));
    }
    if (field->count_at) *count_of(field, config) = (int)n;
    return TN_OK;
}

static tn_status read_field(const io_json *group, const md_field *field, md_fvlm_config *config,
                            tn_error *err) {
    static const io_json_type types[] = {
        [MD_FIELD_TEXT] = IO_JSON_STRING,   [MD_FIELD_INT] = IO_JSON_INTEGER,
        [MD_FIELD_REAL] = IO_JSON_NUMBER,   [MD_FIELD_BOOL] = IO_JSON_BOOL,
        [MD_FIELD_CHOICE] = IO_JSON_STRING, [MD_FIELD_INTS] = IO_JSON_ARRAY,
        [MD_FIELD_REALS] = IO_JSON_ARRAY};
    void *out = place_of(field, config);
    io_json value;
    TN_TRY(io_json_get(group, field->key, types[field->kind], &value, err));
    switch (field->kind) {
    case MD_FIELD_TEXT:
        return read_text(&value, out, field->capacity, err);
    case MD_FIELD_INT:
        return io_json_as_int(&value, (int64_t)field->low, (int64_t)field->high, out, err);
    case MD_FIELD_REAL:
        return read_real(&value, field->low, field->high, out, err);
    case MD_FIELD_BOOL:
        return io_json_bool(group, field->key, out, err);
    case MD_FIELD_CHOICE:
        return read_choice(&value, field, out, err);
    default:
        return read_list(&value, field, config, err);
    }
}

// ---- the configuration -------------------------------------------------------------------------

// Rejects members that this version's schema does not have. group: NULL for the top level.
static tn_status refuse_unknown(const io_json *object, const char *group, int64_t version,
                                tn_error *err) {
    static const char *const top[] = {"format", "version", "prompts", "base_names", "contrast"};
    io_json member;
    for (void *at = NULL; io_json_each(object, &at, &member);) {
        bool known = false;
        for (size_t i = 0; i < md_fvlm_field_count && !known; i++) {
            const md_field *f = &md_fvlm_fields[i];
            known = group ? f->since <= version && !strcmp(f->group, group) &&
                                !strcmp(f->key, member.key)
                          : !strcmp(f->group, member.key);
        }
        for (size_t i = 0; !group && i < sizeof top / sizeof *top; i++)
            known = known || !strcmp(top[i], member.key);
        if (!known) return io_json_fail(&member, err, "unknown setting");
    }
    return TN_OK;
}

static void set_absent(const md_field *field, md_fvlm_config *config) {
    if (field->kind == MD_FIELD_INT)
        *(int64_t *)place_of(field, config) = (int64_t)field->absent;
    else
        *(double *)place_of(field, config) = field->absent;
}

static tn_status read_groups(const io_json *root, int64_t version, md_fvlm_config *config,
                             tn_error *err) {
    io_json group = {0};
    for (size_t i = 0; i < md_fvlm_field_count; i++) {
        const md_field *field = &md_fvlm_fields[i];
        if (!i || strcmp(field->group, field[-1].group) != 0) {
            TN_TRY(io_json_get(root, field->group, IO_JSON_OBJECT, &group, err));
            TN_TRY(refuse_unknown(&group, field->group, version, err));
        }
        if (field->since > version)
            set_absent(field, config);
        else
            TN_TRY(read_field(&group, field, config, err));
    }
    return TN_OK;
}

static tn_status read_prompts(const io_json *root, md_fvlm_config *config, tn_error *err) {
    io_json list, item;
    TN_TRY(io_json_get(root, "prompts", IO_JSON_ARRAY, &list, err));
    size_t n = io_json_count(&list);
    if (n < 1 || n > MD_FVLM_PROMPTS)
        return io_json_fail(&list, err, "expected 1 to %d sentences, found %zu", MD_FVLM_PROMPTS,
                            n);
    for (size_t i = 0; i < n; i++) {
        TN_TRY(io_json_at(&list, i, IO_JSON_STRING, &item, err));
        TN_TRY(read_text(&item, config->prompt[i], sizeof config->prompt[i], err));
        if (!strstr(config->prompt[i], "{}") && strcmp(config->prompt[i], "imagenet80") != 0)
            return io_json_fail(&item, err, "expected {} where the name goes, or imagenet80");
    }
    config->prompts = (int)n;
    return TN_OK;
}

static tn_status read_base(const io_json *root, md_fvlm_config *config, tn_error *err) {
    io_json list, item;
    TN_TRY(io_json_get(root, "base_names", IO_JSON_ARRAY, &list, err));
    size_t n = io_json_count(&list);
    if (!n) return TN_OK;
    const char **names = tn_alloc_zero(n, sizeof *names);
    if (!names) return tn_fail(err, TN_ENOMEM, "out of memory for %zu names", n);
    tn_status status = TN_OK;
    for (size_t i = 0; i < n && status == TN_OK; i++) {
        status = io_json_at(&list, i, IO_JSON_STRING, &item, err);
        if (status == TN_OK) status = io_json_as_string(&item, &names[i], err);
        if (status == TN_OK && !names[i][0]) status = io_json_fail(&item, err, "an empty name");
    }
    if (status == TN_OK) status = md_fvlm_config_set_base(config, names, (int64_t)n, err);
    tn_free(names);
    return status;
}

// Off in version 1, which did not have it.
static tn_status read_contrast(const io_json *root, int64_t version, md_fvlm_config *config,
                               tn_error *err) {
    io_json value;
    if (version < 2) return TN_OK;
    TN_TRY(io_json_get(root, "contrast", IO_JSON_STRING, &value, err));
    return read_text(&value, config->contrast, sizeof config->contrast, err);
}

static tn_status read_hash(const io_json *root, const md_fvlm_config *config, tn_error *err) {
    io_json clip, hash;
    if (strspn(config->clip_sha256, "0123456789abcdef") == 64) return TN_OK;
    TN_TRY(io_json_get(root, "clip", IO_JSON_OBJECT, &clip, err));
    TN_TRY(io_json_get(&clip, "sha256", IO_JSON_STRING, &hash, err));
    return io_json_fail(&hash, err, "expected 64 hexadecimal digits in lower case");
}

static tn_status read_all(const io_json *root, md_fvlm_config *config, tn_error *err) {
    const char *format;
    int64_t version;
    TN_TRY(io_json_expect(root, IO_JSON_OBJECT, err));
    TN_TRY(io_json_string(root, "format", &format, err));
    if (strcmp(format, MD_FVLM_FORMAT) != 0)
        return tn_fail(err, TN_EFORMAT, "%s: format: expected '%s', found '%.40s'", root->file,
                       MD_FVLM_FORMAT, format);
    TN_TRY(io_json_int(root, "version", 1, MD_FVLM_VERSION, &version, err));
    TN_TRY(refuse_unknown(root, NULL, version, err));
    TN_TRY(read_groups(root, version, config, err));
    TN_TRY(read_prompts(root, config, err));
    TN_TRY(read_hash(root, config, err));
    TN_TRY(read_contrast(root, version, config, err));
    TN_TRY(md_fvlm_config_check(config, root->file, err));
    return read_base(root, config, err);
}

tn_status md_fvlm_config_read(const char *path, md_fvlm_config *out, tn_error *err) {
    io_json root;
    *out = (md_fvlm_config){0};
    TN_TRY(io_json_read(path, MAX_BYTES, &root, err));
    tn_status status = read_all(&root, out, err);
    io_json_close(&root);
    if (status != TN_OK) md_fvlm_config_deinit(out);
    return status;
}

// ---- consistency -------------------------------------------------------------------------------

static bool is_resnet(const md_fvlm_config *c) {
    return c->pyramid_kind == MD_PYRAMID_RESNET;
}

static const char *check_pyramid(const md_fvlm_config *c, const char **key) {
    bool one = c->pyramid_kind == MD_PYRAMID_SIMPLE || c->pyramid_kind == MD_PYRAMID_SINGLE;
    int want = one ? 1 : MD_FVLM_MAPS;
    *key = "pyramid.taps";
    if (c->pyramid_taps != want) return want == 1 ? "expected one" : "expected four";
    for (int i = 0; i < c->pyramid_taps; i++) {
        if (i && c->pyramid_tap[i] <= c->pyramid_tap[i - 1]) return "expected ascending numbers";
        if (is_resnet(c) && c->pyramid_tap[i] != i) return "expected the stages 0, 1, 2, 3";
    }
    *key = "pyramid.strides";
    for (int i = 0; i < MD_FVLM_MAPS; i++) {
        if (i && c->pyramid_stride[i] != 2 * c->pyramid_stride[i - 1])
            return "expected each to be twice the previous one";
        double places = (double)c->picture_size / c->pyramid_stride[i];
        if (c->pyramid_kind == MD_PYRAMID_SINGLE && places != floor(places))
            return "expected strides that divide picture.size";
    }
    if (c->pyramid_kind == MD_PYRAMID_STEM && !md_fvlm_stem_convs(c))
        return "expected powers of two from 2 on with the pyramid stem";
    *key = "pyramid.blocks";
    if (c->pyramid_blocks && c->pyramid_kind != MD_PYRAMID_STEM)
        return "expected 0: only the pyramid stem has blocks";
    *key = "pyramid.channels";
    if (c->pyramid_norm == MD_NORM_GROUP && c->pyramid_channels % MD_NORM_GROUPS)
        return "expected a multiple of 32, the groups of pyramid.norm";
    return NULL;
}

static const char *check_tower(const md_fvlm_config *c, const char **key) {
    *key = "picture.size";
    if (is_resnet(c) && c->picture_size % 32) return "expected a multiple of 32";
    *key = "tower.window";
    if (is_resnet(c) && c->tower_window) return "expected 0: a ResNet has no windows";
    *key = "tower.positions";
    if (!c->tower_window && c->tower_positions) return "expected scene: there are no windows";
    *key = "score2.mode";
    bool of_vit = c->score2_mode == MD_SCORE2_EMBED || c->score2_mode == MD_SCORE2_DENSE ||
                  c->score2_mode == MD_SCORE2_MASKCLS;
    if (is_resnet(c) && of_vit)
        return "expected none, crop or attnpool with the pyramid of a ResNet";
    if (!is_resnet(c) && c->score2_mode == MD_SCORE2_ATTNPOOL)
        return "attnpool needs the pyramid of a ResNet";
    if (c->score2_mode == MD_SCORE2_MASKCLS && c->tower_window)
        return "maskcls needs a tower without windows";
    return NULL;
}

static const char *check_rest(const md_fvlm_config *c, const char **key) {
    *key = "clip.path";
    if (!c->clip_path[0]) return "is empty";
    *key = "background.text";
    if ((c->background_kind == MD_BACKGROUND_TEXT) != (c->background_text[0] != 0))
        return c->background_text[0] ? "expected an empty text: the background is not a text"
                                     : "is empty";
    *key = "training.jitter";
    if (c->training_jitter[0] > c->training_jitter[1]) return "expected the smaller scale first";
    *key = "training.warmup";
    if (c->training_warmup > c->training_steps) return "is over training.steps";
    return NULL;
}

tn_status md_fvlm_config_check(const md_fvlm_config *config, const char *name, tn_error *err) {
    const char *key;
    const char *wrong = check_pyramid(config, &key);
    if (!wrong) wrong = check_tower(config, &key);
    if (!wrong) wrong = check_rest(config, &key);
    if (!wrong) return TN_OK;
    return tn_fail(err, TN_EFORMAT, "%s: %s: %s", name, key, wrong);
}

// ---- base names --------------------------------------------------------------------------------

static void forget_base(md_fvlm_config *config) {
    for (int64_t i = 0; config->base_name && i < config->base_names; i++)
        tn_free(config->base_name[i]);
    tn_free(config->base_name);
    config->base_name = NULL, config->base_names = 0;
}

tn_status md_fvlm_config_set_base(md_fvlm_config *config, const char *const *name, int64_t count,
                                  tn_error *err) {
    char **copy = count ? tn_alloc_zero((size_t)count, sizeof *copy) : NULL;
    bool good = copy || !count;
    for (int64_t i = 0; good && i < count; i++) good = (copy[i] = tn_strdup(name[i])) != NULL;
    if (good) {
        forget_base(config);
        config->base_name = copy, config->base_names = count;
        return TN_OK;
    }
    for (int64_t i = 0; copy && i < count; i++) tn_free(copy[i]);
    tn_free(copy);
    return tn_fail(err, TN_ENOMEM, "out of memory for %lld names", (long long)count);
}

tn_status md_fvlm_config_copy(const md_fvlm_config *from, md_fvlm_config *to, tn_error *err) {
    *to = *from;
    to->base_name = NULL, to->base_names = 0;
    return md_fvlm_config_set_base(to, (const char *const *)from->base_name, from->base_names, err);
}

void md_fvlm_config_deinit(md_fvlm_config *config) {
    forget_base(config);
}
