// SPDX-License-Identifier: Apache-2.0
// Detects the format of a vocabulary and reads its bytes.
#include "io/file.h"
#include "io/json.h"
#include "models/text/bpe_vocab.h"

#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define MAX_FILE ((size_t)64 << 20) // bytes, also uncompressed: ten times the largest one in use

static tn_status grow_text(const char *path, char **text, size_t *capacity, tn_error *err) {
    size_t more = *capacity ? 2 * *capacity : (size_t)1 << 20;
    if (more > MAX_FILE)
        return tn_fail(err, TN_EFORMAT,
                       "%s: expands to %zu bytes or more, too large for a vocabulary", path,
                       *capacity);
    char *grown = tn_realloc(*text, *capacity, more);
    if (!grown) return tn_fail(err, TN_ENOMEM, "%s: out of memory for %zu bytes", path, more);
    *text = grown;
    *capacity = more;
    return TN_OK;
}

static tn_status inflate_all(const char *path, z_stream *z, char **text, size_t *bytes,
                             tn_error *err) {
    size_t capacity = 0;
    for (int code = Z_OK; code != Z_STREAM_END;) {
        if (*bytes == capacity) TN_TRY(grow_text(path, text, &capacity, err));
        z->next_out = (Bytef *)*text + *bytes;
        z->avail_out = (uInt)(capacity - *bytes);
        code = inflate(z, Z_NO_FLUSH);
        *bytes = capacity - z->avail_out;
        if (code == Z_BUF_ERROR)
            return tn_fail(err, TN_EFORMAT, "%s: the gzip data end early, at byte %lu", path,
                           z->total_in);
        if (code != Z_OK && code != Z_STREAM_END)
            return tn_fail(err, TN_EFORMAT, "%s: damaged gzip data near byte %lu: %s", path,
                           z->total_in, z->msg ? z->msg : zError(code));
    }
    if (z->avail_in)
        return tn_fail(err, TN_EFORMAT, "%s: %u bytes after the end of the gzip data", path,
                       z->avail_in);
    return TN_OK;
}

static tn_status read_packed(const char *path, const io_map *packed, md_bpe **out, tn_error *err) {
    z_stream z = {.next_in = (Bytef *)packed->bytes, .avail_in = (uInt)packed->count};
    if (inflateInit2(&z, 15 + 16) != Z_OK) // 16: gzip
        return tn_fail(err, TN_ENOMEM, "%s: out of memory for unpacking", path);
    char *text = NULL;
    size_t bytes = 0;
    tn_status status = inflate_all(path, &z, &text, &bytes, err);
    inflateEnd(&z);
    if (status == TN_OK) status = md_bpe_read_openai(path, text, bytes, out, err);
    tn_free(text);
    return status;
}

// "FOLDER/name", where FOLDER contains the file `path`, or is `path` itself.
static tn_status beside(const char *path, bool is_folder, const char *name, char **out,
                        tn_error *err) {
    const char *slash = strrchr(path, '/');
    size_t folder = is_folder ? strlen(path) : slash ? (size_t)(slash - path) + 1 : 0;
    *out = tn_alloc(folder + strlen(name) + 2);
    if (!*out) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    memcpy(*out, path, folder);
    if (folder && path[folder - 1] != '/') (*out)[folder++] = '/';
    strcpy(*out + folder, name);
    return TN_OK;
}

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static tn_status read_with_merges(const io_json *vocab, md_bpe **out, tn_error *err) {
    char *path = NULL, *text = NULL;
    size_t bytes = 0;
    TN_TRY(beside(vocab->file, false, "merges.txt", &path, err));
    tn_status status = TN_OK;
    if (!is_file(path))
        status = tn_fail(err, TN_EFORMAT,
                         "%s: neither a tokenizer.json (no \"model\") nor a vocab.json with a "
                         "merges.txt beside it",
                         vocab->file);
    if (status == TN_OK) status = io_read_text(path, MAX_FILE, &text, &bytes, err);
    if (status == TN_OK) status = md_bpe_read_vocab_json(vocab, path, text, bytes, out, err);
    tn_free(text);
    tn_free(path);
    return status;
}

static tn_status read_json(const char *path, md_bpe **out, tn_error *err) {
    io_json document;
    TN_TRY(io_json_read(path, MAX_FILE, &document, err));
    tn_status status = io_json_expect(&document, IO_JSON_OBJECT, err);
    if (status == TN_OK) {
        io_json model; // a vocabulary may contain "model" as a word, but then it is a number
        bool whole = io_json_get(&document, "model", IO_JSON_OBJECT, &model, NULL) == TN_OK;
        status = whole ? md_bpe_read_tokenizer_json(&document, out, err)
                       : read_with_merges(&document, out, err);
    }
    io_json_close(&document);
    return status;
}

static tn_status read_beside_merges(const char *path, md_bpe **out, tn_error *err) {
    char *vocab = NULL;
    TN_TRY(beside(path, false, "vocab.json", &vocab, err));
    tn_status status;
    if (is_file(vocab))
        status = read_json(vocab, out, err);
    else
        status = tn_fail(err, TN_EFORMAT,
                         "%s: neither OpenAI's vocabulary (line 1 names it) nor a merges.txt with "
                         "a vocab.json beside it",
                         path);
    tn_free(vocab);
    return status;
}

static tn_status read_bytes(const char *path, const io_map *file, md_bpe **out, tn_error *err) {
    const char *text = (const char *)file->bytes;
    if (file->count == 0) return tn_fail(err, TN_EFORMAT, "%s: an empty file", path);
    if (file->count > MAX_FILE)
        return tn_fail(err, TN_EFORMAT, "%s: %zu bytes, expected at most %zu", path, file->count,
                       MAX_FILE);
    if (file->count >= 2 && file->bytes[0] == 0x1f && file->bytes[1] == 0x8b)
        return read_packed(path, file, out, err);
    size_t first = 0;
    while (first < file->count && strchr(" \t\r\n", text[first]) && text[first]) first++;
    if (first < file->count && text[first] == '{') return read_json(path, out, err);
    const char *line = memchr(text, '\n', file->count);
    size_t length = line ? (size_t)(line - text) : file->count;
    if (memmem(text, length, "bpe_simple_vocab", 16))
        return md_bpe_read_openai(path, text, file->count, out, err);
    return read_beside_merges(path, out, err);
}

static tn_status read_file(const char *path, md_bpe **out, tn_error *err) {
    io_map file;
    TN_TRY(io_map_open(path, &file, err));
    tn_status status = read_bytes(path, &file, out, err);
    io_map_close(&file);
    return status;
}

static tn_status read_folder(const char *path, md_bpe **out, tn_error *err) {
    static const char *const name[] = {"tokenizer.json", "vocab.json",
                                       "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        char *file = NULL;
        TN_TRY(beside(path, true, name[i], &file, err));
        bool there = is_file(file);
        tn_status status = there ? read_file(file, out, err) : TN_OK;
        tn_free(file);
        if (there) return status;
    }
    return tn_fail(err, TN_EIO,
                   "%s: a folder without tokenizer.json, vocab.json or %s, expected one of them",
                   path, name[2]);
}

tn_status md_bpe_open(const char *path, md_bpe **out, tn_error *err) {
    struct stat info;
    tn_error unread; // readers prefix error texts, so they need an err
    if (!err) err = &unread;
    *out = NULL;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return read_folder(path, out, err);
    return read_file(path, out, err);
}
