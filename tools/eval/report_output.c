// SPDX-License-Identifier: Apache-2.0
#include "tools/eval/report_output.h"
#include "draw/plot.h"
#include "tensor/alloc.h"

#include <jansson.h>

static json_t *row_json(const ev_report_row *row) {
    return json_pack("{s:f, s:f, s:f, s:I}", "precision", row->precision, "recall", row->recall,
                     "f1-score", row->f1, "support", (json_int_t)row->support);
}

static json_t *classes_json(const io_coco *data, const ev_report *r) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->count; i++) {
        json_t *one = row_json(&r->rows[i]);
        json_object_set_new(one, "id", json_integer(data->categories[r->category[i]].id));
        json_object_set_new(one, "name", json_string(r->name[i]));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *matrix_json(const ev_report *r) {
    json_t *rows = json_array();
    for (size_t i = 0; i < r->count; i++) {
        json_t *row = json_array();
        for (size_t k = 0; k <= r->count; k++)
            json_array_append_new(row, json_integer(r->matrix[i * (r->count + 1) + k]));
        json_array_append_new(rows, row);
    }
    return rows;
}

// ---- base and novel names ----------------------------------------------------------------------

static const char *const parts[] = {"novel", "base", "all"};

typedef struct tally {
    int64_t boxes[3], right[3]; // in the order of `parts`
} tally;

static tally count_parts(const io_coco *data, const io_coco_split *names, const int64_t *named) {
    tally t = {0};
    for (size_t i = 0; i < data->object_count; i++) {
        int64_t is = io_coco_find_category(data, data->objects[i].category_id);
        if (data->objects[i].crowd || named[i] == EV_LEFT_OUT || is < 0 ||
            names->part[is] == IO_PART_NONE)
            continue;
        int part = names->part[is] == IO_PART_NOVEL ? 0 : 1;
        t.boxes[part]++, t.boxes[2]++;
        if (named[i] == is) t.right[part]++, t.right[2]++;
    }
    return t;
}

static double share(const tally *t, int part) {
    return t->boxes[part] ? (double)t->right[part] / (double)t->boxes[part] : -1;
}

static void print_parts(const tally *t, int digits) {
    printf("\nnames       boxes  named right");
    for (int i = 0; i < 3; i++) {
        printf("\n%-8s %8lld", parts[i], (long long)t->boxes[i]);
        if (t->boxes[i])
            printf("  %*.*f", 11, digits, share(t, i));
        else
            printf("  %11s", "-");
    }
    printf("\n");
}

static json_t *parts_json(const tally *t) {
    json_t *all = json_object();
    for (int i = 0; i < 3; i++)
        json_object_set_new(all, parts[i],
                            json_pack("{s:I, s:I, s:f}", "boxes", (json_int_t)t->boxes[i], "right",
                                      (json_int_t)t->right[i], "accuracy", share(t, i)));
    return all;
}

// ---- the whole ---------------------------------------------------------------------------------

static tn_status print_json(const io_coco *data, const ev_report *r, const tally *t,
                            tn_error *err) {
    json_t *root = json_pack("{s:I, s:I, s:f, s:o, s:o, s:o, s:o, s:o}", "boxes",
                             (json_int_t)r->boxes, "unnamed", (json_int_t)r->unnamed, "accuracy",
                             r->accuracy, "micro avg", row_json(&r->micro), "macro avg",
                             row_json(&r->macro), "weighted avg", row_json(&r->weighted), "classes",
                             classes_json(data, r), "matrix", matrix_json(r));
    if (t) json_object_set_new(root, "split", parts_json(t));
    // 17 digits read back to the same double.
    bool good =
        root && json_dumpf(root, stdout, JSON_REAL_PRECISION(17)) == 0 && putchar('\n') != EOF;
    json_decref(root);
    return good ? TN_OK : tn_fail(err, TN_EIO, "standard output: cannot write");
}

tn_status tool_report_print(const io_coco *data, const ev_report *r, const io_coco_split *names,
                            const int64_t *named, int digits, bool json, tn_error *err) {
    tally t;
    if (names) t = count_parts(data, names, named);
    if (json) return print_json(data, r, names ? &t : NULL, err);
    char *text;
    TN_TRY(ev_report_text(r, digits, &text, err));
    fputs(text, stdout);
    tn_free(text);
    // Behind scikit-learn's own lines: there, boxes without a name turn accuracy into "micro avg".
    if (r->unnamed)
        printf("\naccuracy %.*f: %lld of %lld boxes; %lld have no name\n", digits, r->accuracy,
               (long long)r->right, (long long)r->boxes, (long long)r->unnamed);
    if (names) print_parts(&t, digits);
    return TN_OK;
}

tn_status tool_report_matrix(const char *path, const ev_report *r, tn_error *err) {
    size_t columns = r->count + (r->unnamed > 0);
    const char **names = tn_alloc_zero(columns + 1, sizeof *names);
    int64_t *values = tn_alloc_zero(r->count * columns + 1, sizeof *values);
    tn_status status = TN_ENOMEM;
    if (names && values) {
        for (size_t k = 0; k < columns; k++) names[k] = k < r->count ? r->name[k] : "(none)";
        for (size_t i = 0; i < r->count; i++)
            for (size_t k = 0; k < columns; k++)
                values[i * columns + k] = r->matrix[i * (r->count + 1) + k];
        io_matrix matrix = {"Names given to true boxes",
                            "is",
                            "was named",
                            names,
                            names,
                            r->count,
                            columns,
                            values};
        status = io_matrix_write(path, &matrix, err);
    } else {
        tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    }
    tn_free(names);
    tn_free(values);
    return status;
}
