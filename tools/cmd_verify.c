// SPDX-License-Identifier: Apache-2.0
// lexmask verify: does this machine reproduce what a published checkpoint is known to say?
#include "io/published.h"
#include "io/sha256.h"
#include "models/clip/known_answers.h"
#include "tools/commands.h"
#include "tools/shared/clip_options.h"

#include <string.h>
#include <sys/stat.h>

static const tool_option *options(size_t *count) {
    *count = 0; // all are shared ones
    return NULL;
}

static const tool_option_group *const shared[] = {&tool_clip_more_group, &tool_compute_group, NULL};

// A published file is told by its hash: then it is known to be whole.
static tn_status check_hash(const char *path, tn_error *err) {
    uint8_t digest[IO_SHA256];
    char hex[IO_SHA256_HEX];
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return TN_OK; // a folder has no one hash
    TN_TRY(io_sha256_file(path, digest, err));
    io_sha256_text(digest, hex);
    size_t count;
    const md_published *all = md_published_all(&count);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(hex, all[i].sha256, strlen(all[i].sha256))) continue;
        printf("file     %s, whole (SHA-256 %s)\n", all[i].name, hex);
        return TN_OK;
    }
    printf("file     none of the published ones (SHA-256 %s)\n", hex);
    return TN_OK;
}

static bool good; // the answers are right

static tn_status verify(const tool_list *words, tn_error *err) {
    const char *given = words->word[0];
    char path[4096];
    tool_clip open;
    double largest;
    TN_TRY(md_published_resolve(given, path, sizeof path, err));
    TN_TRY(check_hash(path, err));
    tool_clip_chosen.clip = given;
    TN_TRY(tool_clip_open(&tool_clip_chosen, true, &open, err));
    tn_status status = md_known_check(&open.cx, open.clip, open.bpe, &largest, err);
    if (status == TN_OK) {
        good = largest <= MD_KNOWN_TOLERANCE;
        printf("answers  %d texts, largest difference %.2g (at most %.2g expected)\n%s\n",
               MD_KNOWN_ANSWERS, largest, MD_KNOWN_TOLERANCE,
               good ? "this machine reproduces the published model"
                    : "this machine does NOT reproduce the published model: other weights, another "
                      "vocabulary, or a fault; please report it with `lexmask --version`");
    }
    tool_clip_close(&open);
    return status;
}

static const char *misuse(const tool_list *words) {
    return words->count == 1 ? NULL : "verify what? Give one FILE or name of a pulled checkpoint";
}

static int run(const tool_command *self, int argc, char **argv) {
    tool_clip_chosen = (tool_clip_choice){0};
    good = true; // nothing was asked yet
    int code = tool_run(self, argc, argv, true, verify);
    return code ? code : !good;
}

const tool_command tool_verify = {
    .name = "verify",
    .summary = "check that a published checkpoint gives its known answers on this machine",
    .usage = "FILE|NAME",
    .details = "The program holds answers of OpenAI's ViT-B/32. Exit code 1 when they differ.\n",
    .examples = "  lexmask verify ViT-B/32\n"
                "  lexmask verify ViT-B-32.pt --tokenizer bpe_simple_vocab_16e6.txt.gz\n",
    .misuse = misuse,
    .run = run,
    .options = options,
    .shared = shared,
};
