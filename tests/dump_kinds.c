// SPDX-License-Identifier: Apache-2.0
#include "tests/dump_kinds.h"

#include "tests/levels.h"
#include "tests/test.h"

#include <string.h>

#define BAR 1e-5 // max|difference| / max|expected|

// Every failure names the file and the level.
#define FAIL(d, ...)                                                                               \
    do {                                                                                           \
        print_error("%s at level %s: ", io_weights_path((d)->file), kn_level((d)->cx));            \
        fail_msg(__VA_ARGS__);                                                                     \
    } while (0)

static void check(const dump *d, tn_status status, const tn_error *err) {
    if (status != TN_OK) FAIL(d, "%s", err->text);
}

// ---- what a file holds -----------------------------------------------------------------------

static const int to_last[] = {0, 2, 3, 1}; // [N,C,H,W] -> [N,H,W,C]

static bool has(const dump *d, const char *name) {
    return io_weights_find(d->file, name) != NULL;
}

static tn_tensor raw(const dump *d, const char *name) {
    const io_tensor *t = io_weights_find(d->file, name);
    if (!t) FAIL(d, "no tensor '%s'", name);
    tn_tensor view = tn_view((void *)(uintptr_t)t->data, t->dtype, t->rank, t->dim);
    return guarded_copy(&view);
}

// As float32, in the order of the file.
static tn_tensor real(const dump *d, const char *name) {
    tn_tensor t = raw(d, name);
    return t.dtype == TN_F32 ? t : guarded_convert(&t, TN_F32);
}

// A picture [N,C,H,W] as the kernels want it.
static tn_tensor picture(const dump *d, const char *name) {
    tn_tensor t = real(d, name);
    if (t.rank != 4) FAIL(d, "%s has rank %d, expected [N,C,H,W]", name, t.rank);
    return guarded_permute(&t, to_last);
}

static tn_tensor whole(const dump *d, const char *name) {
    tn_tensor t = raw(d, name);
    return t.dtype == TN_I32 ? t : guarded_convert(&t, TN_I32);
}

static double number(const dump *d, const char *key, double otherwise) {
    tn_error err;
    check(d, io_json_maybe_number(&d->config, key, &otherwise, &err), &err);
    return otherwise;
}

static bool flag(const dump *d, const char *key) {
    tn_error err;
    bool value = false;
    check(d, io_json_maybe_bool(&d->config, key, &value, &err), &err);
    return value;
}

// An array of numbers, at most `room`; returns how many (0 when absent).
static int numbers(const dump *d, const char *key, double *out, int room) {
    tn_error err;
    io_json array, item;
    if (!io_json_has(&d->config, key)) return 0;
    check(d, io_json_get(&d->config, key, IO_JSON_ARRAY, &array, &err), &err);
    int count = (int)io_json_count(&array);
    if (count > room) FAIL(d, "%s holds %d numbers, expected at most %d", key, count, room);
    for (int i = 0; i < count; i++) {
        check(d, io_json_at(&array, (size_t)i, IO_JSON_NUMBER, &item, &err), &err);
        check(d, io_json_as_number(&item, &out[i], &err), &err);
    }
    return count;
}

// Two numbers, down and along; `otherwise` for both when absent.
static void pair(const dump *d, const char *key, int otherwise, int *down, int *along) {
    double value[2] = {otherwise, otherwise};
    int count = numbers(d, key, value, 2);
    if (count == 1) FAIL(d, "%s holds one number, expected two", key);
    *down = (int)value[0];
    *along = (int)value[1];
}

// Two numbers (down and along, on both sides), or four: top, left, bottom, right.
static void pads(const dump *d, int *top, int *left, int *bottom, int *right) {
    double value[4] = {0};
    int count = numbers(d, "padding", value, 4);
    *top = (int)value[0], *left = (int)value[1];
    *bottom = (int)value[count == 4 ? 2 : 0], *right = (int)value[count == 4 ? 3 : 1];
}

static int choice(const dump *d, const char *key, const char *const *names, int count) {
    tn_error err;
    const char *text = names[0];
    check(d, io_json_maybe_string(&d->config, key, &text, &err), &err);
    for (int i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0) return i;
    FAIL(d, "%s is '%s'", key, text);
    return 0;
}

static kn_act activation(const dump *d, const char *key) {
    static const char *const names[] = {"linear",     "relu",    "gelu",
                                        "quick_gelu", "sigmoid", "gelu_tanh"};
    return (kn_act)choice(d, key, names, 6);
}

static kn_filter filter(const dump *d) {
    static const char *const names[] = {"nearest", "bilinear", "bicubic"};
    return (kn_filter)choice(d, "filter", names, 3);
}

// ---- comparing ---------------------------------------------------------------------------------

static void expect_equal(const dump *d, const tn_tensor *got, const tn_tensor *want) {
    if (!tn_same_shape(got, want)) FAIL(d, "rank or sizes of the result differ from the dump");
    if (got->dtype == TN_F32) {
        double error = test_relative_error(got->data, want->data, (size_t)tn_count(want));
        if (!(error <= BAR)) FAIL(d, "differs by %g of the largest value, bar %g", error, BAR);
    } else if (memcmp(got->data, want->data, tn_bytes(want)) != 0) {
        FAIL(d, "differs, expected to be equal");
    }
    guarded_check();
}

static tn_tensor like(const tn_tensor *t) {
    return guarded_new(t->dtype, t->rank, t->dim);
}

// ---- kinds -------------------------------------------------------------------------------------

// Bias, residual and activation, where the file has them.
typedef struct store {
    tn_tensor bias, residual;
    kn_epilogue ep;
} store;

static void read_store(const dump *d, bool is_picture, store *s) {
    *s = (store){.ep.act = activation(d, "activation")};
    if (has(d, "bias")) {
        s->bias = real(d, "bias");
        s->ep.bias = &s->bias;
    }
    if (has(d, "residual")) {
        s->residual = is_picture ? picture(d, "residual") : real(d, "residual");
        s->ep.residual = &s->residual;
    }
}

static void pack(const dump *d, bool transposed, kn_weight *w) {
    tn_error err;
    tn_tensor weight = real(d, "weight");
    check(d,
          transposed ? kn_weight_pack_transpose2x2(d->cx, weight_arena(), &weight, NULL, w, &err)
                     : kn_weight_pack(d->cx, weight_arena(), &weight, NULL, w, &err),
          &err);
}

static void run_conv2d(const dump *d) {
    kn_weight w;
    kn_conv cfg;
    store s;
    tn_tensor x = picture(d, "x"), want = picture(d, "y"), y = like(&want);
    pack(d, false, &w);
    pair(d, "stride", 1, &cfg.stride_h, &cfg.stride_w);
    pair(d, "dilation", 1, &cfg.dilation_h, &cfg.dilation_w);
    pads(d, &cfg.pad_top, &cfg.pad_left, &cfg.pad_bottom, &cfg.pad_right);
    read_store(d, true, &s);
    kn_conv2d_fwd(d->cx, &cfg, &x, &w, &s.ep, &y);
    expect_equal(d, &y, &want);
}

static void run_conv_transpose2x2(const dump *d) {
    kn_weight w;
    store s;
    tn_tensor x = picture(d, "x"), want = picture(d, "y"), y = like(&want);
    pack(d, true, &w);
    read_store(d, true, &s);
    kn_conv_transpose2x2_fwd(d->cx, &x, &w, &s.ep, &y);
    expect_equal(d, &y, &want);
}

static void run_linear(const dump *d) {
    kn_weight w;
    store s;
    tn_tensor x = real(d, "x"), want = real(d, "y"), y = like(&want);
    pack(d, false, &w);
    read_store(d, false, &s);
    kn_linear_fwd(d->cx, &x, &w, &s.ep, &y);
    expect_equal(d, &y, &want);
}

static void run_matmul_nt(const dump *d) {
    tn_tensor a = real(d, "a"), b = real(d, "b"), want = real(d, "y"), y = like(&want);
    kn_matmul_nt_fwd(d->cx, number(d, "alpha", 1), &a, &b, &y);
    expect_equal(d, &y, &want);
}

static void run_attention(const dump *d) {
    tn_tensor q = real(d, "q"), k = real(d, "k"), v = real(d, "v"), mask;
    tn_tensor want = real(d, "y"), y = like(&want);
    kn_attention cfg = {.heads = (int)number(d, "heads", 1),
                        .scale = number(d, "scale", 0),
                        .causal = flag(d, "causal")};
    if (has(d, "mask")) {
        tn_tensor any = raw(d, "mask");
        mask = guarded_convert(&any, TN_U8);
        cfg.mask = &mask;
    }
    kn_attention_fwd(d->cx, &cfg, &q, &k, &v, &y);
    expect_equal(d, &y, &want);
}

static void run_layer_norm(const dump *d) {
    tn_tensor x = real(d, "x"), weight = real(d, "weight"), bias = real(d, "bias");
    tn_tensor want = real(d, "y"), y = like(&want);
    kn_layer_norm_fwd(d->cx, number(d, "eps", 1e-5), &x, &weight, &bias, &y);
    expect_equal(d, &y, &want);
}

static void run_batch_norm(const dump *d) {
    tn_tensor x = picture(d, "x"), mean = real(d, "mean"), var = real(d, "var");
    tn_tensor weight = real(d, "weight"), bias = real(d, "bias");
    tn_tensor want = picture(d, "y"), y = like(&want);
    kn_batch_norm_fwd(d->cx, number(d, "eps", 1e-5), &x, &mean, &var, &weight, &bias,
                      activation(d, "activation"), &y);
    expect_equal(d, &y, &want);
}

static void run_softmax(const dump *d) {
    tn_tensor x = real(d, "x"), want = real(d, "y"), y = like(&want);
    kn_softmax_fwd(d->cx, number(d, "scale", 1), &x, &y);
    expect_equal(d, &y, &want);
}

static void run_l2_normalize(const dump *d) {
    tn_tensor x = real(d, "x"), want = real(d, "y"), y = like(&want);
    kn_l2_normalize_fwd(d->cx, number(d, "eps", 1e-12), &x, &y);
    expect_equal(d, &y, &want);
}

static void run_activation(const dump *d) {
    tn_tensor x = real(d, "x"), want = real(d, "y"), y = like(&want);
    kn_act_fwd(d->cx, activation(d, "kind"), &x, &y);
    expect_equal(d, &y, &want);
}

static void run_add(const dump *d) {
    tn_tensor a = real(d, "a"), b = real(d, "b"), want = real(d, "y"), y = like(&want);
    kn_add_fwd(d->cx, activation(d, "activation"), &a, &b, &y);
    expect_equal(d, &y, &want);
}

static void run_gather_rows(const dump *d) {
    tn_tensor table = real(d, "table"), ids = whole(d, "ids"), want = real(d, "y"), y = like(&want);
    kn_gather_rows_fwd(d->cx, &table, &ids, &y);
    expect_equal(d, &y, &want);
}

static void run_pool(const dump *d, bool average) {
    kn_pool2d cfg = {.count_pad = flag(d, "count_pad")};
    tn_tensor x = picture(d, "x"), want = picture(d, "y"), y = like(&want);
    pair(d, "kernel", 1, &cfg.kh, &cfg.kw);
    pair(d, "stride", 1, &cfg.stride_h, &cfg.stride_w);
    pads(d, &cfg.pad_top, &cfg.pad_left, &cfg.pad_bottom, &cfg.pad_right);
    average ? kn_avg_pool2d_fwd(d->cx, &cfg, &x, &y) : kn_max_pool2d_fwd(d->cx, &cfg, &x, &y);
    expect_equal(d, &y, &want);
}

static void run_max_pool2d(const dump *d) {
    run_pool(d, false);
}

static void run_avg_pool2d(const dump *d) {
    run_pool(d, true);
}

static void run_resize(const dump *d) {
    double scale[2] = {0, 0};
    tn_tensor x = picture(d, "x"), want = picture(d, "y"), y = like(&want);
    numbers(d, "scale", scale, 2);
    kn_resize cfg = {.filter = filter(d),
                     .antialias = flag(d, "antialias"),
                     .cubic_a = number(d, "cubic_a", 0),
                     .scale_h = scale[0],
                     .scale_w = scale[1]};
    kn_resize_fwd(d->cx, &cfg, &x, &y);
    expect_equal(d, &y, &want);
}

static void run_upsample_add(const dump *d) {
    tn_tensor top = picture(d, "top"), lateral = picture(d, "lateral");
    tn_tensor want = picture(d, "y"), y = like(&want);
    kn_upsample_add_fwd(d->cx, &top, &lateral, &y);
    expect_equal(d, &y, &want);
}

static void run_resize_u8(const dump *d) {
    double box[4];
    tn_tensor x = raw(d, "x"), want = raw(d, "y"), y = like(&want);
    bool boxed = numbers(d, "box", box, 4) == 4;
    kn_resize_u8_fwd(d->cx, filter(d), boxed ? box : NULL, &x, &y);
    expect_equal(d, &y, &want);
}

static void run_normalize_u8(const dump *d) {
    double value[2][64];
    float mean[64], std[64];
    tn_tensor x = raw(d, "x"), want = real(d, "y"), y = like(&want);
    int count = numbers(d, "mean", value[0], 64);
    if (numbers(d, "std", value[1], 64) != count || count != tn_last(&x))
        FAIL(d, "mean, std and x differ in channels");
    for (int i = 0; i < count; i++) mean[i] = (float)value[0][i], std[i] = (float)value[1][i];
    kn_normalize_u8_fwd(d->cx, mean, std, &x, &y);
    expect_equal(d, &y, &want);
}

static void run_roi_align(const dump *d) {
    double scale[8];
    tn_tensor level[8], map;
    int levels = numbers(d, "scale", scale, 8);
    for (int i = 0; i < levels; i++) level[i] = picture(d, (char[]){'x', (char)('0' + i), 0});
    tn_tensor rois = real(d, "rois"), image = whole(d, "image");
    tn_tensor want = picture(d, "y"), y = like(&want);
    if (has(d, "map")) map = whole(d, "map");
    kn_roi_align cfg = {.sampling_ratio = (int)number(d, "sampling_ratio", 0),
                        .aligned = flag(d, "aligned"),
                        .levels = levels,
                        .level = level,
                        .scale = scale};
    kn_roi_align_fwd(d->cx, &cfg, &rois, &image, has(d, "map") ? &map : NULL, &y);
    expect_equal(d, &y, &want);
}

static void run_nms(const dump *d) {
    tn_tensor boxes = real(d, "boxes"), scores = real(d, "scores"), group;
    tn_tensor want = whole(d, "keep"), keep = guarded_new(TN_I32, 1, scores.dim);
    if (has(d, "group")) group = whole(d, "group");
    keep.dim[0] = kn_nms(d->cx, number(d, "threshold", 0.5), &boxes, &scores,
                         has(d, "group") ? &group : NULL, &keep);
    expect_equal(d, &keep, &want);
}

static void run_box_decode(const dump *d) {
    double weights[4] = {1, 1, 1, 1};
    tn_tensor anchors = real(d, "anchors"), deltas = real(d, "deltas");
    tn_tensor want = real(d, "y"), y = like(&want);
    numbers(d, "weights", weights, 4);
    kn_box_decode_fwd(d->cx, weights, number(d, "clip", 4.135166556742356), &anchors, &deltas, &y);
    expect_equal(d, &y, &want);
}

static void run_box_clip(const dump *d) {
    tn_tensor boxes = real(d, "boxes"), want = real(d, "y");
    kn_box_clip(d->cx, number(d, "height", 0), number(d, "width", 0), &boxes);
    expect_equal(d, &boxes, &want);
}

static void run_topk(const dump *d) {
    tn_tensor x = real(d, "x"), want = whole(d, "index"), index = like(&want);
    kn_topk(d->cx, &x, &index);
    expect_equal(d, &index, &want);
}

static void run_mask_paste(const dump *d) {
    tn_tensor masks = real(d, "masks"), boxes = real(d, "boxes");
    tn_tensor want = raw(d, "y"), y = like(&want);
    kn_mask_paste_fwd(d->cx, number(d, "threshold", 0.5), &masks, &boxes, &y);
    expect_equal(d, &y, &want);
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
    FAIL(d, "kind '%s' is not known (docs/dumps.md lists them)", kind);
}
