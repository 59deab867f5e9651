// SPDX-License-Identifier: Apache-2.0
#include "tools/eval/eval_output.h"

#include "io/file.h"
#include "tensor/alloc.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

// The twelve figures again, now of one class: precision or recall, threshold (-1: all), area,
// limit.
static const struct {
    const char *name;
    bool recall;
    int iou, area, limit;
} figures[EV_STATS] = {
    {"AP", false, -1, 0, 2},  {"AP50", false, 0, 0, 2}, {"AP75", false, 5, 0, 2},
    {"APs", false, -1, 1, 2}, {"APm", false, -1, 2, 2}, {"APl", false, -1, 3, 2},
    {"AR", true, -1, 0, 0},   {"AR", true, -1, 0, 1},   {"AR", true, -1, 0, 2},
    {"ARs", true, -1, 1, 2},  {"ARm", true, -1, 2, 2},  {"ARl", true, -1, 3, 2},
};

static double figure(const ev_coco *c, int i, int area, const size_t *category) {
    return (figures[i].recall ? ev_coco_recall : ev_coco_precision)(
        c, figures[i].iou, area < 0 ? figures[i].area : area, figures[i].limit, category,
        category ? 1 : 0);
}

static const char *const areas[EV_AREAS] = {"all", "small", "medium", "large"};
static const int by_area[] = {0, 1, 2, 6, 7, 8}; // those that every area has
enum { BY_AREA = sizeof by_area / sizeof *by_area };

static const char *class_name(const io_coco *truth, int64_t id) {
    int64_t at = io_coco_find_category(truth, id);
    const char *name = at < 0 ? NULL : truth->categories[at].name;
    return name ? name : "";
}

// How many objects of each class there are to be found.
static tn_status count_objects(const io_coco *truth, const ev_coco *c, size_t **out,
                               tn_error *err) {
    size_t *by_class = tn_alloc_zero(truth->category_count + 1, sizeof *by_class);
    *out = tn_alloc_zero(c->category_count + 1, sizeof **out);
    if (!by_class || !*out) {
        tn_free(by_class);
        tn_free(*out);
        return tn_fail(err, TN_ENOMEM, "out of memory for %zu classes", c->category_count);
    }
    for (size_t i = 0; i < truth->object_count; i++) {
        int64_t at = io_coco_find_category(truth, truth->objects[i].category_id);
        if (at >= 0 && !truth->objects[i].crowd) by_class[at]++;
    }
    for (size_t i = 0; i < c->category_count; i++) {
        int64_t at = io_coco_find_category(truth, c->category_ids[i]);
        if (at >= 0) (*out)[i] = by_class[at];
    }
    tn_free(by_class);
    return TN_OK;
}

// ---- text --------------------------------------------------------------------------------------

static void print_figure(double value) {
    if (value < 0)
        printf(" %6s", "-"); // nothing to be found
    else
        printf(" %6.3f", value);
}

// Limits that are all the same (LVIS's) are told once.
static bool counts(const ev_coco *c, int i) {
    return i < 6 || i > 7 || c->limits[figures[i].limit] != c->limits[EV_LIMITS - 1];
}

static void print_heads(const ev_coco *c, int i) {
    char head[32];
    snprintf(head, sizeof head, "%s", figures[i].name);
    if (i >= 6 && i <= 8) snprintf(head, sizeof head, "AR%d", c->limits[figures[i].limit]);
    printf(" %6s", head);
}

static void print_name(const char *name, int width) {
    for (const char *at = name; *at; at++) // no terminal obeys a file
        putchar((unsigned char)*at < ' ' || *at == 127 ? '?' : *at);
    printf("%*s", width - io_text_columns(name), "");
}

static void print_areas(const ev_coco *c) {
    printf("\n%-8s", "area");
    for (int k = 0; k < BY_AREA; k++)
        if (counts(c, by_area[k])) print_heads(c, by_area[k]);
    for (int a = 0; a < EV_AREAS; a++) {
        printf("\n%-8s", areas[a]);
        for (int k = 0; k < BY_AREA; k++)
            if (counts(c, by_area[k])) print_figure(figure(c, by_area[k], a, NULL));
    }
    printf("\n");
}

static void print_classes(const io_coco *truth, const ev_coco *c, const size_t *objects) {
    int width = 5;
    for (size_t i = 0; i < c->category_count; i++) {
        int letters = io_text_columns(class_name(truth, c->category_ids[i]));
        if (letters > width) width = letters;
    }
    printf("\n%8s  %-*s %8s", "id", width, "class", "objects");
    for (int k = 0; k < EV_STATS; k++)
        if (counts(c, k)) print_heads(c, k);
    for (size_t i = 0; i < c->category_count; i++) {
        printf("\n%8lld  ", (long long)c->category_ids[i]);
        print_name(class_name(truth, c->category_ids[i]), width);
        printf(" %8zu", objects[i]);
        for (int k = 0; k < EV_STATS; k++)
            if (counts(c, k)) print_figure(figure(c, k, -1, &i));
    }
    printf("\n");
}

static void print_split(const ev_split *split) {
    static const char *const parts[] = {"novel", "base", "all"};
    size_t names[] = {split->novel, split->base, split->novel + split->base};
    printf("\nnames     count     AP   AP50   (%zu pictures)", split->images);
    for (int i = 0; i < 3; i++) {
        printf("\n%-8s %6zu", parts[i], names[i]);
        print_figure(split->ap[i]);
        print_figure(split->ap50[i]);
    }
    printf("\n");
}

static void print_recall(const ev_recall *recall, const char *of) {
    const double best[2][5] = {
        {recall->ar100, recall->r50_100, NAN, NAN, NAN},
        {recall->ar1000, recall->r50_1000, recall->small, recall->medium, recall->large}};
    printf("\n%-26s     AR    R50    ARs    ARm    ARl", of);
    for (int i = 0; i < 2; i++) {
        printf("\nthe best %4d a picture    ", i ? 1000 : 100);
        for (int k = 0; k < 5 && !isnan(best[i][k]); k++) print_figure(best[i][k]);
    }
    printf("\n");
}

tn_status tool_eval_print_text(const tool_evaluation *e, tn_error *err) {
    char text[2048];
    size_t *objects;
    if (e->options->lvis)
        ev_lvis_text(e->lvis, text, sizeof text);
    else
        ev_coco_text(&e->coco, text, sizeof text);
    fputs(text, stdout);
    if (e->has_split) print_split(&e->split);
    if (e->options->recall) print_recall(&e->recall, "recall, whatever the name");
    if (e->has_proposals) print_recall(&e->proposals, "recall of the proposals");
    if (!e->options->per_class) return TN_OK;
    TN_TRY(count_objects(e->truth, &e->coco, &objects, err));
    print_areas(&e->coco);
    print_classes(e->truth, &e->coco, objects);
    tn_free(objects);
    return TN_OK;
}

// ---- JSON --------------------------------------------------------------------------------------

static json_t *stats_json(const ev_coco *c, const size_t *category) {
    json_t *list = json_array();
    for (int k = 0; k < EV_STATS; k++)
        json_array_append_new(list, json_real(category ? figure(c, k, -1, category) : c->stats[k]));
    return list;
}

static json_t *areas_json(const ev_coco *c) {
    json_t *all = json_object();
    for (int a = 0; a < EV_AREAS; a++) {
        json_t *one = json_object();
        for (int k = 0; k < BY_AREA; k++) {
            int i = by_area[k];
            char key[32];
            if (!counts(c, i)) continue;
            snprintf(key, sizeof key, "%s", figures[i].name);
            if (i >= 6) snprintf(key, sizeof key, "AR%d", c->limits[figures[i].limit]);
            json_object_set_new(one, key, json_real(figure(c, i, a, NULL)));
        }
        json_object_set_new(all, areas[a], one);
    }
    return all;
}

static json_t *classes_json(const io_coco *truth, const ev_coco *c, const size_t *objects) {
    json_t *list = json_array();
    for (size_t i = 0; i < c->category_count; i++)
        json_array_append_new(list, json_pack("{s:I, s:s, s:I, s:o}", "id",
                                              (json_int_t)c->category_ids[i], "name",
                                              class_name(truth, c->category_ids[i]), "objects",
                                              (json_int_t)objects[i], "stats", stats_json(c, &i)));
    return list;
}

static json_t *lvis_json(const double *stats, bool names) {
    json_t *out = names ? json_object() : json_array();
    for (int i = 0; i < EV_LVIS_STATS; i++)
        if (names)
            json_object_set_new(out, ev_lvis_names[i], json_real(stats[i]));
        else
            json_array_append_new(out, json_real(stats[i]));
    return out;
}

static json_t *split_json(const ev_split *s) {
    return json_pack("{s:I, s:I, s:I, s:{s:f, s:f, s:f}, s:{s:f, s:f, s:f}}", "base",
                     (json_int_t)s->base, "novel", (json_int_t)s->novel, "pictures",
                     (json_int_t)s->images, "AP50", "novel", s->ap50[0], "base", s->ap50[1], "all",
                     s->ap50[2], "AP", "novel", s->ap[0], "base", s->ap[1], "all", s->ap[2]);
}

static json_t *recall_json(const ev_recall *r) {
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "AR@100", r->ar100, "AR@1000",
                     r->ar1000, "R50@100", r->r50_100, "R50@1000", r->r50_1000, "ARs@1000",
                     r->small, "ARm@1000", r->medium, "ARl@1000", r->large);
}

tn_status tool_eval_print_json(const tool_evaluation *e, tn_error *err) {
    const tool_eval_options *o = e->options;
    size_t *objects = NULL;
    if (o->per_class) TN_TRY(count_objects(e->truth, &e->coco, &objects, err));
    json_t *root = json_pack("{s:o}", "stats",
                             o->lvis ? lvis_json(e->lvis, false) : stats_json(&e->coco, NULL));
    if (o->lvis) json_object_set_new(root, "lvis", lvis_json(e->lvis, true));
    if (e->has_split) json_object_set_new(root, "split", split_json(&e->split));
    if (o->recall) json_object_set_new(root, "recall", recall_json(&e->recall));
    if (e->has_proposals) json_object_set_new(root, "proposals", recall_json(&e->proposals));
    if (o->per_class) {
        json_object_set_new(root, "areas", areas_json(&e->coco));
        json_object_set_new(root, "classes", classes_json(e->truth, &e->coco, objects));
    }
    tn_free(objects);
    // 17 digits read back to the same double.
    bool good =
        root && json_dumpf(root, stdout, JSON_REAL_PRECISION(17)) == 0 && putchar('\n') != EOF;
    json_decref(root);
    return good ? TN_OK : tn_fail(err, TN_EIO, "standard output: cannot write");
}
