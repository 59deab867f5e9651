// SPDX-License-Identifier: Apache-2.0
// A model's or a CLIP's folder that can be taken anywhere.
#include "tools/convert.h"

#include "io/file.h"
#include "io/published.h"
#include "models/fvlm/fvlm.h"
#include "tools/shared/context.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL ((size_t)64 << 20) // bytes of what is copied as it is

static tn_status join(char out[PATH_MAX], const char *folder, const char *name, tn_error *err) {
    int length = name[0] == '/' ? snprintf(out, PATH_MAX, "%s", name)
                                : snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return length < PATH_MAX ? TN_OK : tn_fail(err, TN_EINVAL, "%s: the path is too long", folder);
}

static tn_status copy_file(const char *from, const char *folder, const char *name, tn_error *err) {
    char to[PATH_MAX], *bytes;
    size_t count;
    TN_TRY(join(to, folder, name, err));
    TN_TRY(io_read_text(from, SMALL, &bytes, &count, err));
    tn_status status = io_write_file(to, bytes, count, err);
    tn_free(bytes);
    return status;
}

// Of a folder's files those that say what its weights are.
static tn_status copy_settings(const char *clip, const char *to, tn_error *err) {
    static const char *const names[] = {"config.json", "open_clip_config.json",
                                        "preprocessor_config.json", "tokenizer_config.json",
                                        "special_tokens_map.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PATH_MAX];
        TN_TRY(join(path, clip, names[i], err));
        if (access(path, F_OK) == 0) TN_TRY(copy_file(path, to, names[i], err));
    }
    return TN_OK;
}

// A vocabulary of two files is known by its first.
static tn_status copy_vocabulary(const char *clip, const char *given, const char *to,
                                 tn_error *err) {
    char path[PATH_MAX], beside[PATH_MAX];
    struct stat is;
    if (given && stat(given, &is) == 0 && S_ISDIR(is.st_mode)) clip = given, given = NULL;
    TN_TRY(md_find_tokenizer(clip, given, path, sizeof path, err));
    char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    TN_TRY(copy_file(path, to, name, err));
    if (strcmp(name, "vocab.json") != 0) return TN_OK;
    snprintf(beside, sizeof beside, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    TN_TRY(join(path, beside, "merges.txt", err));
    return copy_file(path, to, "merges.txt", err);
}

static tn_status convert_file(const char *from, const char *folder, const char *name, int dtype,
                              tn_error *err) {
    char to[PATH_MAX];
    io_weights *file;
    TN_TRY(join(to, folder, name, err));
    TN_TRY(io_weights_open(from, &file, err));
    tn_status status = tool_convert_weights(file, to, dtype, -1, err);
    io_weights_close(file);
    return status;
}

static tn_status convert_clip(const char *clip, const char *vocabulary, const char *to, int dtype,
                              tn_error *err) {
    TN_TRY(io_make_folder(to, err));
    TN_TRY(copy_settings(clip, to, err));
    TN_TRY(copy_vocabulary(clip, vocabulary, to, err));
    return convert_file(clip, to, "model.safetensors", dtype, err);
}

// The CLIP of a model, which its configuration then says is beside it.
static tn_status bring_clip(const char *from, const char *to, int dtype, md_fvlm_config *config,
                            tn_error *err) {
    char clip[PATH_MAX], folder[PATH_MAX], tokenizer[PATH_MAX], hash[65];
    struct stat is;
    TN_TRY(join(clip, from, config->clip_path, err));
    TN_TRY(join(tokenizer, from, config->clip_tokenizer, err));
    TN_TRY(join(folder, to, "clip", err));
    if (stat(clip, &is) != 0) return tn_fail(err, TN_EIO, "%s: no such CLIP", clip);
    if (!S_ISDIR(is.st_mode))
        return tn_fail(err, TN_EUNSUPPORTED,
                       "%s: a file; only a CLIP that is a folder (Hugging Face's, OpenCLIP's) can "
                       "be put into a model's",
                       clip);
    TN_TRY(md_fvlm_clip_hash(clip, hash, err));
    if (strcmp(hash, config->clip_sha256) != 0)
        return tn_fail(err, TN_EFORMAT, "%s: another CLIP than the adapters were trained on", clip);
    TN_TRY(convert_clip(clip, config->clip_tokenizer[0] ? tokenizer : NULL, folder, dtype, err));
    strcpy(config->clip_path, "clip");
    config->clip_tokenizer[0] = 0;
    return md_fvlm_clip_hash(folder, config->clip_sha256, err);
}

static tn_status copy_contrast(const char *from, const char *to, const char *contrast,
                               md_fvlm_config *config, tn_error *err) {
    char path[PATH_MAX];
    md_names names;
    if (!contrast && !config->contrast[0]) return TN_OK;
    if (!contrast) TN_TRY(join(path, from, config->contrast, err));
    TN_TRY(md_names_read(contrast ? contrast : path, &names, err));
    md_names_deinit(&names);
    strcpy(config->contrast, "names.txt");
    return copy_file(contrast ? contrast : path, to, "names.txt", err);
}

// A size that does not go with the CLIP is found before anything is written.
static tn_status change(const char *from, const tool_model_changes *c, md_fvlm_config *config,
                        tn_error *err) {
    if (c->alpha >= 0) config->fusion_alpha = c->alpha;
    if (c->beta >= 0) config->fusion_beta = c->beta;
    if (c->objectness >= 0) config->fusion_objectness = c->objectness;
    if (c->proposals) config->rpn_after = c->proposals;
    if (!c->size) return TN_OK;
    kn_ctx *kn;
    md_fvlm *model;
    TN_TRY(tool_context_open(&kn, err));
    // The CLIP's hash is compared when it is copied.
    md_fvlm_open_options options = {.folder = from, .size = c->size, .trust_hash = true};
    tn_status status = md_fvlm_open(&options, kn, &model, err);
    if (status == TN_OK) md_fvlm_close(model);
    kn_close(kn);
    config->picture_size = c->size;
    return status;
}

static tn_status convert_parts(const char *from, const char *to, int dtype, const char *contrast,
                               md_fvlm_config *config, tn_error *err) {
    char path[PATH_MAX];
    TN_TRY(io_make_folder(to, err));
    TN_TRY(bring_clip(from, to, dtype, config, err));
    TN_TRY(copy_contrast(from, to, contrast, config, err));
    TN_TRY(join(path, from, "adapters.safetensors", err));
    TN_TRY(convert_file(path, to, "adapters.safetensors", dtype, err));
    TN_TRY(join(path, to, "config.json", err));
    return md_fvlm_config_write(path, config, err);
}

static tn_status two_folders(const char *from, const char *to, tn_error *err) {
    char one[PATH_MAX], other[PATH_MAX];
    if (realpath(from, one) && realpath(to, other) && !strcmp(one, other))
        return tn_fail(err, TN_EINVAL, "%s: OUT is IN itself; name another folder", to);
    return TN_OK;
}

tn_status tool_convert_clip(const char *from, const char *vocabulary, const char *to, int dtype,
                            tn_error *err) {
    TN_TRY(two_folders(from, to, err));
    return convert_clip(from, vocabulary, to, dtype, err);
}

tn_status tool_convert_model(const char *from, const char *to, int dtype,
                             const tool_model_changes *changes, tn_error *err) {
    char path[PATH_MAX];
    md_fvlm_config config;
    TN_TRY(two_folders(from, to, err));
    TN_TRY(join(path, from, "config.json", err));
    TN_TRY(md_fvlm_config_read(path, &config, err));
    tn_status status = change(from, changes, &config, err);
    if (status == TN_OK) status = convert_parts(from, to, dtype, changes->contrast, &config, err);
    md_fvlm_config_deinit(&config);
    return status;
}
