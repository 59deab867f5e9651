// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/wanted_names.h"

#include "models/fvlm/fvlm_config.h"
#include "models/names/prompts.h"
#include "tensor/alloc.h"
#include "tools/shared/model_choice.h"
#include "train/dataset.h"

#include <limits.h>
#include <string.h>

// "sofa|couch" of class i, whose phrases begin at *phrase; from tn_alloc.
static char *joined(const md_names *names, int64_t i, int64_t *phrase) {
    int64_t first = *phrase;
    size_t bytes = 1, at = 0;
    for (; *phrase < names->phrases && names->class_of[*phrase] == i; ++*phrase)
        bytes += strlen(names->phrase[*phrase]) + 1;
    char *text = tn_alloc(bytes);
    for (int64_t k = first; text && k < *phrase; k++)
        at +=
            (size_t)snprintf(text + at, bytes - at, "%s%s", k > first ? "|" : "", names->phrase[k]);
    return text;
}

static tn_status add_all(const md_names *from, bool lvis, tool_list *to, tn_error *err) {
    for (int64_t i = 0; lvis && i < from->phrases; i++) md_name_from_lvis(from->phrase[i]);
    for (int64_t i = 0, phrase = 0; i < from->classes; i++) {
        char *text = joined(from, i, &phrase);
        if (text && tool_list_add(to, text)) continue;
        tn_free(text);
        return tn_fail(err, TN_ENOMEM, "out of memory for names");
    }
    return TN_OK;
}

static tn_status read_each(const tool_list *given,
                           tn_status (*read)(const char *text, md_names *out, tn_error *err),
                           bool lvis, tool_list *to, tn_error *err) {
    for (size_t i = 0; i < given->count; i++) {
        md_names names;
        TN_TRY(read(given->word[i], &names, err));
        tn_status status = add_all(&names, lvis, to, err);
        md_names_deinit(&names);
        TN_TRY(status);
    }
    return TN_OK;
}

tn_status tool_wanted_names_read(tool_wanted_names *names, bool lvis, tn_error *err) {
    TN_TRY(read_each(&names->text, md_names_parse, lvis, &names->name, err));
    return read_each(&names->file, md_names_read, lvis, &names->name, err);
}

tn_status tool_merge_categories(io_coco *data, tn_error *err) {
    if (tool_model_closed(&tool_chosen)) return TN_OK;
    return tr_merge_categories(data, tool_names_of_lvis(), err);
}

tn_status tool_wanted_names_trained(tool_wanted_names *names, const char *folder, tn_error *err) {
    char path[PATH_MAX];
    md_fvlm_config config;
    snprintf(path, sizeof path, "%s/config.json", folder);
    bool fvlm = md_fvlm_config_read(path, &config, NULL) == TN_OK;
    tn_status status = TN_OK;
    for (int64_t i = 0; fvlm && i < config.base_names && status == TN_OK; i++) {
        char *name = tn_strdup(config.base_name[i]);
        if (name && tool_list_add(&names->name, name)) continue;
        tn_free(name);
        status = tn_fail(err, TN_ENOMEM, "out of memory for names");
    }
    if (fvlm) md_fvlm_config_deinit(&config);
    if (status != TN_OK || names->name.count) return status;
    return tn_fail(err, TN_EINVAL,
                   "what to look for? Give --names \"cat,remote control\" or --names-file FILE (%s "
                   "does not say what it was trained on)",
                   folder);
}

void tool_wanted_names_free(tool_wanted_names *names) {
    for (size_t i = 0; i < names->name.count; i++) tn_free((char *)names->name.word[i]);
    tool_list_free(&names->name);
    tool_list_free(&names->text);
    tool_list_free(&names->file);
}

bool tool_same_name(const char *category, const char *name, bool lvis) {
    char *plain = lvis ? tn_strdup(category) : NULL;
    if (plain) md_name_from_lvis(plain);
    bool same = !strcmp(plain ? plain : category, name);
    tn_free(plain);
    return same;
}
