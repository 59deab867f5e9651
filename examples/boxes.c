// SPDX-License-Identifier: Apache-2.0
// Names boxes of a picture in memory.
//     ./boxes MODEL_FOLDER NAMES WIDTH HEIGHT <pixels.rgb  names the middle of the picture
#include <lexmask.h>
#include <stdio.h>
#include <stdlib.h>

static lexmask_error err;

static void must(lexmask_status status) {
    if (status == LEXMASK_OK) return;
    fprintf(stderr, "%s\n", err.text);
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    int width = atoi(argv[3]), height = atoi(argv[4]), label;
    size_t bytes = 3 * (size_t)width * (size_t)height;
    unsigned char *pixels = malloc(bytes + 1);
    if (!pixels || fread(pixels, 1, bytes, stdin) != bytes) return 1;
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
    must(lexmask_session_new(model, names, NULL, &session, &err)); // NULL: all defaults

    float w = (float)width, h = (float)height, score, box[4] = {w / 4, h / 4, w * 3 / 4, h * 3 / 4};
    lexmask_picture picture = lexmask_picture_pixels(pixels, width, height, 0, LEXMASK_PIXELS_RGB);
    must(lexmask_name_boxes(session, &picture, box, 1, &label, &score, &err));
    printf("%s %.3f\n", label < 0 ? "none of them" : lexmask_names_at(names, (size_t)label), score);

    lexmask_session_free(session);
    lexmask_names_free(names);
    lexmask_model_close(model);
    free(pixels);
    return 0;
}
