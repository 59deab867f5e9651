// SPDX-License-Identifier: Apache-2.0
// File format: magic, D, number of entries; then per entry the length of its text, the text, D
// floats; then the SHA-256 of all that. Numbers are little-endian 32-bit.
#include "models/names/text_cache.h"

#include "io/file.h"

#include <string.h>

static const char magic[8] = "lexmtxt1";

static bool grow(md_text_cache *cache) {
    if (cache->count < cache->capacity) return true;
    int64_t capacity = cache->capacity ? 2 * cache->capacity : 64;
    size_t row = (size_t)cache->width * sizeof(float);
    char **text = tn_realloc(cache->text, (size_t)cache->count * sizeof *text,
                             (size_t)capacity * sizeof *text);
    if (text) cache->text = text;
    float *value =
        text ? tn_realloc(cache->value, (size_t)cache->count * row, (size_t)capacity * row) : NULL;
    if (!value) return false;
    cache->value = value;
    cache->capacity = capacity;
    return true;
}

static bool append(md_text_cache *cache, const char *text, size_t length, const void *value) {
    char *copy = grow(cache) ? tn_alloc(length + 1) : NULL;
    if (!copy) return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    cache->text[cache->count] = copy;
    memcpy(cache->value + cache->count * cache->width, value, (size_t)cache->width * sizeof(float));
    cache->count++;
    return true;
}

static uint32_t number_at(const uint8_t *bytes) {
    uint32_t number;
    memcpy(&number, bytes, sizeof number);
    return number;
}

// Accepts the file only if it is valid up to its last byte; otherwise it is treated as empty.
static bool parse(md_text_cache *cache, const io_map *map) {
    const size_t head = sizeof magic + 8;
    uint8_t digest[IO_SHA256];
    if (map->count < head + IO_SHA256 || memcmp(map->bytes, magic, sizeof magic)) return false;
    size_t end = map->count - IO_SHA256, at = head, row = (size_t)cache->width * sizeof(float);
    io_sha256_memory(map->bytes, end, digest);
    if (memcmp(digest, map->bytes + end, IO_SHA256) ||
        number_at(map->bytes + sizeof magic) != (uint32_t)cache->width)
        return false;
    uint32_t count = number_at(map->bytes + sizeof magic + 4);
    for (uint32_t i = 0; i < count; i++) {
        if (end - at < 4) return false;
        size_t length = number_at(map->bytes + at);
        at += 4;
        if (end - at < row || end - at - row < length) return false;
        const char *text = (const char *)map->bytes + at;
        if (!append(cache, text, length, text + length)) return false;
        at += length + row;
    }
    return at == end;
}

static void drop_all(md_text_cache *cache) {
    for (int64_t i = 0; i < cache->count; i++) tn_free(cache->text[i]);
    cache->count = 0;
}

tn_status md_text_cache_open(const char *folder, const uint8_t key[IO_SHA256], int64_t width,
                             md_text_cache *out, tn_error *err) {
    *out = (md_text_cache){.width = width};
    char hex[IO_SHA256_HEX];
    io_sha256_text(key, hex);
    if (snprintf(out->path, sizeof out->path, "%s/text-%.32s", folder, hex) >=
        (int)sizeof out->path)
        return tn_fail(err, TN_EINVAL, "%s: the path is too long", folder);
    io_map map;
    if (io_map_open(out->path, &map, NULL) != TN_OK) return TN_OK;
    if (!parse(out, &map)) drop_all(out);
    io_map_close(&map);
    return TN_OK;
}

void md_text_cache_close(md_text_cache *cache) {
    drop_all(cache);
    tn_free(cache->text);
    tn_free(cache->value);
    *cache = (md_text_cache){0};
}

const float *md_text_cache_find(const md_text_cache *cache, const char *text) {
    for (int64_t i = 0; i < cache->count; i++)
        if (!strcmp(cache->text[i], text)) return cache->value + i * cache->width;
    return NULL;
}

tn_status md_text_cache_add(md_text_cache *cache, const char *text, const float *value,
                            tn_error *err) {
    if (!append(cache, text, strlen(text), value))
        return tn_fail(err, TN_ENOMEM, "out of memory for text embeddings");
    cache->fresh++;
    return TN_OK;
}

static tn_status put(io_writer *writer, io_sha256 *hash, const void *bytes, size_t count,
                     tn_error *err) {
    io_sha256_add(hash, bytes, count);
    return io_write(writer, bytes, count, err);
}

static tn_status put_all(const md_text_cache *cache, io_writer *writer, io_sha256 *hash,
                         tn_error *err) {
    uint32_t head[2] = {(uint32_t)cache->width, (uint32_t)cache->count};
    TN_TRY(put(writer, hash, magic, sizeof magic, err));
    TN_TRY(put(writer, hash, head, sizeof head, err));
    for (int64_t i = 0; i < cache->count; i++) {
        uint32_t length = (uint32_t)strlen(cache->text[i]);
        TN_TRY(put(writer, hash, &length, sizeof length, err));
        TN_TRY(put(writer, hash, cache->text[i], length, err));
        TN_TRY(put(writer, hash, cache->value + i * cache->width,
                   (size_t)cache->width * sizeof(float), err));
    }
    return TN_OK;
}

tn_status md_text_cache_save(md_text_cache *cache, tn_error *err) {
    if (!cache->fresh) return TN_OK;
    char folder[sizeof cache->path];
    memcpy(folder, cache->path, sizeof folder);
    *strrchr(folder, '/') = 0;
    io_writer writer;
    io_sha256 hash;
    uint8_t digest[IO_SHA256];
    TN_TRY(io_make_folder(folder, err));
    TN_TRY(io_writer_open(&writer, cache->path, err));
    io_sha256_init(&hash);
    tn_status status = put_all(cache, &writer, &hash, err);
    io_sha256_end(&hash, digest);
    if (status == TN_OK) status = io_write(&writer, digest, sizeof digest, err);
    if (status == TN_OK) return io_writer_commit(&writer, err);
    io_writer_abort(&writer);
    return status;
}
