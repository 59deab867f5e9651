// SPDX-License-Identifier: Apache-2.0
// Class names and the prompts that CLIP reads for them.
#pragma once

#include "tensor/alloc.h"

// T classes; each has one name or several synonyms ("sofa|couch"), all of which are phrases here.
typedef struct md_names {
    int64_t classes, phrases; // phrases >= classes
    char **phrase;            // [phrases] in order of class, trimmed, otherwise unchanged
    int32_t *class_of;        // [phrases] 0 … classes-1, ascending
    char **label;             // [classes] the first synonym of each class; points into phrase
} md_names;

// `--names`: separated by commas, synonyms of one class by '|'; surrounding white space is dropped.
// A name in double quotes ("rock, paper") may contain commas; a quote inside it is written twice.
// '|' always separates synonyms: a name cannot contain one. TN_EINVAL names the position: an empty
// list, an empty name, a name that is the same as another one to CLIP (equal after cleaning: "Cat"
// and "cat"), invalid UTF-8. Release with md_names_deinit.
tn_status md_names_parse(const char *list, md_names *out, tn_error *err);
// The same from an array, one class per element, so names may contain commas. Quotes are part of a
// name.
tn_status md_names_from_array(const char *const *list, size_t count, md_names *out, tn_error *err);
// `--names-file`: one class per line, so names may contain commas. Blank lines and lines that begin
// with '#' are skipped; a name that begins with '#' or a quote is written in quotes. A byte order
// mark and CR LF are skipped. Errors name file and line.
tn_status md_names_read(const char *path, md_names *out, tn_error *err);
// Turns a name as LVIS writes it into plain words, in place: "cow_(animal)" becomes "cow (animal)",
// and "remote_control" becomes "remote control".
void md_name_from_lvis(char *name);
void md_names_deinit(md_names *names);

// For each name the index of the first one that CLIP reads as the same text ("Cat" and "cat"): its
// own where there is none before it, and where it is NULL or no UTF-8. first: [count]. TN_ENOMEM.
tn_status md_names_alike(const char *const *list, size_t count, size_t *first, tn_error *err);

// The prompts of a class, averaged by the caller: text with {} in place of the name.
typedef struct md_templates {
    int64_t count;
    const char **text; // [count] views of the arguments or of constant data
} md_templates;

#define MD_IMAGENET80 "imagenet80"
#define MD_PROMPT "a photo of {}"

// Each argument is a template, or "imagenet80" for the 80 that OpenAI published with CLIP; without
// arguments MD_PROMPT is used. TN_EINVAL: a template without {}, a duplicate, invalid UTF-8.
// Release with md_templates_deinit; the arguments must live as long.
tn_status md_templates_init(const char *const *argument, int64_t count, md_templates *out,
                            tn_error *err);
void md_templates_deinit(md_templates *templates);

// Replaces every {} of the template by the name. *out from tn_alloc. TN_ENOMEM.
tn_status md_prompt_fill(const char *template_text, const char *name, char **out, tn_error *err);

// The 80 templates as data, for docs and tests.
extern const char *const md_imagenet80[80];
