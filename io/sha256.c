// SPDX-License-Identifier: Apache-2.0
#include "io/sha256.h"

#include "io/file.h"

#include <openssl/evp.h>

static tn_status refused(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "libcrypto could not compute a SHA-256");
}

tn_status io_sha256_open(io_sha256 *hash, tn_error *err) {
    hash->context = EVP_MD_CTX_new();
    if (hash->context && EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL)) return TN_OK;
    io_sha256_abort(hash);
    return refused(err);
}

tn_status io_sha256_add(io_sha256 *hash, const void *bytes, size_t count, tn_error *err) {
    return count == 0 || EVP_DigestUpdate(hash->context, bytes, count) ? TN_OK : refused(err);
}

tn_status io_sha256_end(io_sha256 *hash, uint8_t out[IO_SHA256], tn_error *err) {
    unsigned length = 0;
    bool done = EVP_DigestFinal_ex(hash->context, out, &length);
    io_sha256_abort(hash);
    return done && length == IO_SHA256 ? TN_OK : refused(err);
}

void io_sha256_abort(io_sha256 *hash) {
    EVP_MD_CTX_free(hash->context);
    hash->context = NULL;
}

tn_status io_sha256_memory(const void *bytes, size_t count, uint8_t out[IO_SHA256], tn_error *err) {
    io_sha256 hash;
    TN_TRY(io_sha256_open(&hash, err));
    tn_status status = io_sha256_add(&hash, bytes, count, err);
    if (status == TN_OK) return io_sha256_end(&hash, out, err);
    io_sha256_abort(&hash);
    return status;
}

tn_status io_sha256_file(const char *path, uint8_t out[IO_SHA256], tn_error *err) {
    io_map map;
    TN_TRY(io_map_open(path, &map, err));
    tn_status status = io_sha256_memory(map.bytes, map.count, out, err);
    if (status != TN_OK) tn_fail_prefix(err, "%s", path);
    io_map_close(&map);
    return status;
}

const char *io_sha256_text(const uint8_t digest[IO_SHA256], char out[IO_SHA256_HEX]) {
    for (size_t i = 0; i < IO_SHA256; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return out;
}
