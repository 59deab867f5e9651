// SPDX-License-Identifier: Apache-2.0
// Addresses and hashes as in openai/CLIP's clip.py and torchvision's model pages.
#include "io/published.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPENAI(hash, file)                                                                         \
    file, "https://openaipublic.azureedge.net/clip/models/" hash "/" file, hash
#define TORCHVISION(file, hash) file, "https://download.pytorch.org/models/" file, hash

static const md_published published[] = {
    {"ViT-B/32",
     OPENAI("40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", "ViT-B-32.pt"),
     "OpenAI's CLIP, 338 MB (MIT)"},
    {"ViT-B/16",
     OPENAI("5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", "ViT-B-16.pt"),
     "OpenAI's CLIP, 335 MB (MIT)"},
    {"ViT-L/14",
     OPENAI("b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", "ViT-L-14.pt"),
     "OpenAI's CLIP, 890 MB (MIT)"},
    {"ViT-L/14@336px",
     OPENAI("3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
            "ViT-L-14-336px.pt"),
     "OpenAI's CLIP, 891 MB (MIT)"},
    {"RN50", OPENAI("afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762", "RN50.pt"),
     "OpenAI's CLIP, 244 MB (MIT)"},
    {"RN101",
     OPENAI("8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599", "RN101.pt"),
     "OpenAI's CLIP, 278 MB (MIT)"},
    {"RN50x4",
     OPENAI("7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd", "RN50x4.pt"),
     "OpenAI's CLIP, 402 MB (MIT)"},
    {"RN50x16",
     OPENAI("52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa", "RN50x16.pt"),
     "OpenAI's CLIP, 630 MB (MIT)"},
    {"RN50x64",
     OPENAI("be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c", "RN50x64.pt"),
     "OpenAI's CLIP, 1.3 GB (MIT)"},
    {"clip-vocabulary", "bpe_simple_vocab_16e6.txt.gz",
     "https://github.com/openai/CLIP/raw/main/clip/bpe_simple_vocab_16e6.txt.gz",
     "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
     "the vocabulary of OpenAI's CLIPs, 1.4 MB (MIT); pulled with each of them"},
    {"maskrcnn_resnet50_fpn", TORCHVISION("maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", "bf2d0c1e"),
     "torchvision's Mask R-CNN v1, 178 MB (BSD-3-Clause)"},
    {"maskrcnn_resnet50_fpn_v2",
     TORCHVISION("maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth", "73cbd019"),
     "torchvision's Mask R-CNN v2, 186 MB (BSD-3-Clause)"},
};

const md_published *md_published_all(size_t *count) {
    *count = sizeof published / sizeof *published;
    return published;
}

const md_published *md_published_find(const char *name) {
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        if (!strcmp(published[i].name, name)) return &published[i];
    return NULL;
}

tn_status md_cache_path(const char *part, char *out, size_t bytes, tn_error *err) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool own = cache && cache[0] == '/'; // the specification says that relative paths are ignored
    if (!own && !(home && *home))
        return tn_fail(err, TN_EIO, "no cache folder: neither XDG_CACHE_HOME nor HOME is set");
    int length = snprintf(out, bytes, "%s%s/lexmask%s%s", own ? cache : home, own ? "" : "/.cache",
                          part ? "/" : "", part ? part : "");
    if (length < 0 || (size_t)length >= bytes)
        return tn_fail(err, TN_EINVAL, "the path of the cache folder is too long");
    return TN_OK;
}

tn_status md_published_resolve(const char *given, char *out, size_t bytes, tn_error *err) {
    if (access(given, F_OK) == 0) {
        if ((size_t)snprintf(out, bytes, "%s", given) < bytes) return TN_OK;
        return tn_fail(err, TN_EINVAL, "%s: the path is too long", given);
    }
    const md_published *known = md_published_find(given);
    if (!known)
        return tn_fail(err, TN_EIO,
                       "%s: no such file, and no published checkpoint of that name (lexmask pull "
                       "--list shows those)",
                       given);
    TN_TRY(md_cache_path(known->file, out, bytes, err));
    if (access(out, F_OK) == 0) return TN_OK;
    return tn_fail(err, TN_EIO, "%s was not pulled yet: run  lexmask pull %s", given, given);
}

// Writes "folder/name" to out if that file exists.
static bool lies_in(const char *folder, const char *name, char *out, size_t bytes) {
    int length = snprintf(out, bytes, "%s/%s", folder, name);
    return length > 0 && (size_t)length < bytes && access(out, F_OK) == 0;
}

static bool any_in(const char *folder, char *out, size_t bytes) {
    static const char *const names[] = {"tokenizer.json", "vocab.json",
                                        "bpe_simple_vocab_16e6.txt.gz",
                                        "bpe_simple_vocab_16e6.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (lies_in(folder, names[i], out, bytes)) return true;
    return false;
}

tn_status md_find_tokenizer(const char *clip, const char *given, char *out, size_t bytes,
                            tn_error *err) {
    char beside[4096];
    if (given) {
        if (access(given, F_OK) != 0) return tn_fail(err, TN_EIO, "%s: no such file", given);
        if ((size_t)snprintf(out, bytes, "%s", given) < bytes) return TN_OK;
        return tn_fail(err, TN_EINVAL, "%s: the path is too long", given);
    }
    const char *slash = strrchr(clip, '/');
    snprintf(beside, sizeof beside, "%.*s", slash ? (int)(slash - clip) : 1, slash ? clip : ".");
    if (any_in(clip, out, bytes) || any_in(beside, out, bytes)) return TN_OK;
    if (md_cache_path("bpe_simple_vocab_16e6.txt.gz", out, bytes, NULL) == TN_OK &&
        access(out, F_OK) == 0)
        return TN_OK;
    return tn_fail(err, TN_EIO,
                   "%s: no vocabulary in or beside it; name one with --tokenizer, or for OpenAI's "
                   "run  lexmask pull clip-vocabulary",
                   clip);
}
