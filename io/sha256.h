// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), using the processor's SHA instructions if it has them.
#pragma once

#include "tensor/status.h"

#define IO_SHA256 32               // bytes of a digest
#define IO_SHA256_HEX (2 * 32 + 1) // its text in lower case, including the 0

// Incremental use: init, add any number of times, end.
typedef struct io_sha256 {
    uint32_t state[8];
    uint64_t count;    // bytes so far
    uint8_t block[64]; // the last count % 64 of them
} io_sha256;
void io_sha256_init(io_sha256 *hash);
void io_sha256_add(io_sha256 *hash, const void *bytes, size_t count);
void io_sha256_end(io_sha256 *hash, uint8_t out[IO_SHA256]);

// In one call. TN_EIO names the file.
void io_sha256_memory(const void *bytes, size_t count, uint8_t out[IO_SHA256]);
tn_status io_sha256_file(const char *path, uint8_t out[IO_SHA256], tn_error *err);

const char *io_sha256_text(const uint8_t digest[IO_SHA256], char out[IO_SHA256_HEX]);

// An implementation: hashes `blocks` blocks of 64 bytes into state.
typedef void io_sha256_blocks(uint32_t state[8], const uint8_t *bytes, size_t blocks);
io_sha256_blocks io_sha256_portable;
// The implementation with SHA instructions; NULL if this processor has none.
io_sha256_blocks *io_sha256_instructions(void);
