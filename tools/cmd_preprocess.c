// SPDX-License-Identifier: Apache-2.0
// lexmask preprocess: the tensor that a model would see, so that anyone can compare.
#include "io/image/image.h"
#include "io/npy.h"
#include "io/published.h"
#include "models/detector/mask_rcnn.h"
#include "tools/commands.h"
#include "tools/shared/clip_options.h"

#include <string.h>

static struct { const char *what, *detector, *out; } o;

static const tool_option table[] = {
    {"for", TOOL_CHOICE, "MODEL", "clip or detector", &o.what, .choices = "clip|detector"},
    {"detector", TOOL_TEXT, "FILE",
     "take sizes, mean and standard deviation from this detector; default: torchvision's",
     &o.detector},
    {"out", TOOL_TEXT, "FILE", "write the float32 array [3,H,W] there (.npy)", &o.out},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static const tool_option_group *const shared[] = {&tool_clip_group, &tool_clip_more_group,
                                                  &tool_thread_group, NULL};

// [H,W,3] of ours to the [3,H,W] that everyone else writes.
static tn_status write_planes(const tn_tensor *x, tn_error *err) {
    int64_t h = x->dim[0], w = x->dim[1];
    tn_tensor y;
    TN_TRY(tn_new_heap(&y, TN_F32, TN_DIMS(3, h, w), err));
    const float *from = tn_f32(x);
    float *to = tn_f32(&y);
    for (int64_t i = 0; i < h * w; i++)
        for (int64_t c = 0; c < 3; c++) to[c * h * w + i] = from[3 * i + c];
    tn_status status = io_npy_write(o.out, &y, err);
    tn_free(y.data);
    return status;
}

static tn_status for_clip(const tn_tensor *image, tn_error *err) {
    tool_clip open;
    tn_tensor x;
    TN_TRY(tool_clip_open(&tool_clip_chosen, false, &open, err));
    int64_t size = md_clip_settings(open.clip)->image_size;
    tn_status status = tn_new(&open.step, &x, TN_F32, TN_DIMS(size, size, 3), err);
    if (status == TN_OK) status = md_clip_preprocess(&open.cx, open.clip, image, NULL, &x);
    if (status == TN_OK) status = write_planes(&x, err);
    tool_clip_close(&open);
    return status;
}

static tn_status frame_input(nn_ctx *cx, const md_mask_rcnn_config *config, const tn_tensor *image,
                             tn_error *err) {
    md_frame frame = md_frame_of(image->dim[0], image->dim[1], config->min_size, config->max_size);
    tn_tensor x;
    TN_TRY(tn_new(cx->step, &x, TN_F32, TN_DIMS(1, frame.pad_height, frame.pad_width, 3), err));
    TN_TRY(md_frame_input(cx, &frame, config->image_mean, config->image_std, image, &x));
    tn_tensor picture = tn_reshape(&x, TN_DIMS(frame.pad_height, frame.pad_width, 3));
    return write_planes(&picture, err);
}

static tn_status for_detector(const tn_tensor *image, tn_error *err) {
    kn_ctx *kn = NULL;
    md_mask_rcnn *model = NULL;
    char path[4096];
    md_mask_rcnn_config config = {.min_size = 800,
                                  .max_size = 1333,
                                  .image_mean = {0.485f, 0.456f, 0.406f},
                                  .image_std = {0.229f, 0.224f, 0.225f}};
    TN_TRY(tool_context_open(&kn, err));
    tn_status status = TN_OK;
    if (o.detector) {
        status = md_published_resolve(o.detector, path, sizeof path, err);
        if (status == TN_OK) status = md_mask_rcnn_open(path, NULL, kn, &model, err);
        if (status == TN_OK) config = *md_mask_rcnn_settings(model);
    }
    tn_arena step = {0};
    nn_ctx cx = {.kn = kn, .step = &step, .err = err};
    if (status == TN_OK) status = tn_arena_init_large(&step, err);
    if (status == TN_OK) status = frame_input(&cx, &config, image, err);
    tn_arena_deinit(&step);
    md_mask_rcnn_close(model);
    kn_close(kn);
    return status;
}

static tn_status preprocess(const tool_list *words, tn_error *err) {
    tn_tensor image;
    TN_TRY(io_image_read(words->word[0], 0, &image, err));
    tn_status status = strcmp(o.what, "clip") ? for_detector(&image, err) : for_clip(&image, err);
    tn_free(image.data);
    return status;
}

static const char *misuse(const tool_list *words) {
    if (words->count != 1) return "expected one PICTURE";
    if (!o.what) return "for which model? Give --for clip or --for detector";
    if (!o.out) return "where to? Give --out FILE.npy";
    bool clip = !strcmp(o.what, "clip");
    if (clip && o.detector) return "--detector goes with --for detector";
    if (!clip && (tool_given_of(&tool_clip_group) || tool_given_of(&tool_clip_more_group)))
        return "options of a CLIP go with --for clip";
    if (tool_clip_chosen.tokenizer) return "--tokenizer is for texts: pictures need none";
    return NULL;
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    tool_clip_chosen = (tool_clip_choice){0};
    return tool_run(self, argc, argv, true, preprocess);
}

const tool_command tool_preprocess = {
    .name = "preprocess",
    .summary = "write the tensor that a model would see (.npy)",
    .usage = "PICTURE --for clip|detector --out X.npy",
    .details =
        "The array is float32 [3,H,W], as PyTorch's preprocessing gives it; the detector's is\n"
        "padded with zeros to multiples of 32.\n",
    .examples = "  lexmask preprocess photo.jpg --for clip --clip demo/pair/clip --out x.npy\n"
                "  lexmask preprocess photo.jpg --for detector --out x.npy\n",
    .misuse = misuse,
    .run = run,
    .options = options,
    .shared = shared,
};
