// SPDX-License-Identifier: Apache-2.0
// The values that a sweep tries, and their combinations.
#include "tools/eval/sweep_tables.h"

#include <stdlib.h>

#define MOST_SETTINGS 10000

const tool_sweep_name tool_sweep_names[TOOL_SWEEP_LISTS] = {
    {"alpha", "--alphas", 0, 1},        {"beta", "--betas", 0, 1},
    {"scale1", "--scales1", 1e-3, 1e3}, {"scale2", "--scales2", 1e-3, 1e3},
    {"objectness", "--powers", 0, 100}, {"score", "--thresholds", 0, 1},
};

tool_sweep_options tool_sweep_chosen;

static const tool_option table[] = {
    {"alphas", TOOL_TEXT, "A,B,…", "weights of score 2 for base names; default a grid",
     &tool_sweep_chosen.alphas},
    {"betas", TOOL_TEXT, "A,B,…", "weights of score 2 for all other names; default a grid",
     &tool_sweep_chosen.betas},
    {"scales1", TOOL_TEXT, "A,B,…",
     "factors of score 1's scale (2: half its temperature); default 1", &tool_sweep_chosen.scales1},
    {"scales2", TOOL_TEXT, "A,B,…", "factors of score 2's scale; default 1",
     &tool_sweep_chosen.scales2},
    {"powers", TOOL_TEXT, "A,B,…",
     "powers of the objectness; default: that of the run that kept the scores",
     &tool_sweep_chosen.powers},
    {"thresholds", TOOL_TEXT, "A,B,…",
     "lowest scores; default: that of the run that kept the scores", &tool_sweep_chosen.thresholds},
};

const tool_option_group tool_sweep_group = {"with --sweep", table, sizeof table / sizeof *table};

static tn_status parse(int kind, const char *text, tool_sweep_list *out, tn_error *err) {
    for (const char *at = text;; at++) {
        char *end;
        double value = strtod(at, &end);
        if (end == at || (*end && *end != ',') || !(value >= tool_sweep_names[kind].low) ||
            !(value <= tool_sweep_names[kind].high))
            return tn_fail(err, TN_EINVAL,
                           "%s: '%s': expected numbers of %g to %g, separated by commas",
                           tool_sweep_names[kind].option, text, tool_sweep_names[kind].low,
                           tool_sweep_names[kind].high);
        if (out->count == TOOL_SWEEP_VALUES)
            return tn_fail(err, TN_EINVAL, "%s: more than %d numbers",
                           tool_sweep_names[kind].option, TOOL_SWEEP_VALUES);
        out->value[out->count++] = value;
        if (!*end) return TN_OK;
        at = end;
    }
}

// Scales change slowest: only they need the kept scores anew.
static void number_settings(tool_sweep_run *s) {
    static const int slowest_first[TOOL_SWEEP_LISTS] = {TOOL_SWEEP_SCALE1, TOOL_SWEEP_SCALE2,
                                                        TOOL_SWEEP_POWER,  TOOL_SWEEP_THRESHOLD,
                                                        TOOL_SWEEP_ALPHA,  TOOL_SWEEP_BETA};
    for (size_t i = 0; i < s->count; i++) {
        size_t rest = i;
        for (int k = TOOL_SWEEP_LISTS; k-- > 0;) {
            const tool_sweep_list *one = &s->lists[slowest_first[k]];
            s->settings[i].at[slowest_first[k]] = rest % one->count;
            rest /= one->count;
        }
    }
}

tn_status tool_sweep_settings(tool_sweep_run *s, const tool_sweep_options *o, tn_error *err) {
    static const char alphas[] = "0,0.1,0.2,0.35,0.5,0.65", betas[] = "0,0.2,0.35,0.5,0.65,0.8";
    const char *const asked[TOOL_SWEEP_LISTS] = {o->alphas,  o->betas,  o->scales1,
                                                 o->scales2, o->powers, o->thresholds};
    const char *const grid[TOOL_SWEEP_LISTS] = {alphas, betas};
    ev_setting usual = ev_setting_of(&s->scores.head);
    const double alone[TOOL_SWEEP_LISTS] = {
        usual.fusion.alpha, usual.fusion.beta,       usual.scale1,
        usual.scale2,       usual.fusion.objectness, usual.rules.score};
    s->count = 1;
    for (int k = 0; k < TOOL_SWEEP_LISTS; k++) {
        bool second = k == TOOL_SWEEP_ALPHA || k == TOOL_SWEEP_BETA || k == TOOL_SWEEP_SCALE2;
        bool there = s->scores.head.has_score2 || !second;
        const char *list = asked[k] ? asked[k] : there ? grid[k] : NULL;
        if (!there && list)
            return tn_fail(err, TN_EINVAL, "%s: the kept scores have no score 2",
                           tool_sweep_names[k].option);
        if (list)
            TN_TRY(parse(k, list, &s->lists[k], err));
        else
            s->lists[k] = (tool_sweep_list){.value = {alone[k]}, .count = 1};
        s->count *= s->lists[k].count;
        if (s->count > MOST_SETTINGS)
            return tn_fail(err, TN_EINVAL, "more than %d combinations to be tried", MOST_SETTINGS);
    }
    s->settings = tn_alloc_zero(s->count, sizeof *s->settings);
    if (!s->settings) return tn_fail(err, TN_ENOMEM, "out of memory for %zu settings", s->count);
    number_settings(s);
    return TN_OK;
}

ev_setting tool_sweep_setting_of(const tool_sweep_run *s, const tool_sweep_setting *x) {
    ev_setting how = ev_setting_of(&s->scores.head);
    how.fusion.alpha = s->lists[TOOL_SWEEP_ALPHA].value[x->at[TOOL_SWEEP_ALPHA]];
    how.fusion.beta = s->lists[TOOL_SWEEP_BETA].value[x->at[TOOL_SWEEP_BETA]];
    how.scale1 = s->lists[TOOL_SWEEP_SCALE1].value[x->at[TOOL_SWEEP_SCALE1]];
    how.scale2 = s->lists[TOOL_SWEEP_SCALE2].value[x->at[TOOL_SWEEP_SCALE2]];
    how.fusion.objectness = s->lists[TOOL_SWEEP_POWER].value[x->at[TOOL_SWEEP_POWER]];
    how.rules.score = s->lists[TOOL_SWEEP_THRESHOLD].value[x->at[TOOL_SWEEP_THRESHOLD]];
    return how;
}
