// SPDX-License-Identifier: Apache-2.0
#include "models/detector/matcher.h"

#define BLOCK 4096 // boxes per task

float md_box_iou(const float a[4], const float b[4]) {
    float left = a[0] > b[0] ? a[0] : b[0], right = a[2] < b[2] ? a[2] : b[2];
    float top = a[1] > b[1] ? a[1] : b[1], bottom = a[3] < b[3] ? a[3] : b[3];
    float w = right - left, h = bottom - top;
    if (!(w > 0 && h > 0)) return 0; // most pairs: saves the division
    float inter = w * h;
    float area_a = (a[2] - a[0]) * (a[3] - a[1]), area_b = (b[2] - b[0]) * (b[3] - b[1]);
    return inter / (area_a + area_b - inter);
}

static void check_boxes(const tn_tensor *boxes) {
    TN_CHECK(boxes->dtype == TN_F32 && tn_has_shape(boxes, 2, (int64_t[]){-1, 4}),
             "boxes are not float32 [R,4]");
}

void md_iou_matrix(const tn_tensor *a, const tn_tensor *b, tn_tensor *y) {
    check_boxes(a), check_boxes(b);
    int64_t m = a->dim[0], n = b->dim[0];
    TN_CHECK(tn_has_shape(y, 2, (int64_t[]){m, n}), "y is not [%lld,%lld]", (long long)m,
             (long long)n);
    float *to = tn_f32(y);
    for (int64_t i = 0; i < m; i++)
        for (int64_t k = 0; k < n; k++) *to++ = md_box_iou(tn_f32(a) + 4 * i, tn_f32(b) + 4 * k);
}

typedef struct match_job {
    const md_matcher *matcher;
    const float *truth, *boxes;
    int64_t truths, count;
    float *best;    // [blocks][truths] highest IoU of each true box; then [truths] over all
    int32_t *like;  // [count] the true box of highest IoU, with low_quality
    float *overlap; // [count] and that IoU
    float min_best; // the minimum of best: a box below it is no true box's best
    int32_t *match;
} match_job;

static void match_block(void *context, int64_t block, int worker) {
    (void)worker;
    const match_job *job = context;
    float *best = job->best + block * job->truths;
    for (int64_t g = 0; g < job->truths; g++) best[g] = -1;
    int64_t end = (block + 1) * BLOCK < job->count ? (block + 1) * BLOCK : job->count;
    const float high = (float)job->matcher->high, low = (float)job->matcher->low;
    for (int64_t i = block * BLOCK; i < end; i++) {
        float max = -1;
        int32_t at = 0;
        for (int64_t g = 0; g < job->truths; g++) {
            float iou = md_box_iou(job->truth + 4 * g, job->boxes + 4 * i);
            if (iou > max) max = iou, at = (int32_t)g;
            if (iou > best[g]) best[g] = iou;
        }
        job->match[i] = max < low ? MD_BELOW : max < high ? MD_BETWEEN : at;
        if (job->like) job->like[i] = at, job->overlap[i] = max;
    }
}

static void add_low_quality(void *context, int64_t block, int worker) {
    (void)worker;
    const match_job *job = context;
    int64_t end = (block + 1) * BLOCK < job->count ? (block + 1) * BLOCK : job->count;
    for (int64_t i = block * BLOCK; i < end; i++)
        for (int64_t g = 0; g < job->truths && job->overlap[i] >= job->min_best; g++)
            if (md_box_iou(job->truth + 4 * g, job->boxes + 4 * i) == job->best[g]) {
                job->match[i] = job->like[i];
                break;
            }
}

tn_status md_match(tn_pool *pool, tn_arena *scratch, const md_matcher *matcher,
                   const tn_tensor *truth, const tn_tensor *boxes, tn_tensor *match,
                   tn_error *err) {
    check_boxes(truth), check_boxes(boxes);
    int64_t g = truth->dim[0], n = boxes->dim[0], blocks = (n + BLOCK - 1) / BLOCK;
    TN_CHECK(match->dtype == TN_I32 && tn_has_shape(match, 1, &n), "match is not int32 [%lld]",
             (long long)n);
    TN_CHECK(matcher->low <= matcher->high, "thresholds %g > %g", matcher->low, matcher->high);
    if (!g) {
        for (int64_t i = 0; i < n; i++) tn_i32(match)[i] = MD_BELOW;
        return TN_OK;
    }
    size_t mark = tn_arena_mark(scratch);
    match_job job = {.matcher = matcher, .truth = tn_f32(truth), .boxes = tn_f32(boxes)};
    job.truths = g, job.count = n, job.match = tn_i32(match);
    job.best = tn_arena_alloc(scratch, (size_t)(blocks * g + 1) * sizeof *job.best);
    if (matcher->low_quality) {
        job.like = tn_arena_alloc(scratch, (size_t)(n + 1) * sizeof *job.like);
        job.overlap = tn_arena_alloc(scratch, (size_t)(n + 1) * sizeof *job.overlap);
    }
    if (!job.best || (matcher->low_quality && (!job.like || !job.overlap)))
        return tn_fail(err, TN_ENOMEM, "out of memory to match %lld boxes with %lld", (long long)n,
                       (long long)g);
    tn_pool_run(pool, blocks, match_block, &job);
    if (matcher->low_quality) {
        for (int64_t b = 1; b < blocks; b++) // a maximum does not depend on the order
            for (int64_t i = 0; i < g; i++)
                if (job.best[b * g + i] > job.best[i]) job.best[i] = job.best[b * g + i];
        job.min_best = blocks ? job.best[0] : 0;
        for (int64_t i = 1; blocks && i < g; i++)
            if (job.best[i] < job.min_best) job.min_best = job.best[i];
        tn_pool_run(pool, blocks, add_low_quality, &job);
    }
    tn_arena_reset(scratch, mark);
    return TN_OK;
}
