// SPDX-License-Identifier: Apache-2.0
// How alike a picture, its upper left quarter and a text are, by CLIP.
//     ./embed MODEL_FOLDER PICTURE WIDTH HEIGHT TEXT
#include <lexmask.h>
#include <stdio.h>
#include <stdlib.h>

static lexmask_error err;

static void must(lexmask_status status) {
    if (status == LEXMASK_OK) return;
    fprintf(stderr, "%s\n", err.text);
    exit(1);
}

static double dot(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    lexmask_model *model = NULL;
    lexmask_model_options from;
    lexmask_model_options_init(&from);
    from.folder = argv[1];
    must(lexmask_model_open(&from, &model, &err));
    lexmask_session *session = NULL; // embeddings need no names
    must(lexmask_session_new(model, NULL, NULL, &session, &err));
    size_t size = lexmask_model_embedding_size(model);
    float *picture = malloc(3 * size * sizeof *picture), *crop, *text;
    if (!picture) return 1;
    crop = picture + size, text = crop + size;
    lexmask_picture file = lexmask_picture_file(argv[2]);
    float box[4] = {0, 0, (float)atof(argv[3]) / 2, (float)atof(argv[4]) / 2};
    const char *texts[1] = {argv[5]};
    must(lexmask_embed_picture(session, &file, picture, &err));
    must(lexmask_embed_boxes(session, &file, box, 1, crop, &err));
    must(lexmask_embed_texts(session, texts, 1, text, &err));
    printf("picture and text %.3f\ncrop and text    %.3f\n", dot(picture, text, size),
           dot(crop, text, size));
    free(picture);
    lexmask_session_free(session);
    lexmask_model_close(model);
    return 0;
}
