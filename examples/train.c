// SPDX-License-Identifier: Apache-2.0
// Trains a small detector around a CLIP: stops it after two updates, resumes it, and opens the
// model that came out.
//     cc train.c $(pkg-config --cflags --libs lexmask) -o train
//     ./train CLIP ANNOTATIONS.json PICTURES RUN UPDATES
#include <lexmask.h>
#include <stdio.h>
#include <stdlib.h>

static void show_update(void *user, const lexmask_train_update *update) {
    int *updates = user;
    ++*updates;
    printf("update %d of %d: loss %.3f (", (int)update->step, (int)update->steps, update->loss);
    for (size_t i = 0; i < update->loss_count; i++)
        printf("%s%s %.3f", i ? ", " : "", update->loss_names[i], update->losses[i]);
    printf("), %.1f pictures/s\n", update->pictures_per_second);
}

static void show_figures(void *user, int64_t step, const lexmask_value *values, size_t count) {
    (void)user, (void)step;
    for (size_t i = 0; i < count; i++) printf("%s %.3f\n", values[i].name, values[i].value);
}

static int stop_early(void *user) {
    const int *updates = user;
    return *updates == 2;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int updates = 0;
    lexmask_error err;
    lexmask_train_options options;
    lexmask_train_watcher watcher;
    lexmask_train_options_init(&options);
    options.preset = "small", options.clip = argv[1], options.norm = "group";
    options.data = argv[2], options.pictures = argv[3], options.out = argv[4];
    options.val = options.data, options.picture_size = 128, options.regions = 64;
    options.steps = atoi(argv[5]), options.batch = 2;
    lexmask_train_watcher_init(&watcher);
    watcher.user = &updates, watcher.update = show_update, watcher.measured = show_figures;
    watcher.stop = stop_early;
    lexmask_status status = lexmask_train(&options, &watcher, &err);
    if (status == LEXMASK_ECANCELLED) { // the run's folder knows all the other options
        puts(err.text);
        lexmask_train_options_init(&options);
        options.out = argv[4], options.resume = 1;
        watcher.stop = NULL;
        status = lexmask_train(&options, &watcher, &err);
    }
    lexmask_model *model = NULL;
    lexmask_model_options from;
    lexmask_model_options_init(&from);
    from.folder = argv[4];
    if (!status) status = lexmask_model_open(&from, &model, &err);
    if (status) return fprintf(stderr, "%s\n", err.text), 1;
    lexmask_model_close(model);
    return 0;
}
