// SPDX-License-Identifier: Apache-2.0
// Python's pickle, as far as PyTorch's weight files need it. The machine knows a list of opcodes
// and a list of globals. It builds values of the kinds below; it imports nothing and calls nothing.
// A global that is not on the list becomes a placeholder: its name and, if it is called, the
// arguments. An opcode that is not on the list is refused; the error names its position.
// docs.python.org/3/library/pickletools.html describes the opcodes.
#pragma once

#include "io/region.h"
#include "tensor/tensor.h"

#define IO_PICKLE_MAX ((size_t)16 << 20) // bytes of one pickle; a thousand tensors take 0.2 MB

typedef enum io_pickle_kind {
    IO_PK_NONE,
    IO_PK_BOOL,
    IO_PK_INT,
    IO_PK_REAL,
    IO_PK_LONG, // an integer beyond 64 bits: text holds its bytes, lowest first
    IO_PK_TEXT, // str and bytes
    IO_PK_TUPLE,
    IO_PK_LIST,
    IO_PK_DICT, // items are key, value, key, value, …; also OrderedDict
    IO_PK_GLOBAL,
    IO_PK_STORAGE,
    IO_PK_TENSOR,
    IO_PK_OBJECT,      // of a TorchScript class: items[0] is its state, if it was set
    IO_PK_CLASS,       // a global that is not on the list: text is its printable name, for errors
    IO_PK_PLACEHOLDER, // the result of calling such a global: items are the IO_PK_CLASS, then in
                       // order the arguments, states and items that it was given
    IO_PK_MARK,
} io_pickle_kind;

typedef struct io_value io_value;

// A reference to elements elsewhere in the file.
typedef struct io_storage {
    tn_dtype dtype;
    io_value *key; // IO_PK_TEXT
    int64_t count; // elements of the whole storage
    int64_t from,
        visible; // the part that it shows: elements [from, from+visible), inside the storage
} io_storage;

// The arguments of _rebuild_tensor, not checked yet.
typedef struct io_pickled_tensor {
    const io_storage *storage;
    int64_t offset;               // elements
    const io_value *dim, *stride; // IO_PK_TUPLE
} io_pickled_tensor;

struct io_value {
    uint8_t kind; // io_pickle_kind
    bool seen;    // visited by a search
    uint32_t
        which; // of a global: its index; of a class or a placeholder: the position of its opcode
    union {
        struct { // the largest member comes first, so that {0} clears all
            io_value **items;
            size_t count, capacity;
        };
        int64_t integer; // IO_PK_BOOL, IO_PK_INT
        double real;
        struct {
            const char *text; // in the pickle, without a 0 at its end
            size_t bytes;
        };
        io_storage *storage;
        io_pickled_tensor *tensor;
    };
};

typedef struct io_pickle {
    const char *path, *part; // for errors: "PATH: PART: byte N: …"
    const uint8_t *bytes;    // the stream, which must outlive the values
    size_t count, at;        // at: where the next pickle starts
    io_region *region;       // where values live
    bool script;             // knows the classes of __torch__ (TorchScript)
    io_storage **storages;   // all that occurred
    size_t storage_count, storage_capacity;
    tn_error *err;
    // For the running pickle:
    size_t start, opcode; // position of the pickle and of the current opcode
    io_value **stack, **memo;
    size_t depth, stack_capacity, memo_count, memo_capacity, puts, work;
} io_pickle;

// Runs the pickle at in->at and moves in->at behind it. TN_EFORMAT, TN_EUNSUPPORTED, TN_ENOMEM.
tn_status io_pickle_run(io_pickle *in, io_value **out);

bool io_value_is_text(const io_value *value, const char *text);
const io_value *io_value_get(const io_value *dict, const char *key); // NULL if absent

// Shared with io/weights/pickle_build.c.
tn_status io_pickle_fail(const io_pickle *in, tn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
io_value *io_pickle_new(io_pickle *in, io_pickle_kind kind); // NULL when memory is exhausted
tn_status io_pickle_out_of_memory(const io_pickle *in);
bool io_pickle_append(io_pickle *in, io_value *list, io_value *item);
// The value for a global: IO_PK_GLOBAL or IO_PK_CLASS.
tn_status io_pickle_global(io_pickle *in, const io_value *module, const io_value *name,
                           io_value **out);
tn_status io_pickle_reduce(io_pickle *in, io_value *function, io_value *arguments, io_value **out);
tn_status io_pickle_newobj(io_pickle *in, io_value *type, io_value *arguments, io_value **out);
tn_status io_pickle_persistent(io_pickle *in, io_value *id, io_value **out);
tn_status io_pickle_set_state(io_pickle *in, io_value *object, io_value *state);
