// SPDX-License-Identifier: Apache-2.0
// The C API in one screen: find the named things in a picture and print them.
//
//     cc find.c $(pkg-config --cflags --libs lexmask) -o find
//     ./find photo.jpg "red heart,pizza"               with the model that comes with lexmask, or
//     ./find photo.jpg "red heart,pizza" demo/pair     with another
#include <lexmask.h>
#include <stdio.h>

static int failed(const lexmask_error *err) {
    fprintf(stderr, "find: %s\n", err->text);
    return 1;
}

static void print(const lexmask_result *result) {
    for (size_t i = 0; i < lexmask_result_count(result); i++) {
        const lexmask_detection *d = lexmask_result_at(result, i);
        printf("%-20s %.3f  %7.1f %7.1f %7.1f %7.1f\n", d->name, d->score, d->box[0], d->box[1],
               d->box[2], d->box[3]);
    }
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: find PICTURE NAMES [MODEL_FOLDER]\n");
        return 2;
    }
    lexmask_error err = {0};
    lexmask_model *model = NULL; // one for the program, shared by all threads
    lexmask_model_options model_options;
    lexmask_model_options_init(&model_options);
    model_options.folder = argc > 3 ? argv[3] : NULL;
    if (lexmask_model_open(&model_options, &model, &err)) return failed(&err);

    lexmask_names *names = NULL; // what to look for, set once
    lexmask_names_options names_options;
    lexmask_names_options_init(&names_options);
    names_options.text = argv[2];
    if (lexmask_names_new(model, &names_options, &names, &err)) return failed(&err);

    lexmask_session *session = NULL; // one for each thread
    lexmask_session_options session_options;
    lexmask_session_options_init(&session_options);
    if (lexmask_session_new(model, names, &session_options, &session, &err)) return failed(&err);

    lexmask_result *result = NULL;
    if (lexmask_run_file(session, argv[1], &result, &err)) return failed(&err);
    print(result);

    lexmask_result_free(result);
    lexmask_session_free(session);
    lexmask_names_free(names);
    lexmask_model_close(model);
    return 0;
}
