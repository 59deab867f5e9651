// SPDX-License-Identifier: Apache-2.0
#include "models/names/known_names.h"

#include "models/text/text_clean.h"

#include <stdlib.h>
#include <string.h>

// ---- cleaned texts -----------------------------------------------------------------------------

static void free_texts(char **text, int64_t count) {
    for (int64_t i = 0; text && i < count; i++) tn_free(text[i]);
    tn_free(text);
}

// The cleaned phrases, in their order.
static tn_status clean_all(const md_names *names, char ***out, tn_error *err) {
    char **text = tn_alloc_zero((size_t)names->phrases + 1, sizeof *text);
    tn_status status = text ? TN_OK : tn_fail(err, TN_ENOMEM, "out of memory for names");
    for (int64_t i = 0; i < names->phrases && status == TN_OK; i++) {
        size_t bytes;
        status = md_text_clean(names->phrase[i], strlen(names->phrase[i]), &text[i], &bytes, err);
    }
    if (status != TN_OK) free_texts(text, names->phrases);
    *out = status == TN_OK ? text : NULL;
    return status;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// ---- the same names ---------------------------------------------------------------------------

tn_status md_names_mark_shared(const md_names *names, const md_names *others, uint8_t *among,
                               tn_error *err) {
    char **mine, **theirs;
    TN_TRY(clean_all(names, &mine, err));
    tn_status status = clean_all(others, &theirs, err);
    if (status == TN_OK) {
        qsort(theirs, (size_t)others->phrases, sizeof *theirs, by_text);
        memset(among, 0, (size_t)names->classes);
        for (int64_t i = 0; i < names->phrases; i++)
            if (bsearch(&mine[i], theirs, (size_t)others->phrases, sizeof *theirs, by_text))
                among[names->class_of[i]] = 1;
        free_texts(theirs, others->phrases);
    }
    free_texts(mine, names->phrases);
    return status;
}

// Appends copies of the classes of `from` that are not left out to `to`, which has space for them.
static bool append(const md_names *from, const uint8_t *left_out, md_names *to) {
    for (int64_t i = 0; i < from->phrases; i++) {
        int32_t class = from->class_of[i];
        if (left_out && left_out[class]) continue;
        char *copy = tn_strdup(from->phrase[i]);
        if (!copy) return false;
        bool first = !i || from->class_of[i - 1] != class;
        if (first) to->label[to->classes++] = copy;
        to->class_of[to->phrases] = (int32_t)to->classes - 1;
        to->phrase[to->phrases++] = copy;
    }
    return true;
}

tn_status md_names_join(const md_names *names, const md_names *others, md_names *out,
                        tn_error *err) {
    size_t capacity = (size_t)(names->phrases + others->phrases) + 1;
    uint8_t *there = tn_alloc_zero((size_t)others->classes + 1, 1);
    *out = (md_names){.phrase = tn_alloc_zero(capacity, sizeof *out->phrase),
                      .class_of = tn_alloc_zero(capacity, sizeof *out->class_of),
                      .label = tn_alloc_zero(capacity, sizeof *out->label)};
    tn_status status = TN_ENOMEM;
    if (there && out->phrase && out->class_of && out->label)
        status = md_names_mark_shared(others, names, there, err);
    else
        tn_fail(err, TN_ENOMEM, "out of memory for %zu names", capacity);
    if (status == TN_OK && !(append(names, NULL, out) && append(others, there, out)))
        status = tn_fail(err, TN_ENOMEM, "out of memory for %zu names", capacity);
    tn_free(there);
    if (status != TN_OK) md_names_deinit(out);
    return status;
}

// ---- similar names ----------------------------------------------------------------------------

#define MIN_SIMILARITY 0.45 // below this, similarity is chance: "kitten" and "kite" have 0.4

typedef struct triples {
    uint32_t *value; // [count] ascending: triples of bytes of " text "
    size_t count;
} triples;

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static tn_status triples_of(const char *text, triples *out, tn_error *err) {
    size_t n = strlen(text); // with a space before and after: n triples
    *out = (triples){.value = tn_alloc((n + 1) * sizeof *out->value), .count = n};
    if (!out->value) return tn_fail(err, TN_ENOMEM, "out of memory for a name");
    for (size_t i = 0; i < n; i++) {
        uint32_t before = i ? (uint8_t)text[i - 1] : ' ';
        uint32_t behind = i + 1 < n ? (uint8_t)text[i + 1] : ' ';
        out->value[i] = before << 16 | (uint32_t)(uint8_t)text[i] << 8 | behind;
    }
    qsort(out->value, n, sizeof *out->value, by_value);
    return TN_OK;
}

static double likeness(const triples *a, const triples *b) {
    size_t shared = 0;
    for (size_t i = 0, k = 0; i < a->count && k < b->count;) {
        shared += a->value[i] == b->value[k];
        if (a->value[i] < b->value[k])
            i++;
        else if (a->value[i] > b->value[k])
            k++;
        else
            i++, k++;
    }
    size_t all = a->count + b->count;
    return all ? 2 * (double)shared / (double)all : 0;
}

// Keeps the best, ties by index; a class counts with its best synonym.
static void enter(int64_t class, double like, int64_t near[MD_MAX_SIMILAR],
                  double best[MD_MAX_SIMILAR], int *count) {
    if (like < MIN_SIMILARITY) return;
    int at = 0;
    while (at < *count && near[at] != class) at++;
    if (at < *count && !(like > best[at])) return;
    if (at == *count && *count < MD_MAX_SIMILAR)
        ++*count;
    else if (at == *count && !(like > best[--at]))
        return;
    for (; at > 0 && like > best[at - 1]; at--) near[at] = near[at - 1], best[at] = best[at - 1];
    near[at] = class, best[at] = like;
}

tn_status md_names_similar(const md_names *known, const char *text, int64_t near[MD_MAX_SIMILAR],
                           int *count, tn_error *err) {
    char *cleaned, **all;
    size_t bytes;
    double best[MD_MAX_SIMILAR];
    triples given = {0}, one;
    *count = 0;
    TN_TRY(md_text_clean(text, strlen(text), &cleaned, &bytes, err));
    tn_status status = clean_all(known, &all, err);
    if (status == TN_OK) status = triples_of(cleaned, &given, err);
    for (int64_t i = 0; i < known->phrases && status == TN_OK; i++) {
        status = triples_of(all[i], &one, err);
        if (status == TN_OK) enter(known->class_of[i], likeness(&given, &one), near, best, count);
        if (status == TN_OK) tn_free(one.value);
    }
    tn_free(given.value);
    free_texts(all, known->phrases); // `all` is NULL after a failure
    tn_free(cleaned);
    return status;
}
