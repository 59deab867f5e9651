// SPDX-License-Identifier: Apache-2.0
// lexmask pull: fetches a published checkpoint from its official address.
#include "io/file.h"
#include "io/published.h"
#include "tools/commands.h"
#include "tools/shared/download.h"
#include "tools/shared/progress.h"

#include <string.h>
#include <unistd.h>

static struct {
    const char *from;
    bool list;
} o;

static const tool_option table[] = {
    {"list", TOOL_FLAG, NULL, "list what can be pulled and what was pulled already", &o.list},
    {"from", TOOL_TEXT, "URL",
     "fetch from a mirror that has the files under their names; hashes are checked too", &o.from},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static int list(void) {
    size_t count;
    const md_published *all = md_published_all(&count);
    for (size_t i = 0; i < count; i++) {
        char path[4096];
        bool here =
            md_cache_path(all[i].file, path, sizeof path, NULL) == TN_OK && access(path, F_OK) == 0;
        printf("%-26s %s%s\n", all[i].name, all[i].what, here ? "  [pulled]" : "");
    }
    return 0;
}

typedef struct meter {
    const char *name;
    double start, shown;
    int64_t first; // bytes that were there at the start
    bool terminal;
} meter;

static int show(void *user, int64_t done, int64_t total) {
    meter *m = user;
    double now = tool_seconds();
    if (m->first < 0) m->first = done;
    if (tool_verbosity >= 0 && now - m->shown > (m->terminal ? 0.2 : 10) && total > 0) {
        m->shown = now;
        double rate = (double)(done - m->first) / (now - m->start + 1e-9);
        double left = rate > 0 ? (double)(total - done) / rate : 0;
        fprintf(stderr, "%s%s: %.1f of %.1f MB, %.1f MB/s, %.0f s left%s",
                m->terminal ? "\r\033[K" : "", m->name, 1e-6 * (double)done, 1e-6 * (double)total,
                1e-6 * rate, left, m->terminal ? "" : "\n");
        fflush(stderr);
    }
    return tool_interrupted();
}

static tn_status pull(const md_published *item, tn_error *err) {
    char folder[4096], path[4096], url[4096];
    TN_TRY(md_cache_path(NULL, folder, sizeof folder, err));
    TN_TRY(io_make_folder(folder, err));
    TN_TRY(md_cache_path(item->file, path, sizeof path, err));
    if (access(path, F_OK) == 0) {
        tool_note("%s is there already: %s", item->name, path);
        return TN_OK;
    }
    if (o.from) {
        const char *slash = o.from[strlen(o.from) - 1] == '/' ? "" : "/";
        if (snprintf(url, sizeof url, "%s%s%s", o.from, slash, item->file) >= (int)sizeof url)
            return tn_fail(err, TN_EINVAL, "--from: the address is too long");
    } else {
        snprintf(url, sizeof url, "%s", item->url);
    }
    meter m = {.name = item->name, .start = tool_seconds(), .first = -1, .terminal = isatty(2)};
    tool_note("%s: fetching %s", item->name, url);
    tool_download download = {url, path, item->sha256, show, &m};
    tn_status status = tool_download_run(&download, err);
    if (m.terminal && m.shown > 0) fputs("\r\033[K", stderr);
    if (status == TN_OK) tool_note("%s: %s", item->name, path);
    return status;
}

static int pull_all(const tool_list *names) {
    tn_error err = {0};
    tool_catch_signals();
    for (size_t i = 0; i < names->count; i++) {
        const md_published *item = md_published_find(names->word[i]);
        if (!item) {
            tool_error("%s: no published checkpoint of that name; lexmask pull --list shows them",
                       names->word[i]);
            return 2;
        }
        if (pull(item, &err) != TN_OK) return tool_failed(&err);
        bool clip = strstr(item->url, "/clip/models/") != NULL;
        if (clip && pull(md_published_find("clip-vocabulary"), &err) != TN_OK)
            return tool_failed(&err);
    }
    return 0;
}

static const char *misuse(const tool_list *words) {
    if (!o.list && !words->count) return "what to pull? Give a NAME, or --list to see them";
    if (o.list && (words->count || o.from)) return "--list shows all: give nothing with it";
    return NULL;
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    tool_list names = {0};
    int code = tool_parse(self, argc, argv, &names);
    if (code == TOOL_GO) code = o.list ? list() : pull_all(&names);
    tool_list_free(&names);
    return code;
}

const tool_command tool_pull = {
    .name = "pull",
    .summary = "fetch a published checkpoint into the cache folder",
    .usage = "NAME… | --list",
    .details =
        "Files come from their publishers' own addresses into ~/.cache/lexmask and are checked\n"
        "against the published hash. An interrupted transfer is resumed. --detector and --clip "
        "take\n"
        "the names of pulled files.\n",
    .examples = "  lexmask pull --list\n"
                "  lexmask pull ViT-B/32 maskrcnn_resnet50_fpn_v2\n"
                "  lexmask detect photo.jpg --detector maskrcnn_resnet50_fpn_v2 --clip ViT-B/32 "
                "--names \"cat,sofa\"\n",
    .misuse = misuse,
    .run = run,
    .options = options,
};
