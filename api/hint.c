// SPDX-License-Identifier: Apache-2.0
// Messages about names that a model does not know.
#include "api/internal.h"
#include "models/names/known_names.h"

#include <stdio.h>
#include <string.h>

#define MAX_NAMES 5 // names reported individually

// ": did you mean 'a', 'b' or 'c'?"; empty if no name is similar.
static tn_status nearest(const md_names *known, const char *name, char *out, size_t bytes,
                         tn_error *err) {
    int64_t near[MD_MAX_SIMILAR];
    int count;
    size_t used = 0;
    *out = 0;
    TN_TRY(md_names_similar(known, name, near, &count, err));
    for (int i = 0; i < count && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s'%.80s'%s",
                                 !i              ? ": did you mean "
                                 : i + 1 < count ? ", "
                                                 : " or ",
                                 known->label[near[i]], i + 1 < count ? "" : "?");
    return TN_OK;
}

tn_status api_names_hint(const lexmask_model *model, const lexmask_names_options *options,
                         const md_names *names, tn_error *err) {
    const md_names *known = md_fvlm_contrast(model->fvlm);
    char text[512], near[320];
    int64_t strange = 0;
    if (!options->log) return TN_OK;
    uint8_t *among = tn_alloc((size_t)names->classes);
    if (!among) return tn_fail(err, TN_ENOMEM, "out of memory for names");
    tn_status status = md_names_mark_shared(names, known, among, err);
    for (int64_t t = 0; t < names->classes && status == TN_OK; t++) {
        if (among[t] || ++strange > MAX_NAMES) continue;
        status = nearest(known, names->label[t], near, sizeof near, err);
        if (status != TN_OK) break;
        snprintf(text, sizeof text,
                 "'%.80s' is not among the %lld names that this model was trained on%s",
                 names->label[t], (long long)known->classes, near);
        options->log(options->log_user, LEXMASK_LOG_WARNING, text);
    }
    tn_free(among);
    if (status != TN_OK || strange <= MAX_NAMES) return status;
    snprintf(text, sizeof text, "nor are %lld more of the given names",
             (long long)(strange - MAX_NAMES));
    options->log(options->log_user, LEXMASK_LOG_WARNING, text);
    return TN_OK;
}
