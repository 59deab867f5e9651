// SPDX-License-Identifier: Apache-2.0
#include "eval/report.h"

#include "io/file.h"
#include "tensor/alloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_TEXT 24 // characters of an id, including its 0

static tn_status no_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory for a report");
}

// ---- classes -----------------------------------------------------------------------------------

static bool plays(const io_coco_object *o, int64_t named) {
    return !o->crowd && named != EV_LEFT_OUT;
}

// Marks the classes of the report; categories[] by index.
static tn_status mark(const io_coco *truth, const int64_t *named, bool *wanted, ev_report *out,
                      tn_error *err) {
    for (size_t i = 0; i < truth->object_count; i++) {
        const io_coco_object *o = &truth->objects[i];
        if (!plays(o, named[i])) continue;
        int64_t at = io_coco_find_category(truth, o->category_id);
        if (at < 0)
            return tn_fail(err, TN_EFORMAT,
                           "annotation %" PRId64 " is of category %" PRId64
                           ", which is not in the data set",
                           o->id, o->category_id);
        TN_CHECK(named[i] >= IO_COCO_UNNAMED && named[i] < (int64_t)truth->category_count,
                 "name %lld", (long long)named[i]);
        wanted[at] = true;
        if (named[i] >= 0) wanted[named[i]] = true;
        out->boxes++;
    }
    if (out->boxes) return TN_OK;
    return tn_fail(err, TN_EFORMAT, "no annotation that could be named (crowds are not)");
}

typedef struct class_id {
    int64_t id;
    size_t category;
} class_id;

static int by_id(const void *a, const void *b) {
    const class_id *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static tn_status list_classes(const io_coco *truth, const bool *wanted, bool all, ev_report *out,
                              tn_error *err) {
    size_t capacity = truth->category_count + 1;
    class_id *list = tn_alloc_zero(capacity, sizeof *list);
    if (!list) return no_memory(err);
    for (size_t i = 0; i < truth->category_count; i++)
        if (all || wanted[i]) list[out->count++] = (class_id){truth->categories[i].id, i};
    qsort(list, out->count, sizeof *list, by_id);
    out->category = tn_alloc_zero(capacity, sizeof *out->category);
    out->name = tn_alloc_zero(capacity, sizeof *out->name);
    out->rows = tn_alloc_zero(capacity, sizeof *out->rows);
    out->ids = tn_alloc_zero(capacity, ID_TEXT);
    out->matrix = tn_alloc_zero(capacity, (out->count + 1) * sizeof *out->matrix);
    bool good = out->category && out->name && out->rows && out->ids && out->matrix;
    for (size_t i = 0; good && i < out->count; i++) {
        char *id = out->ids + i * ID_TEXT;
        snprintf(id, ID_TEXT, "%" PRId64, list[i].id);
        out->category[i] = list[i].category;
        out->name[i] = truth->categories[list[i].category].name;
        if (!out->name[i]) out->name[i] = id;
    }
    tn_free(list);
    return good ? TN_OK : no_memory(err);
}

// ---- figures -----------------------------------------------------------------------------------

static double share(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

static ev_report_row row_of(int64_t right, int64_t named, int64_t support) {
    return (ev_report_row){share((double)right, (double)named),
                           share((double)right, (double)support),
                           share(2.0 * (double)right, (double)support + (double)named), support};
}

static tn_status fill_matrix(const io_coco *truth, const int64_t *named, ev_report *out,
                             tn_error *err) {
    size_t *row = tn_alloc_zero(truth->category_count + 1, sizeof *row);
    if (!row) return no_memory(err);
    for (size_t i = 0; i < out->count; i++) row[out->category[i]] = i;
    for (size_t i = 0; i < truth->object_count; i++) {
        const io_coco_object *o = &truth->objects[i];
        if (!plays(o, named[i])) continue;
        size_t is = row[io_coco_find_category(truth, o->category_id)];
        size_t called = named[i] < 0 ? out->count : row[named[i]];
        out->matrix[is * (out->count + 1) + called]++;
    }
    tn_free(row);
    return TN_OK;
}

static void fill_rows(ev_report *out, int64_t *named_total) {
    size_t width = out->count + 1;
    *named_total = 0;
    for (size_t k = 0; k < out->count; k++) {
        int64_t named = 0, support = 0, right = out->matrix[k * width + k];
        for (size_t i = 0; i < out->count; i++) named += out->matrix[i * width + k];
        for (size_t i = 0; i < width; i++) support += out->matrix[k * width + i];
        out->rows[k] = row_of(right, named, support);
        out->right += right;
        out->unnamed += out->matrix[k * width + out->count];
        *named_total += named;
    }
}

// numpy's pairwise sum: in blocks of eight, and in halves for many values. Its rounding decides
// printed digits.
static double numpy_sum(const double *x, size_t n) {
    if (n < 8) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += x[i];
        return sum;
    }
    if (n > 128) {
        size_t half = n / 2 - n / 2 % 8;
        return numpy_sum(x, half) + numpy_sum(x + half, n - half);
    }
    double r[8];
    size_t i = 8;
    memcpy(r, x, sizeof r);
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) r[k] += x[i + k];
    double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; i++) sum += x[i];
    return sum;
}

static double average(const ev_report *r, size_t which, bool weighted, double *terms) {
    double weights = 0;
    for (size_t i = 0; i < r->count; i++) {
        const double figures[] = {r->rows[i].precision, r->rows[i].recall, r->rows[i].f1};
        double weight = weighted ? (double)r->rows[i].support : 1;
        terms[i] = figures[which] * weight;
        weights += weight;
    }
    return numpy_sum(terms, r->count) / weights;
}

static tn_status averages(ev_report *r, int64_t named_total, tn_error *err) {
    double *terms = tn_alloc_zero(r->count, sizeof *terms);
    if (!terms) return no_memory(err);
    r->accuracy = share((double)r->right, (double)r->boxes);
    r->micro = row_of(r->right, named_total, r->boxes);
    for (int weighted = 0; weighted < 2; weighted++)
        *(weighted ? &r->weighted : &r->macro) =
            (ev_report_row){average(r, 0, weighted, terms), average(r, 1, weighted, terms),
                            average(r, 2, weighted, terms), r->boxes};
    tn_free(terms);
    return TN_OK;
}

static tn_status make(const io_coco *truth, const int64_t *named, bool all, bool *wanted,
                      ev_report *out, tn_error *err) {
    int64_t named_total;
    TN_TRY(mark(truth, named, wanted, out, err));
    TN_TRY(list_classes(truth, wanted, all, out, err));
    TN_TRY(fill_matrix(truth, named, out, err));
    fill_rows(out, &named_total);
    return averages(out, named_total, err);
}

tn_status ev_report_make(const io_coco *truth, const int64_t *named, bool all_classes,
                         ev_report *out, tn_error *err) {
    *out = (ev_report){0};
    bool *wanted = tn_alloc_zero(truth->category_count + 1, sizeof *wanted);
    tn_status status = wanted ? make(truth, named, all_classes, wanted, out, err) : no_memory(err);
    tn_free(wanted);
    if (status != TN_OK) ev_report_deinit(out);
    return status;
}

void ev_report_deinit(ev_report *report) {
    tn_free(report->category);
    tn_free(report->name);
    tn_free(report->rows);
    tn_free(report->matrix);
    tn_free(report->ids);
    *report = (ev_report){0};
}

// ---- text --------------------------------------------------------------------------------------

typedef struct page {
    char *text;
    size_t used, capacity;
    int width, digits;
    bool float_counts;
} page;

__attribute__((format(printf, 2, 3))) static void put(page *p, const char *format, ...) {
    va_list values;
    va_start(values, format);
    p->used += (size_t)vsnprintf(p->text + p->used, p->capacity - p->used, format, values);
    va_end(values);
}

// Control characters from a file must not reach the terminal.
static void put_head(page *p, const char *head) {
    put(p, "%*s", p->width - io_text_columns(head), "");
    for (; *head; head++)
        p->text[p->used++] = (unsigned char)*head < ' ' || *head == 127 ? '?' : *head;
    p->text[p->used++] = ' ';
}

// If no name is right, scikit-learn's counts become floats and are printed as such.
static void put_support(page *p, int64_t support) {
    char number[32];
    snprintf(number, sizeof number, "%" PRId64 "%s", support, p->float_counts ? ".0" : "");
    put(p, " %9s\n", number);
}

static void put_row(page *p, const char *head, const ev_report_row *row) {
    put_head(p, head);
    put(p, " %9.*f %9.*f %9.*f", p->digits, row->precision, p->digits, row->recall, p->digits,
        row->f1);
    put_support(p, row->support);
}

tn_status ev_report_text(const ev_report *r, int digits, char **text, tn_error *err) {
    TN_CHECK(digits >= 0 && digits <= 17, "%d digits", digits);
    page p = {.width = (int)strlen("weighted avg"), .digits = digits, .float_counts = !r->right};
    size_t longest = (size_t)p.width;
    for (size_t i = 0; i < r->count; i++) {
        size_t bytes = strlen(r->name[i]);
        if (io_text_columns(r->name[i]) > p.width) p.width = io_text_columns(r->name[i]);
        if (bytes > longest) longest = bytes;
    }
    size_t line = longest + (size_t)p.width + 160; // figures take at most 4 x 21 of these
    if (!tn_mul_size(line, r->count + 8, &p.capacity) || !(p.text = tn_alloc(p.capacity)))
        return no_memory(err);
    put_head(&p, "");
    put(&p, " %9s %9s %9s %9s\n\n", "precision", "recall", "f1-score", "support");
    for (size_t i = 0; i < r->count; i++) put_row(&p, r->name[i], &r->rows[i]);
    p.text[p.used++] = '\n';
    if (r->unnamed) {
        put_row(&p, "micro avg", &r->micro);
    } else {
        put_head(&p, "accuracy");
        put(&p, " %9s %9s %9.*f", "", "", digits, r->micro.f1);
        put_support(&p, r->boxes);
    }
    put_row(&p, "macro avg", &r->macro);
    put_row(&p, "weighted avg", &r->weighted);
    p.text[p.used] = 0;
    *text = p.text;
    return TN_OK;
}
