// SPDX-License-Identifier: Apache-2.0
// The pickle machine: stack, memo and opcodes. pickle_build.c handles globals and calls.
#include "io/weights/pickle.h"

#include "io/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

tn_status io_pickle_fail(const io_pickle *in, tn_status status, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return tn_fail(in->err, status, "%s: %s: byte %zu: %s", in->path, in->part, in->opcode, text);
}

tn_status io_pickle_out_of_memory(const io_pickle *in) {
    return io_pickle_fail(in, TN_ENOMEM, "out of memory");
}

io_value *io_pickle_new(io_pickle *in, io_pickle_kind kind) {
    io_value *value = io_region_alloc(in->region, sizeof *value);
    if (value) *value = (io_value){.kind = (uint8_t)kind};
    return value;
}

bool io_pickle_append(io_pickle *in, io_value *list, io_value *item) {
    void *items = list->items;
    if (!io_region_grow(in->region, &items, list->count, &list->capacity, sizeof item))
        return false;
    list->items = items;
    list->items[list->count++] = item;
    return true;
}

bool io_value_is_text(const io_value *value, const char *text) {
    return value->kind == IO_PK_TEXT && value->bytes == strlen(text) &&
           memcmp(value->text, text, value->bytes) == 0;
}

const io_value *io_value_get(const io_value *dict, const char *key) {
    for (size_t i = 0; i + 1 < dict->count; i += 2)
        if (io_value_is_text(dict->items[i], key)) return dict->items[i + 1];
    return NULL;
}

// ---- the stream

static tn_status take(io_pickle *in, size_t n, const uint8_t **out) {
    if (n > in->count - in->at)
        return io_pickle_fail(in, TN_EFORMAT, "the pickle is truncated, %zu bytes are missing",
                              n - (in->count - in->at));
    *out = in->bytes + in->at;
    in->at += n;
    if (in->at - in->start > IO_PICKLE_MAX)
        return io_pickle_fail(in, TN_EUNSUPPORTED, "the pickle is longer than %zu bytes",
                              IO_PICKLE_MAX);
    return TN_OK;
}

// A little-endian number of 1, 2, 4 or 8 bytes.
static tn_status take_number(io_pickle *in, size_t bytes, uint64_t *out) {
    const uint8_t *p = NULL;
    TN_TRY(take(in, bytes, &p));
    *out = 0;
    for (size_t i = bytes; i-- > 0;) *out = *out << 8 | p[i];
    return TN_OK;
}

// The rest of a line; the opcode GLOBAL has two.
static tn_status take_line(io_pickle *in, io_value *text) {
    const uint8_t *start = in->bytes + in->at, *p = NULL;
    const uint8_t *end = memchr(start, '\n', in->count - in->at);
    TN_TRY(take(in, end ? (size_t)(end - start) + 1 : in->count - in->at + 1, &p));
    *text = (io_value){.kind = IO_PK_TEXT, .text = (const char *)p, .bytes = (size_t)(end - start)};
    return TN_OK;
}

// ---- the stack

static tn_status push(io_pickle *in, io_value *value) {
    void *stack = in->stack;
    if (!value || !io_region_grow(in->region, &stack, in->depth, &in->stack_capacity, sizeof value))
        return io_pickle_out_of_memory(in);
    in->stack = stack;
    in->stack[in->depth++] = value;
    return TN_OK;
}

static tn_status pop(io_pickle *in, io_value **out) {
    if (in->depth == 0 || in->stack[in->depth - 1]->kind == IO_PK_MARK)
        return io_pickle_fail(in, TN_EFORMAT, "the stack is empty");
    *out = in->stack[--in->depth];
    return TN_OK;
}

// The top of the stack, which stays.
static tn_status peek(const io_pickle *in, io_value **out) {
    if (in->depth == 0 || in->stack[in->depth - 1]->kind == IO_PK_MARK)
        return io_pickle_fail(in, TN_EFORMAT, "the stack is empty");
    *out = in->stack[in->depth - 1];
    return TN_OK;
}

// Pops everything above the topmost mark, and the mark. The items are valid until the next push.
static tn_status pop_to_mark(io_pickle *in, io_value ***items, size_t *count) {
    size_t at = in->depth;
    while (at > 0 && in->stack[at - 1]->kind != IO_PK_MARK) at--;
    if (at == 0) return io_pickle_fail(in, TN_EFORMAT, "there is no mark on the stack");
    *items = in->stack + at;
    *count = in->depth - at;
    in->depth = at - 1;
    return TN_OK;
}

// ---- the memo

static tn_status put_memo(io_pickle *in, uint64_t index) {
    io_value *value = NULL;
    TN_TRY(peek(in, &value));
    // Writers number their entries consecutively, so a far index is an attack on memory.
    if (index > 2 * in->puts + 1024)
        return io_pickle_fail(in, TN_EFORMAT, "memo %llu after %zu entries",
                              (unsigned long long)index, in->puts);
    in->puts++;
    while (in->memo_count <= index) {
        void *memo = in->memo;
        if (!io_region_grow(in->region, &memo, in->memo_count, &in->memo_capacity, sizeof value))
            return io_pickle_out_of_memory(in);
        in->memo = memo;
        in->memo[in->memo_count++] = NULL;
    }
    in->memo[index] = value;
    return TN_OK;
}

static tn_status get_memo(io_pickle *in, uint64_t index) {
    if (index >= in->memo_count || !in->memo[index])
        return io_pickle_fail(in, TN_EFORMAT, "memo %llu was never set", (unsigned long long)index);
    return push(in, in->memo[index]);
}

// ---- values

static tn_status push_kind(io_pickle *in, io_pickle_kind kind) {
    return push(in, io_pickle_new(in, kind));
}

static tn_status push_integer(io_pickle *in, io_pickle_kind kind, int64_t integer) {
    io_value *value = io_pickle_new(in, kind);
    if (value) value->integer = integer;
    return push(in, value);
}

static tn_status push_text(io_pickle *in, io_pickle_kind kind, uint64_t bytes) {
    const uint8_t *p = NULL;
    TN_TRY(take(in, bytes < in->count ? (size_t)bytes : in->count + 1, &p));
    io_value *value = io_pickle_new(in, kind);
    if (value) value->text = (const char *)p, value->bytes = (size_t)bytes;
    return push(in, value);
}

// A string preceded by its length of length_bytes bytes.
static tn_status push_counted(io_pickle *in, size_t length_bytes) {
    uint64_t bytes = 0;
    TN_TRY(take_number(in, length_bytes, &bytes));
    return push_text(in, IO_PK_TEXT, bytes);
}

static tn_status push_unsigned(io_pickle *in, size_t bytes) {
    uint64_t number = 0;
    TN_TRY(take_number(in, bytes, &number));
    return push_integer(in, IO_PK_INT, (int64_t)number);
}

static tn_status push_signed(io_pickle *in) {
    uint64_t number = 0;
    TN_TRY(take_number(in, 4, &number));
    return push_integer(in, IO_PK_INT, (int32_t)(uint32_t)number);
}

// Two's complement of any length, lowest byte first.
static tn_status push_long(io_pickle *in, size_t length_bytes) {
    uint64_t bytes = 0, bits = 0;
    TN_TRY(take_number(in, length_bytes, &bytes));
    if (bytes > 8) return push_text(in, IO_PK_LONG, bytes);
    const uint8_t *p = NULL;
    TN_TRY(take(in, (size_t)bytes, &p));
    if (bytes && p[bytes - 1] & 0x80) bits = ~(uint64_t)0;
    for (size_t i = (size_t)bytes; i-- > 0;) bits = bits << 8 | p[i];
    return push_integer(in, IO_PK_INT, (int64_t)bits);
}

static tn_status push_real(io_pickle *in) {
    const uint8_t *p = NULL;
    uint64_t bits = 0;
    TN_TRY(take(in, 8, &p));
    for (int i = 0; i < 8; i++) bits = bits << 8 | p[i]; // the only big-endian number
    io_value *value = io_pickle_new(in, IO_PK_REAL);
    if (value) memcpy(&value->real, &bits, sizeof bits);
    return push(in, value);
}

static tn_status add_items(io_pickle *in, io_value *to, io_value **items, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!io_pickle_append(in, to, items[i])) return io_pickle_out_of_memory(in);
    return TN_OK;
}

static tn_status push_tuple(io_pickle *in, io_value **items, size_t count) {
    io_value *tuple = io_pickle_new(in, IO_PK_TUPLE);
    if (!tuple) return io_pickle_out_of_memory(in);
    TN_TRY(add_items(in, tuple, items, count));
    return push(in, tuple);
}

static tn_status push_marked_tuple(io_pickle *in) {
    io_value **items;
    size_t count;
    TN_TRY(pop_to_mark(in, &items, &count));
    return push_tuple(in, items, count);
}

static tn_status push_small_tuple(io_pickle *in, size_t count) {
    io_value *items[3];
    for (size_t i = count; i-- > 0;) TN_TRY(pop(in, &items[i]));
    return push_tuple(in, items, count);
}

static tn_status add_to(io_pickle *in, io_pickle_kind kind, io_value **items, size_t count) {
    io_value *to = NULL;
    TN_TRY(peek(in, &to));
    bool takes = to->kind == kind ||
                 to->kind == IO_PK_PLACEHOLDER; // a placeholder may be a subclass of list or dict
    if (!takes || (kind == IO_PK_DICT && count % 2))
        return io_pickle_fail(in, TN_EFORMAT, "items for a %s, but the value is none",
                              kind == IO_PK_LIST ? "list" : "dictionary");
    return add_items(in, to, items, count);
}

static tn_status add_few(io_pickle *in, io_pickle_kind kind, size_t count) {
    io_value *items[2];
    for (size_t i = count; i-- > 0;) TN_TRY(pop(in, &items[i]));
    return add_to(in, kind, items, count);
}

static tn_status add_marked(io_pickle *in, io_pickle_kind kind) {
    io_value **items;
    size_t count;
    TN_TRY(pop_to_mark(in, &items, &count));
    return add_to(in, kind, items, count);
}

static tn_status push_global(io_pickle *in, bool from_stack) {
    io_value lines[2], *module = &lines[0], *name = &lines[1], *value = NULL;
    if (from_stack) {
        TN_TRY(pop(in, &name));
        TN_TRY(pop(in, &module));
    } else {
        TN_TRY(take_line(in, module));
        TN_TRY(take_line(in, name));
    }
    TN_TRY(io_pickle_global(in, module, name, &value));
    return push(in, value);
}

typedef tn_status (*construction)(io_pickle *, io_value *what, io_value *arguments, io_value **out);

static tn_status construct(io_pickle *in, construction how) {
    io_value *function = NULL, *arguments = NULL, *value = NULL;
    TN_TRY(pop(in, &arguments));
    TN_TRY(pop(in, &function));
    TN_TRY(how(in, function, arguments, &value));
    return push(in, value);
}

static tn_status push_persistent(io_pickle *in) {
    io_value *id = NULL, *value = NULL;
    TN_TRY(pop(in, &id));
    TN_TRY(io_pickle_persistent(in, id, &value));
    return push(in, value);
}

static tn_status set_state(io_pickle *in) {
    io_value *state = NULL, *object = NULL;
    TN_TRY(pop(in, &state));
    TN_TRY(peek(in, &object));
    return io_pickle_set_state(in, object, state);
}

static tn_status take_memo(io_pickle *in, size_t bytes, tn_status (*use)(io_pickle *, uint64_t)) {
    uint64_t index = 0;
    TN_TRY(take_number(in, bytes, &index));
    return use(in, index);
}

static tn_status check_protocol(io_pickle *in) {
    uint64_t version = 0;
    TN_TRY(take_number(in, 1, &version));
    if (version < 2 || version > 5)
        return io_pickle_fail(in, TN_EUNSUPPORTED, "pickle protocol %d, expected 2 to 5",
                              (int)version);
    return TN_OK;
}

// ---- opcodes

static tn_status refuse(const io_pickle *in, uint8_t opcode) {
    static const struct {
        uint8_t opcode;
        const char *name;
    } known[] = {
        {'F', "FLOAT"},        {'I', "INT"},
        {'L', "LONG"},         {'S', "STRING"},
        {'V', "UNICODE"},      {'P', "PERSID"},
        {'d', "DICT"},         {'l', "LIST"},
        {'g', "GET"},          {'p', "PUT"},
        {'i', "INST"},         {'o', "OBJ"},
        {0x82, "EXT1"},        {0x83, "EXT2"},
        {0x84, "EXT4"},        {0x8f, "EMPTY_SET"},
        {0x90, "ADDITEMS"},    {0x91, "FROZENSET"},
        {0x92, "NEWOBJ_EX"},   {0x96, "BYTEARRAY8"},
        {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].opcode == opcode)
            return io_pickle_fail(in, TN_EUNSUPPORTED, "opcode %s is not allowed in a weight file",
                                  known[i].name);
    return io_pickle_fail(in, TN_EFORMAT, "0x%02x is not an opcode of pickle", opcode);
}

static tn_status put_next(io_pickle *in) {
    return put_memo(in, in->puts);
}

static tn_status drop(io_pickle *in) {
    if (in->depth == 0) return io_pickle_fail(in, TN_EFORMAT, "the stack is empty");
    in->depth--;
    return TN_OK;
}

static tn_status drop_to_mark(io_pickle *in) {
    io_value **items;
    size_t count;
    return pop_to_mark(in, &items, &count);
}

static tn_status duplicate(io_pickle *in) {
    io_value *top = NULL;
    TN_TRY(peek(in, &top));
    return push(in, top);
}

static tn_status step_object(io_pickle *in, uint8_t opcode) {
    switch (opcode) {
    case 'c': // GLOBAL
        return push_global(in, false);
    case 0x93: // STACK_GLOBAL
        return push_global(in, true);
    case 'R': // REDUCE
        return construct(in, io_pickle_reduce);
    case 0x81: // NEWOBJ
        return construct(in, io_pickle_newobj);
    case 'b': // BUILD
        return set_state(in);
    case 'Q': // BINPERSID
        return push_persistent(in);
    case 'h': // BINGET
        return take_memo(in, 1, get_memo);
    case 'j': // LONG_BINGET
        return take_memo(in, 4, get_memo);
    case 'q': // BINPUT
        return take_memo(in, 1, put_memo);
    case 'r': // LONG_BINPUT
        return take_memo(in, 4, put_memo);
    case 0x94: // MEMOIZE
        return put_next(in);
    default:
        return refuse(in, opcode);
    }
}

static tn_status step_container(io_pickle *in, uint8_t opcode) {
    switch (opcode) {
    case '(': // MARK
        return push_kind(in, IO_PK_MARK);
    case '0': // POP
        return drop(in);
    case '1': // POP_MARK
        return drop_to_mark(in);
    case '2': // DUP
        return duplicate(in);
    case ')': // EMPTY_TUPLE
        return push_kind(in, IO_PK_TUPLE);
    case 't': // TUPLE
        return push_marked_tuple(in);
    case 0x85: // TUPLE1
    case 0x86: // TUPLE2
    case 0x87: // TUPLE3
        return push_small_tuple(in, opcode - 0x84u);
    case ']': // EMPTY_LIST
        return push_kind(in, IO_PK_LIST);
    case 'a': // APPEND
        return add_few(in, IO_PK_LIST, 1);
    case 'e': // APPENDS
        return add_marked(in, IO_PK_LIST);
    case '}': // EMPTY_DICT
        return push_kind(in, IO_PK_DICT);
    case 's': // SETITEM
        return add_few(in, IO_PK_DICT, 2);
    case 'u': // SETITEMS
        return add_marked(in, IO_PK_DICT);
    default:
        return step_object(in, opcode);
    }
}

static tn_status step(io_pickle *in, uint8_t opcode) {
    uint64_t ignored;
    switch (opcode) {
    case 0x80: // PROTO
        return check_protocol(in);
    case 0x95: // FRAME
        return take_number(in, 8, &ignored);
    case 'N': // NONE
        return push_kind(in, IO_PK_NONE);
    case 0x88: // NEWTRUE
    case 0x89: // NEWFALSE
        return push_integer(in, IO_PK_BOOL, opcode == 0x88);
    case 'J': // BININT
        return push_signed(in);
    case 'K': // BININT1
        return push_unsigned(in, 1);
    case 'M': // BININT2
        return push_unsigned(in, 2);
    case 0x8a: // LONG1
        return push_long(in, 1);
    case 0x8b: // LONG4
        return push_long(in, 4);
    case 'G': // BINFLOAT
        return push_real(in);
    case 0x8c: // SHORT_BINUNICODE
    case 'U':  // SHORT_BINSTRING
    case 'C':  // SHORT_BINBYTES
        return push_counted(in, 1);
    case 'X': // BINUNICODE
    case 'T': // BINSTRING
    case 'B': // BINBYTES
        return push_counted(in, 4);
    case 0x8d: // BINUNICODE8
    case 0x8e: // BINBYTES8
        return push_counted(in, 8);
    default:
        return step_container(in, opcode);
    }
}

tn_status io_pickle_run(io_pickle *in, io_value **out) {
    in->start = in->at;
    in->depth = in->memo_count = in->puts = in->work = 0;
    for (;;) {
        const uint8_t *opcode = NULL;
        in->opcode = in->at;
        TN_TRY(take(in, 1, &opcode));
        if (*opcode == '.') return pop(in, out); // STOP
        TN_TRY(step(in, *opcode));
    }
}
