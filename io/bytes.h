// SPDX-License-Identifier: Apache-2.0
// Numbers in files, at any alignment. Files of another byte order are refused beforehand.
#pragma once

#include <stdint.h>

static inline uint16_t io_le16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t io_le32(const uint8_t *p) {
    return io_le16(p) | (uint32_t)io_le16(p + 2) << 16;
}
static inline uint64_t io_le64(const uint8_t *p) {
    return io_le32(p) | (uint64_t)io_le32(p + 4) << 32;
}
