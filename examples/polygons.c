// SPDX-License-Identifier: Apache-2.0
// Masks as polygons, holes apart, as an SVG path for each object.
//     ./polygons MODEL_FOLDER NAMES PICTURE >masks.svg
#include <lexmask.h>
#include <stdio.h>
#include <stdlib.h>

static lexmask_error err;

static void must(lexmask_status status) {
    if (status == LEXMASK_OK) return;
    fprintf(stderr, "%s\n", err.text);
    exit(1);
}

static void draw(const lexmask_polygons *p) {
    printf("<path fill-rule=\"evenodd\" d=\"");
    for (size_t r = 0; r < p->count; r++) {
        for (size_t k = p->first[r]; k < p->first[r + 1]; k++)
            printf("%c%d %d", k == p->first[r] ? 'M' : 'L', (int)p->points[2 * k],
                   (int)p->points[2 * k + 1]);
        printf("Z");
    }
    printf("\"/>\n");
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    lexmask_model *model = NULL;
    lexmask_model_options from;
    lexmask_model_options_init(&from);
    from.folder = argv[1];
    must(lexmask_model_open(&from, &model, &err));
    lexmask_names *names = NULL;
    lexmask_names_options words;
    lexmask_names_options_init(&words);
    words.text = argv[2];
    must(lexmask_names_new(model, &words, &names, &err));
    lexmask_session *session = NULL;
    must(lexmask_session_new(model, names, NULL, &session, &err));
    lexmask_result *result = NULL;
    must(lexmask_run_file(session, argv[3], &result, &err));
    int width, height;
    lexmask_result_size(result, &width, &height);
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">\n", width,
           height);
    for (size_t i = 0; i < lexmask_result_count(result); i++) {
        const lexmask_polygons *polygons;
        must(lexmask_result_polygons(result, i, &polygons, &err));
        draw(polygons);
    }
    printf("</svg>\n");
    lexmask_result_free(result);
    lexmask_session_free(session);
    lexmask_names_free(names);
    lexmask_model_close(model);
    return 0;
}
