// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scenes.h"

#include "io/file.h"
#include "io/image/image.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <string.h>

void scenes_of(int i, int *w, int *h, int box[4]) {
    *w = 40 + 13 * (i % 5), *h = 30 + 17 * (i % 4);
    box[0] = 5 + i % 3, box[1] = 4 + i % 7;
    box[2] = box[0] + 10 + i % 11, box[3] = box[1] + 8 + i % 5;
}

static void write_picture(const char *folder, int i) {
    int w, h, box[4];
    scenes_of(i, &w, &h, box);
    tn_error err;
    tn_tensor image;
    ASSERT_OK(tn_new_heap(&image, TN_U8, TN_DIMS(h, w, 3), &err), err);
    memset(image.data, 0, tn_bytes(&image));
    for (int y = box[1]; y < box[3]; y++)
        for (int x = box[0]; x < box[2]; x++) tn_u8(&image)[(y * w + x) * 3 + i % 3] = 255;
    char path[640];
    snprintf(path, sizeof path, "%s/%d.png", folder, i);
    ASSERT_OK(io_png_write(path, &image, &err), err);
    tn_free(image.data);
}

static void write_object(FILE *f, int i) {
    int w, h, b[4];
    scenes_of(i, &w, &h, b);
    fprintf(f,
            "%s{\"id\":%d,\"image_id\":%d,\"category_id\":%d,\"iscrowd\":0,\"bbox\":[%d,%d,%d,%d],",
            i ? "," : "", i + 1, 10 * i + 1, 100 + i % 3, b[0], b[1], b[2] - b[0], b[3] - b[1]);
    if (i % 2) {
        fprintf(f, "\"segmentation\":[[%d,%d,%d,%d,%d,%d,%d,%d]]}", b[0], b[1], b[2], b[1], b[2],
                b[3], b[0], b[3]);
        return;
    }
    fprintf(f, "\"segmentation\":{\"size\":[%d,%d],\"counts\":[%d", h, w, b[0] * h + b[1]);
    for (int x = b[0]; x < b[2]; x++)
        fprintf(f, ",%d,%d", b[3] - b[1],
                x + 1 < b[2] ? h - (b[3] - b[1]) : h - b[3] + (w - b[2]) * h);
    fprintf(f, "]}}");
}

void scenes_write(scenes *out, const char *name, int count) {
    tn_error err;
    snprintf(out->folder, sizeof out->folder, "%s", temporary_path(name));
    snprintf(out->annotations, sizeof out->annotations, "%s.json", out->folder);
    ASSERT_OK(io_make_folder(out->folder, &err), err);
    FILE *f = fopen(out->annotations, "w");
    assert_non_null(f);
    fprintf(f, "{\"categories\":[{\"id\":100,\"name\":\"red\"},{\"id\":101,\"name\":\"green\"},"
               "{\"id\":102,\"name\":\"blue\"}],\"images\":[");
    for (int i = 0; i < count; i++) {
        int w, h, box[4];
        scenes_of(i, &w, &h, box);
        fprintf(f, "%s{\"id\":%d,\"width\":%d,\"height\":%d,\"file_name\":\"%d.png\"}",
                i ? "," : "", 10 * i + 1, w, h, i);
        write_picture(out->folder, i);
    }
    fprintf(f, "],\"annotations\":[");
    for (int i = 0; i < count; i++) write_object(f, i);
    fprintf(f, "]}");
    assert_int_equal(fclose(f), 0);
}
