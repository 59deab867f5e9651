// SPDX-License-Identifier: Apache-2.0
#include "train/refine_step.h"

#include "kernels/kernels.h"
#include "nn/real.h"
#include "nn/tape.h"

#include <math.h>

#define JITTER 0.125   // relative to an object's side
#define MAX_ASPECT 2.0 // maximum aspect ratio of a region

const char *const tr_refine_term_name[TR_REFINE_TERMS] = {"cosine", "which"};

// ---- learning ----------------------------------------------------------------------------------

// 1 - cosine, of unit rows: its gradient is the negative other row.
static double learn_cosine(const tn_tensor *y, const tn_tensor *target, double each,
                           tn_tensor *dy) {
    double sum = 0;
    for (int64_t i = 0; i < tn_count(y); i++) {
        double want = nn_real(target, i);
        sum += nn_real(y, i) * want;
        nn_real_set(dy, i, -each * want);
    }
    return each * ((double)y->dim[0] - sum);
}

// Replaces row `at` of scores with its softmax.
static void softmax_row(tn_tensor *scores, int64_t at) {
    int64_t n = scores->dim[1];
    double top = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) top = fmax(top, nn_real(scores, at * n + k));
    for (int64_t k = 0; k < n; k++) sum += exp(nn_real(scores, at * n + k) - top);
    for (int64_t k = 0; k < n; k++)
        nn_real_set(scores, at * n + k, exp(nn_real(scores, at * n + k) - top) / sum);
}

// Sum of q (log q - log p) over one row, q the teacher's; p becomes each * (p - q).
static double diverge(tn_tensor *p, tn_tensor *q, int64_t at, double each) {
    int64_t n = p->dim[1];
    double sum = 0;
    for (int64_t k = at * n; k < (at + 1) * n; k++) {
        double want = nn_real(q, k), is = nn_real(p, k);
        if (want > 0) sum += want * (log(want) - log(fmax(is, 1e-300)));
        nn_real_set(p, k, each * (is - want));
    }
    return each * sum;
}

static tn_status learn_which(nn_ctx *cx, const tn_tensor *y, const tn_tensor *target, double scale,
                             double each, tn_tensor *dy, double *loss) {
    int64_t n = y->dim[0];
    tn_tensor p, q;
    TN_TRY(tn_new(cx->step, &p, y->dtype, TN_DIMS(n, n), cx->err));
    TN_TRY(tn_new(cx->step, &q, y->dtype, TN_DIMS(n, n), cx->err));
    kn_matmul_nt_fwd(cx->kn, scale, y, target, &p);
    kn_matmul_nt_fwd(cx->kn, scale, target, target, &q);
    for (int64_t i = 0; i < n; i++) {
        softmax_row(&p, i);
        softmax_row(&q, i);
        *loss += diverge(&p, &q, i, each);
    }
    kn_matmul_nn(cx->kn, scale, &p, target, 1, dy);
    return TN_OK;
}

tn_status tr_refine_learn(nn_ctx *cx, const md_scene *scene, const tr_refine_options *options,
                          const tr_refine_batch *batch, double share, tr_measure *measure) {
    tn_tensor dense, y, dy;
    int64_t n = batch->pixels.dim[0], regions = batch->boxes.dim[0];
    nn_tape_reset(cx->tape);
    measure->pictures += n;
    if (!regions) return TN_OK;
    TN_TRY(md_scene_train_dense(cx, scene, &batch->pixels, &dense));
    TN_TRY(md_scene_train_regions(cx, scene, &dense, &batch->boxes, &batch->image, &y));
    TN_TRY(nn_tape_loss_grad(cx, &y, &dy));
    double each = share * (double)n / (double)regions, *loss = measure->loss;
    loss[TR_REFINE_COSINE] +=
        learn_cosine(&y, &batch->target, each * options->weight[TR_REFINE_COSINE], &dy);
    if (options->weight[TR_REFINE_WHICH] > 0)
        TN_TRY(learn_which(cx, &y, &batch->target, options->scale,
                           each * options->weight[TR_REFINE_WHICH], &dy, &loss[TR_REFINE_WHICH]));
    return nn_tape_backward_in_place(cx);
}

// ---- regions -----------------------------------------------------------------------------------

static double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

// A box around (x, y), shifted into the picture.
static void put_box(double x, double y, double w, double h, double width, double height,
                    float *box) {
    w = clamp(w, 1, width), h = clamp(h, 1, height);
    double left = clamp(x - w / 2, 0, width - w), top = clamp(y - h / 2, 0, height - h);
    box[0] = (float)left, box[1] = (float)top;
    box[2] = (float)fmin(left + w, width), box[3] = (float)fmin(top + h, height);
}

static void around_thing(const tr_scene_object *thing, double width, double height, tn_rng *rng,
                         float *box) {
    double w = thing->box[2], h = thing->box[3], side = fmax(w, h);
    double scale = exp(tn_rng_uniform(rng, -JITTER, JITTER));
    double x = thing->box[0] + w / 2 + side * tn_rng_uniform(rng, -JITTER, JITTER);
    double y = thing->box[1] + h / 2 + side * tn_rng_uniform(rng, -JITTER, JITTER);
    put_box(x, y, w * scale, h * scale, width, height, box);
}

static void anywhere(double smallest, double width, double height, tn_rng *rng, float *box) {
    double max = fmin(width, height), min = fmin(smallest, max);
    double side = min * pow(max / min, tn_rng_unit(rng));
    double longer = pow(MAX_ASPECT, tn_rng_uniform(rng, -0.5, 0.5));
    double w = side * longer, h = side / longer;
    put_box(tn_rng_uniform(rng, 0, width), tn_rng_uniform(rng, 0, height), w, h, width, height,
            box);
}

void tr_refine_boxes(const tr_scene *scene, double things, double smallest, int64_t count,
                     tn_rng *rng, float *boxes) {
    double height = (double)scene->picture.dim[0], width = (double)scene->picture.dim[1];
    for (int64_t i = 0; i < count; i++, boxes += 4) {
        if (tn_rng_unit(rng) < things && scene->count)
            around_thing(&scene->objects[tn_rng_below(rng, scene->count)], width, height, rng,
                         boxes);
        else
            anywhere(smallest, width, height, rng, boxes);
    }
}
