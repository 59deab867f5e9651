// SPDX-License-Identifier: Apache-2.0
// Names of classes in plain words and the sentences that CLIP reads for them.
#pragma once

#include "tensor/alloc.h"

// T classes; each has one name or several synonyms ("sofa|couch"), all of them phrases here.
typedef struct md_names {
    int64_t classes, phrases; // phrases >= classes
    char **phrase;            // [phrases] in order of class, trimmed, not cleaned otherwise
    int32_t *class_of;        // [phrases] 0 … classes-1, ascending
    char **label;             // [classes] the first synonym of each: a view of phrase
} md_names;

// `--names`: separated by commas, synonyms of one class by '|'; white space around is dropped.
// A name in double quotes ("rock, paper") may hold commas; a quote inside of it is written twice.
// '|' always separates synonyms: a name cannot hold one.
// TN_EINVAL names the place: an empty list, an empty name, a name that CLIP reads as another one
// (equal after cleaning: "Cat" and "cat"), invalid UTF-8. Release with md_names_deinit.
tn_status md_names_parse(const char *list, md_names *out, tn_error *err);
// The same from an array, one class per element, so that names may hold commas. Quotes are part of
// a name.
tn_status md_names_take(const char *const *list, size_t count, md_names *out, tn_error *err);
// `--names-file`: one class per line, so that names may hold commas. Blank lines and lines that
// begin with '#' are skipped; a name that begins with '#' or a quote is written in quotes. A byte
// order mark and CR LF are skipped. Errors name file and line.
tn_status md_names_read(const char *path, md_names *out, tn_error *err);
// Names as LVIS writes them become plain, in place: "cow_(animal)" is "cow (animal)", and
// "remote_control" is "remote control".
void md_name_from_lvis(char *name);
void md_names_deinit(md_names *names);

// The sentences of a class, averaged by the caller: text with {} where the name goes.
typedef struct md_templates {
    int64_t count;
    const char **text; // [count] views of the arguments or of constant data
} md_templates;

#define MD_IMAGENET80 "imagenet80"
#define MD_PROMPT "a photo of {}"

// Each argument is a template, or "imagenet80" for the 80 that OpenAI published with CLIP; no
// arguments give MD_PROMPT. TN_EINVAL: one without {}, one twice,
// invalid UTF-8. Release with md_templates_deinit; the arguments must live as long.
tn_status md_templates_init(const char *const *argument, int64_t count, md_templates *out,
                            tn_error *err);
void md_templates_deinit(md_templates *templates);

// The template with every {} replaced by the name. *out from tn_alloc. TN_ENOMEM.
tn_status md_prompt_fill(const char *template_text, const char *name, char **out, tn_error *err);

// The 80 as data, for docs and tests.
extern const char *const md_imagenet80[80];
