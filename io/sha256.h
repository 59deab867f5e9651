// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), by libcrypto.
#pragma once

#include "tensor/status.h"

#define IO_SHA256 32               // bytes of a digest
#define IO_SHA256_HEX (2 * 32 + 1) // its text, lower case, with its end

// Piece by piece. After open succeeded, exactly one of end and abort; add may not be called when
// it has failed once.
typedef struct io_sha256 {
    void *context;
} io_sha256;
tn_status io_sha256_open(io_sha256 *hash, tn_error *err);
tn_status io_sha256_add(io_sha256 *hash, const void *bytes, size_t count, tn_error *err);
tn_status io_sha256_end(io_sha256 *hash, uint8_t out[IO_SHA256], tn_error *err);
void io_sha256_abort(io_sha256 *hash);

// All at once. TN_EIO names the file; TN_ENOMEM.
tn_status io_sha256_memory(const void *bytes, size_t count, uint8_t out[IO_SHA256], tn_error *err);
tn_status io_sha256_file(const char *path, uint8_t out[IO_SHA256], tn_error *err);

const char *io_sha256_text(const uint8_t digest[IO_SHA256], char out[IO_SHA256_HEX]);
