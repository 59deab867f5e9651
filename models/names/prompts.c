// SPDX-License-Identifier: Apache-2.0
#include "models/names/prompts.h"

#include "io/file.h"
#include "models/text/text_clean.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NAMES_BYTES ((size_t)64 << 20) // bytes of a file of names

typedef struct slice {
    const char *at;
    size_t length;
} slice;

// State while names are read: the position of each phrase, for errors about it.
typedef struct reader {
    md_names names;
    size_t *position; // [phrases] number of the name, or of the line
    size_t capacity;  // allocated phrases
    const char *unit;
    bool quotes; // a name may be in quotes
} reader;

static tn_status reader_init(reader *r, const char *unit, size_t capacity, bool quotes,
                             tn_error *err) {
    *r = (reader){.unit = unit, .capacity = capacity, .quotes = quotes};
    r->names.phrase = tn_alloc_zero(capacity, sizeof *r->names.phrase);
    r->names.class_of = tn_alloc_zero(capacity, sizeof *r->names.class_of);
    r->names.label = tn_alloc_zero(capacity, sizeof *r->names.label);
    r->position = tn_alloc_zero(capacity, sizeof *r->position);
    if (r->names.phrase && r->names.class_of && r->names.label && r->position) return TN_OK;
    return tn_fail(err, TN_ENOMEM, "out of memory for %zu names", capacity);
}

void md_names_deinit(md_names *names) {
    for (int64_t i = 0; i < names->phrases; i++) tn_free(names->phrase[i]);
    tn_free(names->phrase);
    tn_free(names->class_of);
    tn_free(names->label);
    *names = (md_names){0};
}

#define BLANK " \t\r\n\f\v"

static slice trimmed(slice p) {
    while (p.length && strchr(BLANK, p.at[0])) p.at++, p.length--;
    while (p.length && strchr(BLANK, p.at[p.length - 1])) p.length--;
    return p;
}

// The position after the quote that closes the one at i; past the end if there is none.
static size_t quoted_end(slice p, size_t i) {
    for (i++; i < p.length; i++) {
        if (p.at[i] != '"') continue;
        if (i + 1 == p.length || p.at[i + 1] != '"') return i + 1;
        i++;
    }
    return p.length + 1;
}

// The part before the next separator (ignoring those in quotes if quotes are read); *rest is the
// part after it, NULL at the end.
static slice cut(slice from, char separator, bool quotes, slice *rest) {
    size_t i = 0;
    for (bool begins = true; i < from.length && from.at[i] != separator;) {
        char c = from.at[i];
        if (quotes && begins && c == '"')
            i = quoted_end(from, i);
        else
            i++;
        if (i > from.length) i = from.length;
        begins = c == '|' || (begins && strchr(BLANK, c));
    }
    bool more = i < from.length;
    *rest = more ? (slice){from.at + i + 1, from.length - i - 1} : (slice){NULL, 0};
    return (slice){from.at, i};
}

// Removes the quotes of a name. The result is written to copy, and *p refers to it.
static tn_status unquote(const reader *r, slice *p, char *copy, size_t position, tn_error *err) {
    size_t n = 0;
    if (!r->quotes || p->at[0] != '"') return TN_OK;
    int length = p->length < 80 ? (int)p->length : 80;
    if (quoted_end(*p, 0) != p->length)
        return tn_fail(err, TN_EINVAL, "%s %zu: %.*s, expected a closing quote at the name's end",
                       r->unit, position, length, p->at);
    for (size_t i = 1; i + 1 < p->length; i++) {
        if (p->at[i] == '|')
            return tn_fail(err, TN_EINVAL, "%s %zu: %.*s, expected a name without '|'", r->unit,
                           position, length, p->at);
        copy[n++] = p->at[i];
        i += p->at[i] == '"';
    }
    copy[n] = 0;
    *p = trimmed((slice){copy, n});
    memmove(copy, p->at, p->length);
    copy[p->length] = 0;
    return TN_OK;
}

static size_t count_bytes(slice p, char byte) {
    size_t count = 0;
    for (size_t i = 0; i < p.length; i++) count += p.at[i] == byte;
    return count;
}

// Adds a class: one name, or synonyms separated by '|'.
static tn_status add_class(reader *r, slice given, size_t position, tn_error *err) {
    md_names *names = &r->names;
    int64_t first = names->phrases;
    for (slice rest = given; rest.at;) {
        slice p = trimmed(cut(rest, '|', r->quotes, &rest));
        if (p.length == 0)
            return tn_fail(err, TN_EINVAL, "%s %zu: an empty name", r->unit, position);
        char *copy = tn_alloc(p.length + 1);
        if (!copy) return tn_fail(err, TN_ENOMEM, "out of memory for names");
        memcpy(copy, p.at, p.length);
        copy[p.length] = 0;
        TN_CHECK((size_t)names->phrases < r->capacity, "over %zu names", r->capacity);
        r->position[names->phrases] = position;
        names->class_of[names->phrases] = (int32_t)names->classes;
        names->phrase[names->phrases++] = copy; // released with the names from now on
        TN_TRY(unquote(r, &p, copy, position, err));
    }
    names->label[names->classes++] = names->phrase[first];
    return TN_OK;
}

typedef struct cleaned {
    char *text;
    int64_t phrase;
} cleaned;

static int by_text(const void *a, const void *b) {
    const cleaned *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : x->phrase < y->phrase ? -1 : 1;
}

// Checks that every phrase is a different text to CLIP, and none is empty.
static tn_status compare_all(const reader *r, cleaned *all, tn_error *err) {
    const md_names *names = &r->names;
    for (int64_t i = 0; i < names->phrases; i++) {
        size_t bytes;
        tn_status status =
            md_text_clean(names->phrase[i], strlen(names->phrase[i]), &all[i].text, &bytes, err);
        if (status != TN_OK) return tn_fail_prefix(err, "%s %zu", r->unit, r->position[i]);
        all[i].phrase = i;
        if (bytes == 0)
            return tn_fail(err, TN_EINVAL, "%s %zu: an empty name", r->unit, r->position[i]);
    }
    qsort(all, (size_t)names->phrases, sizeof *all, by_text);
    for (int64_t i = 1; i < names->phrases; i++) {
        int64_t a = all[i - 1].phrase, b = all[i].phrase;
        if (strcmp(all[i - 1].text, all[i].text) != 0) continue;
        return tn_fail(err, TN_EINVAL,
                       "%s %zu: \"%s\" is the same text to CLIP as \"%s\" of %s %zu", r->unit,
                       r->position[b], names->phrase[b], names->phrase[a], r->unit, r->position[a]);
    }
    return TN_OK;
}

static tn_status reader_check(const reader *r, tn_error *err) {
    size_t count = (size_t)r->names.phrases;
    if (count == 0) return tn_fail(err, TN_EINVAL, "no names, expected at least one");
    cleaned *all = tn_alloc_zero(count, sizeof *all);
    if (!all) return tn_fail(err, TN_ENOMEM, "out of memory for %zu names", count);
    tn_status status = compare_all(r, all, err);
    for (size_t i = 0; i < count; i++) tn_free(all[i].text);
    tn_free(all);
    return status;
}

// Returns the names, or releases them on failure.
static tn_status reader_end(reader *r, tn_status status, md_names *out, tn_error *err) {
    if (status == TN_OK) status = reader_check(r, err);
    tn_free(r->position);
    if (status != TN_OK) md_names_deinit(&r->names);
    *out = r->names;
    return status;
}

static tn_status read_list(reader *r, slice list, tn_error *err) {
    TN_TRY(md_text_check(list.at, list.length, err));
    TN_TRY(reader_init(r, "name", count_bytes(list, ',') + count_bytes(list, '|') + 1, true, err));
    if (trimmed(list).length == 0) return TN_OK;
    size_t number = 1;
    for (slice rest = list; rest.at; number++)
        TN_TRY(add_class(r, cut(rest, ',', true, &rest), number, err));
    return TN_OK;
}

tn_status md_names_parse(const char *list, md_names *out, tn_error *err) {
    reader r = {0};
    tn_error unread; // errors are prefixed, so an err is needed
    if (!err) err = &unread;
    tn_status status = read_list(&r, (slice){list, strlen(list)}, err);
    return reader_end(&r, status, out, err);
}

static tn_status read_lines(reader *r, slice text, tn_error *err) {
    TN_TRY(reader_init(r, "line", count_bytes(text, '\n') + count_bytes(text, '|') + 1, true, err));
    if (text.length >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
        text.at += 3, text.length -= 3; // byte order mark
    size_t number = 1;
    for (slice rest = text; rest.at; number++) {
        slice line = cut(rest, '\n', false, &rest);
        if (md_text_check(line.at, line.length, err) != TN_OK)
            return tn_fail_prefix(err, "line %zu", number);
        line = trimmed(line);
        if (line.length && line.at[0] != '#') TN_TRY(add_class(r, line, number, err));
    }
    return TN_OK;
}

static tn_status take_list(reader *r, const char *const *list, size_t count, tn_error *err) {
    size_t phrases = count;
    for (size_t i = 0; i < count; i++) {
        if (!list[i]) return tn_fail(err, TN_EINVAL, "name %zu is NULL", i + 1);
        phrases += count_bytes((slice){list[i], strlen(list[i])}, '|');
    }
    TN_TRY(reader_init(r, "name", phrases, false, err));
    for (size_t i = 0; i < count; i++) {
        slice name = {list[i], strlen(list[i])};
        if (md_text_check(name.at, name.length, err) != TN_OK)
            return tn_fail_prefix(err, "name %zu", i + 1);
        TN_TRY(add_class(r, trimmed(name), i + 1, err));
    }
    return TN_OK;
}

tn_status md_names_from_array(const char *const *list, size_t count, md_names *out, tn_error *err) {
    reader r = {0};
    tn_error unread;
    if (!err) err = &unread;
    return reader_end(&r, take_list(&r, list, count, err), out, err);
}

tn_status md_names_read(const char *path, md_names *out, tn_error *err) {
    char *text;
    size_t bytes;
    tn_error unread;
    if (!err) err = &unread;
    *out = (md_names){0};
    TN_TRY(io_read_text(path, MAX_NAMES_BYTES, &text, &bytes, err));
    reader r = {0};
    tn_status status = read_lines(&r, (slice){text, bytes}, err);
    status = reader_end(&r, status, out, err);
    tn_free(text);
    return status == TN_OK ? TN_OK : tn_fail_prefix(err, "%s", path);
}

static tn_status clean_all(const char *const *list, size_t count, cleaned *all, size_t *used,
                           tn_error *err) {
    for (size_t i = 0; i < count; i++) {
        size_t length = list[i] ? strlen(list[i]) : 0, bytes;
        if (!list[i] || md_text_check(list[i], length, NULL) != TN_OK) continue;
        TN_TRY(md_text_clean(list[i], length, &all[*used].text, &bytes, err));
        all[(*used)++].phrase = (int64_t)i;
    }
    return TN_OK;
}

tn_status md_names_alike(const char *const *list, size_t count, size_t *first, tn_error *err) {
    size_t used = 0;
    for (size_t i = 0; i < count; i++) first[i] = i;
    cleaned *all = tn_alloc_zero(count + 1, sizeof *all);
    if (!all) return tn_fail(err, TN_ENOMEM, "out of memory for %zu names", count);
    tn_status status = clean_all(list, count, all, &used, err);
    if (status == TN_OK) qsort(all, used, sizeof *all, by_text);
    for (size_t i = 1; i < used && status == TN_OK; i++)
        if (!strcmp(all[i - 1].text, all[i].text)) first[all[i].phrase] = first[all[i - 1].phrase];
    for (size_t i = 0; i < count; i++) tn_free(all[i].text);
    tn_free(all);
    return status;
}

void md_name_from_lvis(char *name) {
    char *to = name;
    for (const char *at = name; *at; at++) {
        char c = *at == '_' ? ' ' : *at;
        if (c != ' ' || (to > name && to[-1] != ' ')) *to++ = c;
    }
    while (to > name && to[-1] == ' ') to--;
    *to = 0;
}

static tn_status check_template(const char *text, tn_error *err) {
    if (md_text_check(text, strlen(text), err) != TN_OK)
        return tn_fail_prefix(err, "prompt \"%s\"", text);
    if (strstr(text, "{}")) return TN_OK;
    return tn_fail(err, TN_EINVAL, "prompt \"%s\": expected {} where the name goes, or %s", text,
                   MD_IMAGENET80);
}

static tn_status add_template(md_templates *out, const char *text, tn_error *err) {
    TN_TRY(check_template(text, err));
    for (int64_t i = 0; i < out->count; i++)
        if (strcmp(out->text[i], text) == 0)
            return tn_fail(err, TN_EINVAL, "prompt \"%s\" occurs twice", text);
    out->text[out->count++] = text;
    return TN_OK;
}

static tn_status add_argument(md_templates *out, const char *argument, tn_error *err) {
    if (strcmp(argument, MD_IMAGENET80) != 0) return add_template(out, argument, err);
    for (int i = 0; i < 80; i++) TN_TRY(add_template(out, md_imagenet80[i], err));
    return TN_OK;
}

tn_status md_templates_init(const char *const *argument, int64_t count, md_templates *out,
                            tn_error *err) {
    static const char *const plain[] = {MD_PROMPT};
    tn_error unread;
    if (!err) err = &unread;
    if (count == 0) {
        argument = plain;
        count = 1;
    }
    *out = (md_templates){.text = tn_alloc_zero((size_t)count + 80, sizeof *out->text)};
    if (!out->text)
        return tn_fail(err, TN_ENOMEM, "out of memory for %lld prompts", (long long)count);
    tn_status status = TN_OK;
    for (int64_t i = 0; i < count && status == TN_OK; i++)
        status = add_argument(out, argument[i], err);
    if (status != TN_OK) md_templates_deinit(out);
    return status;
}

void md_templates_deinit(md_templates *templates) {
    tn_free(templates->text);
    *templates = (md_templates){0};
}

tn_status md_prompt_fill(const char *template_text, const char *name, char **out, tn_error *err) {
    size_t name_bytes = strlen(name), capacity = strlen(template_text) + 1;
    for (const char *at = template_text; (at = strstr(at, "{}")); at += 2) capacity += name_bytes;
    char *to = tn_alloc(capacity);
    if (!to) return tn_fail(err, TN_ENOMEM, "out of memory for a prompt of %zu bytes", capacity);
    *out = to;
    for (const char *at = template_text; *at;) {
        if (at[0] == '{' && at[1] == '}') {
            memcpy(to, name, name_bytes);
            to += name_bytes;
            at += 2;
        } else {
            *to++ = *at++;
        }
    }
    *to = 0;
    return TN_OK;
}
