// SPDX-License-Identifier: Apache-2.0
#include "tests/support/train_scene.h"

#include "tests/support/program.h"

#include <math.h>
#include <string.h>

#define SIDE 128

typedef struct shape {
    double x, y, r; // a disc (category 1) or a square (2)
    int category;
    unsigned char colour[3];
} shape;

static const shape shapes[2][2] = {
    {{38, 44, 26, 1, {220, 40, 40}}, {92, 90, 24, 2, {40, 60, 220}}},
    {{90, 40, 28, 2, {40, 60, 220}}, {40, 92, 24, 1, {220, 40, 40}}},
};

static bool inside(const shape *s, double x, double y) {
    if (s->category == 2) return fabs(x - s->x) <= s->r && fabs(y - s->y) <= s->r;
    return hypot(x - s->x, y - s->y) <= s->r;
}

static void write_picture(int n) {
    char name[32];
    snprintf(name, sizeof name, "%d.ppm", n);
    FILE *file = fopen(temporary_path(name), "wb");
    assert_non_null(file);
    fprintf(file, "P6 %d %d 255\n", SIDE, SIDE);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            unsigned char pixel[3] = {(unsigned char)(120 + (x * 7 + y * 3) % 40), 150, 130};
            for (int k = 0; k < 2; k++)
                if (inside(&shapes[n][k], x + 0.5, y + 0.5)) memcpy(pixel, shapes[n][k].colour, 3);
            fwrite(pixel, 1, 3, file);
        }
    assert_int_equal(fclose(file), 0);
}

static void write_object(FILE *file, int n, int k) {
    const shape *s = &shapes[n][k];
    fprintf(file,
            "%s{\"id\":%d,\"image_id\":%d,\"category_id\":%d,\"iscrowd\":0,\"area\":%g,"
            "\"bbox\":[%g,%g,%g,%g],\"segmentation\":[[",
            n + k ? "," : "", 2 * n + k + 1, n + 1, s->category, 3 * s->r * s->r, s->x - s->r,
            s->y - s->r, 2 * s->r, 2 * s->r);
    int corners = s->category == 2 ? 4 : 24;
    for (int i = 0; i < corners; i++) {
        double turn = 6.283185307179586 * (i + (corners == 4 ? 0.5 : 0)) / corners;
        double r = corners == 4 ? s->r * 1.4142135623730951 : s->r;
        fprintf(file, "%s%.3f,%.3f", i ? "," : "", s->x + r * cos(turn), s->y + r * sin(turn));
    }
    fputs("]]}", file);
}

int scene_write(void **state) {
    (void)state;
    FILE *file = fopen(temporary_path("data.json"), "wb");
    assert_non_null(file);
    fprintf(file,
            "{\"images\":[{\"id\":1,\"file_name\":\"0.ppm\",\"width\":%d,\"height\":%d},"
            "{\"id\":2,\"file_name\":\"1.ppm\",\"width\":%d,\"height\":%d}],\"categories\":["
            "{\"id\":1,\"name\":\"red circle\"},{\"id\":2,\"name\":\"blue square\"}],"
            "\"annotations\":[",
            SIDE, SIDE, SIDE, SIDE);
    for (int n = 0; n < 2; n++) {
        write_picture(n);
        for (int k = 0; k < 2; k++) write_object(file, n, k);
    }
    fputs("]}", file);
    return fclose(file);
}

const char *scene_words(const char *run) {
    static char text[4][2048];
    static int next;
    char *out = text[next++ % 4];
    snprintf(out, sizeof text[0],
             "train --preset small --clip %s --data %s --pictures %s --out %s --size 128 "
             "--jitter 1,1 --no-flip --batch 2",
             SCENE_CLIP, temporary_path("data.json"), temporary_folder(), temporary_path(run));
    return out;
}
