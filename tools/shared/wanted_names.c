// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/wanted_names.h"

#include "models/names/prompts.h"
#include "tensor/alloc.h"

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
