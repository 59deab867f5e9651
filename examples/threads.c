// SPDX-License-Identifier: Apache-2.0
// Two threads share a model: each looks for names of its own in the same encoded picture in memory,
// and then for the other's, without a new session.
//     cc threads.c -pthread $(pkg-config --cflags --libs lexmask) -o threads
//     ./threads MODEL_FOLDER PICTURE NAMES NAMES
#include <lexmask.h>
#include <pthread.h>
#include <stdio.h>

static lexmask_model *model;
static lexmask_names *names[2];
static char bytes[16 << 20];
static size_t count;

// *first: which names to begin with, and then how many objects were found.
static void *look(void *first) {
    lexmask_session *session = NULL;
    size_t *found = first, which = *found;
    *found = 0;
    if (lexmask_session_new(model, NULL, NULL, &session, NULL)) return NULL;
    for (int round = 0; round < 2; round++, which = 1 - which) {
        lexmask_result *result = NULL;
        if (lexmask_session_set_names(session, names[which], NULL) ||
            lexmask_run_bytes(session, bytes, count, &result, NULL))
            break;
        *found += lexmask_result_count(result);
        lexmask_result_free(result);
    }
    lexmask_session_free(session);
    return NULL;
}

int main(int argc, char **argv) {
    FILE *file = argc == 5 ? fopen(argv[2], "rb") : NULL;
    if (!file) return 2;
    count = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    lexmask_error err;
    lexmask_model_options from;
    lexmask_names_options words;
    lexmask_model_options_init(&from);
    lexmask_names_options_init(&words);
    from.folder = argv[1];
    lexmask_status status = lexmask_model_open(&from, &model, &err);
    for (int i = 0; i < 2 && !status; i++) {
        words.text = argv[3 + i];
        status = lexmask_names_new(model, &words, &names[i], &err);
    }
    if (status) return fprintf(stderr, "%s\n", err.text), 1;
    pthread_t other;
    size_t found[2] = {0, 1};
    if (pthread_create(&other, NULL, look, &found[1])) return 1;
    look(&found[0]);
    pthread_join(other, NULL);
    printf("%zu and %zu found\n", found[0], found[1]); // the same, in another order
    for (int i = 0; i < 2; i++) lexmask_names_free(names[i]);
    lexmask_model_close(model);
    return found[0] != found[1];
}
