// SPDX-License-Identifier: Apache-2.0
// What a sweep consists of: lists of values, a setting for each combination of them, their figures.
#pragma once

#include "eval/sweep.h"
#include "tools/eval/eval_sweep.h"

enum tool_sweep_kind {
    TOOL_SWEEP_ALPHA,
    TOOL_SWEEP_BETA,
    TOOL_SWEEP_SCALE1,
    TOOL_SWEEP_SCALE2,
    TOOL_SWEEP_POWER,
    TOOL_SWEEP_THRESHOLD,
    TOOL_SWEEP_LISTS
};
#define TOOL_SWEEP_VALUES 64

// What the lists are of, in the order of the enum.
typedef struct tool_sweep_name {
    const char *name, *option;
    double low, high;
} tool_sweep_name;
extern const tool_sweep_name tool_sweep_names[TOOL_SWEEP_LISTS];

typedef struct tool_sweep_list {
    double value[TOOL_SWEEP_VALUES];
    size_t count;
} tool_sweep_list;

typedef struct tool_sweep_setting {
    size_t at[TOOL_SWEEP_LISTS]; // which value of each list
    double ap, ap50, novel, base;
} tool_sweep_setting;

typedef struct tool_sweep_run {
    const io_coco *truth;
    const tool_eval_options *how;
    tn_pool *pool;
    io_scores scores;
    ev_sweep *detector;
    bool has_split;
    io_coco_split names;
    tool_sweep_list lists[TOOL_SWEEP_LISTS];
    tool_sweep_setting *settings;
    size_t count, best;
} tool_sweep_run;

// The lists as they were given, or a grid, and all their combinations. TN_EINVAL names the option.
tn_status tool_sweep_settings(tool_sweep_run *s, const tool_sweep_options *o, tn_error *err);
ev_setting tool_sweep_setting_of(const tool_sweep_run *s, const tool_sweep_setting *x);
// A table or JSON on standard output; with --plots charts. TN_EIO.
tn_status tool_sweep_show(const tool_sweep_run *s, tn_error *err);
