// SPDX-License-Identifier: Apache-2.0
// How fast training's data comes: annotations into memory, pictures into batches.
#include "tools/bench/bench.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"
#include "train/loader.h"

#include <stdio.h>
#include <sys/resource.h>

#define PICTURES 240 // read for a figure, or for 20 seconds
#define SECONDS 20

static double resident_mb(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)use.ru_maxrss / 1024;
}

static void print_counts(const tr_dataset *data, double seconds, bool json) {
    if (!json) {
        char text[512];
        printf("annotations  %.2f s, %.0f MB at the peak\n", seconds, resident_mb());
        printf("             %s\n", tr_counts_text(data->counts, text, sizeof text));
        return;
    }
    printf("{\"annotations\":{\"seconds\":%.3f,\"peak_mb\":%.1f", seconds, resident_mb());
    for (int i = 0; i < TR_COUNTS; i++)
        printf(",\"%s\":%lld", tr_count_name(i), (long long)data->counts[i]);
    printf("}");
}

static tn_status read_batches(tr_loader *loader, const bench_data *how, tn_error *err) {
    double start = tool_seconds(), seconds = 0;
    int64_t objects = 0, cut = 0;
    while (tr_loader_tally(loader).samples < PICTURES && seconds < SECONDS) {
        tr_batch batch;
        TN_TRY(tr_loader_next(loader, &batch, err));
        for (int64_t i = 0; i < batch.count; i++)
            objects += batch.samples[i].truth.boxes.dim[0], cut += batch.samples[i].cut;
        seconds = tool_seconds() - start;
    }
    tr_loader_counts t = tr_loader_tally(loader);
    double rate = (double)t.samples / seconds;
    if (how->json)
        printf(
            ",\"batches\":{\"pictures\":%lld,\"pictures_per_second\":%.2f,\"peak_mb\":%.1f,"
            "\"objects\":%lld,\"cut\":%lld,\"missing\":%lld,\"broken\":%lld,\"other_size\":%lld}",
            (long long)t.samples, rate, resident_mb(), (long long)objects, (long long)cut,
            (long long)t.missing, (long long)t.broken, (long long)t.other_size);
    else
        printf("batches      %.1f pictures/s, %.0f MB at the peak\n"
               "             pictures %lld, objects %lld, cut off %lld, files missing %lld, "
               "broken %lld, of another size %lld\n",
               rate, resident_mb(), (long long)t.samples, (long long)objects, (long long)cut,
               (long long)t.missing, (long long)t.broken, (long long)t.other_size);
    return TN_OK;
}

tn_status tool_bench_data(const bench_data *how, tn_error *err) {
    tr_dataset_options from = {.annotations = how->annotations,
                               .pictures = how->pictures ? how->pictures : "."};
    tr_dataset *data;
    double start = tool_seconds();
    TN_TRY(tr_dataset_open(&from, &data, err));
    print_counts(data, tool_seconds() - start, how->json);
    tn_status status = TN_OK;
    if (how->pictures) {
        tr_loader_options options = {.data = data,
                                     .augment = tr_augment_default(how->size),
                                     .mean = {0.48f, 0.46f, 0.41f}, // of CLIP; any will do
                                     .std = {0.27f, 0.26f, 0.28f},
                                     .batch = how->batch,
                                     .workers = (int)how->workers,
                                     .masks = true};
        tr_loader *loader;
        status = tr_loader_open(&options, &loader, err);
        if (status == TN_OK) {
            status = read_batches(loader, how, err);
            tr_loader_close(loader);
        }
    }
    if (how->json) printf("}\n");
    tr_dataset_close(data);
    return status;
}
