// SPDX-License-Identifier: Apache-2.0
// Writes a configuration as JSON.
#include "io/file.h"
#include "models/fvlm/fvlm_schema.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

typedef struct text {
    char *bytes;
    size_t used, capacity;
    bool failed;
} text;

static void add_bytes(text *t, const char *bytes, size_t count) {
    if (t->failed) return;
    if (t->used + count + 1 > t->capacity) {
        size_t capacity = 2 * (t->used + count) + 4096;
        char *more = tn_realloc(t->bytes, t->capacity, capacity);
        if (!more) {
            t->failed = true;
            return;
        }
        t->bytes = more, t->capacity = capacity;
    }
    memcpy(t->bytes + t->used, bytes, count);
    t->bytes[t->used += count] = 0;
}

static void add(text *t, const char *bytes) {
    add_bytes(t, bytes, strlen(bytes));
}

static void add_quoted(text *t, const char *value) {
    add(t, "\"");
    for (; *value; value++) {
        char escape[8];
        if (*value == '"' || *value == '\\')
            snprintf(escape, sizeof escape, "\\%c", *value);
        else if ((unsigned char)*value < 0x20)
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*value);
        else
            snprintf(escape, sizeof escape, "%c", *value);
        add(t, escape);
    }
    add(t, "\"");
}

static void add_int(text *t, int64_t value) {
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)value);
    add(t, number);
}

// The fewest digits that read back to the same number; always with a point, whatever the locale.
static void add_real(text *t, double value) {
    char number[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, value);
        if (strtod(number, NULL) == value) break;
    }
    for (char *at = number; *at; at++)
        if (!strchr("0123456789+-e", *at)) *at = '.';
    add(t, number);
}

static void add_field(text *t, const md_field *field, const md_fvlm_config *config) {
    const void *at = (const char *)config + field->at;
    int count = field->count_at
                    ? *(const int *)(const void *)((const char *)config + field->count_at)
                    : (int)field->capacity;
    switch (field->kind) {
    case MD_FIELD_TEXT:
        add_quoted(t, at);
        return;
    case MD_FIELD_INT:
        add_int(t, *(const int64_t *)at);
        return;
    case MD_FIELD_REAL:
        add_real(t, *(const double *)at);
        return;
    case MD_FIELD_BOOL:
        add(t, *(const bool *)at ? "true" : "false");
        return;
    case MD_FIELD_CHOICE:
        add_quoted(t, field->words[*(const int *)at]);
        return;
    default:
        break;
    }
    add(t, "[");
    for (int i = 0; i < count; i++) {
        if (i) add(t, ", ");
        if (field->kind == MD_FIELD_INTS)
            add_int(t, ((const int64_t *)at)[i]);
        else
            add_real(t, ((const double *)at)[i]);
    }
    add(t, "]");
}

static void add_strings(text *t, const char *key, const char *first, size_t step,
                        char *const *names, int64_t count) {
    add(t, ",\n  ");
    add_quoted(t, key);
    add(t, ": [");
    for (int64_t i = 0; i < count; i++) {
        if (i) add(t, ", ");
        add_quoted(t, names ? names[i] : first + (size_t)i * step);
    }
    add(t, "]");
}

tn_status md_fvlm_config_text(const md_fvlm_config *config, char **out, size_t *bytes,
                              tn_error *err) {
    text t = {0};
    add(&t, "{\n  \"format\": \"" MD_FVLM_FORMAT "\",\n  \"version\": ");
    add_int(&t, MD_FVLM_VERSION);
    for (size_t i = 0; i < md_fvlm_field_count; i++) {
        const md_field *field = &md_fvlm_fields[i];
        bool first = !i || strcmp(field->group, field[-1].group) != 0;
        bool last = i + 1 == md_fvlm_field_count || strcmp(field->group, field[1].group) != 0;
        if (first) {
            add(&t, ",\n  ");
            add_quoted(&t, field->group);
            add(&t, ": {");
        }
        add(&t, first ? "" : ", ");
        add_quoted(&t, field->key);
        add(&t, ": ");
        add_field(&t, field, config);
        if (last) add(&t, "}");
    }
    add_strings(&t, "prompts", config->prompt[0], sizeof config->prompt[0], NULL, config->prompts);
    add_strings(&t, "base_names", NULL, 0, config->base_name, config->base_names);
    add(&t, ",\n  \"contrast\": ");
    add_quoted(&t, config->contrast);
    add(&t, "\n}\n");
    if (t.failed) {
        tn_free(t.bytes);
        return tn_fail(err, TN_ENOMEM, "out of memory for a configuration");
    }
    *out = t.bytes, *bytes = t.used;
    return TN_OK;
}

tn_status md_fvlm_config_write(const char *path, const md_fvlm_config *config, tn_error *err) {
    char *bytes;
    size_t count;
    TN_TRY(md_fvlm_config_text(config, &bytes, &count, err));
    tn_status status = io_write_file(path, bytes, count, err);
    tn_free(bytes);
    return status;
}
