// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/suggest.h"

#include <string.h>

#define LONGEST 48 // letters of a word that is compared

// What other programs of the field call our options, in the order of preference.
static const struct {
    const char *theirs, *ours;
} foreign[] = {
    {"annotations", "gt"},   {"ann", "gt"},
    {"batch-size", "batch"}, {"bs", "batch"},
    {"checkpoint", "model"}, {"classes", "names"},
    {"conf", "score"},       {"conf-thres", "score"},
    {"confidence", "score"}, {"iou", "nms"},
    {"iou-thres", "nms"},    {"imgsz", "size"},
    {"img-size", "size"},    {"image-size", "size"},
    {"img", "size"},         {"images", "pictures"},
    {"j", "threads"},        {"labels", "names"},
    {"learning-rate", "lr"}, {"lr0", "lr"},
    {"max-det", "top"},      {"num-threads", "threads"},
    {"output", "out"},       {"o", "out"},
    {"output-dir", "out"},   {"project", "out"},
    {"resolution", "size"},  {"save-dir", "out"},
    {"source", "pictures"},  {"text", "names"},
    {"threshold", "score"},  {"thresh", "score"},
    {"weights", "model"},    {"weight-decay", "decay"},
};

static bool is(const char *name, size_t length, const char *word) {
    return strlen(word) == length && !strncmp(name, word, length);
}

static bool has(const tool_command *command, const char *name) {
    const tool_option *option;
    for (size_t i = 0; (option = tool_option_at(command, i, NULL)); i++)
        if (!strcmp(option->name, name)) return true;
    return false;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// Insertions, deletions, substitutions and swaps of neighbours between two words (the restricted
// Damerau-Levenshtein distance).
static size_t mistakes(const char *a, size_t n, const char *b, size_t m) {
    size_t d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= n; i++) d[i][0] = i;
    for (size_t j = 0; j <= m; j++) d[0][j] = j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1,
                            d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n][m];
}

// A third of the letters may be wrong, and one always.
static size_t distance(const char *name, size_t n, const char *word) {
    size_t m = strlen(word);
    if (!n || n > LONGEST || m > LONGEST) return SIZE_MAX;
    size_t wrong = mistakes(name, n, word, m), most = (n > m ? n : m) / 3;
    return wrong <= (most ? most : 1) && wrong < n ? wrong : SIZE_MAX;
}

size_t tool_word_distance(const char *name, const char *word) {
    return distance(name, strlen(name), word);
}

// The longest common start, of at least three letters.
static const char *same_start(const tool_command *command, const char *name, size_t length) {
    const tool_option *option;
    const char *best = NULL;
    size_t most = 2;
    for (size_t i = 0; (option = tool_option_at(command, i, NULL)); i++) {
        size_t same = 0;
        while (same < length && option->name[same] == name[same]) same++;
        if (same > most) most = same, best = option->name;
    }
    return best;
}

static const char *nearest(const tool_command *command, const char *name, size_t length) {
    const tool_option *option;
    const char *best = NULL;
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (is(name, length, foreign[i].theirs) && has(command, foreign[i].ours))
            return foreign[i].ours;
    for (size_t i = 0; (option = tool_option_at(command, i, NULL)); i++) {
        size_t wrong = distance(name, length, option->name);
        if (wrong < fewest) fewest = wrong, best = option->name;
    }
    return best ? best : same_start(command, name, length);
}

void tool_suggest_option(const tool_command *command, const char *name, size_t length, char *out,
                         size_t bytes) {
    const char *near = nearest(command, name, length);
    if (is(name, length, "source") && !has(command, "pictures"))
        snprintf(out, bytes, "; pictures, folders and patterns are given without an option");
    else if (near)
        snprintf(out, bytes, "; did you mean --%s?", near);
    else
        snprintf(out, bytes, "%s", "");
}
