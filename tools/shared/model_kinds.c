// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/model_kinds.h"

#include "models/fvlm/fvlm.h"
#include "models/fvlm/shipped.h"
#include "tools/shared/model_choice.h"

#include <string.h>

// Score 2 as the options or else the configuration says.
static unsigned fvlm_kinds(const tool_model_choice *c, const char *folder) {
    char path[4128];
    md_fvlm_config config;
    md_score2 mode;
    tn_error ignored = {0};
    snprintf(path, sizeof path, "%s/config.json", folder);
    if (md_fvlm_config_read(path, &config, &ignored) != TN_OK) return 0;
    mode = config.score2_mode;
    md_fvlm_config_deinit(&config);
    if (c->score2) md_fvlm_score2(c->score2, &mode);
    return TOOL_FVLM | (mode != MD_SCORE2_NONE ? TOOL_FVLM_SCORE2 : 0u) |
           (mode == MD_SCORE2_CROP ? TOOL_FVLM_CROPS : 0u);
}

unsigned tool_model_kinds(const tool_model_choice *c) {
    char folder[4096];
    tn_error ignored = {0};
    if (tool_model_closed(c)) return TOOL_CLOSED;
    if (c->detector) return TOOL_CROP;
    if (c->model)
        snprintf(folder, sizeof folder, "%s", c->model);
    else if (md_shipped_model(folder, sizeof folder, &ignored) != TN_OK)
        return 0;
    return md_fvlm_is(folder) ? fvlm_kinds(c, folder) : TOOL_CROP;
}

// Who uses an option, in words.
static const char *users(unsigned used_by) {
    switch (used_by) {
    case TOOL_CROP:
        return "a Mask R-CNN with CLIP (crop mode)";
    case TOOL_CROP | TOOL_CLOSED:
        return "a Mask R-CNN";
    case TOOL_NAMED:
        return "models that name things by CLIP";
    case TOOL_FVLM:
        return "an F-VLM";
    case TOOL_FVLM_SCORE2:
        return "an F-VLM with a score 2";
    default:
        return "models that cut out crops for CLIP (a Mask R-CNN, or an F-VLM with --score2 crop)";
    }
}

static const char *chosen(unsigned kinds, unsigned used_by) {
    if (kinds & TOOL_CLOSED) return "a Mask R-CNN with its own classes (closed mode)";
    if (kinds & TOOL_CROP) return "a Mask R-CNN with CLIP (crop mode)";
    if (used_by & TOOL_FVLM_CROPS) return "an F-VLM whose score 2 is not by crop";
    if (used_by & TOOL_FVLM_SCORE2) return "an F-VLM without a score 2";
    return "an F-VLM";
}

tn_status tool_model_check(const tool_model_choice *c, tn_error *err) {
    unsigned kinds = tool_model_kinds(c);
    const tool_option *unused = kinds ? tool_given_unused(kinds) : NULL;
    if (!unused) return TN_OK;
    const char *model = c->model      ? c->model
                        : c->detector ? c->detector
                                      : "the model that comes with lexmask";
    return tn_fail(err, TN_EINVAL, "--%s is for %s; %s is %s", unused->name, users(unused->used_by),
                   model, chosen(kinds, unused->used_by));
}
