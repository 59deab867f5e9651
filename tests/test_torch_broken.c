// SPDX-License-Identifier: Apache-2.0
// PyTorch's formats, broken: archives whose directory lies, pickles that try to construct
// something, tensors that reach outside their storage, streams that end early.
#include "io/region.h"
#include "io/weights/weights.h"
#include "io/zip.h"
#include "tests/support/archive.h"
#include "tests/support/broken.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <string.h>

#define GOLDEN "tests/golden/weights/"
#define BYTES(text) (text), sizeof(text) - 1

// Pieces of pickles. The storage "0" holds four floats.
#define PROTO "\200\2"
#define TEXT(length, text) "X" length "\0\0\0" text
#define STORAGE_OF(type, key, count)                                                               \
    "(" TEXT("\7", "storage") "c" type "\n" TEXT("\1", key) TEXT("\3", "cpu") count "tQ"
#define STORAGE STORAGE_OF("torch\nFloatStorage", "0", "K\4")
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define TENSOR_ON(storage, offset, size, stride) REBUILD "(" storage offset size stride "\211}tR"
#define TENSOR(offset, size, stride) TENSOR_ON(STORAGE, offset, size, stride)
#define GOOD TENSOR("K\0", "K\2K\2\206", "K\2K\1\206")
#define DICT(value) PROTO "}" TEXT("\1", "w") value "s."
#define MINUS "J\377\377\377\377"
#define HUGE_LONG "\212\10\0\0\0\0\0\0\0\100" // 2^62

typedef struct pickle_case {
    const char *name, *bytes;
    size_t count;
    const char *part;
} pickle_case;

static const float four[4] = {1, 2, 3, 4};

static const char *write_blob(const char *name, const blob *from) {
    return temporary_file(name, from->bytes, from->count);
}

static void check_cases(const pickle_case *cases, size_t count, bool script) {
    static blob file;
    for (size_t i = 0; i < count; i++) {
        (script ? archive_script : archive_torch)(&file, cases[i].bytes, cases[i].count, four,
                                                  sizeof four);
        broken_weights(cases[i].name, write_blob("pickle.pt", &file), cases[i].part);
    }
}

static void torch_building_blocks_are_valid(void **state) {
    (void)state;
    static blob file;
    tn_error err = {0};
    io_weights *weights = NULL;
    archive_torch(&file, BYTES(DICT(GOOD)), four, sizeof four);
    ASSERT_OK(io_weights_open(write_blob("good.pt", &file), &weights, &err), err);
    const io_tensor *w = io_weights_find(weights, "w");
    assert_true(w && w->rank == 2 && w->dim[0] == 2 && w->dim[1] == 2 && w->dtype == TN_F32);
    assert_memory_equal(w->data, four, sizeof four);
    io_weights_close(weights);
    archive_script(&file, BYTES(PROTO "c__torch__\nM\n)\201}" TEXT("\1", "w") GOOD "sb."), four,
                   sizeof four);
    ASSERT_OK(io_weights_open(write_blob("good.pt", &file), &weights, &err), err);
    assert_true(io_weights_scripted(weights));
    assert_non_null(io_weights_find(weights, "w"));
    io_weights_close(weights);
}

// What writers of other years and machines put for the same thing.
static void pickle_other_encodings_are_read(void **state) {
    (void)state;
    static const pickle_case cases[] = {
        {"a tensor of a GPU",
         BYTES(DICT(TENSOR_ON(STORAGE_OF("torch.cuda\nFloatStorage", "0", "K\4"), "K\0",
                              "K\2K\2\206", "K\2K\1\206"))),
         NULL},
        {"before version 0.4",
         BYTES(DICT("ctorch._utils\n_rebuild_tensor\n(" STORAGE "K\0K\2K\2\206K\2K\1\206tR")),
         NULL},
        {"OrderedDict of pairs, as Python 2 has it",
         BYTES(PROTO "ccollections\nOrderedDict\n]](U\1w" GOOD
                     "ea\205R}" TEXT("\11", "_metadata") "}sb."),
         NULL},
        {"a parameter",
         BYTES(DICT("ctorch._utils\n_rebuild_parameter\n" GOOD
                    "\210ccollections\nOrderedDict\n)R\207R")),
         NULL},
        {"torch.Size, longs, the memo",
         BYTES(PROTO "}" TEXT("\1", "w") "K\2q\0"
                                         "0" TENSOR("\212\0", "ctorch\nSize\nh\0h\0\206\205R",
                                                    "\213\1\0\0\0\2M\1\0\206") "s."),
         NULL},
    };
    static blob file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_error err = {0};
        io_weights *weights = NULL;
        archive_torch(&file, cases[i].bytes, cases[i].count, four, sizeof four);
        tn_status status = io_weights_open(write_blob("other.pt", &file), &weights, &err);
        if (status != TN_OK) fail_msg("%s: %s", cases[i].name, err.text);
        const io_tensor *w = io_weights_find(weights, "w");
        assert_true(w && w->rank == 2 && w->dim[0] == 2 && w->dim[1] == 2);
        assert_memory_equal(w->data, four, sizeof four);
        io_weights_close(weights);
    }
}

static void pickles_that_construct_something(void **state) {
    (void)state;
    static const pickle_case cases[] = {
        {"GLOBAL os.system", BYTES(PROTO "cos\nsystem\n" TEXT("\4", "echo") "\205R."), "os.system"},
        {"GLOBAL posix.system", BYTES(PROTO "cposix\nsystem\n."), "byte 2: posix.system"},
        {"GLOBAL builtins.eval", BYTES(PROTO "cbuiltins\neval\n."), "builtins.eval"},
        {"GLOBAL __builtin__.getattr", BYTES(PROTO "c__builtin__\ngetattr\n."), "getattr"},
        {"GLOBAL builtins.exec in a dict", BYTES(DICT("cbuiltins\nexec\n")), "without tensors"},
        {"STACK_GLOBAL", BYTES("\200\4\214\2os\214\6system\223."), "byte 14: os.system"},
        {"STACK_GLOBAL of numbers", BYTES("\200\4K\1K\2\223."), "not text"},
        {"INST", BYTES(PROTO "(" TEXT("\4", "echo") "ios\nsystem\n."), "opcode INST"},
        {"OBJ", BYTES(PROTO "(ccollections\nOrderedDict\no."), "opcode OBJ"},
        {"NEWOBJ of a dict", BYTES(PROTO "ccollections\nOrderedDict\n)\201."), "NEWOBJ"},
        {"NEWOBJ of a tuple", BYTES(PROTO "))\201."), "NEWOBJ"},
        {"NEWOBJ_EX", BYTES("\200\4ccollections\nOrderedDict\n)}\222."), "NEWOBJ_EX"},
        {"REDUCE of a storage class", BYTES(PROTO "ctorch\nFloatStorage\n)R."), "REDUCE"},
        {"REDUCE of a text", BYTES(PROTO TEXT("\4", "exec") ")R."), "REDUCE"},
        {"REDUCE without a tuple", BYTES(PROTO "ccollections\nOrderedDict\nNR."), "tuple"},
        {"BUILD of a tuple", BYTES(PROTO ")}b."), "BUILD"},
        {"BUILD of a storage", BYTES(PROTO STORAGE "}b."), "BUILD"},
        {"EXT1", BYTES(PROTO "\202\1."), "EXT1"},
        {"EXT2", BYTES(PROTO "\203\1\0."), "EXT2"},
        {"EXT4", BYTES(PROTO "\204\1\0\0\0."), "EXT4"},
        {"PERSID", BYTES(PROTO "Pos.system\n."), "PERSID"},
        {"BINPERSID of a text", BYTES(PROTO TEXT("\4", "evil") "Q."), "BINPERSID"},
        {"BINPERSID of a module", BYTES(PROTO "(" TEXT("\6", "module") "NNNNtQ."), "BINPERSID"},
        {"NEXT_BUFFER", BYTES("\200\5\227."), "NEXT_BUFFER"},
        {"READONLY_BUFFER", BYTES("\200\5\230."), "READONLY_BUFFER"},
        {"BYTEARRAY8", BYTES("\200\5\226\1\0\0\0\0\0\0\0x."), "BYTEARRAY8"},
        {"EMPTY_SET", BYTES("\200\4\217."), "EMPTY_SET"},
        {"FROZENSET", BYTES("\200\4(\221."), "FROZENSET"},
        {"a class of a model", BYTES(PROTO "ctorchvision.models.resnet\nResNet\n)\201."), "ResNet"},
        {"torch.load", BYTES(PROTO "ctorch\nload\n" TEXT("\1", "x") "\205R."), "torch.load"},
        {"torch.hub", BYTES(PROTO "ctorch.hub\nload\n."), "torch.hub.load"},
        {"numpy", BYTES(PROTO "cnumpy.core.multiarray\nscalar\n."), "numpy"},
        {"quantised", BYTES(PROTO "ctorch._utils\n_rebuild_qtensor\n."), "_rebuild_qtensor"},
        {"a TorchScript class elsewhere", BYTES(PROTO "c__torch__\nM\n)\201."), "__torch__.M"},
        {"a global with strange bytes", BYTES(PROTO "c\1\377\nx\n."), "??.x"},
        {"a dtype called", BYTES(PROTO "ctorch\nFloatTensor\n."), "FloatTensor"},
    };
    check_cases(cases, sizeof cases / sizeof *cases, false);
}

// Pieces of an nn.Module's pickle: an object, and the state that it is given.
#define OBJECT "cpeople.model\nNet\n)\201"
#define DICTS(parameters, modules)                                                                 \
    "}(" TEXT("\13", "_parameters") parameters TEXT("\10", "_buffers") "}" TEXT("\10", "_modules") \
        modules "u"
#define HOLDING(value) "}" TEXT("\1", "w") value "s"

// A tensor that would only come out of a call is not taken for a weight, nor passed over.
static void placeholders_with_tensors_inside(void **state) {
    (void)state;
    static const pickle_case cases[] = {
        {"an argument", BYTES(DICT("cpeople\nfrom_parts\n" GOOD "\205R")),
         "tensor 'w': data.pkl: byte 130: it lies inside an object of people.from_parts"},
        {"a storage", BYTES(DICT("ctorch._utils\n_rebuild_qtensor\n(" STORAGE "K\0tR")),
         "torch._utils._rebuild_qtensor"},
        {"an argument of new", BYTES(DICT("cpeople\nC\n" GOOD "\205\201")), "people.C"},
        {"deep in an argument", BYTES(DICT("cpeople\nC\n]}K\1(" GOOD "tsa\205R")), "people.C"},
        {"the state", BYTES(DICT(OBJECT HOLDING(GOOD) "b")), "object of people.model.Net"},
        {"a second state", BYTES(DICT(OBJECT "}b" HOLDING(GOOD) "b")), "people.model.Net"},
        {"items of a dictionary", BYTES(DICT(OBJECT "K\1" GOOD "s")), "people.model.Net"},
        {"items of a list", BYTES(DICT(OBJECT "(K\1" GOOD "e")), "people.model.Net"},
        {"in a placeholder", BYTES(DICT("ca\nb\nca\nc\n" GOOD "\205R\205R")), "of a.b"},
        {"what a placeholder is called with", BYTES(DICT("ca\nb\n)R" GOOD "\205R")), "of a.b"},
        {"a parameter of it",
         BYTES(DICT("ctorch._utils\n_rebuild_parameter\nca\nb\n" GOOD "\205R\211}\207R")),
         "of a.b"},
        {"behind a cycle", BYTES(DICT(OBJECT "q\0]q\1(h\1h\0" GOOD "e\205b")), "people.model.Net"},
        {"under a key that is no text",
         BYTES(PROTO "}(" TEXT("\1", "v") GOOD "K\1ca\nb\n" GOOD "\205Ru."), "not text"},
        {"a parameter of a module",
         BYTES(PROTO OBJECT DICTS(HOLDING("ca\nb\n" GOOD "\205R"), "}") "b."), "tensor 'w'"},
        {"a module that is none",
         BYTES(PROTO OBJECT DICTS("}", HOLDING(OBJECT HOLDING(GOOD) "b")) "b."), "tensor 'w'"},
        {"a module of a module",
         BYTES(PROTO OBJECT DICTS(
             "}", HOLDING(OBJECT DICTS(HOLDING("ca\nb\n" GOOD "\205R"), "}") "b")) "b."),
         "tensor 'w.w'"},
    };
    check_cases(cases, sizeof cases / sizeof *cases, false);
}

// What a placeholder does not take, and modules that are none.
static void placeholders_that_are_broken(void **state) {
    (void)state;
    static const pickle_case cases[] = {
        {"called with a list", BYTES(PROTO "ca\nb\n]R."), "without a tuple"},
        {"called with a placeholder", BYTES(PROTO "ca\nb\nca\nb\n)RR."), "without a tuple"},
        {"new with None", BYTES(PROTO "ca\nb\nN\201."), "NEWOBJ"},
        {"a class with a state", BYTES(PROTO "ca\nb\n}b."), "BUILD"},
        {"a class with items", BYTES(PROTO "ca\nb\nNNs."), "for a dictionary"},
        {"three items of a dictionary", BYTES(PROTO OBJECT "(NNNu."), "for a dictionary"},
        {"a storage of a placeholder",
         BYTES(DICT(TENSOR_ON(STORAGE_OF("a\nb", "0", "K\4"), "K\0", "K\2\205", "K\1\205"))),
         "a storage is not made of"},
        {"a tensor of a placeholder",
         BYTES(DICT(TENSOR_ON("ca\nb\n)R", "K\0", "K\2\205", "K\1\205"))), "is not made of"},
        {"an object alone", BYTES(PROTO OBJECT "."), "byte 21: an object of people.model.Net"},
        {"an object with tensors", BYTES(PROTO OBJECT HOLDING(GOOD) "b."), "people.model.Net"},
        {"objects by name", BYTES(DICT(OBJECT)), "a dictionary without tensors"},
        {"a module class of another kind",
         BYTES(PROTO "(" TEXT("\6", "module") "ccollections\nOrderedDict\nNNtQ."), "BINPERSID"},
        {"a module without modules",
         BYTES(PROTO OBJECT "}" TEXT("\13", "_parameters") HOLDING(GOOD) "sb."), "people.model"},
        {"parameters that are a list", BYTES(PROTO OBJECT DICTS("]", "}") "b."), "people.model"},
        {"a module inside itself", BYTES(PROTO OBJECT "q\0" DICTS("}", HOLDING("h\0")) "b."),
         "nested deeper than 64"},
        {"a parameter without a name", BYTES(PROTO OBJECT DICTS("}K\1" GOOD "s", "}") "b."),
         "not text"},
        {"a parameter outside its storage",
         BYTES(PROTO OBJECT DICTS(HOLDING(TENSOR("K\4", "K\1\205", "K\1\205")), "}") "b."),
         "tensor 'w'"},
    };
    check_cases(cases, sizeof cases / sizeof *cases, false);
}

static void add_repeated(blob *to, const char *bytes, size_t count, int times) {
    for (int i = 0; i < times; i++) blob_add(to, bytes, count);
}

// A cycle that ends nowhere holds no tensor, so there is nothing to refuse.
static void placeholders_in_cycles(void **state) {
    (void)state;
    static const pickle_case cases[] = {
        {"an object inside itself",
         BYTES(PROTO "}(" TEXT("\1", "w") GOOD TEXT("\1", "o") OBJECT "q\0]q\1(h\1h\0e\205bu."),
         NULL},
        {"a dictionary inside itself",
         BYTES(PROTO "}(" TEXT("\1", "w") GOOD TEXT("\1", "o") OBJECT "}q\0K\1h\0sbu."), NULL},
        {"a module whose parameters are its state",
         BYTES(PROTO OBJECT "}q\0(" TEXT("\1", "w")
                   GOOD TEXT("\13", "_parameters") "h\0" TEXT("\10", "_modules") "}ub."),
         NULL},
    };
    static blob file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_error err = {0};
        io_weights *weights = NULL;
        archive_torch(&file, cases[i].bytes, cases[i].count, four, sizeof four);
        tn_status status = io_weights_open(write_blob("cycle.pt", &file), &weights, &err);
        if (status != TN_OK) fail_msg("%s: %s", cases[i].name, err.text);
        assert_int_equal(io_weights_count(weights), 1);
        assert_memory_equal(io_weights_find(weights, "w")->data, four, sizeof four);
        io_weights_close(weights);
    }
}

// Small pickles that mean much: each is refused, or read, in less than a second.
static void placeholders_of_huge_counts(void **state) {
    (void)state;
    static blob pickle, file;
    pickle.count = 0; // 40 levels, each with the one before twice: 2^40 ways to the tensor
    blob_add(&pickle, BYTES(PROTO "}" TEXT("\1", "w") "ca\nb\n" GOOD "\205R"));
    add_repeated(&pickle, BYTES("q\0000ca\nb\nh\0h\0\206R"), 40);
    blob_add(&pickle, BYTES("s."));
    archive_torch(&file, pickle.bytes, pickle.count, four, sizeof four);
    broken_weights("shared placeholders", write_blob("huge.pt", &file), "of a.b");

    pickle.count = 0; // 60,000 placeholders inside each other
    blob_add(&pickle, BYTES(PROTO "}" TEXT("\1", "w") GOOD));
    add_repeated(&pickle, BYTES("\205"), 30000);
    blob_add(&pickle, BYTES("ca\nb\nq\0000\205q\0010h\0h\1R"));
    add_repeated(&pickle, BYTES("\205q\0010h\0h\1R"), 8000);
    blob_add(&pickle, BYTES("s."));
    archive_torch(&file, pickle.bytes, pickle.count, four, sizeof four);
    broken_weights("nested placeholders", write_blob("huge.pt", &file), "of a.b");

    pickle.count = 0; // modules that are shared at 2^40 places
    blob_add(&pickle, BYTES(PROTO OBJECT DICTS(HOLDING(GOOD), "}") "b"));
    add_repeated(
        &pickle,
        BYTES("q\0000" OBJECT DICTS("}", "}(" TEXT("\1", "a") "h\0" TEXT("\1", "b") "h\0u") "b"),
        40);
    blob_add(&pickle, BYTES("."));
    archive_torch(&file, pickle.bytes, pickle.count, four, sizeof four);
    broken_weights("shared modules", write_blob("huge.pt", &file), "attributes");

    pickle.count = 0; // a module of many attributes at many places
    blob_add(&pickle, BYTES(PROTO OBJECT "}(" TEXT("\1", "a") "q\0"));
    add_repeated(&pickle, BYTES("Nh\0"), 10000);
    blob_add(&pickle, BYTES("N" TEXT("\13", "_parameters") "}" TEXT(
                          "\10", "_modules") "}ubq\0010" OBJECT
                                             "}(" TEXT("\13", "_parameters") "}" TEXT(
                                                 "\10", "_modules") "}("));
    add_repeated(&pickle, BYTES("h\0h\1"), 10000);
    blob_add(&pickle, BYTES("uub."));
    archive_torch(&file, pickle.bytes, pickle.count, four, sizeof four);
    broken_weights("large modules", write_blob("huge.pt", &file), "attributes");

    pickle.count = 0; // many buffers that may be among many that are left out
    blob_add(
        &pickle,
        BYTES(PROTO OBJECT "}(" TEXT("\13", "_parameters") "}" TEXT("\10", "_modules") "}" TEXT(
            "\33", "_non_persistent_buffers_set") "c__builtin__\nset\n](" TEXT("\1", "a") "q\0"));
    add_repeated(&pickle, BYTES("h\0"), 20000);
    blob_add(&pickle, BYTES("e\205R" TEXT("\10", "_buffers") "}("));
    add_repeated(&pickle, BYTES("h\0]"), 20000);
    blob_add(&pickle, BYTES("uub."));
    archive_torch(&file, pickle.bytes, pickle.count, four, sizeof four);
    broken_weights("many buffers", write_blob("huge.pt", &file), "attributes");

    pickle.count = 0; // one large state, given again and again
    blob_add(&pickle, BYTES(PROTO "]("));
    add_repeated(&pickle, BYTES("N"), 20000);
    blob_add(&pickle, BYTES("eq\0000" OBJECT));
    add_repeated(&pickle, BYTES("h\0b"), 20000);
    blob_add(&pickle, BYTES("."));
    archive_torch(&file, pickle.bytes, pickle.count, four, sizeof four);
    broken_weights("a state many times", write_blob("huge.pt", &file), "people.model.Net");
}

static void pickles_that_are_no_pickles(void **state) {
    (void)state;
    static const pickle_case cases[] = {
        {"nothing", BYTES(""), "truncated"},
        {"no end", BYTES(PROTO "}"), "truncated"},
        {"text", BYTES("hello"), "memo 101 was never set"}, // h is BINGET
        {"protocol 0", BYTES("(dp0\n."), "opcode DICT"},
        {"protocol 9", BYTES("\200\11}."), "protocol 9"},
        {"protocol 1", BYTES("\200\1}."), "protocol 1"},
        {"an unknown opcode", BYTES(PROTO "\377."), "0xff is not an opcode"},
        {"FRAME cut", BYTES("\200\4\225\1\0\0."), "truncated"},
        {"text behind the end", BYTES(PROTO "X\377\377\377\177abc."), "truncated"},
        {"text of 2^64-1 bytes", BYTES("\200\4\215\377\377\377\377\377\377\377\377abc."),
         "truncated"},
        {"a long behind the end", BYTES(PROTO "\212\377."), "truncated"},
        {"a long of 4 GiB", BYTES(PROTO "\213\377\377\377\377."), "truncated"},
        {"a number cut", BYTES(PROTO "J\1\2"), "truncated"},
        {"a real cut", BYTES(PROTO "G\1\2"), "truncated"},
        {"a global without its end", BYTES(PROTO "ccollections\nOrderedDict"), "truncated"},
        {"STOP of nothing", BYTES(PROTO "."), "the stack is empty"},
        {"STOP of a mark", BYTES(PROTO "(."), "the stack is empty"},
        {"POP of nothing", BYTES(PROTO "0."), "the stack is empty"},
        {"DUP of nothing", BYTES(PROTO "2."), "the stack is empty"},
        {"POP_MARK without one", BYTES(PROTO "}1."), "no mark"},
        {"TUPLE without a mark", BYTES(PROTO "NNt."), "no mark"},
        {"TUPLE2 of one", BYTES(PROTO "N\206."), "the stack is empty"},
        {"TUPLE2 across a mark", BYTES(PROTO "N(N\206."), "the stack is empty"},
        {"APPEND to a dict", BYTES(PROTO "}Na."), "for a list"},
        {"APPEND to nothing", BYTES(PROTO "Na."), "the stack is empty"},
        {"APPENDS to a tuple", BYTES(PROTO ")(NNe."), "for a list"},
        {"SETITEM of a list", BYTES(PROTO "]NNs."), "for a dictionary"},
        {"SETITEMS of three", BYTES(PROTO "}(NNNu."), "for a dictionary"},
        {"SETITEMS without a mark", BYTES(PROTO "}NNu."), "no mark"},
        {"BINGET of nothing", BYTES(PROTO "h\0."), "memo 0 was never set"},
        {"LONG_BINGET of nothing", BYTES(PROTO "j\377\377\377\377."), "never set"},
        {"BINPUT of nothing", BYTES(PROTO "q\0."), "the stack is empty"},
        {"LONG_BINPUT far away", BYTES(PROTO "}r\377\377\377\377."), "memo 4294967295"},
        {"MEMOIZE of a mark", BYTES("\200\4(\224."), "the stack is empty"},
        {"REDUCE of nothing", BYTES(PROTO ")R."), "the stack is empty"},
        {"BUILD of nothing", BYTES(PROTO "}b."), "the stack is empty"},
        {"OrderedDict of a number", BYTES(PROTO "ccollections\nOrderedDict\nK\1\205R."), "pairs"},
        {"OrderedDict of no pairs", BYTES(PROTO "ccollections\nOrderedDict\n](NNe\205R."),
         "not a pair"},
        {"Size of nothing", BYTES(PROTO "ctorch\nSize\n)R."), "without its argument"},
        {"a parameter of None", BYTES(DICT("ctorch._utils\n_rebuild_parameter\nN\211}\207R")),
         "without a tensor"},
    };
    check_cases(cases, sizeof cases / sizeof *cases, false);
}

static void pickles_of_something_else(void **state) {
    (void)state;
    static const pickle_case cases[] = {
        {"None", BYTES(PROTO "N."), "holds None"},
        {"a number", BYTES(PROTO "K\1."), "holds a number"},
        {"a list", BYTES(PROTO "]."), "holds a list"},
        {"a tensor", BYTES(PROTO GOOD "."), "holds a tensor"},
        {"a list of tensors", BYTES(PROTO "]" GOOD "a."), "holds a list"},
        {"numbers by name", BYTES(DICT("K\1")), "a dictionary without tensors"},
        {"itself", BYTES(PROTO "}q\0" TEXT("\12", "state_dict") "h\0s."), "without tensors"},
        {"a tensor without a name", BYTES(PROTO "}K\1" GOOD "s."), "not text"},
        {"a tensor with a NUL in its name", BYTES(PROTO "}" TEXT("\3", "a\0b") GOOD "s."), "NUL"},
        {"two tensors of a name", BYTES(PROTO "}(" TEXT("\1", "w") GOOD TEXT("\1", "w") GOOD "u."),
         "two tensors 'w'"},
    };
    check_cases(cases, sizeof cases / sizeof *cases, false);
    static uint8_t long_name[4096] = PROTO "}X\320\7\0\0"; // 2000 bytes
    size_t head = 8, tail = sizeof(GOOD "s.") - 1;
    memset(long_name + head, 'n', 2000);
    memcpy(long_name + head + 2000, GOOD "s.", tail);
    const pickle_case longest = {"a long name", (char *)long_name, head + 2000 + tail, "1022"};
    check_cases(&longest, 1, false);
}

static void tensors_that_do_not_fit(void **state) {
    (void)state;
#define T(...) BYTES(DICT(TENSOR(__VA_ARGS__)))
#define ON(storage) BYTES(DICT(TENSOR_ON(storage, "K\0", "K\2\205", "K\1\205")))
    static const pickle_case cases[] = {
        {"one too many", T("K\0", "K\5\205", "K\1\205"), "does not fit its storage of 4"},
        {"an offset too far", T("K\1", "K\2K\2\206", "K\2K\1\206"), "does not fit"},
        {"an offset behind the end", T("K\5", "K\0\205", "K\1\205"), "does not fit"},
        {"a negative offset", T(MINUS, "K\2\205", "K\1\205"), "does not fit"},
        {"a huge offset", T(HUGE_LONG, "K\2\205", "K\1\205"), "does not fit"},
        {"a stride too large", T("K\0", "K\2\205", "K\4\205"), "does not fit"},
        {"a huge stride", T("K\0", "K\3\205", HUGE_LONG "\205"), "does not fit"},
        {"huge strides", T("K\0", "K\2K\2\206", HUGE_LONG HUGE_LONG "\206"), "does not fit"},
        {"a negative stride", T("K\3", "K\2\205", MINUS "\205"), "a negative stride"},
        {"a negative size", T("K\0", MINUS "\205", "K\1\205"), "a negative size"},
        {"sizes that overflow", T("K\0", HUGE_LONG HUGE_LONG "\206", "K\0K\0\206"), "overflows"},
        {"bytes that overflow", T("K\0", HUGE_LONG "\205", "K\0\205"), "overflows"},
        {"an element a billion times", T("K\0", "J\0\0\0\100\205", "K\0\205"), "repeat elements"},
        {"seven dimensions", T("K\0", "(K\1K\1K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1K\1K\1t"),
         "7 dimensions"},
        {"sizes and strides of different length", T("K\0", "K\2\205", "K\1K\1\206"), "differ"},
        {"a size that is text", T("K\0", TEXT("\1", "2") "\205", "K\1\205"), "not integers"},
        {"a stride that is None", T("K\0", "K\2\205", "N\205"), "not integers"},
        {"a size that is no tuple", T("K\0", "K\2", "K\1\205"), "is not made of"},
        {"an offset that is real", T("G\0\0\0\0\0\0\0\0", "K\2\205", "K\1\205"), "is not made of"},
        {"three arguments", BYTES(DICT(REBUILD STORAGE "K\0K\1\205\207R")), "is not made of"},
        {"no storage", BYTES(DICT(TENSOR_ON("N", "K\0", "K\2\205", "K\1\205"))), "is not made of"},
        {"a storage that is not there", ON(STORAGE_OF("torch\nFloatStorage", "7", "K\4")),
         "no entry 'data/7'"},
        {"a storage of another size", ON(STORAGE_OF("torch\nFloatStorage", "0", "K\5")),
         "has 16 bytes, expected 5 of float32"},
        {"a storage of another type", ON(STORAGE_OF("torch\nDoubleStorage", "0", "K\4")),
         "has 16 bytes, expected 4 of float64"},
        {"a storage of 2^62", ON(STORAGE_OF("torch\nFloatStorage", "0", HUGE_LONG)),
         "has 16 bytes"},
        {"a storage of -1", ON(STORAGE_OF("torch\nFloatStorage", "0", MINUS)), "-1 elements"},
        {"a complex storage", ON(STORAGE_OF("torch\nComplexFloatStorage", "0", "K\2")),
         "ComplexFloatStorage are not supported"},
        {"a quantised storage", ON(STORAGE_OF("torch\nQInt8Storage", "0", "K\4")), "not supported"},
        {"an untyped storage", ON(STORAGE_OF("torch.storage\nUntypedStorage", "0", "K\4")),
         "not supported"},
        {"a storage of a function", ON(STORAGE_OF("collections\nOrderedDict", "0", "K\4")),
         "is not made of"},
        {"a storage whose key is a path", ON(STORAGE_OF("torch\nFloatStorage", "/", "K\4")),
         "no entry 'data//'"},
        {"a storage whose key is a number",
         ON("(" TEXT("\7", "storage") "ctorch\nFloatStorage\nK\0" TEXT("\3", "cpu") "K\4tQ"),
         "is not made of"},
        {"a storage of four parts",
         ON("(" TEXT("\7", "storage") "ctorch\nFloatStorage\n" TEXT("\1", "0") "K\4tQ"),
         "BINPERSID"},
        {"a view that is no tuple",
         ON("(" TEXT("\7", "storage") "ctorch\nFloatStorage\n" TEXT("\1", "0") "NK\4K\1tQ"),
         "a view"},
        {"a view outside",
         ON("(" TEXT("\7", "storage") "ctorch\nFloatStorage\n" TEXT("\1", "0") "NK\4(NK\3K\2ttQ"),
         "a view of 2 elements from 3"},
        {"a view from -1",
         ON("(" TEXT("\7", "storage") "ctorch\nFloatStorage\n" TEXT("\1", "0") "NK\4(N" MINUS
                                                                               "K\2ttQ"),
         "a view of 2 elements from -1"},
        {"a tensor outside its view",
         ON("(" TEXT("\7", "storage") "ctorch\nFloatStorage\n" TEXT("\1", "0") "NK\4(NK\0K\1ttQ"),
         "does not fit its storage of 1"},
    };
#undef T
#undef ON
    check_cases(cases, sizeof cases / sizeof *cases, false);
}

static void trees_of_modules_that_are_broken(void **state) {
    (void)state;
#define M "c__torch__.a.b\nM\n)\201"
    static const pickle_case cases[] = {
        {"arguments", BYTES(PROTO "c__torch__\nM\nK\1\205\201."), "NEWOBJ with arguments"},
        {"arguments that are no tuple", BYTES(PROTO "c__torch__\nM\nN\201."), "NEWOBJ with"},
        {"a class called", BYTES(PROTO "c__torch__\nM\n)R."), "REDUCE"},
        {"a class nearly of TorchScript", BYTES(PROTO "c__torch__x\nM\n)\201."), "__torch__x.M"},
        {"state twice", BYTES(PROTO M "}b}b."), "BUILD"},
        {"a module inside itself", BYTES(PROTO M "q\0}" TEXT("\1", "a") "h\0sb."), "nested"},
        {"an attribute without a name", BYTES(PROTO M "}K\1" GOOD "sb."), "not text"},
        {"an attribute outside",
         BYTES(PROTO M "}" TEXT("\1", "w") TENSOR("K\4", "K\1\205", "K\1\205") "sb."),
         "tensor 'w'"},
        {"a list called", BYTES(PROTO "ctorch.jit._pickle\nbuild_intlist\n)R."), "argument"},
    };
#undef M
    check_cases(cases, sizeof cases / sizeof *cases, true);
}

// 40 modules, each with the one before as two attributes: 2^40 places, in 1.5 kB.
static void modules_that_are_shared_too_often(void **state) {
    (void)state;
    static blob pickle, file;
    pickle.count = 0;
    blob_add(&pickle, BYTES(PROTO "c__torch__\nM\n)\201}" TEXT("\1", "w") GOOD "sb"));
    for (int i = 0; i < 40; i++) {
        blob_add(&pickle, BYTES("q"));
        blob_number(&pickle, 1, (uint64_t)i);
        blob_add(&pickle, BYTES("0c__torch__\nM\n)\201}(" TEXT("\1", "a") "h"));
        blob_number(&pickle, 1, (uint64_t)i);
        blob_add(&pickle, BYTES(TEXT("\1", "b") "h"));
        blob_number(&pickle, 1, (uint64_t)i);
        blob_add(&pickle, BYTES("ub"));
    }
    blob_add(&pickle, BYTES("."));
    archive_script(&file, pickle.bytes, pickle.count, four, sizeof four);
    broken_weights("shared modules", write_blob("shared.pt", &file), "attributes");
}

// The data.pkl of a good archive, ended after every byte in turn.
static void pickles_cut_anywhere(void **state) {
    (void)state;
    static const char *const from[] = {GOLDEN "protocol4.pth", GOLDEN "script.pt",
                                       "tests/golden/odd_weights/torchvision.pth",
                                       "tests/golden/odd_weights/module.pt"};
    static blob file;
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        tn_error err = {0};
        io_region region = {0};
        io_map map;
        io_zip zip;
        const io_zip_entry *entry = NULL;
        char name[64];
        ASSERT_OK(io_map_open(from[i], &map, &err), err);
        ASSERT_OK(io_zip_open(&region, from[i], &map, &zip, &err), err);
        snprintf(name, sizeof name, "%.*s/data.pkl", (int)strcspn(zip.first, "/"), zip.first);
        ASSERT_OK(io_zip_find(&zip, name, &entry, &err), err);
        assert_non_null(entry);
        for (size_t n = 0; n < entry->count; n++) {
            (i == 1 ? archive_script : archive_torch)(&file, entry->bytes, n, four, sizeof four);
            snprintf(name, sizeof name, "%zu bytes of data.pkl", n);
            broken_weights(name, write_blob("cut.pt", &file), "data.pkl");
        }
        io_region_free(&region);
        io_map_close(&map);
    }
}

static void zip_directories_that_are_wrong(void **state) {
    (void)state;
    static const struct {
        const char *name, *mark; // the record that is changed
        int n, wide;             // which of them, in which kind of archive
        size_t at, bytes;
        uint64_t number;
        const char *part;
    } cases[] = {
        {"no end", "PK\5\6", 0, 0, 0, 4, 0, "no directory"},
        {"a comment that is not there", "PK\5\6", 0, 0, 20, 2, 5, "no directory"},
        {"several disks", "PK\5\6", 0, 0, 4, 2, 1, "several parts"},
        {"the directory on another disk", "PK\5\6", 0, 0, 6, 2, 1, "several parts"},
        {"entries on another disk", "PK\5\6", 0, 0, 8, 2, 3, "several parts"},
        {"no entries", "PK\5\6", 0, 0, 8, 4, 0, "it is empty"},
        {"more entries than there are", "PK\5\6", 0, 0, 8, 4, 0x50005, "too small"},
        {"many more entries", "PK\5\6", 0, 0, 8, 4, 0xf000f000, "too small"},
        {"a directory behind the end", "PK\5\6", 0, 0, 16, 4, 0xfffffff0, "not inside"},
        {"a directory that is too long", "PK\5\6", 0, 0, 12, 4, 0xfffffff0, "not inside"},
        {"a directory that is too short", "PK\5\6", 0, 0, 12, 4, 200, "damaged"},
        {"a directory somewhere else", "PK\5\6", 0, 0, 16, 4, 0, "damaged"},
        {"no entry where one is", "PK\1\2", 1, 0, 0, 4, 0, "damaged"},
        {"a name that leaves the directory", "PK\1\2", 3, 0, 28, 2, 60000, "damaged"},
        {"an extra field that leaves it", "PK\1\2", 3, 0, 30, 2, 60000, "damaged"},
        {"a comment that leaves it", "PK\1\2", 3, 0, 32, 2, 60000, "damaged"},
        {"no name", "PK\1\2", 3, 0, 28, 2, 0, "without a valid name"},
        {"a name with a NUL", "PK\1\2", 1, 0, 47, 1, 0, "without a valid name"},
        {"an encrypted entry", "PK\1\2", 2, 0, 8, 2, 1, "'a/data/0' is encrypted"},
        {"compressed elements", "PK\1\2", 2, 0, 10, 2, 8, "'a/data/0' is compressed"},
        {"a compressed pickle", "PK\1\2", 0, 0, 10, 2, 8, "'a/data.pkl' is compressed"},
        {"a bomb", "PK\1\2", 2, 0, 24, 4, 0xfffffff0, "16 bytes are not 4294967280"},
        {"a size that leaves the file", "PK\1\2", 2, 0, 20, 8, 0x7fffffff7fffffff,
         "extends beyond"},
        {"a size that reaches the next entry", "PK\1\2", 2, 0, 20, 8, 0x2000000020, "overlap"},
        {"an offset behind the end", "PK\1\2", 2, 0, 42, 4, 0xfffffff0, "not where"},
        {"an offset into nothing", "PK\1\2", 2, 0, 42, 4, 3, "not where"},
        {"an offset of another entry", "PK\1\2", 2, 0, 42, 4, 0, "another name"},
        {"another name in the entry", "PK\3\4", 2, 0, 30, 1, 'b', "another name"},
        {"a shorter name in the entry", "PK\3\4", 2, 0, 26, 2, 7, "another name"},
        {"a name that leaves the file", "PK\3\4", 2, 0, 26, 2, 0xffff, "extends beyond"},
        {"an extra that leaves the file", "PK\3\4", 2, 0, 28, 2, 0xffff, "extends beyond"},
        {"the name of another entry", "PK\1\2", 3, 0, 48, 1, 'V', "another name"},
        {"a ZIP64 end that is elsewhere", "PK\6\7", 0, 1, 8, 8, 5, "no ZIP64 record"},
        {"a ZIP64 end behind the file", "PK\6\7", 0, 1, 8, 8, UINT64_MAX, "no ZIP64 record"},
        {"ZIP64: many entries", "PK\6\6", 0, 1, 32, 8, UINT64_MAX, "too small"},
        {"ZIP64: a long directory", "PK\6\6", 0, 1, 40, 8, UINT64_MAX, "not inside"},
        {"ZIP64: a directory far away", "PK\6\6", 0, 1, 48, 8, UINT64_MAX, "not inside"},
        {"ZIP64: an offset far away", "PK\1\2", 0, 1, 76, 8, UINT64_MAX, "not where"},
        {"ZIP64: a size of 2^64-1", "PK\1\2", 0, 1, 60, 16, UINT64_MAX, NULL},
        {"ZIP64: an extra field cut", "PK\1\2", 0, 1, 58, 2, 100, "damaged"},
        {"ZIP64: an extra field too short", "PK\1\2", 0, 1, 58, 2, 8, "damaged"},
    };
    static blob file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].wide)
            archive_script(&file, BYTES(DICT(GOOD)), four, sizeof four);
        else
            archive_torch(&file, BYTES(DICT(GOOD)), four, sizeof four);
        size_t at = blob_find(&file, cases[i].mark, cases[i].n) + cases[i].at;
        for (size_t k = 0; k < cases[i].bytes; k += 8)
            blob_patch(&file, at + k, cases[i].bytes < 8 ? cases[i].bytes : 8, cases[i].number);
        broken_weights(cases[i].name, write_blob("lies.pt", &file), cases[i].part);
    }
}

static void zip_archives_that_are_not_pytorchs(void **state) {
    (void)state;
    static const archive_entry word[] = {{"word/document.xml", "<x/>", 4}};
    static const archive_entry bare[] = {{"data.pkl", DICT(GOOD), 5}, {"data/0", four, 16}};
    static const archive_entry twice[] = {{"a/x", "1", 1}, {"a/x", "2", 1}};
    static const archive_entry big[] = {{"a/data.pkl", BYTES(DICT(GOOD))},
                                        {"a/byteorder", "big", 3}};
    static const archive_entry odd[] = {{"a/data.pkl", BYTES(DICT(GOOD))}, {"a/byteorder", "", 0}};
    static const struct {
        const char *name;
        const archive_entry *entries;
        size_t count;
        const char *part;
    } cases[] = {
        {"a document", word, 1, "not PyTorch's: there is no 'word/data.pkl'"},
        {"no folder", bare, 2, "not PyTorch's"},
        {"two entries of a name", twice, 2, "entry 'a/x' occurs twice"},
        {"big endian", big, 2, "big endian"},
        {"no byte order", odd, 2, "neither little nor big"},
    };
    static blob file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        archive_make(&file, cases[i].entries, cases[i].count, 0);
        broken_weights(cases[i].name, write_blob("other.zip", &file), cases[i].part);
    }
}

static void legacy_files_that_are_broken(void **state) {
    (void)state;
#define KEYS PROTO "]" TEXT("\1", "0") "a."
#define FOUR                                                                                       \
    "\4\0\0\0\0\0\0\0"                                                                             \
    "0123456789abcdef"
    static const pickle_case cases[] = {
        {"no keys", BYTES(DICT(GOOD)), "truncated"},
        {"keys that are no list", BYTES(DICT(GOOD) PROTO "}."), "an unexpected type"},
        {"no elements", BYTES(DICT(GOOD) KEYS), "ends before storage 0"},
        {"half a count", BYTES(DICT(GOOD) KEYS "\4\0\0\0"), "ends before storage 0"},
        {"another count",
         BYTES(DICT(GOOD) KEYS "\3\0\0\0\0\0\0\0"
                               "0123456789ab"),
         "3 elements"},
        {"a count of -1", BYTES(DICT(GOOD) KEYS "\377\377\377\377\377\377\377\377"), "elements"},
        {"too few elements",
         BYTES(DICT(GOOD) KEYS "\4\0\0\0\0\0\0\0"
                               "0123456789abcde"),
         "only 15 bytes follow"},
        {"a key of nothing", BYTES(DICT(GOOD) PROTO "]" TEXT("\1", "1") "a." FOUR), "no storage"},
        {"a key that is a number", BYTES(DICT(GOOD) PROTO "]K\0a." FOUR), "no storage"},
        {"a key twice", BYTES(DICT(GOOD) PROTO "](" TEXT("\1", "0") TEXT("\1", "0") "e." FOUR FOUR),
         "twice"},
        {"a storage without a key", BYTES(DICT(GOOD) PROTO "]." FOUR), "are missing"},
        {"one storage, two sizes",
         BYTES(PROTO "}(" TEXT("\1", "a") GOOD TEXT("\1", "b")
                   TENSOR_ON(STORAGE_OF("torch\nFloatStorage", "0", "K\3"), "K\0", "K\2\205",
                             "K\1\205") "u." KEYS FOUR),
         "differ in type or size"},
        {"one storage, two types",
         BYTES(PROTO "}(" TEXT("\1", "a") GOOD TEXT("\1", "b")
                   TENSOR_ON(STORAGE_OF("torch\nIntStorage", "0", "K\4"), "K\0", "K\2\205",
                             "K\1\205") "u." KEYS FOUR),
         "differ in type or size"},
        {"a call", BYTES(PROTO "cos\nsystem\n" TEXT("\4", "echo") "\205R." PROTO "]."),
         "os.system"},
        {"a module", BYTES(PROTO "(" TEXT("\6", "module") "NNNtQ." KEYS FOUR), "BINPERSID"},
        {"a TorchScript class", BYTES(PROTO "c__torch__\nM\n)\201." PROTO "]."), "__torch__.M"},
        {"2^62 elements",
         BYTES(DICT(TENSOR_ON(STORAGE_OF("torch\nFloatStorage", "0", HUGE_LONG), "K\0", "K\2\205",
                              "K\1\205")) KEYS "\0\0\0\0\0\0\0\100"
                                               "0123456789abcdef"),
         "bytes follow"},
    };
    static blob file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        archive_legacy_start(&file);
        blob_add(&file, cases[i].bytes, cases[i].count);
        broken_weights(cases[i].name, write_blob("legacy.pth", &file), cases[i].part);
    }
    archive_legacy_start(&file); // and the same pieces unbroken
    blob_add(&file, BYTES(DICT(GOOD) KEYS FOUR));
    tn_error err = {0};
    io_weights *weights = NULL;
    ASSERT_OK(io_weights_open(write_blob("legacy.pth", &file), &weights, &err), err);
    assert_memory_equal(io_weights_find(weights, "w")->data, "0123456789abcdef", 16);
    io_weights_close(weights);
}

static void legacy_files_that_start_wrongly(void **state) {
    (void)state;
#define MAGIC "\200\2\212\12l\374\234F\371 j\250P\31."
#define INFO PROTO "}" TEXT("\15", "little_endian")
    static const pickle_case cases[] = {
        {"a pickle of a dict", BYTES(DICT(GOOD)), "not PyTorch's"},
        {"a pickle of a call", BYTES(PROTO "cos\nsystem\n" TEXT("\4", "echo") "\205R."),
         "not PyTorch's"},
        {"another long", BYTES("\200\2\212\12l\374\234F\371 j\250P\32."), "not PyTorch's"},
        {"a longer long", BYTES("\200\2\212\13l\374\234F\371 j\250P\31\0."), "not PyTorch's"},
        {"version 1000", BYTES(MAGIC PROTO "M\350\3."), "version 1000"},
        {"a version that is text", BYTES(MAGIC PROTO TEXT("\4", "1001") "."), "an unexpected type"},
        {"a machine that is a list", BYTES(MAGIC PROTO "M\351\3." PROTO "]."),
         "an unexpected type"},
        {"no byte order", BYTES(MAGIC PROTO "M\351\3." PROTO "}."), "no 'little_endian'"},
        {"a byte order that is text", BYTES(MAGIC PROTO "M\351\3." INFO TEXT("\3", "yes") "s."),
         "no 'little_endian'"},
        {"big endian", BYTES(MAGIC PROTO "M\351\3." INFO "\211s."), "big endian"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        broken_weights(cases[i].name, temporary_file("start.pth", cases[i].bytes, cases[i].count),
                       cases[i].part);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torch_building_blocks_are_valid),
        cmocka_unit_test(pickle_other_encodings_are_read),
        cmocka_unit_test(pickles_that_construct_something),
        cmocka_unit_test(placeholders_with_tensors_inside),
        cmocka_unit_test(placeholders_that_are_broken),
        cmocka_unit_test(placeholders_in_cycles),
        cmocka_unit_test(placeholders_of_huge_counts),
        cmocka_unit_test(pickles_that_are_no_pickles),
        cmocka_unit_test(pickles_of_something_else),
        cmocka_unit_test(tensors_that_do_not_fit),
        cmocka_unit_test(trees_of_modules_that_are_broken),
        cmocka_unit_test(modules_that_are_shared_too_often),
        cmocka_unit_test(pickles_cut_anywhere),
        cmocka_unit_test(zip_directories_that_are_wrong),
        cmocka_unit_test(zip_archives_that_are_not_pytorchs),
        cmocka_unit_test(legacy_files_that_are_broken),
        cmocka_unit_test(legacy_files_that_start_wrongly),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
