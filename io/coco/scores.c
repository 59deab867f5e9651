// SPDX-License-Identifier: Apache-2.0
#include "io/coco/scores.h"

#include "io/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ABOVE_ONE 1e-3f // tolerance for a float32 softmax

static tn_status path_of(char path[4200], const char *folder, const char *name, tn_error *err) {
    if ((size_t)snprintf(path, 4200, "%s/%s", folder, name) < 4200) return TN_OK;
    return tn_fail(err, TN_EINVAL, "%.200s…: the path is too long", folder);
}

// ---- scores.json -------------------------------------------------------------------------------

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static tn_status check_ids(const io_json *list, const io_scores_head *head, tn_error *err) {
    int64_t *sorted = tn_alloc_zero(head->classes, sizeof *sorted);
    if (!sorted) return tn_fail(err, TN_ENOMEM, "out of memory for %zu ids", head->classes);
    memcpy(sorted, head->category_ids, head->classes * sizeof *sorted);
    qsort(sorted, head->classes, sizeof *sorted, by_value);
    tn_status status = TN_OK;
    for (size_t i = 1; i < head->classes && status == TN_OK; i++)
        if (sorted[i] == sorted[i - 1])
            status = io_json_fail(list, err, "%lld is listed twice", (long long)sorted[i]);
    tn_free(sorted);
    return status;
}

static tn_status read_lists(const io_json *root, io_scores_head *head, tn_error *err) {
    io_json ids, base, one;
    TN_TRY(io_json_get(root, "category_ids", IO_JSON_ARRAY, &ids, err));
    TN_TRY(io_json_get(root, "base", IO_JSON_ARRAY, &base, err));
    head->classes = io_json_count(&ids);
    if (!head->classes) return io_json_fail(&ids, err, "expected at least one");
    if (io_json_count(&base) != head->classes)
        return io_json_fail(&base, err, "%zu flags, expected %zu, one per category",
                            io_json_count(&base), head->classes);
    head->category_ids = tn_alloc_zero(head->classes, sizeof *head->category_ids);
    head->base = tn_alloc_zero(head->classes, 1);
    if (!head->category_ids || !head->base)
        return tn_fail(err, TN_ENOMEM, "out of memory for %zu categories", head->classes);
    for (size_t i = 0; i < head->classes; i++) {
        int64_t flag;
        TN_TRY(io_json_at(&ids, i, IO_JSON_INTEGER, &one, err));
        TN_TRY(io_json_as_int(&one, INT64_MIN, INT64_MAX, &head->category_ids[i], err));
        TN_TRY(io_json_at(&base, i, IO_JSON_INTEGER, &one, err));
        TN_TRY(io_json_as_int(&one, 0, 1, &flag, err));
        head->base[i] = (uint8_t)flag;
    }
    return check_ids(&ids, head, err);
}

static tn_status read_share(const io_json *root, const char *key, double *out, tn_error *err) {
    TN_TRY(io_json_number(root, key, out, err));
    if (*out >= 0 && *out <= 1) return TN_OK;
    io_json value;
    TN_TRY(io_json_get(root, key, IO_JSON_NUMBER, &value, err));
    return io_json_fail(&value, err, "%g, expected 0 to 1", *out);
}

// Folders from earlier versions lack it: the default is 1.
static tn_status read_later_share(const io_json *root, const char *key, double *out,
                                  tn_error *err) {
    *out = 1;
    return io_json_has(root, key) ? read_share(root, key, out, err) : TN_OK;
}

static tn_status read_head(const char *path, io_scores_head *head, tn_error *err) {
    io_json root;
    int64_t version;
    TN_TRY(io_json_read(path, (size_t)1 << 26, &root, err));
    tn_status status = io_json_expect(&root, IO_JSON_OBJECT, err);
    if (status == TN_OK) status = io_json_int(&root, "version", 1, 1, &version, err);
    if (status == TN_OK) status = read_lists(&root, head, err);
    if (status == TN_OK) status = io_json_bool(&root, "background", &head->background, err);
    if (status == TN_OK) status = io_json_bool(&root, "score2", &head->has_score2, err);
    if (status == TN_OK) status = io_json_bool(&root, "renormalise", &head->renormalise, err);
    if (status == TN_OK) status = read_share(&root, "alpha", &head->alpha, err);
    if (status == TN_OK) status = read_share(&root, "beta", &head->beta, err);
    if (status == TN_OK) status = io_json_number(&root, "objectness", &head->objectness, err);
    if (status == TN_OK) status = read_share(&root, "score", &head->score, err);
    if (status == TN_OK) status = read_share(&root, "nms", &head->nms, err);
    if (status == TN_OK) status = read_later_share(&root, "soft", &head->soft, err);
    if (status == TN_OK) status = read_later_share(&root, "inside", &head->inside, err);
    if (status == TN_OK) status = io_json_int(&root, "top", 1, 1000000, &head->top, err);
    io_json_close(&root);
    return status;
}

static tn_status write_head(const char *path, const io_scores_head *h, tn_error *err) {
    io_writer out;
    TN_TRY(io_writer_open(&out, path, err));
    fprintf(out.file, "{\"version\":1,\"category_ids\":[");
    for (size_t i = 0; i < h->classes; i++)
        fprintf(out.file, "%s%lld", i ? "," : "", (long long)h->category_ids[i]);
    fprintf(out.file, "],\n\"base\":[");
    for (size_t i = 0; i < h->classes; i++) fprintf(out.file, "%s%d", i ? "," : "", h->base[i]);
    fprintf(out.file,
            "],\n\"background\":%s,\"score2\":%s,\"renormalise\":%s,\n\"alpha\":%.17g,"
            "\"beta\":%.17g,\"objectness\":%.17g,\"score\":%.17g,\"nms\":%.17g,\"soft\":%.17g,"
            "\"inside\":%.17g,\"top\":%lld}\n",
            h->background ? "true" : "false", h->has_score2 ? "true" : "false",
            h->renormalise ? "true" : "false", h->alpha, h->beta, h->objectness, h->score, h->nms,
            h->soft, h->inside, (long long)h->top);
    return io_writer_commit(&out, err);
}

// ---- arrays ------------------------------------------------------------------------------------

static tn_status read_array(const char *folder, const char *name, tn_dtype dtype, int64_t rows,
                            int64_t columns, tn_tensor *out, tn_error *err) {
    char path[4200], found[160], wanted[160];
    const int64_t dim[] = {rows, columns};
    int rank = columns ? 2 : 1;
    TN_TRY(path_of(path, folder, name, err));
    TN_TRY(io_npy_read(path, out, err));
    if (out->dtype == dtype && tn_has_shape(out, rank, dim)) return TN_OK;
    return tn_fail(err, TN_EFORMAT, "%s: %s %s, expected %s %s", path, tn_dtype_name(out->dtype),
                   tn_shape_text(out->rank, out->dim, found, sizeof found), tn_dtype_name(dtype),
                   rows < 0 ? "of any length" : tn_shape_text(rank, dim, wanted, sizeof wanted));
}

static tn_status check_values(const char *folder, const char *name, const tn_tensor *t,
                              bool probability, tn_error *err) {
    const float *x = tn_f32(t);
    for (int64_t i = 0, n = tn_count(t); i < n; i++) {
        if (probability ? x[i] >= 0 && x[i] <= 1 + ABOVE_ONE : isfinite(x[i])) continue;
        return tn_fail(err, TN_EFORMAT, "%s/%s: row %lld: %g, expected %s", folder, name,
                       (long long)(i / (t->rank == 2 ? t->dim[1] : 1)), (double)x[i],
                       probability ? "a probability" : "a finite number");
    }
    return TN_OK;
}

static tn_status read_arrays(const char *folder, io_scores *s, tn_error *err) {
    int64_t columns = io_scores_columns(&s->head);
    TN_TRY(read_array(folder, "pictures.npy", TN_I64, -1, 0, &s->pictures, err));
    s->count = s->pictures.dim[0];
    TN_TRY(read_array(folder, "boxes.npy", TN_F32, s->count, 4, &s->boxes, err));
    TN_TRY(check_values(folder, "boxes.npy", &s->boxes, false, err));
    TN_TRY(read_array(folder, "objectness.npy", TN_F32, s->count, 0, &s->objectness, err));
    TN_TRY(check_values(folder, "objectness.npy", &s->objectness, true, err));
    TN_TRY(read_array(folder, "score1.npy", TN_F32, s->count, columns, &s->score1, err));
    TN_TRY(check_values(folder, "score1.npy", &s->score1, true, err));
    if (!s->head.has_score2) return TN_OK;
    TN_TRY(read_array(folder, "score2.npy", TN_F32, s->count, columns, &s->score2, err));
    return check_values(folder, "score2.npy", &s->score2, true, err);
}

tn_status io_scores_open(const char *folder, io_scores *out, tn_error *err) {
    char path[4200];
    *out = (io_scores){0};
    TN_TRY(path_of(path, folder, "scores.json", err));
    tn_status status = read_head(path, &out->head, err);
    if (status == TN_OK) status = read_arrays(folder, out, err);
    if (status != TN_OK) io_scores_close(out);
    return status;
}

void io_scores_close(io_scores *s) {
    tn_free(s->head.category_ids);
    tn_free(s->head.base);
    tn_free(s->pictures.data);
    tn_free(s->boxes.data);
    tn_free(s->objectness.data);
    tn_free(s->score1.data);
    tn_free(s->score2.data);
    *s = (io_scores){0};
}

// ---- writing -----------------------------------------------------------------------------------

static tn_status open_array(io_scores_writer *w, const char *name, tn_dtype dtype, int64_t columns,
                            io_npy_rows *rows, tn_error *err) {
    char path[4200];
    TN_TRY(path_of(path, w->folder, name, err));
    return io_npy_rows_open(rows, path, dtype, columns, err);
}

tn_status io_scores_writer_open(io_scores_writer *w, const char *folder, const io_scores_head *head,
                                tn_error *err) {
    char path[4200];
    int64_t columns = io_scores_columns(head);
    *w = (io_scores_writer){.has_score2 = head->has_score2};
    if ((size_t)snprintf(w->folder, sizeof w->folder, "%s", folder) >= sizeof w->folder)
        return tn_fail(err, TN_EINVAL, "%.200s…: the path is too long", folder);
    TN_TRY(io_make_folder(folder, err));
    TN_TRY(path_of(path, folder, "scores.json", err));
    TN_TRY(write_head(path, head, err));
    tn_status status = open_array(w, "pictures.npy", TN_I64, 0, &w->pictures, err);
    if (status == TN_OK) status = open_array(w, "boxes.npy", TN_F32, 4, &w->boxes, err);
    if (status == TN_OK) status = open_array(w, "objectness.npy", TN_F32, 0, &w->objectness, err);
    if (status == TN_OK) status = open_array(w, "score1.npy", TN_F32, columns, &w->score1, err);
    if (status == TN_OK && w->has_score2)
        status = open_array(w, "score2.npy", TN_F32, columns, &w->score2, err);
    if (status != TN_OK) io_scores_writer_abort(w);
    return status;
}

tn_status io_scores_writer_add(io_scores_writer *w, int64_t picture, int64_t count,
                               const float *boxes, const float *objectness, const float *score1,
                               const float *score2, tn_error *err) {
    for (int64_t i = 0; i < count; i++) TN_TRY(io_npy_rows_add(&w->pictures, &picture, 1, err));
    TN_TRY(io_npy_rows_add(&w->boxes, boxes, count, err));
    TN_TRY(io_npy_rows_add(&w->objectness, objectness, count, err));
    TN_TRY(io_npy_rows_add(&w->score1, score1, count, err));
    return w->has_score2 ? io_npy_rows_add(&w->score2, score2, count, err) : TN_OK;
}

tn_status io_scores_writer_commit(io_scores_writer *w, tn_error *err) {
    tn_status status = io_npy_rows_commit(&w->boxes, err);
    if (status == TN_OK) status = io_npy_rows_commit(&w->objectness, err);
    if (status == TN_OK) status = io_npy_rows_commit(&w->score1, err);
    if (status == TN_OK && w->has_score2) status = io_npy_rows_commit(&w->score2, err);
    if (status == TN_OK) status = io_npy_rows_commit(&w->pictures, err);
    if (status != TN_OK) io_scores_writer_abort(w);
    return status;
}

void io_scores_writer_abort(io_scores_writer *w) {
    io_npy_rows_abort(&w->pictures);
    io_npy_rows_abort(&w->boxes);
    io_npy_rows_abort(&w->objectness);
    io_npy_rows_abort(&w->score1);
    io_npy_rows_abort(&w->score2);
}
