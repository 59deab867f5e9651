// SPDX-License-Identifier: Apache-2.0
// What to look for, as a command line says it.
#pragma once

#include "io/coco/coco.h"
#include "tools/shared/options.h"

// --names and --names-file, each given any number of times: all names, those of the texts first.
typedef struct tool_wanted_names {
    tool_list text, file;
    tool_list name; // filled by tool_wanted_names_read: one per class, synonyms with '|' between
} tool_wanted_names;

// lvis: names are written as in LVIS, and become plain. TN_EINVAL names the place.
tn_status tool_wanted_names_read(tool_wanted_names *names, bool lvis, tn_error *err);
// Instead: the names that the F-VLM in the folder was trained on, as its configuration has them.
// TN_EINVAL where it has none, or is no F-VLM.
tn_status tool_wanted_names_trained(tool_wanted_names *names, const char *folder, tn_error *err);
// tr_merge_categories for the chosen model, which reads no names in closed mode.
tn_status tool_merge_categories(io_coco *data, tn_error *err);
void tool_wanted_names_free(tool_wanted_names *names); // fine on one that is all 0

// Whether a category's name, as a file has it, is this one. lvis: when it is made plain.
bool tool_same_name(const char *category, const char *name, bool lvis);
