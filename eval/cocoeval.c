// SPDX-License-Identifier: Apache-2.0
// Groups truths and results, then matches groups and accumulates categories on the pool.
#include "eval/cocoeval.h"
#include "eval/coco_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH ((size_t)1 << 30) // address space per worker
#define BLOCK 32                  // groups per task
#define NONE UINT32_MAX

static tn_status no_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory for the evaluation");
}

typedef struct ids { // ascending, without duplicates
    int64_t *id;
    uint32_t count;
    uint32_t last; // index of the last one found: neighbours are often equal
} ids;

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t find(ids *set, int64_t id) {
    if (set->last < set->count && set->id[set->last] == id) return set->last;
    uint32_t low = 0, high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->id[middle] == id) return set->last = middle;
        if (set->id[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NONE;
}

// The ids of a list of structs that begin with their id; only those in chosen, if not NULL.
static tn_status ids_of(const void *items, size_t count, size_t stride, const int64_t *chosen,
                        size_t chosen_count, ids *out, tn_error *err) {
    *out = (ids){.id = tn_alloc_zero(count + 1, sizeof *out->id)};
    ids filter = {.id = tn_alloc_zero(chosen_count + 1, sizeof *chosen),
                  .count = (uint32_t)chosen_count};
    if (!out->id || !filter.id) {
        tn_free(filter.id);
        return no_memory(err);
    }
    if (chosen_count) memcpy(filter.id, chosen, chosen_count * sizeof *chosen);
    qsort(filter.id, chosen_count, sizeof *chosen, by_value);
    for (size_t i = 0; i < count; i++) {
        int64_t id;
        memcpy(&id, (const char *)items + i * stride, sizeof id);
        if (!chosen || find(&filter, id) != NONE) out->id[out->count++] = id;
    }
    tn_free(filter.id);
    qsort(out->id, out->count, sizeof *out->id, by_value);
    return TN_OK;
}

typedef struct keys {           // sort keys of a list of objects
    uint32_t *category, *image; // NONE: left out
    uint32_t *order;            // those that are not left out, sorted
    size_t count, kept;
} keys;

static void keys_deinit(keys *k) {
    tn_free(k->category);
    tn_free(k->image);
    tn_free(k->order);
}

// Stable, by one key below `values`.
static tn_status sort_by(const uint32_t *key, uint32_t values, uint32_t *order, size_t count,
                         tn_error *err) {
    uint32_t *next = tn_alloc_zero((size_t)values + 1, sizeof *next);
    uint32_t *sorted = tn_alloc_zero(count + 1, sizeof *sorted);
    if (next && sorted) {
        for (size_t i = 0; i < count; i++) next[key[order[i]] + 1]++;
        for (uint32_t v = 0; v < values; v++) next[v + 1] += next[v];
        for (size_t i = 0; i < count; i++) sorted[next[key[order[i]]]++] = order[i];
        memcpy(order, sorted, count * sizeof *order);
    }
    bool good = next && sorted;
    tn_free(next);
    tn_free(sorted);
    return good ? TN_OK : no_memory(err);
}

static tn_status keys_of(const io_coco_object *objects, size_t count, ids *images, ids *categories,
                         bool agnostic, const uint8_t *dropped, keys *k, tn_error *err) {
    *k = (keys){.category = tn_alloc_zero(count + 1, sizeof *k->category),
                .image = tn_alloc_zero(count + 1, sizeof *k->image),
                .order = tn_alloc_zero(count + 1, sizeof *k->order),
                .count = count};
    if (!k->category || !k->image || !k->order) return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        k->image[i] = find(images, objects[i].image_id);
        k->category[i] = find(categories, objects[i].category_id);
        if (k->image[i] == NONE || k->category[i] == NONE || (dropped && dropped[i])) continue;
        k->order[k->kept++] = (uint32_t)i;
    }
    // The later of the two passes is the primary order. Without categories, one picture is one
    // group, in which categories follow each other.
    const uint32_t *minor = agnostic ? k->category : k->image;
    const uint32_t *major = agnostic ? k->image : k->category;
    TN_TRY(sort_by(minor, agnostic ? categories->count : images->count, k->order, k->kept, err));
    TN_TRY(sort_by(major, agnostic ? images->count : categories->count, k->order, k->kept, err));
    if (agnostic) memset(k->category, 0, count * sizeof *k->category);
    return TN_OK;
}

static uint64_t key_at(const keys *k, size_t at) {
    if (at >= k->kept) return UINT64_MAX;
    uint32_t i = k->order[at];
    return (uint64_t)k->category[i] << 32 | k->image[i];
}

// Walks both lists together; every category and picture in one of them makes a group.
static tn_status make_groups(ev_job *job, const keys *truths, const keys *results,
                             const ids *images, tn_error *err) {
    size_t capacity = truths->kept + results->kept, t = 0, r = 0;
    job->groups = tn_alloc_zero(capacity + 1, sizeof *job->groups);
    if (!job->groups) return no_memory(err);
    while (t < truths->kept || r < results->kept) {
        uint64_t a = key_at(truths, t), b = key_at(results, r), key = a < b ? a : b;
        ev_group g = {.category = (uint32_t)(key >> 32),
                      .image = (uint32_t)io_coco_find_image(job->truth, images->id[(uint32_t)key]),
                      .first_truth = (uint32_t)t,
                      .first_result = (uint32_t)r,
                      .first_hit = (uint32_t)job->hit_count};
        while (key_at(truths, t) == key) t++;
        while (key_at(results, r) == key) r++;
        g.truths = (uint32_t)t - g.first_truth;
        g.results = (uint32_t)r - g.first_result;
        uint32_t limit = (uint32_t)job->limits[EV_LIMITS - 1];
        g.hits = g.results < limit ? g.results : limit;
        job->hit_count += g.hits;
        job->groups[job->group_count++] = g;
    }
    job->hits = tn_alloc_zero(job->hit_count + 1, sizeof *job->hits);
    job->category_group = tn_alloc_zero(job->out->category_count + 2, sizeof *job->category_group);
    if (!job->hits || !job->category_group) return no_memory(err);
    for (size_t i = 0; i < job->group_count; i++)
        job->category_group[job->groups[i].category + 1]++;
    for (size_t c = 0; c < job->out->category_count; c++)
        job->category_group[c + 1] += job->category_group[c];
    return TN_OK;
}

static tn_status check_truths(ev_job *job, const keys *k, tn_error *err) {
    for (size_t i = 0; i < k->kept; i++) {
        const io_coco_object *o = &job->truth->objects[k->order[i]];
        bool shape = o->shape.kind != IO_COCO_NONE;
        job->out->zero_ids += o->id == 0;
        bool wanted = job->masks ? shape : o->has_box;
        char id[24], image[24];
        if (!wanted || !o->has_area)
            return tn_fail(err, TN_EFORMAT, "annotation %s (picture %s) has no \"%s\"",
                           io_coco_show_id(o->id, o->id_text, id),
                           io_coco_show_id(o->image_id, o->image_text, image),
                           wanted       ? "area"
                           : job->masks ? "segmentation"
                                        : "bbox");
    }
    return TN_OK;
}

static tn_status check_results(const ev_job *job, size_t count, tn_error *err) {
    for (size_t i = 0; i < count; i++) {
        const io_coco_object *o = &job->results[i];
        bool known = i > 0 && o->image_id == job->results[i - 1].image_id;
        char image[24];
        if (!known && io_coco_find_image(job->truth, o->image_id) < 0)
            return tn_fail(err, TN_EFORMAT,
                           "result %zu is in picture %s, which is not in the annotations", i + 1,
                           io_coco_show_id(o->image_id, o->image_text, image));
        bool shape = o->shape.kind != IO_COCO_NONE;
        if (job->box_areas ? !o->has_box : !shape)
            return tn_fail(err, TN_EFORMAT, "result %zu has no \"%s\", but the first one has",
                           i + 1, job->box_areas ? "bbox" : "segmentation");
    }
    return TN_OK;
}

static void keep_error(ev_job *job, size_t group, int worker, const tn_error *error) {
    if (group >= job->error_group[worker]) return;
    job->error_group[worker] = group;
    job->errors[worker] = *error;
}

static void match_task(void *context, int64_t task, int worker) {
    ev_job *job = context;
    size_t from = (size_t)task * BLOCK, to = from + BLOCK;
    for (size_t i = from; i < to && i < job->group_count; i++) {
        tn_error error;
        if (ev_match_group(job, &job->groups[i], &job->scratch[worker], &error) != TN_OK)
            keep_error(job, i, worker, &error);
    }
}

static void accumulate_task(void *context, int64_t task, int worker) {
    ev_job *job = context;
    tn_error error;
    if (ev_accumulate(job, (uint32_t)task, &job->scratch[worker], &error) != TN_OK)
        keep_error(job, (size_t)task, worker, &error);
}

static tn_status run_tasks(ev_job *job, tn_pool *pool, int workers, int64_t tasks, tn_task task,
                           tn_error *err) {
    for (int w = 0; w < workers; w++) job->error_group[w] = SIZE_MAX;
    if (pool)
        tn_pool_run(pool, tasks, task, job);
    else
        for (int64_t i = 0; i < tasks; i++) task(job, i, 0);
    int first = 0; // the error that one thread would have found first
    for (int w = 1; w < workers; w++)
        if (job->error_group[w] < job->error_group[first]) first = w;
    if (job->error_group[first] == SIZE_MAX) return TN_OK;
    if (err) *err = job->errors[first];
    return job->errors[first].status;
}

static tn_status run(ev_job *job, tn_pool *pool, tn_error *err) {
    int workers = pool ? tn_pool_workers(pool) : 1;
    job->scratch = tn_alloc_zero((size_t)workers, sizeof *job->scratch);
    job->errors = tn_alloc_zero((size_t)workers, sizeof *job->errors);
    job->error_group = tn_alloc_zero((size_t)workers, sizeof *job->error_group);
    tn_status status = job->scratch && job->errors && job->error_group ? TN_OK : no_memory(err);
    for (int w = 0; status == TN_OK && w < workers; w++)
        status = tn_arena_init(&job->scratch[w], SCRATCH, err);
    if (status == TN_OK)
        status = run_tasks(job, pool, workers, (int64_t)(job->group_count + BLOCK - 1) / BLOCK,
                           match_task, err);
    if (status == TN_OK)
        status =
            run_tasks(job, pool, workers, (int64_t)job->out->category_count, accumulate_task, err);
    for (int w = 0; job->scratch && w < workers; w++) tn_arena_deinit(&job->scratch[w]);
    return status;
}

static tn_status make_output(const ids *categories, bool agnostic, ev_coco *out, tn_error *err) {
    out->category_count = agnostic ? 1 : categories->count;
    size_t cells = out->category_count * EV_AREAS * EV_LIMITS * EV_IOUS,
           values = cells * EV_RECALLS;
    out->category_ids = tn_alloc_zero(out->category_count + 1, sizeof *out->category_ids);
    out->precision = tn_alloc_zero(values + 1, sizeof *out->precision);
    out->recall = tn_alloc_zero(cells + 1, sizeof *out->recall);
    if (!out->category_ids || !out->precision || !out->recall) return no_memory(err);
    for (size_t i = 0; i < out->category_count; i++)
        out->category_ids[i] = agnostic ? -1 : categories->id[i];
    for (size_t i = 0; i < values; i++) out->precision[i] = -1;
    for (size_t i = 0; i < cells; i++) out->recall[i] = -1;
    return TN_OK;
}

// As numpy's linspace computes them, bit for bit.
static void set_thresholds(ev_job *job) {
    double step = (0.95 - 0.5) / (EV_IOUS - 1);
    for (int i = 0; i < EV_IOUS; i++) job->ious[i] = i * step + 0.5;
    job->ious[EV_IOUS - 1] = 0.95;
    for (int i = 0; i < EV_RECALLS; i++) job->recalls[i] = i * (1.0 / (EV_RECALLS - 1));
    job->recalls[EV_RECALLS - 1] = 1;
}

static tn_status set_limits(const ev_coco_options *o, ev_coco *out, tn_error *err) {
    static const int usual[EV_LIMITS] = {1, 10, 100}, lvis[EV_LIMITS] = {300, 300, 300};
    bool given = o->limits[0] || o->limits[1] || o->limits[2];
    memcpy(out->limits, o->lvis ? lvis : given ? o->limits : usual, sizeof out->limits);
    for (int i = 0; i < EV_LIMITS; i++)
        if (out->limits[i] < 1 || (i && out->limits[i] < out->limits[i - 1]))
            return tn_fail(err, TN_EINVAL,
                           "limits of results per picture %d, %d, %d, expected at "
                           "least 1 and ascending",
                           out->limits[0], out->limits[1], out->limits[2]);
    return TN_OK;
}

static tn_status evaluate(ev_job *job, size_t count, const ev_coco_options *o, ids *images,
                          ids *categories, keys *truths, keys *results, uint8_t *drops,
                          tn_pool *pool, tn_error *err) {
    const io_coco *truth = job->truth;
    TN_TRY(set_limits(o, job->out, err));
    memcpy(job->limits, job->out->limits, sizeof job->limits);
    set_thresholds(job);
    TN_TRY(check_results(job, count, err));
    TN_TRY(ids_of(truth->images, truth->image_count, sizeof *truth->images, o->images,
                  o->image_count, images, err));
    TN_TRY(ids_of(truth->categories, truth->category_count, sizeof *truth->categories,
                  o->categories, o->category_count, categories, err));
    TN_TRY(make_output(categories, o->agnostic, job->out, err));
    const uint8_t *dropped[2] = {NULL, NULL};
    if (o->lvis) {
        TN_TRY(ev_lvis_check(truth, err));
        ev_lvis_drop_truths(truth, drops);
        dropped[0] = drops, dropped[1] = drops + truth->object_count;
        TN_TRY(ev_lvis_drop_results(truth, job->results, count, drops, drops + truth->object_count,
                                    err));
    }
    TN_TRY(keys_of(truth->objects, truth->object_count, images, categories, o->agnostic, dropped[0],
                   truths, err));
    TN_TRY(check_truths(job, truths, err));
    TN_TRY(keys_of(job->results, count, images, categories, o->agnostic, dropped[1], results, err));
    job->truth_order = truths->order;
    job->result_order = results->order;
    job->out->truths = truths->kept;
    job->out->results = results->kept;
    TN_TRY(make_groups(job, truths, results, images, err));
    if (o->lvis) ev_lvis_mark_groups(job);
    TN_TRY(run(job, pool, err));
    ev_summarize(job->out);
    return TN_OK;
}

tn_status ev_coco_evaluate(const io_coco *truth, const io_coco_object *results, size_t count,
                           const ev_coco_options *options, tn_pool *pool, ev_coco *out,
                           tn_error *err) {
    TN_CHECK(truth->object_count < NONE && truth->image_count < NONE && count < NONE,
             "too many objects");
    TN_CHECK(!options->lvis || !(options->agnostic || options->images || options->categories),
             "LVIS evaluates all categories in all pictures");
    *out = (ev_coco){0};
    ev_job job = {.truth = truth,
                  .results = results,
                  .masks = options->masks,
                  .lvis = options->lvis,
                  .areas = options->all_sizes ? 1 : EV_AREAS,
                  .out = out};
    job.box_areas = count > 0 && results[0].has_box;
    ids images = {0}, categories = {0};
    keys truths = {0}, kept = {0};
    uint8_t *drops = options->lvis ? tn_alloc_zero(truth->object_count + count + 1, 1) : NULL;
    tn_status status = options->lvis && !drops
                           ? no_memory(err)
                           : evaluate(&job, count, options, &images, &categories, &truths, &kept,
                                      drops, pool, err);
    tn_free(drops);
    tn_free(images.id);
    tn_free(categories.id);
    keys_deinit(&truths);
    keys_deinit(&kept);
    tn_free(job.groups);
    tn_free(job.hits);
    tn_free(job.scratch);
    tn_free(job.errors);
    tn_free(job.error_group);
    tn_free(job.category_group);
    if (status != TN_OK) ev_coco_deinit(out);
    return status;
}

void ev_coco_deinit(ev_coco *coco) {
    tn_free(coco->category_ids);
    tn_free(coco->precision);
    tn_free(coco->recall);
    *coco = (ev_coco){0};
}

typedef struct reading {
    const char *path[2];
    unsigned want;
    io_coco *file[2];
    tn_status status[2];
    tn_error error[2];
} reading;

static void read_task(void *context, int64_t i, int worker) {
    (void)worker;
    reading *r = context;
    r->status[i] =
        (i ? io_coco_results_open : io_coco_open)(r->path[i], r->want, &r->file[i], &r->error[i]);
}

tn_status ev_coco_evaluate_files(const char *truth, const char *results,
                                 const ev_coco_options *options, tn_pool *pool, ev_coco *out,
                                 tn_error *err) {
    reading r = {.path = {truth, results}, .want = options->masks ? IO_COCO_SHAPES : 0};
    *out = (ev_coco){0};
    if (pool)
        tn_pool_run(pool, 2, read_task, &r);
    else
        for (int i = 0; i < 2; i++) read_task(&r, i, 0);
    int failed = r.status[0] != TN_OK ? 0 : 1;
    tn_status status = r.status[failed];
    if (status != TN_OK) {
        if (err) *err = r.error[failed];
    } else {
        status = ev_coco_evaluate(r.file[0], r.file[1]->objects, r.file[1]->object_count, options,
                                  pool, out, err);
        if (status != TN_OK) tn_fail_prefix(err, "%s, %s", truth, results);
    }
    io_coco_close(r.file[0]);
    io_coco_close(r.file[1]);
    return status;
}
