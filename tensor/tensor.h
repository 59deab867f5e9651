// SPDX-License-Identifier: Apache-2.0
// A tensor is a shape, a type and a pointer. It is always contiguous with the last dimension
// fastest; activations are channels-last, [N,H,W,C] and [N,L,C]. It never owns its memory.
//
// Letters in shapes: N batch, H height, W width, C channels, K output channels, R regions, L
// tokens, D embedding, T classes.
#pragma once

#include "tensor/alloc.h"

#define TN_MAX_RANK 6

typedef enum tn_dtype {
    TN_F32,
    TN_F64,
    TN_F16,
    TN_BF16,
    TN_U8,
    TN_I8,
    TN_I16,
    TN_I32,
    TN_I64,
    TN_BOOL,
    TN_DTYPES
} tn_dtype;

typedef enum tn_device { TN_HOST, TN_CUDA } tn_device; // the memory that data points into

typedef struct tn_tensor {
    tn_dtype dtype;
    tn_device device;
    int rank;
    int64_t dim[TN_MAX_RANK];
    void *data;
} tn_tensor;

size_t tn_dtype_size(tn_dtype dtype);      // bytes of one element
const char *tn_dtype_name(tn_dtype dtype); // "float32", "bfloat16", …

// A shape as an argument: tn_new(arena, &y, TN_F32, TN_DIMS(n, h, w, c), err).
#define TN_DIMS(...)                                                                               \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) {                 \
        __VA_ARGS__                                                                                \
    }

// False when a dimension is negative or the product overflows.
bool tn_count_checked(int rank, const int64_t *dim, size_t *count);
int64_t tn_count(const tn_tensor *t); // elements
size_t tn_bytes(const tn_tensor *t);  // bytes
int64_t tn_rows(const tn_tensor *t);  // elements / last dimension: [rows, C] as GEMM sees it
static inline int64_t tn_last(const tn_tensor *t) {
    return t->rank ? t->dim[t->rank - 1] : 1;
}

// A tensor over memory that is owned elsewhere.
tn_tensor tn_view(void *data, tn_dtype dtype, int rank, const int64_t *dim);
// The same memory with another shape of the same number of elements.
tn_tensor tn_reshape(const tn_tensor *t, int rank, const int64_t *dim);
// Rows [from, from+count) of the first dimension.
tn_tensor tn_slice(const tn_tensor *t, int64_t from, int64_t count);

// Uninitialised memory from the arena (host). TN_ENOMEM names the shape.
tn_status tn_new(tn_arena *arena, tn_tensor *out, tn_dtype dtype, int rank, const int64_t *dim,
                 tn_error *err);
// Moves tensors of the arena that lie above mark down to it, in order of address, and frees
// everything else above mark: for results whose size is known only after temporaries were
// allocated. Tensors without data are skipped; no two may share memory. At most TN_MAX_KEPT
// tensors.
#define TN_MAX_KEPT 64
void tn_arena_keep(tn_arena *arena, size_t mark, tn_tensor *const *tensors, int count);
// Allocated with tn_alloc; release with tn_free(t.data).
tn_status tn_new_heap(tn_tensor *out, tn_dtype dtype, int rank, const int64_t *dim, tn_error *err);

bool tn_same_shape(const tn_tensor *a, const tn_tensor *b);
bool tn_has_shape(const tn_tensor *t, int rank, const int64_t *dim); // -1 matches any size
// Writes "[1,3,224,224]" to text; returns text, for use inside a message.
const char *tn_shape_text(int rank, const int64_t *dim, char *text, size_t bytes);

static inline float *tn_f32(const tn_tensor *t) {
    TN_CHECK(t->dtype == TN_F32, "tensor is %s", tn_dtype_name(t->dtype));
    return t->data;
}
static inline uint8_t *tn_u8(const tn_tensor *t) {
    TN_CHECK(t->dtype == TN_U8 || t->dtype == TN_BOOL, "tensor is %s", tn_dtype_name(t->dtype));
    return t->data;
}
static inline int32_t *tn_i32(const tn_tensor *t) {
    TN_CHECK(t->dtype == TN_I32, "tensor is %s", tn_dtype_name(t->dtype));
    return t->data;
}

// Converts count elements, rounding to nearest even. Both sides may be F32, F64, F16, BF16 or an
// integer type (integers saturate). from and to must not overlap.
void tn_convert(const void *from, tn_dtype from_type, void *to, tn_dtype to_type, size_t count);
