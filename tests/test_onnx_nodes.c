// SPDX-License-Identifier: Apache-2.0
// The ONNX project's node cases (../shared/data/onnx_node) at every level. Cases that the kernels
// do not support are listed with counts.
#include "tests/support/levels.h"
#include "tests/support/onnx_node.h"
#include "tests/support/test.h"

#include "io/npy.h"

#include <string.h>
#include <unistd.h>

#define FOLDER SHARED_DATA "/onnx_node/"
#define MIN_CHECKED 94 // cases that the kernels support, of 167

// Reasons for skipped cases, with counts.
static struct {
    char why[96];
    int count;
} reasons[64];

static void not_offered(const char *op, const char *why) {
    char text[96];
    snprintf(text, sizeof text, "%s%s%s", op, why ? ": " : "", why ? why : "");
    for (int i = 0; i < 64; i++) {
        if (!reasons[i].count) strcpy(reasons[i].why, text);
        if (strcmp(reasons[i].why, text) == 0) {
            reasons[i].count++;
            return;
        }
    }
}

static bool load(const char *name, const char *side, int64_t index, tn_tensor *out, tn_error *err) {
    char path[256];
    tn_tensor t;
    snprintf(path, sizeof path, FOLDER "%s.%s%d.npy", name, side, (int)index);
    if (io_npy_read(path, &t, err) != TN_OK) return false;
    *out = guarded_copy(&t);
    tn_free(t.data);
    return true;
}

// False if a file's type or rank is not supported.
static bool read_node(const io_json *entry, onnx_node *n) {
    tn_error err;
    io_json names;
    int64_t next = 0;
    ASSERT_OK(io_json_get(entry, "attributes", IO_JSON_OBJECT, &n->attributes, &err), err);
    ASSERT_OK(io_json_get(entry, "node_inputs", IO_JSON_ARRAY, &names, &err), err);
    assert_true(io_json_count(&names) <= ONNX_INPUTS);
    for (int i = 0; i < ONNX_INPUTS; i++) n->in[i] = (tn_tensor){.rank = -1};
    for (size_t i = 0; i < io_json_count(&names); i++) {
        io_json item;
        const char *input;
        ASSERT_OK(io_json_at(&names, i, IO_JSON_STRING, &item, &err), err);
        ASSERT_OK(io_json_as_string(&item, &input, &err), err);
        if (*input && !load(n->name, "in", next++, &n->in[i], &err)) break; // "" is left out
    }
    bool read = next == 0 || load(n->name, "out", 0, &n->out, &err);
    int64_t inputs;
    ASSERT_OK(io_json_int(entry, "inputs", 0, ONNX_INPUTS, &inputs, &err), err);
    if (!read || next != inputs) {
        n->why = "types or ranks that tensors do not have";
        return false;
    }
    return true;
}

static bool run_everywhere(const io_json *entry, onnx_node *n) {
    onnx_handler handler = onnx_find(n->op);
    if (!handler) return false;
    for (int i = 0; i < levels_count(); i++) {
        guarded_free();
        if (!read_node(entry, n)) return false;
        n->cx = levels_at(i)->cx[TWO_THREADS];
        if (!handler(n)) return false;
    }
    return true;
}

static void node_cases_agree(void **state) {
    (void)state;
    if (access(FOLDER "index.json", R_OK) != 0) SKIP("no " FOLDER);
    tn_error err;
    io_json index, entry;
    int checked = 0, left_out = 0;
    ASSERT_OK(io_json_read(FOLDER "index.json", 1 << 24, &index, &err), err);
    for (size_t i = 0; i < io_json_count(&index); i++) {
        onnx_node n = {0};
        ASSERT_OK(io_json_at(&index, i, IO_JSON_OBJECT, &entry, &err), err);
        ASSERT_OK(io_json_string(&entry, "name", &n.name, &err), err);
        ASSERT_OK(io_json_string(&entry, "op", &n.op, &err), err);
        if (run_everywhere(&entry, &n)) {
            checked++;
        } else {
            not_offered(n.op, n.why);
            left_out++;
        }
    }
    io_json_close(&index);
    printf("%d node cases agree at %d levels, %d are not offered:\n", checked, levels_count(),
           left_out);
    for (int i = 0; i < 64 && reasons[i].count; i++)
        printf("not offered: %3d %s\n", reasons[i].count, reasons[i].why);
    assert_true(checked >= MIN_CHECKED);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(node_cases_agree)};
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
