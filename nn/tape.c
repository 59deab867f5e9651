// SPDX-License-Identifier: Apache-2.0
#include "nn/tape.h"

#include "kernels/kernels.h"

#include <string.h>

#define MAX_OUTPUTS 2

typedef struct record {
    struct record *before;
    nn_backward *run;
    uintptr_t output[MAX_OUTPUTS];
    int outputs;
    size_t top; // mark of the step arena: what the record needs lies below
} record;
#define SAVED_AT ((sizeof(record) + 15) / 16 * 16)

// An activation whose gradient is wanted.
typedef struct activation {
    uintptr_t base;
    size_t bytes;
    void *grad;      // NULL: no gradient yet
    size_t capacity; // of grad
    bool keep;       // grad outlives its record's backward run
} activation;

// A gradient lives from its first use until the record that made the activation has run; then its
// memory is reused for the next one. This halves the memory of training. With
// nn_tape_backward_in_place, the memory of activations that no record needs any more is used before
// new memory.
typedef struct block {
    void *at;
    size_t capacity;
} block;

struct nn_tape {
    tn_arena records, grads;
    record *last;
    int64_t count;
    activation *activation; // sorted by address
    int64_t activations, activation_capacity;
    block *spare;
    int64_t spares, spare_capacity;
    tn_tensor *relu; // outputs of ReLUs
    int64_t relus, relu_capacity;
    char *freed_low, *freed_high; // freed part of the step arena, for gradients
    bool list_relus, out_of_memory;
};

tn_status nn_tape_new(nn_tape **out, tn_error *err) {
    nn_tape *tape = tn_alloc_zero(1, sizeof *tape);
    if (!tape) return tn_fail(err, TN_ENOMEM, "out of memory for a tape");
    tn_status status = tn_arena_init(&tape->records, (size_t)1 << 30, err);
    if (status == TN_OK) status = tn_arena_init_large(&tape->grads, err);
    if (status != TN_OK) {
        nn_tape_free(tape);
        return status;
    }
    *out = tape;
    return TN_OK;
}

void nn_tape_free(nn_tape *tape) {
    if (!tape) return;
    tn_arena_deinit(&tape->records);
    tn_arena_deinit(&tape->grads);
    tn_free(tape->activation);
    tn_free(tape->spare);
    tn_free(tape->relu);
    tn_free(tape);
}

void nn_tape_reset(nn_tape *tape) {
    tn_arena_reset(&tape->records, 0);
    tn_arena_reset(&tape->grads, 0);
    tape->last = NULL;
    tape->count = tape->activations = tape->spares = tape->relus = 0;
    tape->freed_low = tape->freed_high = NULL;
    tape->list_relus = tape->out_of_memory = false;
}

int64_t nn_tape_records(const nn_tape *tape) {
    return tape->count;
}

size_t nn_tape_bytes(const nn_tape *tape) {
    return tape->grads.peak;
}

void nn_tape_out_of_memory(nn_ctx *cx) {
    cx->tape->out_of_memory = true;
}

// ---- activations ------------------------------------------------------------------------------

// Number of activations that begin at or before `at`.
static int64_t count_before(const nn_tape *tape, uintptr_t at) {
    int64_t low = 0, high = tape->activations;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (tape->activation[middle].base <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The activation that x is, or is a part of; NULL if none.
static activation *find(const nn_tape *tape, const tn_tensor *x) {
    uintptr_t at = (uintptr_t)x->data;
    size_t bytes = tn_bytes(x);
    int64_t next = count_before(tape, at);
    bool cut = bytes && next < tape->activations && tape->activation[next].base < at + bytes;
    if (next > 0 && bytes) {
        activation *a = &tape->activation[next - 1];
        if (at + bytes <= a->base + a->bytes) return a;
        cut = cut || at < a->base + a->bytes;
    }
    TN_CHECK(!cut, "a tensor of %zu bytes lies across outputs: join them with nn_concat_rows",
             bytes);
    return NULL;
}

// Makes space for one more element of a heap array.
static bool grow(void **list, int64_t *capacity, int64_t count, size_t size) {
    if (count < *capacity) return true;
    int64_t more = *capacity ? 2 * *capacity : 256;
    void *grown = tn_realloc(*list, (size_t)*capacity * size, (size_t)more * size);
    if (!grown) return false;
    *list = grown;
    *capacity = more;
    return true;
}

static activation *insert(nn_tape *tape, const tn_tensor *x) {
    if (!grow((void **)&tape->activation, &tape->activation_capacity, tape->activations,
              sizeof *tape->activation)) {
        tape->out_of_memory = true;
        return NULL;
    }
    int64_t at = count_before(tape, (uintptr_t)x->data);
    activation *a = tape->activation + at;
    memmove(a + 1, a, (size_t)(tape->activations++ - at) * sizeof *a);
    *a = (activation){.base = (uintptr_t)x->data, .bytes = tn_bytes(x)};
    return a;
}

bool nn_tape_wants(const nn_ctx *cx, const tn_tensor *x) {
    return cx->tape && tn_bytes(x) && find(cx->tape, x);
}

void nn_tape_watch(nn_ctx *cx, const tn_tensor *x) {
    if (tn_bytes(x) == 0) return;
    activation *a = find(cx->tape, x);
    if (!a) a = insert(cx->tape, x);
    if (a) a->keep = true;
}

// ---- ReLUs ------------------------------------------------------------------------------------

void nn_tape_list_relus(nn_tape *tape) {
    tape->list_relus = true;
}

void nn_tape_relu(nn_ctx *cx, const tn_tensor *y) {
    nn_tape *tape = cx->tape;
    if (!tape->list_relus || !tn_bytes(y)) return;
    if (grow((void **)&tape->relu, &tape->relu_capacity, tape->relus, sizeof *tape->relu))
        tape->relu[tape->relus++] = *y;
    else
        tape->out_of_memory = true;
}

const tn_tensor *nn_tape_relus(const nn_tape *tape, int64_t *count) {
    *count = tape->relus;
    return tape->relu;
}

// ---- memory of gradients ----------------------------------------------------------------------

// From the end of the freed memory, which grows at its start.
static void *take_freed(nn_tape *tape, size_t bytes) {
    size_t whole = (bytes + TN_ALIGN - 1) / TN_ALIGN * TN_ALIGN;
    if ((size_t)(tape->freed_high - tape->freed_low) < whole) return NULL;
    return tape->freed_high -= whole;
}

// The smallest spare block that is large enough and at most twice the size.
static void *new_grad(nn_tape *tape, size_t bytes, size_t *capacity) {
    int64_t best = -1;
    for (int64_t i = 0; i < tape->spares; i++)
        if (tape->spare[i].capacity >= bytes && tape->spare[i].capacity / 2 <= bytes &&
            (best < 0 || tape->spare[i].capacity < tape->spare[best].capacity))
            best = i;
    if (best < 0) {
        *capacity = bytes;
        void *freed = take_freed(tape, bytes);
        return freed ? freed : tn_arena_alloc(&tape->grads, bytes);
    }
    void *at = tape->spare[best].at;
    *capacity = tape->spare[best].capacity;
    tape->spare[best] = tape->spare[--tape->spares];
    return at;
}

static void release(nn_tape *tape, activation *a) {
    if (!a || a->keep || !a->grad) return;
    // If the list cannot grow, the block is just not reused.
    if (grow((void **)&tape->spare, &tape->spare_capacity, tape->spares, sizeof *tape->spare))
        tape->spare[tape->spares++] = (block){a->grad, a->capacity};
    a->grad = NULL;
}

static tn_status no_memory(nn_ctx *cx, const tn_tensor *x) {
    char shape[128];
    return tn_fail(cx->err, TN_ENOMEM, "out of memory for a gradient of %s",
                   tn_shape_text(x->rank, x->dim, shape, sizeof shape));
}

// The part of a gradient that belongs to x.
static tn_tensor part(const activation *a, const tn_tensor *x) {
    return tn_view((char *)a->grad + ((uintptr_t)x->data - a->base), x->dtype, x->rank, x->dim);
}

tn_status nn_tape_input_grad(nn_ctx *cx, const tn_tensor *x, double *beta, tn_tensor *dx) {
    activation *a = find(cx->tape, x);
    TN_CHECK(a, "no gradient of this tensor is wanted");
    *beta = a->grad ? 1 : 0;
    if (!a->grad) {
        a->grad = new_grad(cx->tape, a->bytes, &a->capacity);
        if (!a->grad) return no_memory(cx, x);
        if (tn_bytes(x) < a->bytes) { // the other parts may get no gradient
            memset(a->grad, 0, a->bytes);
            *beta = 1;
        }
    }
    *dx = part(a, x);
    return TN_OK;
}

tn_status nn_tape_both_grads(nn_ctx *cx, const tn_tensor *y, const tn_tensor *x, tn_tensor *dy,
                             double *beta, tn_tensor *dx) {
    *dx = tn_view(NULL, x->dtype, x->rank, x->dim);
    *beta = 0;
    TN_TRY(nn_tape_output_grad(cx, y, dy));
    return dy->data && nn_tape_wants(cx, x) ? nn_tape_input_grad(cx, x, beta, dx) : TN_OK;
}

tn_status nn_tape_add_gradient(nn_ctx *cx, const tn_tensor *x, const tn_tensor *dy) {
    double beta;
    tn_tensor dx;
    if (!nn_tape_wants(cx, x)) return TN_OK;
    TN_TRY(nn_tape_input_grad(cx, x, &beta, &dx));
    tn_tensor same = tn_reshape(dy, dx.rank, dx.dim);
    kn_axpby(cx->kn, 1, &same, beta, &dx);
    return TN_OK;
}

tn_status nn_tape_output_grad(nn_ctx *cx, const tn_tensor *y, tn_tensor *dy) {
    activation *a = find(cx->tape, y);
    *dy = tn_view(NULL, y->dtype, y->rank, y->dim);
    if (!a || !a->grad) return TN_OK;
    if (!a->keep) {
        *dy = part(a, y);
        return TN_OK;
    }
    TN_TRY(tn_new(cx->step, dy, y->dtype, y->rank, y->dim, cx->err));
    memcpy(dy->data, a->grad, a->bytes);
    return TN_OK;
}

bool nn_tape_watched_grad(const nn_ctx *cx, const tn_tensor *x, tn_tensor *dx) {
    activation *a = find(cx->tape, x);
    if (!a || !a->grad) return false;
    *dx = part(a, x);
    return true;
}

// ---- records ----------------------------------------------------------------------------------

static void add_output(nn_tape *tape, record *r, const tn_tensor *y) {
    TN_CHECK(!find(tape, y),
             "an output overlaps another: nothing may be done in place under a tape");
    TN_CHECK(r->outputs < MAX_OUTPUTS, "more than %d outputs", MAX_OUTPUTS);
    if (insert(tape, y)) r->output[r->outputs++] = (uintptr_t)y->data;
}

void nn_tape_push(nn_ctx *cx, nn_backward *run, const void *saved, size_t bytes,
                  const tn_tensor *y) {
    nn_tape *tape = cx->tape;
    if (y && tn_bytes(y) == 0) return;
    char *memory = tn_arena_alloc(&tape->records, SAVED_AT + bytes);
    if (!memory) {
        tape->out_of_memory = true;
        return;
    }
    record *r = (record *)memory;
    *r = (record){.before = tape->last, .run = run, .top = tn_arena_mark(cx->step)};
    memcpy(memory + SAVED_AT, saved, bytes);
    tape->last = r;
    tape->count++;
    if (y) add_output(tape, r, y);
}

void nn_tape_add_output(nn_ctx *cx, const tn_tensor *y) {
    if (!tn_bytes(y) || cx->tape->out_of_memory) return;
    add_output(cx->tape, cx->tape->last, y);
    cx->tape->last->top = tn_arena_mark(cx->step);
}

tn_status nn_tape_loss_grad(nn_ctx *cx, const tn_tensor *x, tn_tensor *dx) {
    double beta = 0;
    activation *a = cx->tape && tn_bytes(x) ? find(cx->tape, x) : NULL;
    if (!a) return tn_new(cx->step, dx, x->dtype, x->rank, x->dim, cx->err);
    TN_CHECK(!a->grad || tn_bytes(x) < a->bytes, "a second loss on one output");
    return nn_tape_input_grad(cx, x, &beta, dx);
}

static tn_status run_backward(nn_ctx *cx, bool in_place) {
    nn_tape *tape = cx->tape;
    if (tape->out_of_memory)
        return tn_fail(cx->err, TN_ENOMEM, "out of memory for the tape of a training step");
    if (in_place) tape->freed_high = cx->step->base + tn_arena_mark(cx->step) / TN_ALIGN * TN_ALIGN;
    for (; tape->last; tape->last = tape->last->before) {
        record *r = tape->last;
        if (in_place) tape->freed_low = cx->step->base + r->top;
        size_t mark = tn_arena_mark(cx->step);
        TN_TRY(r->run(cx, (const char *)r + SAVED_AT));
        tn_arena_reset(cx->step, mark);
        for (int i = 0; i < r->outputs; i++)
            release(tape, &tape->activation[count_before(tape, r->output[i]) - 1]);
    }
    return TN_OK;
}

tn_status nn_tape_backward(nn_ctx *cx) {
    return run_backward(cx, false);
}

tn_status nn_tape_backward_in_place(nn_ctx *cx) {
    return run_backward(cx, true);
}

// ---- scopes -----------------------------------------------------------------------------------

nn_scope nn_scope_enter(const nn_ctx *cx) {
    return (nn_scope){tn_arena_mark(cx->step), cx->tape ? cx->tape->count : 0};
}

void nn_scope_leave(nn_ctx *cx, nn_scope scope) {
    if (!cx->tape || cx->tape->count == scope.records) tn_arena_reset(cx->step, scope.mark);
}
