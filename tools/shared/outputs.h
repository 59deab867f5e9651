// SPDX-License-Identifier: Apache-2.0
// What `lexmask detect` writes: overlays, COCO results, JSON lines, masks. Every file is written
// beside its place and renamed, so none is ever seen half-written.
#pragma once

#include "io/coco/coco.h"
#include "io/file.h"
#include "lexmask.h"
#include "tools/shared/files.h"
#include "tools/shared/options.h"

typedef struct tool_output_options {
    const char *out;    // folder for overlays
    double lowest;      // score that is drawn; files of results hold lower ones too
    const char *json;   // COCO results
    const char *ids;    // COCO annotations that give ids
    bool lvis;          // whose categories are written as in LVIS
    const char *jsonl;  // JSON lines; "-": standard output
    const char *masks;  // folder for instance masks and label maps
    const char *stages; // folder of tools/stages.h; its names are checked here alone
} tool_output_options;

typedef struct tool_outputs {
    tool_output_options wanted;
    const lexmask_model *model;
    const lexmask_names *names; // NULL: the detector's own classes
    const tool_paths *pictures; // what is read, and so never overwritten
    io_coco_writer json;
    io_writer jsonl;
    bool json_open, jsonl_open;
    io_coco *ids;
    io_coco_id *category; // of each name (closed mode: of each label)
} tool_outputs;

// TN_EINVAL when two pictures would be drawn to one file, or one over itself, or when a file of
// results is the other one or one that is read.
tn_status tool_outputs_check(const tool_output_options *wanted, const tool_paths *pictures,
                             tn_error *err);
// FOLDER/STEM.ENDING; TN_EINVAL when it does not fit.
tn_status tool_output_path(char *out, size_t bytes, const char *folder, const char *stem,
                           const char *ending, tn_error *err);
// TN_EINVAL when path is one of the pictures.
tn_status tool_output_spares(const char *path, const tool_paths *pictures, tn_error *err);

// Removes the masks of the picture with this stem that an earlier run wrote into the folder:
// regular files that are named as write_masks names them, and no masks of other pictures.
tn_status tool_output_clear_masks(const char *folder, const char *stem, const tool_paths *pictures,
                                  tn_error *err);

// Makes folders and opens files, so that an output that cannot be written is known before the
// work is done. TN_EINVAL when --ids lacks a name.
tn_status tool_outputs_open(tool_outputs *outputs, const tool_output_options *wanted,
                            const lexmask_model *model, const lexmask_names *names,
                            const tool_paths *pictures, tn_error *err);
// What was found in picture number index; ids without --ids are index + 1.
tn_status tool_outputs_add(tool_outputs *outputs, size_t index, lexmask_result *result,
                           tn_error *err);
// All files that picture number index is written to, of the folders wanted, are there.
bool tool_outputs_there(const tool_outputs *outputs, size_t index);
tn_status tool_outputs_commit(tool_outputs *outputs, tn_error *err); // files get their names
void tool_outputs_close(tool_outputs *outputs); // what was not committed is removed

// Name, score and box of those with a score of at least lowest, to standard output.
void tool_print_table(const lexmask_result *result, double lowest);
