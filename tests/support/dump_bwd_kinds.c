// SPDX-License-Identifier: Apache-2.0
// The kinds of training: gradients, losses with gradients, AdamW.
#include "kernels/kernels.h"
#include "tests/support/dump_read.h"

#include <math.h>
#include <string.h>

static void expect(const dump *d, const char *name, const tn_tensor *got) {
    tn_tensor want = dump_real(d, name);
    dump_expect(d, got, &want);
}

static void expect_picture(const dump *d, const char *name, const tn_tensor *got) {
    tn_tensor want = dump_picture(d, name);
    dump_expect(d, got, &want);
}

// ---- rows --------------------------------------------------------------------------------------

static void run_activation_bwd(const dump *d) {
    kn_act act = dump_activation(d, "kind");
    tn_tensor x = dump_real(d, "x"), dy = dump_real(d, "dy"), dx = dump_like(&x);
    tn_tensor y = dump_like(&x);
    kn_act_fwd(d->cx, act, &x, &y);
    kn_act_bwd(d->cx, act, act == KN_RELU || act == KN_SIGMOID ? &y : &x, &dy, 0, &dx);
    expect(d, "dx", &dx);
}

static void run_layer_norm_bwd(const dump *d) {
    tn_tensor x = dump_real(d, "x"), weight = dump_real(d, "weight"), dy = dump_real(d, "dy");
    tn_tensor dx = dump_like(&x), dweight = dump_like(&weight), dbias = dump_like(&weight);
    kn_layer_norm_bwd(d->cx, dump_number(d, "eps", 1e-5), &x, &weight, &dy, 0, &dx, 0, &dweight,
                      &dbias);
    expect(d, "dx", &dx);
    expect(d, "dweight", &dweight);
    expect(d, "dbias", &dbias);
}

static void run_batch_norm_train(const dump *d) {
    double eps = dump_number(d, "eps", 1e-5);
    kn_act act = dump_activation(d, "activation");
    tn_tensor x = dump_picture(d, "x"), weight = dump_real(d, "weight");
    tn_tensor bias = dump_real(d, "bias"), dy = dump_picture(d, "dy");
    tn_tensor mean = dump_like(&weight), var = dump_like(&weight), y = dump_like(&x);
    tn_tensor dx = dump_like(&x), dweight = dump_like(&weight), dbias = dump_like(&weight);
    kn_batch_norm_train_fwd(d->cx, eps, &x, &weight, &bias, act, &mean, &var, &y);
    kn_batch_norm_train_bwd(d->cx, eps, &x, &weight, act, &mean, &var, &y, &dy, 0, &dx, 0, &dweight,
                            &dbias);
    expect(d, "mean", &mean);
    expect(d, "var", &var);
    expect_picture(d, "y", &y);
    expect_picture(d, "dx", &dx);
    expect(d, "dweight", &dweight);
    expect(d, "dbias", &dbias);
}

static void run_group_norm(const dump *d) {
    double eps = dump_number(d, "eps", 1e-5);
    int groups = (int)dump_number(d, "groups", 1);
    tn_tensor x = dump_picture(d, "x"), weight = dump_real(d, "weight");
    tn_tensor bias = dump_real(d, "bias"), y = dump_like(&x);
    kn_group_norm_fwd(d->cx, groups, eps, &x, &weight, &bias, &y);
    expect_picture(d, "y", &y);
    if (!dump_has(d, "dy")) return;
    tn_tensor dy = dump_picture(d, "dy"), dx = dump_like(&x), dweight = dump_like(&weight);
    tn_tensor dbias = dump_like(&weight);
    kn_group_norm_bwd(d->cx, groups, eps, &x, &weight, &dy, 0, &dx, 0, &dweight, &dbias);
    expect_picture(d, "dx", &dx);
    expect(d, "dweight", &dweight);
    expect(d, "dbias", &dbias);
}

static void run_softmax_bwd(const dump *d) {
    double scale = dump_number(d, "scale", 1);
    tn_tensor x = dump_real(d, "x"), dy = dump_real(d, "dy"), y = dump_like(&x), dx = dump_like(&x);
    kn_softmax_fwd(d->cx, scale, &x, &y);
    kn_softmax_bwd(d->cx, scale, &y, &dy, 0, &dx);
    expect(d, "dx", &dx);
}

static void run_l2_normalize_bwd(const dump *d) {
    tn_tensor x = dump_real(d, "x"), dy = dump_real(d, "dy"), dx = dump_like(&x);
    kn_l2_normalize_bwd(d->cx, dump_number(d, "eps", 1e-12), &x, &dy, 0, &dx);
    expect(d, "dx", &dx);
}

static void run_gather_rows_bwd(const dump *d) {
    tn_tensor ids = dump_whole(d, "ids"), dy = dump_real(d, "dy");
    tn_tensor want = dump_real(d, "dtable"), dtable = dump_like(&want);
    kn_gather_rows_bwd(d->cx, &ids, &dy, 0, &dtable);
    dump_expect(d, &dtable, &want);
}

// ---- pictures ----------------------------------------------------------------------------------

static void run_pool_bwd(const dump *d, bool average) {
    kn_pool2d cfg = {.count_pad = dump_flag(d, "count_pad")};
    tn_tensor dy = dump_picture(d, "dy"), want = dump_picture(d, "dx"), dx = dump_like(&want);
    dump_pair(d, "kernel", 1, &cfg.kh, &cfg.kw);
    dump_pair(d, "stride", 1, &cfg.stride_h, &cfg.stride_w);
    dump_pads(d, &cfg.pad_top, &cfg.pad_left, &cfg.pad_bottom, &cfg.pad_right);
    if (average) {
        kn_avg_pool2d_bwd(d->cx, &cfg, &dy, 0, &dx);
    } else {
        tn_tensor x = dump_picture(d, "x");
        kn_max_pool2d_bwd(d->cx, &cfg, &x, &dy, 0, &dx);
    }
    dump_expect(d, &dx, &want);
}

static void run_max_pool2d_bwd(const dump *d) {
    run_pool_bwd(d, false);
}

static void run_avg_pool2d_bwd(const dump *d) {
    run_pool_bwd(d, true);
}

static void run_resize_bwd(const dump *d) {
    double scale[2] = {0};
    kn_resize cfg = {.filter = dump_filter(d),
                     .antialias = dump_flag(d, "antialias"),
                     .cubic_a = dump_number(d, "cubic_a", 0)};
    dump_numbers(d, "scale", scale, 2);
    cfg.scale_h = scale[0], cfg.scale_w = scale[1];
    tn_tensor dy = dump_picture(d, "dy"), want = dump_picture(d, "dx"), dx = dump_like(&want);
    kn_resize_bwd(d->cx, &cfg, &dy, 0, &dx);
    dump_expect(d, &dx, &want);
}

static void run_upsample_bwd(const dump *d) {
    tn_tensor dy = dump_picture(d, "dy"), want = dump_picture(d, "dtop"), dtop = dump_like(&want);
    kn_upsample_bwd(d->cx, &dy, 0, &dtop);
    dump_expect(d, &dtop, &want);
}

#define LEVELS 8

static void run_roi_align_bwd(const dump *d) {
    char name[16];
    double scale[LEVELS];
    tn_tensor want[LEVELS], dlevel[LEVELS], map, raw = dump_raw(d, "rois");
    tn_tensor rois = guarded_convert(&raw, TN_F32); // always float32
    tn_tensor image = dump_whole(d, "image"), dy = dump_picture(d, "dy");
    kn_roi_align cfg = {.sampling_ratio = (int)dump_number(d, "sampling_ratio", 0),
                        .aligned = dump_flag(d, "aligned"),
                        .level = dlevel,
                        .scale = scale};
    cfg.levels = dump_numbers(d, "scale", scale, LEVELS);
    for (int i = 0; i < cfg.levels; i++) {
        snprintf(name, sizeof name, "dx%d", i);
        want[i] = dump_picture(d, name);
        dlevel[i] = dump_like(&want[i]);
    }
    if (dump_has(d, "map")) map = dump_whole(d, "map");
    kn_roi_align_bwd(d->cx, &cfg, &rois, &image, dump_has(d, "map") ? &map : NULL, &dy, 0, dlevel);
    for (int i = 0; i < cfg.levels; i++) dump_expect(d, &dlevel[i], &want[i]);
}

// ---- losses ------------------------------------------------------------------------------------

typedef struct loss {
    tn_tensor x, target, weight, dx;
    const tn_tensor *maybe_weight;
    double factor;
} loss;

static void read_loss(const dump *d, bool types, loss *l) {
    l->x = dump_real(d, "x");
    l->target = types ? dump_whole(d, "target") : dump_real(d, "target");
    l->maybe_weight = NULL;
    if (dump_has(d, "weight")) {
        l->weight = dump_real(d, "weight");
        l->maybe_weight = &l->weight;
    }
    l->dx = dump_like(&l->x);
    l->factor = dump_number(d, "factor", 1);
}

static void expect_loss(const dump *d, const loss *l, double value) {
    tn_tensor raw = dump_raw(d, "loss"), want = guarded_convert(&raw, TN_F64);
    double right = *(double *)want.data, bar = d->wide ? DUMP_BAR_WIDE : DUMP_BAR;
    if (!(fabs(value - right) <= bar * fabs(right)))
        DUMP_FAIL(d, "the loss is %.12g, expected %.12g", value, right);
    expect(d, "dx", &l->dx);
}

static void run_cross_entropy(const dump *d) {
    loss l;
    read_loss(d, true, &l);
    expect_loss(d, &l,
                kn_cross_entropy(d->cx, dump_number(d, "scale", 1), &l.x, &l.target, l.maybe_weight,
                                 l.factor, &l.dx));
}

static void run_bce_logits(const dump *d) {
    loss l;
    read_loss(d, false, &l);
    expect_loss(d, &l, kn_bce_logits(d->cx, &l.x, &l.target, l.maybe_weight, l.factor, &l.dx));
}

static void run_smooth_l1(const dump *d) {
    loss l;
    read_loss(d, false, &l);
    expect_loss(d, &l,
                kn_smooth_l1(d->cx, dump_number(d, "delta", 1), &l.x, &l.target, l.maybe_weight,
                             l.factor, &l.dx));
}

static void run_cosine_loss(const dump *d) {
    loss l;
    read_loss(d, false, &l);
    expect_loss(d, &l,
                kn_cosine_loss(d->cx, dump_number(d, "eps", 1e-8), &l.x, &l.target, l.maybe_weight,
                               l.factor, &l.dx));
}

#define ADAMW_BAR 1e-6 // of float32, after all steps

// One step for each row of grads.
static void run_adamw(const dump *d) {
    double betas[2] = {0.9, 0.999};
    dump_numbers(d, "betas", betas, 2);
    tn_tensor value = dump_real(d, "start"), grads = dump_real(d, "grads");
    tn_tensor m = dump_like(&value), v = dump_like(&value);
    memset(m.data, 0, tn_bytes(&m));
    memset(v.data, 0, tn_bytes(&v));
    for (int64_t step = 1; step <= grads.dim[0]; step++) {
        tn_tensor row = tn_slice(&grads, step - 1, 1), grad = tn_reshape(&row, 1, value.dim);
        kn_adamw cfg = {.lr = dump_number(d, "lr", 1e-3),
                        .beta1 = betas[0],
                        .beta2 = betas[1],
                        .eps = dump_number(d, "eps", 1e-8),
                        .decay = dump_number(d, "decay", 0),
                        .step = step,
                        .grad_scale = dump_number(d, "grad_scale", 1)};
        kn_adamw_step(d->cx, &cfg, &grad, &value, &m, &v);
    }
    tn_tensor *const got[] = {&value, &m, &v};
    static const char *const names[] = {"value", "m", "v"};
    for (int i = 0; i < 3; i++) {
        tn_tensor want = dump_real(d, names[i]);
        dump_expect_within(d, ADAMW_BAR, got[i], &want);
    }
}

bool dump_run_bwd(const dump *d, const char *kind) {
    static const struct {
        const char *kind;
        void (*run)(const dump *d);
    } kinds[] = {
        {"activation_bwd", run_activation_bwd},
        {"layer_norm_bwd", run_layer_norm_bwd},
        {"batch_norm_train", run_batch_norm_train},
        {"group_norm", run_group_norm},
        {"softmax_bwd", run_softmax_bwd},
        {"l2_normalize_bwd", run_l2_normalize_bwd},
        {"gather_rows_bwd", run_gather_rows_bwd},
        {"max_pool2d_bwd", run_max_pool2d_bwd},
        {"avg_pool2d_bwd", run_avg_pool2d_bwd},
        {"resize_bwd", run_resize_bwd},
        {"upsample_bwd", run_upsample_bwd},
        {"roi_align_bwd", run_roi_align_bwd},
        {"cross_entropy", run_cross_entropy},
        {"bce_logits", run_bce_logits},
        {"smooth_l1", run_smooth_l1},
        {"cosine_loss", run_cosine_loss},
        {"adamw", run_adamw},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kind, kinds[i].kind) != 0) continue;
        if (strcmp(kn_level(d->cx), "ref") == 0) {
            dump wide = *d;
            wide.wide = true;
            kinds[i].run(&wide);
        }
        kinds[i].run(d);
        return true;
    }
    return false;
}
