// SPDX-License-Identifier: Apache-2.0
#include "tools/eval_sweep.h"

#include "eval/sweep.h"
#include "io/plot.h"
#include "tensor/alloc.h"
#include "tools/commands.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALPHA, BETA, SCALE1, SCALE2, POWER, THRESHOLD, LISTS };
#define MOST_VALUES 64
#define MOST_SETTINGS 10000

static const struct {
    const char *name, *option;
    double low, high;
} kinds[LISTS] = {
    {"alpha", "--alphas", 0, 1},        {"beta", "--betas", 0, 1},
    {"scale1", "--scales1", 1e-3, 1e3}, {"scale2", "--scales2", 1e-3, 1e3},
    {"objectness", "--powers", 0, 100}, {"score", "--thresholds", 0, 1},
};

typedef struct list {
    double value[MOST_VALUES];
    size_t count;
} list;

typedef struct setting {
    size_t at[LISTS]; // which value of each list
    double ap, ap50, novel, base;
} setting;

typedef struct sweep {
    const io_coco *truth;
    const tool_eval_options *how;
    tn_pool *pool;
    io_scores scores;
    ev_sweep *detector;
    bool has_split;
    io_coco_split names;
    list lists[LISTS];
    setting *settings;
    size_t count, best;
} sweep;

// ---- lists -------------------------------------------------------------------------------------

static tn_status parse(int kind, const char *text, list *out, tn_error *err) {
    for (const char *at = text;; at++) {
        char *end;
        double value = strtod(at, &end);
        if (end == at || (*end && *end != ',') || !(value >= kinds[kind].low) ||
            !(value <= kinds[kind].high))
            return tn_fail(err, TN_EINVAL,
                           "%s: '%s': expected numbers of %g to %g, separated by commas",
                           kinds[kind].option, text, kinds[kind].low, kinds[kind].high);
        if (out->count == MOST_VALUES)
            return tn_fail(err, TN_EINVAL, "%s: more than %d numbers", kinds[kind].option,
                           MOST_VALUES);
        out->value[out->count++] = value;
        if (!*end) return TN_OK;
        at = end;
    }
}

static tn_status make_lists(sweep *s, const tool_sweep_options *o, tn_error *err) {
    static const char alphas[] = "0,0.1,0.2,0.35,0.5,0.65", betas[] = "0,0.2,0.35,0.5,0.65,0.8";
    const char *given[LISTS] = {o->alphas ? o->alphas : alphas,
                                o->betas ? o->betas : betas,
                                o->scales1,
                                o->scales2,
                                o->powers,
                                o->thresholds};
    ev_fusion usual = ev_fusion_of(&s->scores.head);
    const double alone[LISTS] = {usual.alpha,  usual.beta,       usual.scale1,
                                 usual.scale2, usual.objectness, usual.score};
    s->count = 1;
    for (int k = 0; k < LISTS; k++) {
        bool second = k == ALPHA || k == BETA || k == SCALE2;
        if (given[k] && (s->scores.head.has_score2 || !second))
            TN_TRY(parse(k, given[k], &s->lists[k], err));
        else
            s->lists[k] = (list){.value = {alone[k]}, .count = 1};
        s->count *= s->lists[k].count;
        if (s->count > MOST_SETTINGS)
            return tn_fail(err, TN_EINVAL, "more than %d combinations to be tried", MOST_SETTINGS);
    }
    s->settings = tn_alloc_zero(s->count, sizeof *s->settings);
    return s->settings ? TN_OK
                       : tn_fail(err, TN_ENOMEM, "out of memory for %zu settings", s->count);
}

static ev_fusion fusion_of(const sweep *s, const setting *x) {
    ev_fusion how = ev_fusion_of(&s->scores.head);
    how.alpha = s->lists[ALPHA].value[x->at[ALPHA]];
    how.beta = s->lists[BETA].value[x->at[BETA]];
    how.scale1 = s->lists[SCALE1].value[x->at[SCALE1]];
    how.scale2 = s->lists[SCALE2].value[x->at[SCALE2]];
    how.objectness = s->lists[POWER].value[x->at[POWER]];
    how.score = s->lists[THRESHOLD].value[x->at[THRESHOLD]];
    return how;
}

// ---- evaluating --------------------------------------------------------------------------------

static tn_status evaluate(const sweep *s, const io_coco_object *results, size_t count, setting *x,
                          tn_error *err) {
    // Only AP and AP50 are looked at.
    ev_coco_options boxes = {.all_sizes = true, .limits = {100, 100, 100}};
    ev_coco coco;
    ev_split split = {0};
    if (s->has_split)
        TN_TRY(ev_split_evaluate(s->truth, results, count, &s->names, &boxes, NULL, &coco, &split,
                                 err));
    else
        TN_TRY(ev_coco_evaluate(s->truth, results, count, &boxes, NULL, &coco, err));
    x->ap = coco.stats[0], x->ap50 = coco.stats[1];
    x->novel = split.ap50[0], x->base = split.ap50[1];
    ev_coco_deinit(&coco);
    return TN_OK;
}

typedef struct batch { // settings whose detections are there
    sweep *s;
    size_t first;
    ev_sweep_found *found; // for each worker
    tn_status status[EV_SWEEP_MOST];
    tn_error error[EV_SWEEP_MOST];
} batch;

static void evaluate_task(void *context, int64_t task, int worker) {
    batch *b = context;
    ev_sweep_found *found = &b->found[worker];
    tn_error *err = &b->error[task];
    tn_status status = tool_interrupted()
                           ? tn_fail(err, TN_ECANCELLED, "interrupted")
                           : ev_sweep_results(b->s->detector, (size_t)task, found, err);
    if (status == TN_OK)
        status = evaluate(b->s, found->results, found->count,
                          &b->s->settings[b->first + (size_t)task], err);
    b->status[task] = status;
}

// By the AP50 of novel names, if there are any; among those that are equal in three digits, by that
// of all names.
static bool better(const sweep *s, const setting *x, const setting *than) {
    bool novel = s->has_split && s->names.novel;
    double a = novel ? round(1000 * x->novel) : 0, b = novel ? round(1000 * than->novel) : 0;
    return a != b ? a > b : x->ap50 > than->ap50;
}

// Scales change slowest: only they need the kept scores anew.
static void number_settings(sweep *s) {
    static const int slowest_first[LISTS] = {SCALE1, SCALE2, POWER, THRESHOLD, ALPHA, BETA};
    for (size_t i = 0; i < s->count; i++) {
        size_t rest = i;
        for (int k = LISTS; k-- > 0;) {
            const list *one = &s->lists[slowest_first[k]];
            s->settings[i].at[slowest_first[k]] = rest % one->count;
            rest /= one->count;
        }
    }
}

// Detections of several settings at once, then a setting a thread.
static tn_status try_some(batch *b, size_t *done, tn_error *err) {
    ev_fusion how[EV_SWEEP_MOST];
    size_t count = 0;
    for (; count < EV_SWEEP_MOST && b->first + count < b->s->count; count++)
        how[count] = fusion_of(b->s, &b->s->settings[b->first + count]);
    if (tool_interrupted()) return tn_fail(err, TN_ECANCELLED, "interrupted");
    TN_TRY(ev_sweep_run(b->s->detector, how, count, done, err));
    tn_pool_run(b->s->pool, (int64_t)*done, evaluate_task, b);
    for (size_t i = 0; i < *done; i++) {
        if (b->status[i] == TN_OK) continue;
        *err = b->error[i];
        return b->status[i];
    }
    return TN_OK;
}

static tn_status try_all(sweep *s, tn_error *err) {
    size_t workers = (size_t)tn_pool_workers(s->pool), done = 0;
    tn_status status = TN_OK;
    batch b = {.s = s, .found = tn_alloc_zero(workers, sizeof *b.found)};
    if (!b.found) return tn_fail(err, TN_ENOMEM, "out of memory for detections");
    number_settings(s);
    for (; b.first < s->count && status == TN_OK; b.first += done)
        status = try_some(&b, &done, err);
    for (size_t i = 0; i < workers; i++) tn_free(b.found[i].results);
    tn_free(b.found);
    for (size_t i = 1; i < s->count && status == TN_OK; i++)
        if (better(s, &s->settings[i], &s->settings[s->best])) s->best = i;
    return status;
}

// Which names alpha is for: with a split its base names, else those that the model was trained on.
static tn_status open_detector(sweep *s, tn_error *err) {
    const io_scores_head *head = &s->scores.head;
    uint8_t *base = tn_alloc_zero(head->classes, 1);
    if (!base) return tn_fail(err, TN_ENOMEM, "out of memory for kept scores");
    tn_status status = TN_OK;
    for (size_t i = 0; i < head->classes && status == TN_OK; i++) {
        int64_t at = io_coco_find_category(s->truth, head->category_ids[i]);
        if (at < 0)
            status = tn_fail(err, TN_EFORMAT,
                             "the kept scores are of category %lld, which the annotations do not "
                             "have",
                             (long long)head->category_ids[i]);
        else
            base[i] = s->has_split ? s->names.part[at] == IO_PART_BASE : head->base[i];
    }
    if (status == TN_OK) status = ev_sweep_open(&s->scores, base, s->pool, &s->detector, err);
    tn_free(base);
    return status;
}

// ---- saying it ---------------------------------------------------------------------------------

static void print_figure(double value) {
    if (value < 0)
        printf(" %6s", "-");
    else
        printf(" %6.3f", value);
}

static void print_table(const sweep *s) {
    printf("  alpha   beta scale1 scale2  power  score      AP   AP50%s\n",
           s->has_split ? "  novel   base" : "");
    for (size_t i = 0; i < s->count; i++) {
        const setting *x = &s->settings[i];
        ev_fusion how = fusion_of(s, x);
        printf("%c%6.3g %6.3g %6.3g %6.3g %6.3g %6.3g  ", i == s->best ? '*' : ' ', how.alpha,
               how.beta, how.scale1, how.scale2, how.objectness, how.score);
        print_figure(x->ap);
        print_figure(x->ap50);
        if (s->has_split) print_figure(x->novel), print_figure(x->base);
        printf("\n");
    }
}

static tn_status print_json(const sweep *s, tn_error *err) {
    json_t *rows = json_array();
    for (size_t i = 0; i < s->count; i++) {
        const setting *x = &s->settings[i];
        ev_fusion how = fusion_of(s, x);
        json_t *row = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "alpha", how.alpha, "beta",
                                how.beta, "scale1", how.scale1, "scale2", how.scale2, "objectness",
                                how.objectness, "score", how.score, "AP", x->ap);
        if (s->has_split)
            json_object_set_new(
                row, "AP50",
                json_pack("{s:f, s:f, s:f}", "novel", x->novel, "base", x->base, "all", x->ap50));
        else
            json_object_set_new(row, "AP50", json_pack("{s:f}", "all", x->ap50));
        json_array_append_new(rows, row);
    }
    json_t *root = json_pack("{s:o, s:I}", "settings", rows, "best", (json_int_t)s->best);
    bool good =
        root && json_dumpf(root, stdout, JSON_REAL_PRECISION(17)) == 0 && putchar('\n') != EOF;
    json_decref(root);
    return good ? TN_OK : tn_fail(err, TN_EIO, "standard output: cannot write");
}

// The two lists with the most values: along the chart, and one line each. What is not drawn stays
// at the best setting.
static void choose_axes(const sweep *s, int axis[2]) {
    axis[0] = BETA, axis[1] = ALPHA;
    for (int k = 0; k < LISTS; k++)
        if (s->lists[k].count > s->lists[axis[0]].count) axis[0] = k;
    if (axis[0] == ALPHA) axis[1] = BETA;
    for (int k = 0; k < LISTS; k++)
        if (k != axis[0] && s->lists[k].count > s->lists[axis[1]].count) axis[1] = k;
}

static bool drawn(const sweep *s, const setting *x, const int axis[2]) {
    for (int k = 0; k < LISTS; k++)
        if (k != axis[0] && k != axis[1] && x->at[k] != s->settings[s->best].at[k]) return false;
    return true;
}

typedef struct line {
    char name[48];
    double y[MOST_VALUES];
} line;

static tn_status draw(const sweep *s, const char *file, const char *what, size_t offset,
                      tn_error *err) {
    char path[4200], title[160];
    int axis[2];
    io_series series[MOST_VALUES];
    choose_axes(s, axis);
    const list *along = &s->lists[axis[0]], *each = &s->lists[axis[1]];
    line *lines = tn_alloc_zero(each->count, sizeof *lines);
    if (!lines) return tn_fail(err, TN_ENOMEM, "out of memory for a picture");
    for (size_t i = 0; i < s->count; i++) {
        const setting *x = &s->settings[i];
        if (!drawn(s, x, axis)) continue;
        double value;
        memcpy(&value, (const char *)x + offset, sizeof value);
        lines[x->at[axis[1]]].y[x->at[axis[0]]] = value < 0 ? NAN : value;
    }
    for (size_t k = 0; k < each->count; k++) {
        snprintf(lines[k].name, sizeof lines[k].name, "%s %.3g", kinds[axis[1]].name,
                 each->value[k]);
        series[k] = (io_series){lines[k].name, along->value, lines[k].y, along->count};
    }
    snprintf(title, sizeof title, "AP50 of %s names", what);
    io_plot plot = {title, kinds[axis[0]].name, "AP50", 0, 0, 0, 0, series, each->count};
    tn_status status = TN_OK;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", s->how->plots, file) >= sizeof path)
        status = tn_fail(err, TN_EINVAL, "%s: the path is too long", s->how->plots);
    if (status == TN_OK) status = io_plot_write(path, &plot, err);
    tn_free(lines);
    return status;
}

static tn_status show(const sweep *s, tn_error *err) {
    if (s->how->plots) {
        TN_TRY(io_make_folder(s->how->plots, err));
        TN_TRY(draw(s, "sweep.png", "all", offsetof(setting, ap50), err));
        if (s->has_split) {
            TN_TRY(draw(s, "sweep_novel.png", "novel", offsetof(setting, novel), err));
            TN_TRY(draw(s, "sweep_base.png", "base", offsetof(setting, base), err));
        }
    }
    if (s->how->json) return print_json(s, err);
    print_table(s);
    return TN_OK;
}

tn_status tool_sweep(const io_coco *truth, const tool_eval_options *how,
                     const tool_sweep_options *options, tn_pool *pool, tn_error *err) {
    sweep s = {.truth = truth, .how = how, .pool = pool};
    double start = tool_seconds();
    tn_status status = io_scores_open(options->scores, &s.scores, err);
    if (status == TN_OK) status = make_lists(&s, options, err);
    if (status == TN_OK) status = tool_eval_split(how, truth, &s.has_split, &s.names, err);
    if (status == TN_OK) {
        status = open_detector(&s, err);
        if (status == TN_OK) status = try_all(&s, err);
        if (status != TN_OK && status != TN_ECANCELLED) tn_fail_prefix(err, "%s", options->scores);
    }
    if (status == TN_OK) status = show(&s, err);
    if (status == TN_OK)
        tool_note("%zu settings in %.1f s; * is the best AP50 of %s names", s.count,
                  tool_seconds() - start, s.has_split && s.names.novel ? "novel" : "all");
    ev_sweep_close(s.detector);
    io_coco_split_deinit(&s.names);
    tn_free(s.settings);
    io_scores_close(&s.scores);
    return status;
}
