// SPDX-License-Identifier: Apache-2.0
// The crop way: what is cut out (golden tables of tools/reference/dump_detector.py).
#include "models/crop.h"
#include "tests/test.h"

#include <string.h>

#define TABLES "tests/golden/detector/tables.safetensors"

static const io_tensor *table(io_weights *tables, const char *name) {
    const io_tensor *t = io_weights_find(tables, name);
    if (!t) fail_msg("the tables have no '%s'", name);
    return t;
}

static void test_edges(void **state) {
    (void)state;
    static const double contexts[] = {0, 1.0, 1.15, 3.0}; // the first is tight
    io_weights *tables;
    tn_error err;
    ASSERT_OK(io_weights_open(TABLES, &tables, &err), err);
    const io_tensor *sizes = table(tables, "crops.sizes"), *boxes = table(tables, "crops.boxes");
    const io_tensor *want = table(tables, "crops.edges");
    int64_t count = boxes->dim[0];
    assert_true(count >= 100 && want->dim[0] == 4);
    for (int64_t i = 0; i < 4 * count; i++) {
        float box[4];
        int32_t size[2], edge[4];
        int64_t got[4];
        memcpy(box, (const char *)boxes->data + i % count * 16, 16);
        memcpy(size, (const char *)sizes->data + i % count * 8, 8);
        memcpy(edge, (const char *)want->data + i * 16, 16);
        double context = contexts[i / count];
        md_crop_edges(context > 0 ? MD_CROP_SQUARE : MD_CROP_TIGHT, context, box, size[0], size[1],
                      got);
        for (int k = 0; k < 4; k++)
            if (got[k] != edge[k])
                fail_msg("box %g %g %g %g of %d x %d, context %g: edge %d is %d, expected %d",
                         (double)box[0], (double)box[1], (double)box[2], (double)box[3], size[0],
                         size[1], context, k, (int)got[k], edge[k]);
    }
    io_weights_close(tables);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
