// SPDX-License-Identifier: Apache-2.0
// lexmask info: what a weight file or model folder is.
#include "io/file.h"
#include "io/image/image.h"
#include "io/published.h"
#include "io/sha256.h"
#include "io/weights/weights.h"
#include "models/clip/clip.h"
#include "models/detector/mask_rcnn.h"
#include "models/fvlm/fvlm.h"
#include "tools/commands.h"
#include "tools/info_picture.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

static struct { bool json, no_tensors; } o;

static const tool_option table[] = {
    {"json", TOOL_FLAG, NULL, "print a JSON object", &o.json},
    {"no-tensors", TOOL_FLAG, NULL, "leave out the list of tensors", &o.no_tensors},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

typedef struct facts {
    const char *family;       // "CLIP", "Mask R-CNN", "F-VLM", "weights"
    char sizes[3072];         // what is known of it, in words
    char hash[IO_SHA256_HEX]; // of the file; empty for a folder
    int64_t parameters;
} facts;

static void describe_clip(const char *path, facts *f) {
    md_clip_config c;
    tn_error err = {0};
    f->family = "CLIP";
    if (md_clip_describe(path, NULL, &c, &err) != TN_OK) {
        snprintf(f->sizes, sizeof f->sizes, "%.500s", err.text);
        return;
    }
    snprintf(f->sizes, sizeof f->sizes,
             "%s in %s's form, pictures %lldx%lld, embedding %lld; text: width %lld, %lld layers, "
             "%lld tokens of %lld; %s%s",
             c.name, c.form, (long long)c.image_size, (long long)c.image_size,
             (long long)c.embed_dim, (long long)c.text_width, (long long)c.text_layers,
             (long long)c.context, (long long)c.vocabulary,
             c.activation == KN_QUICK_GELU ? "QuickGELU" : "GELU",
             c.assumed[0] ? " (assumed)" : "");
}

static void describe_detector(const char *path, facts *f) {
    kn_ctx *kn;
    md_mask_rcnn *model;
    tn_error err = {0};
    f->family = "Mask R-CNN";
    if (kn_open("cpu", "ref", 1, &kn, &err) != TN_OK) return;
    if (md_mask_rcnn_open(path, NULL, kn, &model, &err) == TN_OK) {
        const md_mask_rcnn_config *c = md_mask_rcnn_settings(model);
        char masks[64] = "no mask head: boxes alone";
        if (c->mask_size)
            snprintf(masks, sizeof masks, "masks %lldx%lld", (long long)c->mask_size,
                     (long long)c->mask_size);
        else
            f->family = "Faster R-CNN";
        snprintf(f->sizes, sizeof f->sizes,
                 "%s, pyramid of %lld channels, %lld classes with background, %s, "
                 "shorter side %lld, longer at most %lld",
                 c->backbone, (long long)c->pyramid_channels, (long long)c->classes, masks,
                 (long long)c->min_size, (long long)c->max_size);
        md_mask_rcnn_close(model);
    } else {
        snprintf(f->sizes, sizeof f->sizes, "%.500s", err.text);
    }
    kn_close(kn);
}

// folder: the model's; its adapters are what is listed.
static tn_status describe_fvlm(const char *folder, facts *f, tn_error *err) {
    static const char *const activations[] = {NULL, "gelu", "quick_gelu", "gelu_tanh"};
    char path[4128], clip[8192];
    md_fvlm_config c;
    md_clip_config of_clip;
    tn_error ignored = {0};
    snprintf(path, sizeof path, "%s/config.json", folder);
    TN_TRY(md_fvlm_config_read(path, &c, err));
    bool absolute = c.clip_path[0] == '/';
    snprintf(clip, sizeof clip, "%s%s%s", absolute ? "" : folder, absolute ? "" : "/", c.clip_path);
    md_clip_options given = {c.clip_heads, c.clip_text_heads, activations[c.clip_activation]};
    bool there = md_clip_describe(clip, &given, &of_clip, &ignored) == TN_OK;
    f->family = "F-VLM";
    snprintf(f->sizes, sizeof f->sizes,
             "on %s (%s, SHA-256 %.12s...), pictures %lldx%lld, pyramid %s of %lld channels, box "
             "head %lld convolutions and %lld linear layers of %lld, score 2 by %s, weights %g for "
             "%lld names trained on and %g for others%s%s",
             there ? of_clip.name : "a CLIP that cannot be read", c.clip_path, c.clip_sha256,
             (long long)c.picture_size, (long long)c.picture_size,
             md_fvlm_pyramid_name(c.pyramid_kind), (long long)c.pyramid_channels,
             (long long)c.box_convs, (long long)c.box_fcs, (long long)c.box_width,
             md_fvlm_score2_name(c.score2_mode), c.fusion_alpha, (long long)c.base_names,
             c.fusion_beta, c.contrast[0] ? ", names that compete in " : "", c.contrast);
    md_fvlm_config_deinit(&c);
    return TN_OK;
}

static tn_status gather(const char *path, io_weights *file, facts *f, tn_error *err) {
    *f = (facts){.family = "weights"};
    for (size_t i = 0; i < io_weights_count(file); i++) {
        const io_tensor *t = io_weights_at(file, i);
        tn_tensor shape = tn_view(NULL, t->dtype, t->rank, t->dim);
        f->parameters += tn_count(&shape);
    }
    if (md_fvlm_is(path)) return describe_fvlm(path, f, err);
    TN_TRY(md_mask_rcnn_unwrap(file, err));
    TN_TRY(md_clip_unwrap(file, err));
    if (md_mask_rcnn_is(file))
        describe_detector(path, f);
    else if (md_clip_is(file))
        describe_clip(path, f);
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return TN_OK;
    uint8_t digest[IO_SHA256];
    TN_TRY(io_sha256_file(path, digest, err));
    io_sha256_text(digest, f->hash);
    return TN_OK;
}

static void print_text(const char *path, const io_weights *file, const facts *f) {
    char shape[128];
    const char *under = io_weights_under(file), *unused = io_weights_unused(file);
    const char *prefix = io_weights_prefix(file);
    printf("file     %s\nformat   %s\nfamily   %s\n", path, io_weights_format(file), f->family);
    if (under)
        printf("weights  under %s%s%s\n", under, unused ? "; not read: " : "",
               unused ? unused : "");
    if (prefix) printf("prefix   %s (stripped from the names)\n", prefix);
    if (f->sizes[0]) printf("sizes    %s\n", f->sizes);
    if (f->hash[0]) printf("sha256   %s\n", f->hash);
    printf("holds    %zu tensors, %lld numbers\n", io_weights_count(file),
           (long long)f->parameters);
    for (size_t i = 0; !o.no_tensors && i < io_weights_count(file); i++) {
        const io_tensor *t = io_weights_at(file, i);
        printf("  %-72s %-8s %s\n", t->name, tn_dtype_name(t->dtype),
               tn_shape_text(t->rank, t->dim, shape, sizeof shape));
    }
}

static json_t *tensor_json(const io_tensor *t) {
    json_t *shape = json_array();
    for (int i = 0; i < t->rank; i++) json_array_append_new(shape, json_integer(t->dim[i]));
    return json_pack("{s:s, s:s, s:o}", "name", t->name, "dtype", tn_dtype_name(t->dtype), "shape",
                     shape);
}

static void add_text(json_t *root, const char *key, const char *text) {
    if (text) json_object_set_new(root, key, json_string(text));
}

static json_t *facts_json(const char *path, const io_weights *file, const facts *f) {
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "file", path, "format", io_weights_format(file),
                  "family", f->family, "sizes", f->sizes, "tensor_count",
                  (json_int_t)io_weights_count(file), "parameters", (json_int_t)f->parameters);
    add_text(root, "sha256", f->hash[0] ? f->hash : NULL);
    add_text(root, "weights_under", io_weights_under(file));
    add_text(root, "weights_unused", io_weights_unused(file));
    add_text(root, "prefix", io_weights_prefix(file));
    json_t *list = o.no_tensors ? NULL : json_array();
    for (size_t i = 0; list && i < io_weights_count(file); i++)
        json_array_append_new(list, tensor_json(io_weights_at(file, i)));
    if (list) json_object_set_new(root, "tensors", list);
    return root;
}

// One weight file, folder or picture: printed as text, or as an object in *json.
static tn_status inspect(const char *path, json_t **json, tn_error *err) {
    io_weights *file = NULL;
    facts f;
    if (io_image_has_ending(path)) return tool_info_picture(path, o.json ? json : NULL, err);
    if (md_fvlm_is(path)) {
        char adapters[8192];
        snprintf(adapters, sizeof adapters, "%s/adapters.safetensors", path);
        TN_TRY(io_weights_open(adapters, &file, err));
    } else {
        TN_TRY(io_weights_open(path, &file, err));
    }
    tn_status status = gather(path, file, &f, err);
    if (status == TN_OK && o.json) *json = facts_json(path, file, &f);
    if (status == TN_OK && !o.json) print_text(path, file, &f);
    io_weights_close(file);
    return status;
}

// The parts of a folder that `detect --model` takes: a detector and a CLIP. How many there are.
static int parts_of(const char *path, char part[2][4128]) {
    static const char *const detectors[] = {"detector.safetensors", "detector.pth"};
    struct stat info;
    snprintf(part[1], sizeof part[1], "%s/clip", path);
    for (int i = 0; i < 2 && stat(part[1], &info) == 0; i++) {
        snprintf(part[0], sizeof part[0], "%s/%s", path, detectors[i]);
        if (stat(part[0], &info) == 0) return 2;
    }
    return 0;
}

static tn_status inspect_all(const char *given, tn_error *err) {
    char path[4096], part[2][4128];
    json_t *json = NULL, *list = NULL;
    TN_TRY(md_published_resolve(given, path, sizeof path, err));
    int parts = parts_of(path, part);
    tn_status status = parts ? TN_OK : inspect(path, &json, err);
    if (parts && o.json)
        json = json_pack("{s:s, s:s, s:o}", "file", path, "family", "detector and CLIP", "parts",
                         list = json_array());
    for (int i = 0; i < parts && status == TN_OK; i++) {
        json_t *one = NULL;
        if (i && !o.json) putchar('\n');
        status = inspect(part[i], &one, err);
        if (one) json_array_append_new(list, one);
    }
    if (status == TN_OK && o.json &&
        !(json && json_dumpf(json, stdout, JSON_INDENT(1)) == 0 && putchar('\n') != EOF))
        status = tn_fail(err, TN_EIO, "standard output: cannot write");
    json_decref(json);
    return status;
}

static const char *misuse(const tool_list *words) {
    return words->count == 1 ? NULL : "inspect what? Give one FILE or DIR";
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    tool_list words = {0};
    tn_error err = {0};
    int code = tool_parse(self, argc, argv, &words);
    if (code == TOOL_GO) code = inspect_all(words.word[0], &err) == TN_OK ? 0 : tool_failed(&err);
    tool_list_free(&words);
    return code;
}

const tool_command tool_info = {
    .name = "info",
    .summary = "tell what a weight file is (family, sizes, tensors, SHA-256), or a picture",
    .usage = "FILE|DIR [--json]",
    .details =
        "Of a checkpoint that holds more than weights, the key under which they were found is\n"
        "printed, and other keys with weights, which are not read (averages are read only when\n"
        "nothing else is there). A prefix that wrappers put before every name (module., model.,\n"
        "_orig_mod., or one that all tensors of the model share) is stripped and printed.\n"
        "Of a model folder, its detector and its CLIP are printed one after the other (--json: as\n"
        "\"parts\"). Of a picture, its format and size are printed, and the formats that this "
        "build\n"
        "reads.\n",
    .examples = "  lexmask info demo/pair/detector.safetensors\n"
                "  lexmask info demo/pair --no-tensors\n"
                "  lexmask info ViT-B-32.pt --json\n"
                "  lexmask info photo.webp\n",
    .misuse = misuse,
    .run = run,
    .options = options,
};
