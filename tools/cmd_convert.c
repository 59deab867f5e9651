// SPDX-License-Identifier: Apache-2.0
// lexmask convert: any supported weight file to safetensors, names kept; a model's or a CLIP's
// folder to one that needs nothing else.
#include "io/published.h"
#include "io/weights/safetensors.h"
#include "io/weights/weights.h"
#include "models/fvlm/fvlm.h"
#include "tools/commands.h"
#include "tools/convert.h"

#include <string.h>
#include <sys/stat.h>

static struct {
    const char *dtype, *tokenizer;
    double bn_eps;
    tool_model_changes changes;
} o;

static const tool_option table[] = {
    {"dtype", TOOL_CHOICE, "TYPE", "f32, f16 or bf16 for all real tensors; default: as they are",
     &o.dtype, .choices = "f32|f16|bf16"},
    {"bn-eps", TOOL_REAL, "X",
     "write this epsilon of batch norm into a detector's metadata (0 for "
     "torchvision's published v1 weights, whose batch norm is frozen)",
     &o.bn_eps, 0, 1},
    {"tokenizer", TOOL_TEXT, "FILE",
     "for a CLIP's folder: its vocabulary; default: looked for in and beside it", &o.tokenizer},
    {"contrast", TOOL_TEXT, "FILE",
     "for a model folder: the names that its CLIP was trained on, one a line; they go along, and "
     "compete with those that are asked for",
     &o.changes.contrast},
    {"size", TOOL_INT, "N", "for a model folder: it looks at pictures of N x N pixels",
     &o.changes.size, MD_FVLM_MIN_SIZE, MD_FVLM_MAX_SIZE},
    {"alpha", TOOL_REAL, "W", "for a model folder: weight of score 2 for names it was trained on",
     &o.changes.alpha, 0, 1},
    {"beta", TOOL_REAL, "W", "the same for all other names", &o.changes.beta, 0, 1},
    {"objectness", TOOL_REAL, "P",
     "for a model folder: scores are multiplied with the RPN's to this power",
     &o.changes.objectness, 0, 10},
    {"proposals", TOOL_INT, "N", "for a model folder: it looks at the RPN's best N",
     &o.changes.proposals, 1, 100000},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

// The settings of a file's __metadata__ go along; each key is asked for by name.
static size_t known_metadata(const io_weights *file, io_text_pair *pairs) {
    static const char *const keys[] = {"lexmask.maskrcnn", "format"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = io_weights_meta(file, keys[i]);
        if (value) pairs[count++] = (io_text_pair){keys[i], value};
    }
    return count;
}

// A detector whose batch norm has another epsilon than its file would tell keeps it in its
// metadata: frozen batch norm looks like any other once it is stored.
static tn_status add_epsilon(const io_weights *file, double bn_eps, char *text, size_t bytes,
                             io_text_pair *pairs, size_t *count, tn_error *err) {
    if (bn_eps < 0) return TN_OK;
    if (io_weights_meta(file, "lexmask.maskrcnn"))
        return tn_fail(err, TN_EINVAL, "--bn-eps: %s has settings of its own already",
                       io_weights_path(file));
    snprintf(text, bytes, "{\"bn_eps\": %.9g}", bn_eps);
    pairs[(*count)++] = (io_text_pair){"lexmask.maskrcnn", text};
    return TN_OK;
}

static int chosen_dtype(void) {
    if (!o.dtype) return IO_AS_STORED;
    return !strcmp(o.dtype, "f32") ? TN_F32 : !strcmp(o.dtype, "f16") ? TN_F16 : TN_BF16;
}

tn_status tool_convert_weights(const io_weights *file, const char *to, int dtype, double bn_eps,
                               tn_error *err) {
    char settings[64];
    io_text_pair pairs[4];
    size_t pair_count = known_metadata(file, pairs), count = io_weights_count(file);
    TN_TRY(add_epsilon(file, bn_eps, settings, sizeof settings, pairs, &pair_count, err));
    io_tensor *tensors = tn_alloc(count * sizeof *tensors);
    if (!tensors) return tn_fail(err, TN_ENOMEM, "out of memory for %zu tensors", count);
    for (size_t i = 0; i < count; i++) tensors[i] = *io_weights_at(file, i);
    tn_status status = io_safetensors_write(to, tensors, count, pairs, pair_count, dtype, err);
    tn_free(tensors);
    return status;
}

static tn_status convert_folder(const char *from, const char *to, bool model, tn_error *err) {
    if (o.bn_eps >= 0) return tn_fail(err, TN_EINVAL, "--bn-eps is for a detector's file");
    TN_TRY(model ? tool_convert_model(from, to, chosen_dtype(), &o.changes, err)
                 : tool_convert_clip(from, o.tokenizer, to, chosen_dtype(), err));
    tool_note("%s: a %s that needs nothing else", to, model ? "model" : "CLIP");
    return TN_OK;
}

// A folder, of which not only the weights are wanted.
static bool wants_folder(const char *from, const char *to) {
    const char *dot = strrchr(to, '.');
    struct stat is;
    return stat(from, &is) == 0 && S_ISDIR(is.st_mode) && !(dot && !strcmp(dot, ".safetensors"));
}

// The first option that only a model folder can have; NULL.
static const char *changed(void) {
    const tool_model_changes *c = &o.changes;
    return c->contrast          ? "--contrast"
           : c->size            ? "--size"
           : c->alpha >= 0      ? "--alpha"
           : c->beta >= 0       ? "--beta"
           : c->objectness >= 0 ? "--objectness"
           : c->proposals       ? "--proposals"
                                : NULL;
}

static void note_written(const io_weights *file, const char *to) {
    const char *prefix = io_weights_prefix(file);
    tool_note("%s: %zu tensors%s%s", to, io_weights_count(file),
              prefix ? ", names without the prefix " : "", prefix ? prefix : "");
}

static tn_status convert(const char *given, const char *to, tn_error *err) {
    char path[4096];
    io_weights *file;
    bool model = md_fvlm_is(given), clip = !model && wants_folder(given, to);
    const char *only = changed();
    if (only && !model)
        return tn_fail(err, TN_EINVAL, "%s: no model folder, which %s is for", given, only);
    if (o.tokenizer && !clip)
        return tn_fail(err, TN_EINVAL, "%s to %s: no CLIP's folder, which --tokenizer is for",
                       given, to);
    if (model || clip) return convert_folder(given, to, model, err);
    TN_TRY(md_published_resolve(given, path, sizeof path, err));
    struct stat from, there;
    if (stat(path, &from) == 0 && stat(to, &there) == 0 && from.st_dev == there.st_dev &&
        from.st_ino == there.st_ino)
        return tn_fail(err, TN_EINVAL, "%s: OUT is IN itself; name another file", to);
    TN_TRY(io_weights_open(path, &file, err));
    tn_status status = md_mask_rcnn_unwrap(file, err);
    if (status == TN_OK) status = md_clip_unwrap(file, err);
    if (status == TN_OK) status = tool_convert_weights(file, to, chosen_dtype(), o.bn_eps, err);
    if (status == TN_OK) note_written(file, to);
    io_weights_close(file);
    return status;
}

static const char *misuse(const tool_list *words) {
    return words->count == 2 ? NULL : "expected two words, IN and OUT.safetensors (or two folders)";
}

static int run(const tool_command *self, int argc, char **argv) {
    o.dtype = o.tokenizer = NULL, o.bn_eps = -1;
    o.changes = (tool_model_changes){.alpha = -1, .beta = -1, .objectness = -1};
    tool_list words = {0};
    tn_error err = {0};
    int code = tool_parse(self, argc, argv, &words);
    if (code == TOOL_GO)
        code = convert(words.word[0], words.word[1], &err) == TN_OK ? 0 : tool_failed(&err);
    tool_list_free(&words);
    return code;
}

const tool_command tool_convert = {
    .name = "convert",
    .summary = "any supported weight file to safetensors, names kept; a folder to another",
    .usage = "IN OUT.safetensors [--dtype f32|f16|bf16]\n"
             "   or: CLIP FOLDER [--dtype f32|f16|bf16] [--tokenizer FILE]\n"
             "   or: RUN FOLDER [--dtype f32|f16|bf16] [--contrast FILE] [--size N]\n"
             "      [--alpha W] [--beta W] [--objectness P] [--proposals N]",
    .examples = "  lexmask convert maskrcnn_resnet50_fpn_coco.pth detector.safetensors --bn-eps 0\n"
                "  lexmask convert ViT-B-32.pt clip.safetensors --dtype f16\n"
                "  lexmask convert demo/pair/detector.safetensors float32.safetensors --dtype f32\n"
                "  lexmask convert clip-vit-base-patch32 half --dtype f16\n"
                "  lexmask convert run model --dtype f16 --contrast names.txt --size 512\n",
    .misuse = misuse,
    .run = run,
    .options = options,
};
