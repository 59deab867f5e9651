// SPDX-License-Identifier: Apache-2.0
#include "tests/support/dump_read.h"

#include <string.h>

// Bias, residual and activation, if the file has them.
typedef struct store {
    tn_tensor bias, residual;
    kn_epilogue ep;
} store;

static void read_store(const dump *d, bool is_picture, store *s) {
    *s = (store){.ep.act = dump_activation(d, "activation")};
    if (dump_has(d, "bias")) {
        s->bias = dump_real(d, "bias");
        s->ep.bias = &s->bias;
    }
    if (dump_has(d, "residual")) {
        s->residual = is_picture ? dump_picture(d, "residual") : dump_real(d, "residual");
        s->ep.residual = &s->residual;
    }
}

static void pack(const dump *d, bool transposed, kn_weight *w) {
    tn_error err;
    tn_tensor weight = dump_real(d, "weight");
    dump_check(d,
               transposed
                   ? kn_weight_pack_transpose2x2(d->cx, weight_arena(), &weight, NULL, w, &err)
                   : kn_weight_pack(d->cx, weight_arena(), &weight, NULL, w, &err),
               &err);
}

static void run_conv2d(const dump *d) {
    kn_weight w;
    kn_conv cfg;
    store s;
    tn_tensor x = dump_picture(d, "x"), want = dump_picture(d, "y"), y = dump_like(&want);
    pack(d, false, &w);
    dump_pair(d, "stride", 1, &cfg.stride_h, &cfg.stride_w);
    dump_pair(d, "dilation", 1, &cfg.dilation_h, &cfg.dilation_w);
    dump_pads(d, &cfg.pad_top, &cfg.pad_left, &cfg.pad_bottom, &cfg.pad_right);
    read_store(d, true, &s);
    kn_conv2d_fwd(d->cx, &cfg, &x, &w, &s.ep, &y);
    dump_expect(d, &y, &want);
}

static void run_conv_transpose2x2(const dump *d) {
    kn_weight w;
    store s;
    tn_tensor x = dump_picture(d, "x"), want = dump_picture(d, "y"), y = dump_like(&want);
    pack(d, true, &w);
    read_store(d, true, &s);
    kn_conv_transpose2x2_fwd(d->cx, &x, &w, &s.ep, &y);
    dump_expect(d, &y, &want);
}

static void run_linear(const dump *d) {
    kn_weight w;
    store s;
    tn_tensor x = dump_real(d, "x"), want = dump_real(d, "y"), y = dump_like(&want);
    pack(d, false, &w);
    read_store(d, false, &s);
    kn_linear_fwd(d->cx, &x, &w, &s.ep, &y);
    dump_expect(d, &y, &want);
}

static void run_matmul_nt(const dump *d) {
    tn_tensor a = dump_real(d, "a"), b = dump_real(d, "b"), want = dump_real(d, "y"),
              y = dump_like(&want);
    kn_matmul_nt_fwd(d->cx, dump_number(d, "alpha", 1), &a, &b, &y);
    dump_expect(d, &y, &want);
}

static void run_attention(const dump *d) {
    tn_tensor q = dump_real(d, "q"), k = dump_real(d, "k"), v = dump_real(d, "v"), mask;
    tn_tensor want = dump_real(d, "y"), y = dump_like(&want);
    kn_attention cfg = {.heads = (int)dump_number(d, "heads", 1),
                        .scale = dump_number(d, "scale", 0),
                        .causal = dump_flag(d, "causal")};
    if (dump_has(d, "mask")) {
        tn_tensor any = dump_raw(d, "mask");
        mask = guarded_convert(&any, TN_U8);
        cfg.mask = &mask;
    }
    kn_attention_fwd(d->cx, &cfg, &q, &k, &v, &y);
    dump_expect(d, &y, &want);
}

static void run_layer_norm(const dump *d) {
    tn_tensor x = dump_real(d, "x"), weight = dump_real(d, "weight"), bias = dump_real(d, "bias");
    tn_tensor want = dump_real(d, "y"), y = dump_like(&want);
    kn_layer_norm_fwd(d->cx, dump_number(d, "eps", 1e-5), &x, &weight, &bias, &y);
    dump_expect(d, &y, &want);
}

static void run_batch_norm(const dump *d) {
    tn_tensor x = dump_picture(d, "x"), mean = dump_real(d, "mean"), var = dump_real(d, "var");
    tn_tensor weight = dump_real(d, "weight"), bias = dump_real(d, "bias");
    tn_tensor want = dump_picture(d, "y"), y = dump_like(&want);
    kn_batch_norm_fwd(d->cx, dump_number(d, "eps", 1e-5), &x, &mean, &var, &weight, &bias,
                      dump_activation(d, "activation"), &y);
    dump_expect(d, &y, &want);
}

static void run_softmax(const dump *d) {
    tn_tensor x = dump_real(d, "x"), want = dump_real(d, "y"), y = dump_like(&want);
    kn_softmax_fwd(d->cx, dump_number(d, "scale", 1), &x, &y);
    dump_expect(d, &y, &want);
}

static void run_l2_normalize(const dump *d) {
    tn_tensor x = dump_real(d, "x"), want = dump_real(d, "y"), y = dump_like(&want);
    kn_l2_normalize_fwd(d->cx, dump_number(d, "eps", 1e-12), &x, &y);
    dump_expect(d, &y, &want);
}

static void run_activation(const dump *d) {
    tn_tensor x = dump_real(d, "x"), want = dump_real(d, "y"), y = dump_like(&want);
    kn_act_fwd(d->cx, dump_activation(d, "kind"), &x, &y);
    dump_expect(d, &y, &want);
}

static void run_add(const dump *d) {
    tn_tensor a = dump_real(d, "a"), b = dump_real(d, "b"), want = dump_real(d, "y"),
              y = dump_like(&want);
    kn_add_fwd(d->cx, dump_activation(d, "activation"), &a, &b, &y);
    dump_expect(d, &y, &want);
}

static void run_gather_rows(const dump *d) {
    tn_tensor table = dump_real(d, "table"), ids = dump_whole(d, "ids"), want = dump_real(d, "y"),
              y = dump_like(&want);
    kn_gather_rows_fwd(d->cx, &table, &ids, &y);
    dump_expect(d, &y, &want);
}

static void run_pool(const dump *d, bool average) {
    kn_pool2d cfg = {.count_pad = dump_flag(d, "count_pad")};
    tn_tensor x = dump_picture(d, "x"), want = dump_picture(d, "y"), y = dump_like(&want);
    dump_pair(d, "kernel", 1, &cfg.kh, &cfg.kw);
    dump_pair(d, "stride", 1, &cfg.stride_h, &cfg.stride_w);
    dump_pads(d, &cfg.pad_top, &cfg.pad_left, &cfg.pad_bottom, &cfg.pad_right);
    average ? kn_avg_pool2d_fwd(d->cx, &cfg, &x, &y) : kn_max_pool2d_fwd(d->cx, &cfg, &x, &y);
    dump_expect(d, &y, &want);
}

static void run_max_pool2d(const dump *d) {
    run_pool(d, false);
}

static void run_avg_pool2d(const dump *d) {
    run_pool(d, true);
}

static void run_resize(const dump *d) {
    double scale[2] = {0, 0};
    tn_tensor x = dump_picture(d, "x"), want = dump_picture(d, "y"), y = dump_like(&want);
    dump_numbers(d, "scale", scale, 2);
    kn_resize cfg = {.filter = dump_filter(d),
                     .antialias = dump_flag(d, "antialias"),
                     .cubic_a = dump_number(d, "cubic_a", 0),
                     .scale_h = scale[0],
                     .scale_w = scale[1]};
    kn_resize_fwd(d->cx, &cfg, &x, &y);
    dump_expect(d, &y, &want);
}

static void run_upsample_add(const dump *d) {
    tn_tensor top = dump_picture(d, "top"), lateral = dump_picture(d, "lateral");
    tn_tensor want = dump_picture(d, "y"), y = dump_like(&want);
    kn_upsample_add_fwd(d->cx, &top, &lateral, &y);
    dump_expect(d, &y, &want);
}

static void run_resize_u8(const dump *d) {
    double box[4];
    tn_tensor x = dump_raw(d, "x"), want = dump_raw(d, "y"), y = dump_like(&want);
    bool boxed = dump_numbers(d, "box", box, 4) == 4;
    kn_resize_u8_fwd(d->cx, dump_filter(d), boxed ? box : NULL, &x, &y);
    dump_expect(d, &y, &want);
}

static void run_normalize_u8(const dump *d) {
    double value[2][64];
    float mean[64], std[64];
    tn_tensor x = dump_raw(d, "x"), want = dump_real(d, "y"), y = dump_like(&want);
    int count = dump_numbers(d, "mean", value[0], 64);
    if (dump_numbers(d, "std", value[1], 64) != count || count != tn_last(&x))
        DUMP_FAIL(d, "mean, std and x differ in channels");
    for (int i = 0; i < count; i++) mean[i] = (float)value[0][i], std[i] = (float)value[1][i];
    kn_normalize_u8_fwd(d->cx, mean, std, &x, &y);
    dump_expect(d, &y, &want);
}

static void run_roi_align(const dump *d) {
    double scale[8];
    tn_tensor level[8], map;
    int levels = dump_numbers(d, "scale", scale, 8);
    for (int i = 0; i < levels; i++) level[i] = dump_picture(d, (char[]){'x', (char)('0' + i), 0});
    tn_tensor rois = dump_real(d, "rois"), image = dump_whole(d, "image");
    tn_tensor want = dump_picture(d, "y"), y = dump_like(&want);
    if (dump_has(d, "map")) map = dump_whole(d, "map");
    kn_roi_align cfg = {.sampling_ratio = (int)dump_number(d, "sampling_ratio", 0),
                        .aligned = dump_flag(d, "aligned"),
                        .levels = levels,
                        .level = level,
                        .scale = scale};
    kn_roi_align_fwd(d->cx, &cfg, &rois, &image, dump_has(d, "map") ? &map : NULL, &y);
    dump_expect(d, &y, &want);
}

static void run_nms(const dump *d) {
    tn_tensor boxes = dump_real(d, "boxes"), scores = dump_real(d, "scores"), group;
    tn_tensor want = dump_whole(d, "keep"), keep = guarded_new(TN_I32, 1, scores.dim);
    if (dump_has(d, "group")) group = dump_whole(d, "group");
    keep.dim[0] = kn_nms(d->cx, dump_number(d, "threshold", 0.5), &boxes, &scores,
                         dump_has(d, "group") ? &group : NULL, &keep);
    dump_expect(d, &keep, &want);
}

static void run_box_decode(const dump *d) {
    double weights[4] = {1, 1, 1, 1};
    tn_tensor anchors = dump_real(d, "anchors"), deltas = dump_real(d, "deltas");
    tn_tensor want = dump_real(d, "y"), y = dump_like(&want);
    dump_numbers(d, "weights", weights, 4);
    kn_box_decode_fwd(d->cx, weights, dump_number(d, "clip", 4.135166556742356), &anchors, &deltas,
                      &y);
    dump_expect(d, &y, &want);
}

static void run_box_clip(const dump *d) {
    tn_tensor boxes = dump_real(d, "boxes"), want = dump_real(d, "y");
    kn_box_clip(d->cx, dump_number(d, "height", 0), dump_number(d, "width", 0), &boxes);
    dump_expect(d, &boxes, &want);
}

static void run_topk(const dump *d) {
    tn_tensor x = dump_real(d, "x"), want = dump_whole(d, "index"), index = dump_like(&want);
    kn_topk(d->cx, &x, &index);
    dump_expect(d, &index, &want);
}

static void run_mask_paste(const dump *d) {
    tn_tensor masks = dump_real(d, "masks"), boxes = dump_real(d, "boxes");
    tn_tensor want = dump_raw(d, "y"), y = dump_like(&want);
    kn_mask_paste_fwd(d->cx, dump_number(d, "threshold", 0.5), &masks, &boxes, &y);
    dump_expect(d, &y, &want);
}

void dump_run(const dump *d, const char *kind) {
    static const struct {
        const char *kind;
        void (*run)(const dump *d);
    } kinds[] = {
        {"conv2d", run_conv2d},
        {"conv_transpose2x2", run_conv_transpose2x2},
        {"linear", run_linear},
        {"matmul_nt", run_matmul_nt},
        {"attention", run_attention},
        {"layer_norm", run_layer_norm},
        {"batch_norm", run_batch_norm},
        {"softmax", run_softmax},
        {"l2_normalize", run_l2_normalize},
        {"activation", run_activation},
        {"add", run_add},
        {"gather_rows", run_gather_rows},
        {"max_pool2d", run_max_pool2d},
        {"avg_pool2d", run_avg_pool2d},
        {"resize", run_resize},
        {"upsample_add", run_upsample_add},
        {"resize_u8", run_resize_u8},
        {"normalize_u8", run_normalize_u8},
        {"roi_align", run_roi_align},
        {"nms", run_nms},
        {"box_decode", run_box_decode},
        {"box_clip", run_box_clip},
        {"topk", run_topk},
        {"mask_paste", run_mask_paste},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kind, kinds[i].kind) == 0) {
            kinds[i].run(d);
            return;
        }
    if (!dump_run_bwd(d, kind))
        DUMP_FAIL(d, "kind '%s' is not known (docs/dumps.md lists them)", kind);
}
