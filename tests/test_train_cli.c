// SPDX-License-Identifier: Apache-2.0
// `lexmask train` as a user types it: it learns two pictures by heart, ends in the same bits
// however often it is stopped, leaves the CLIP as it was, and says plainly what is wrong.
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/sha256.h"
#include "tests/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIDE 128
#define CLIP "demo/pair/clip"

// ---- two pictures ------------------------------------------------------------------------------

typedef struct shape {
    double x, y, r; // a disc (category 1) or a square (2)
    int category;
    unsigned char colour[3];
} shape;

static const shape shapes[2][2] = {
    {{38, 44, 26, 1, {220, 40, 40}}, {92, 90, 24, 2, {40, 60, 220}}},
    {{90, 40, 28, 2, {40, 60, 220}}, {40, 92, 24, 1, {220, 40, 40}}},
};

static const char *in_folder(const char *name) {
    static char path[8][512];
    static int next;
    char *out = path[next++ % 8];
    snprintf(out, sizeof path[0], "%s/%s", test_folder(), name);
    return out;
}

static bool inside(const shape *s, double x, double y) {
    if (s->category == 2) return fabs(x - s->x) <= s->r && fabs(y - s->y) <= s->r;
    return hypot(x - s->x, y - s->y) <= s->r;
}

static void write_picture(int n) {
    char name[32];
    snprintf(name, sizeof name, "%d.ppm", n);
    FILE *file = fopen(in_folder(name), "wb");
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

static int make_data(void **state) {
    (void)state;
    FILE *file = fopen(in_folder("data.json"), "wb");
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

// The words that all runs share; more follow.
static const char *words(const char *run) {
    static char text[4][2048];
    static int next;
    char *out = text[next++ % 4];
    snprintf(out, sizeof text[0],
             "train --preset small --clip %s --data %s --pictures %s --out %s --size 128 "
             "--jitter 1,1 --no-flip --batch 2",
             CLIP, in_folder("data.json"), test_folder(), in_folder(run));
    return out;
}

// ---- learning ----------------------------------------------------------------------------------

static double last_of(const char *run, const char *key) {
    char path[512], *text;
    size_t count;
    double value = NAN;
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/log.jsonl", in_folder(run));
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    for (char *save, *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        io_json document;
        ASSERT_OK(io_json_parse(line, strlen(line), "log", &document, &err), err);
        ASSERT_OK(io_json_maybe_number(&document, key, &value, &err), err);
        io_json_close(&document);
    }
    tn_free(text);
    return value;
}

static void digest(const char *path, uint8_t out[IO_SHA256]) {
    tn_error err = {0};
    ASSERT_OK(io_sha256_file(path, out, &err), err);
}

static void learns_two_pictures_by_heart(void **state) {
    (void)state;
    uint8_t before[IO_SHA256], after[IO_SHA256];
    digest(CLIP "/model.safetensors", before);
    test_run run = test_lexmask("%s --steps 90 --warmup 5 --lr 2e-3 --val %s --val-every 1000",
                                words("heart"), in_folder("data.json"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "frozen weights unchanged");
    printf("%.1f s, box AP50 %.3f, mask AP50 %.3f, AR@100 %.3f\n", run.seconds,
           last_of("heart", "AP50"), last_of("heart", "mask_AP50"), last_of("heart", "box_AR@100"));
    assert_true(last_of("heart", "AP50") > 0.9);
    assert_true(last_of("heart", "mask_AP50") > 0.85);
    assert_true(last_of("heart", "box_R50@100") > 0.95);
    test_run_free(&run);
    digest(CLIP "/model.safetensors", after);
    assert_memory_equal(before, after, sizeof before);
    const char *const files[] = {"config.json", "adapters.safetensors", "losses.png", "figures.png",
                                 "checkpoint.safetensors"};
    char path[512];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", in_folder("heart"), files[i]);
        if (access(path, F_OK) != 0) fail_msg("no %s", path);
    }
    // And what it has learned is a model like any other.
    run =
        test_lexmask("detect %s --model %s --names red\tcircle,blue\tsquare --score2 none --score "
                     "0.5 --jsonl -",
                     in_folder("0.ppm"), in_folder("heart"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "red circle");
    ASSERT_SAYS(run.out, "blue square");
    test_run_free(&run);
}

// ---- stopping ----------------------------------------------------------------------------------

#define STEPS 7

static void checkpoint_of(const char *run, uint8_t out[IO_SHA256]) {
    char path[512];
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", in_folder(run));
    digest(path, out);
}

static void stopped_and_resumed_it_ends_in_the_same_bits(void **state) {
    (void)state;
    uint8_t want[IO_SHA256], is[IO_SHA256];
    test_run run = test_lexmask("%s --steps %d --threads 1 --average 0.9", words("whole"), STEPS);
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    checkpoint_of("whole", want);
    for (int stop = 1; stop < STEPS; stop += 2) {
        char name[32];
        snprintf(name, sizeof name, "parts%d", stop);
        for (int part = 0; part < 3; part++) {
            char begin[2048];
            snprintf(begin, sizeof begin, "%s --steps %d --average 0.9 --cache %s", words(name),
                     STEPS, in_folder("cache"));
            if (part) snprintf(begin, sizeof begin, "train --resume --out %s", in_folder(name));
            run = test_lexmask("%s --threads %d --workers %d --stop-after %d", begin,
                               1 + (stop + part) % 2, part, part < 2 ? stop : STEPS);
            ASSERT_CODE(run, 0);
            test_run_free(&run);
        }
        checkpoint_of(name, is);
        assert_memory_equal(want, is, sizeof want);
    }
}

// The gradients of a run's first update.
static void first_gradients(const char *run, const char *how, io_weights **out) {
    char path[512];
    tn_error err = {0};
    test_run went = test_lexmask("train --preset small --clip %s --data %s --pictures %s --out %s "
                                 "--size 64 --steps 1 --warmup 0 --dump %s-dump %s",
                                 CLIP, in_folder("data.json"), test_folder(), in_folder(run),
                                 in_folder(run), how);
    ASSERT_CODE(went, 0);
    test_run_free(&went);
    snprintf(path, sizeof path, "%s-dump/step-000000.safetensors", in_folder(run));
    ASSERT_OK(io_weights_open(path, out, &err), err);
}

// Losses are divided by fixed counts, and group norm sees one picture at a time.
static void a_batch_in_parts_has_the_same_gradients(void **state) {
    (void)state;
    io_weights *whole, *parts;
    first_gradients("whole-batch", "--batch 2", &whole);
    first_gradients("in-parts", "--batch 1 --accumulate 2", &parts);
    int compared = 0;
    for (size_t i = 0; i < io_weights_count(whole); i++) {
        const io_tensor *a = io_weights_at(whole, i);
        if (strncmp(a->name, "grad/", 5)) continue;
        const io_tensor *b = io_weights_find(parts, a->name);
        assert_non_null(b);
        tn_tensor view = tn_view((void *)a->data, TN_F32, a->rank, a->dim);
        double apart = 0, top = 0;
        for (int64_t k = 0; k < tn_count(&view); k++) {
            double x = ((const float *)a->data)[k], y = ((const float *)b->data)[k];
            apart = fmax(apart, fabs(x - y));
            top = fmax(top, fabs(x));
        }
        if (!(apart <= 1e-5 * top)) fail_msg("%s: %g of %g", a->name, apart, top);
        compared += top > 0;
    }
    assert_true(compared > 50);
    io_weights_close(whole);
    io_weights_close(parts);
}

static void ctrl_c_saves_first(void **state) {
    (void)state;
    test_run run = test_lexmask_interrupted(1.5, "%s --steps 100000 --warmup 5", words("long"));
    if (run.code == 0 || !strstr(run.err, "saved")) fail_msg("not interrupted:\n%s", run.err);
    assert_int_equal(run.code, 1);
    test_run_free(&run);
    run = test_lexmask("%s --steps 100000 --warmup 5 --resume --stop-after 1", words("long"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask("train --resume --out %s --stop-after 1", in_folder("long"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
}

// ---- saying no ---------------------------------------------------------------------------------

static void what_is_missing_is_said(void **state) {
    (void)state;
    static const struct {
        const char *words, *says;
        int code;
    } cases[] = {
        {"train", "train what?", 2},
        {"train --preset small", "needs a CLIP", 2},
        {"train --preset large --clip x", "--preset", 2},
        {"train --preset small --clip " CLIP, "train on what?", 2},
        {"train --preset small --clip " CLIP " --data x", "where are the pictures?", 2},
        {"train --preset small --clip " CLIP " --data x --pictures y", "where to?", 2},
        {"train --model a --preset small --clip b --data x --pictures y --out z", "train what?", 2},
        {"train --model a --clip b --data x --pictures y --out z", "--clip goes with --preset", 2},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --steps 1 --epochs 2",
         "--steps or --epochs", 2},
        {"train --preset small --clip " CLIP " --data /no/such.json --pictures y --out z",
         "/no/such.json", 1},
        {"train --model /no/such --data x --pictures y --out z", "/no/such/config.json", 1},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --jitter 3",
         "two numbers", 2},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --jitter 0,1",
         "from 0.01 to 10", 2},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --lr 11", "--lr", 2},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --lr nan", "--lr", 2},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --batch 65", "--batch",
         2},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --decay -1", "--decay",
         2},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --steps 0", "--steps",
         2},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --seed 0.5", "--seed",
         2},
        {"train --model a --norm group --data x --pictures y --out z", "--norm", 2},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --speed", "--speed",
         2},
        {"train --resume --out /no/such/run", "no run to go on with", 2},
        {"train --preset small --clip " CLIP " --data x --pictures y --out z --val-pictures a",
         "goes with --val", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_run run = test_lexmask("%s", cases[i].words);
        ASSERT_CODE(run, cases[i].code);
        ASSERT_SAYS(run.err, cases[i].says);
        test_run_free(&run);
    }
}

static void a_run_is_not_overwritten(void **state) {
    (void)state;
    test_run run = test_lexmask("%s --steps 2", words("once"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask("%s --steps 2", words("once"));
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--resume");
    test_run_free(&run);
    run = test_lexmask("%s --steps 2 --lr 0.5 --resume", words("once"));
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--lr");
    test_run_free(&run);
}

static void a_cache_of_what_is_never_seen_twice_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"0.5,1", "1.5,1.5"};
    for (int i = 0; i < 2; i++) {
        test_run run = test_lexmask("train --preset small --clip %s --data %s --pictures %s --out "
                                    "%s --size 64 --cache %s --jitter %s",
                                    CLIP, in_folder("data.json"), test_folder(), in_folder("never"),
                                    in_folder("cache"), cases[i]);
        ASSERT_CODE(run, 2);
        ASSERT_SAYS(run.err, "--cache: pictures are scaled at random");
        test_run_free(&run);
    }
}

// A run knows what it was told; what is given again has to agree.
static void what_contradicts_a_run_is_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"--lr 0.5", "--lr"},
        {"--batch 1", "--batch"},
        {"--accumulate 3", "--accumulate"},
        {"--steps 9", "--steps"},
        {"--seed 2", "--seed"},
        {"--average 0.5", "--average"},
        {"--jitter 0.5,1", "--jitter"},
        {"--warmup 1", "--warmup"},
        {"--decay 0", "--decay"},
        {"--size 64", "--size"},
        {"--loss cosine", "--loss"},
        {"--clip-norm 9", "--clip-norm"},
        {"--data /no/such", "/no/such"},
    };
    test_run run = test_lexmask("%s --steps 1 --seed 1", words("told"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run = test_lexmask("train --resume --out %s %s", in_folder("told"), cases[i][0]);
        if (run.code != 1 && run.code != 2) fail_msg("%s: exit code %d", cases[i][0], run.code);
        ASSERT_SAYS(run.err, cases[i][1]);
        test_run_free(&run);
    }
    run = test_lexmask("train --resume --out %s", in_folder("told"));
    ASSERT_CODE(run, 0); // and is as it was
    test_run_free(&run);
}

static void broken_settings_of_a_run_are_named(void **state) {
    (void)state;
#define BOTH "\"data\":\"d\",\"pictures\":\"p\""
    static const char *const cases[][2] = {
        {"", "run.json"},
        {"{", "run.json: line 1"},
        {"[]", "expected an object"},
        {"{}", "no \"data\""},
        {"{\"data\":\"d\"}", "no \"pictures\""},
        {"{\"data\":1}", "data: expected a string"},
        {"{\"data\":null}", "data: expected a string"},
        {"{" BOTH ",\"speed\":1}", "speed: no such setting"},
        {"{" BOTH ",\"batch\":0}", "batch: "},
        {"{" BOTH ",\"batch\":65}", "batch: "},
        {"{" BOTH ",\"batch\":1.5}", "batch: expected an integer"},
        {"{" BOTH ",\"accumulate\":1e9}", "accumulate: "},
        {"{" BOTH ",\"average\":\"a\"}", "average: expected a number"},
        {"{" BOTH ",\"average\":2}", "average: expected a number from 0 to 1, found 2"},
        {"{" BOTH ",\"cache-limit\":1e300}", "cache-limit: "},
        {"{" BOTH ",\"seed\":-1}", "seed: "},
        {"{" BOTH ",\"workers\":1000}", "workers: "},
        {"{" BOTH ",\"data\":\"d\"}", "run.json: line 1"}, // twice
        {"{" BOTH "}", "d: "},                             // no such annotations
    };
#undef BOTH
    test_run run = test_lexmask("%s --steps 1", words("hurt"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    char path[512];
    snprintf(path, sizeof path, "%s/run.json", in_folder("hurt"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *file = fopen(path, "wb");
        assert_true(file && fputs(cases[i][0], file) >= 0 && fclose(file) == 0);
        run = test_lexmask("train --resume --out %s", in_folder("hurt"));
        if (run.code != 1) fail_msg("%s: exit code %d\n%s", cases[i][0], run.code, run.err);
        ASSERT_SAYS(run.err, cases[i][1]);
        test_run_free(&run);
    }
    assert_int_equal(remove(path), 0);
    run = test_lexmask("train --resume --out %s", in_folder("hurt"));
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "no run to go on with");
    test_run_free(&run);
}

// Two more pictures in the annotations: one is broken, one is not there.
static void a_broken_picture_is_left_out_and_named(void **state) {
    (void)state;
    char *text, more[512], command[1024];
    size_t count;
    tn_error err = {0};
    FILE *file = fopen(in_folder("bad.ppm"), "wb");
    assert_true(file && fputs("P6 128 128 255\nno", file) >= 0 && fclose(file) == 0);
    ASSERT_OK(io_read_text(in_folder("data.json"), 0, &text, &count, &err), err);
    file = fopen(in_folder("more.json"), "wb");
    assert_non_null(file);
    snprintf(more, sizeof more,
             "{\"images\":[{\"id\":3,\"file_name\":\"bad.ppm\",\"width\":128,\"height\":128},"
             "{\"id\":4,\"file_name\":\"missing.ppm\",\"width\":128,\"height\":128},");
    char *images = strstr(text, "[") + 1, *objects = strstr(text, "\"annotations\":[") + 15;
    fprintf(file, "%s%.*s", more, (int)(objects - images), images);
    for (int id = 3; id <= 4; id++)
        fprintf(file,
                "{\"id\":%d,\"image_id\":%d,\"category_id\":1,\"iscrowd\":0,\"area\":400,"
                "\"bbox\":[9,9,20,20],\"segmentation\":[[9,9,29,9,29,29,9,29]]},",
                100 + id, id);
    fputs(objects, file);
    assert_int_equal(fclose(file), 0);
    tn_free(text);
    snprintf(command, sizeof command, "%s", words("broken"));
    char *data = strstr(command, "data.json"); // the other file instead, of as many letters
    memcpy(data, "more.json", 9);
    test_run run = test_lexmask("%s --steps 6 --batch 1", command);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "bad.ppm");
    ASSERT_SAYS(run.err, "missing.ppm");
    ASSERT_SAYS(run.err, "1 missing, 1 broken");
    test_run_free(&run);
    char path[512];
    snprintf(path, sizeof path, "%s/log.jsonl", in_folder("broken"));
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    ASSERT_SAYS(text, "{\"step\":0,\"pictures\":4,\"pictures_used\":4,\"objects\":6,");
    ASSERT_SAYS(text, "\"event\":\"left out\",\"text\":\"");
    ASSERT_SAYS(text, "bad.ppm");
    ASSERT_SAYS(text, "missing.ppm");
    ASSERT_SAYS(text, "\"left_out\":1");
    tn_free(text);
}

static void the_module_that_is_not_a_number_is_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"fpn.layer_blocks.0.0.weight",
         "the loss 'objectness' is not a number, first seen in the pyramid, level 0"},
        {"rpn.head.conv.0.0.weight", "first seen in rpn.head.cls_logits, level 0"},
        {"rpn.head.bbox_pred.bias",
         "the loss 'proposals' is not a number, first seen in rpn.head.bbox_pred, level 0"},
        {"box_predictor.embedding.weight",
         "the loss 'classes' is not a number, first seen in box_predictor.embedding"},
        {"mask_predictor.mask_fcn_logits.bias",
         "the loss 'masks' is not a number, first seen in mask_predictor"},
    };
    test_run run = test_lexmask("%s --steps 1 --warmup 0 --lr 1e-9", words("sound"));
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    char path[512];
    tn_error err = {0};
    io_weights *sound;
    snprintf(path, sizeof path, "%s/adapters.safetensors", in_folder("sound"));
    ASSERT_OK(io_weights_open(path, &sound, &err), err);
    size_t count = io_weights_count(sound);
    io_tensor *tensors = calloc(count, sizeof *tensors);
    assert_non_null(tensors);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *spoilt = NULL;
        for (size_t k = 0; k < count; k++) {
            tensors[k] = *io_weights_at(sound, k);
            if (strcmp(tensors[k].name, cases[i][0])) continue;
            tn_tensor view = tn_view(NULL, TN_F32, tensors[k].rank, tensors[k].dim);
            assert_non_null(spoilt = malloc(tn_bytes(&view)));
            for (int64_t n = 0; n < tn_count(&view); n++) spoilt[n] = NAN;
            tensors[k].data = spoilt;
        }
        assert_non_null(spoilt);
        snprintf(path, sizeof path, "%s/adapters.safetensors", in_folder("sound"));
        ASSERT_OK(io_safetensors_write(path, tensors, count, NULL, 0, IO_AS_STORED, &err), err);
        free(spoilt);
        run = test_lexmask("train --model %s --data %s --pictures %s --out %s%zu --steps 2",
                           in_folder("sound"), in_folder("data.json"), test_folder(),
                           in_folder("spoilt"), i);
        ASSERT_CODE(run, 1);
        ASSERT_SAYS(run.err, cases[i][1]);
        ASSERT_SAYS(run.err, "step 1: ");
        ASSERT_SAYS(run.err, "there is no checkpoint yet");
        test_run_free(&run);
    }
    free(tensors);
    io_weights_close(sound);
}

// Decay that turns and multiplies every weight ends any training.
static void what_is_not_a_number_ends_it_with_the_last_good_checkpoint(void **state) {
    (void)state;
    test_run run =
        test_lexmask("%s --steps 99 --warmup 0 --lr 10 --decay 10 --save-every 1", words("wild"));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "is not a number");
    char *last = strstr(run.err, "the last good checkpoint is ");
    assert_non_null(last);
    ASSERT_SAYS(last, "wild/checkpoint.safetensors, of step ");
    long long saved = atoll(strstr(last, "of step ") + 8), step;
    assert_int_equal(sscanf(strstr(run.err, "lexmask: step "), "lexmask: step %lld:", &step), 1);
    assert_int_equal(step, saved + 1);
    test_run_free(&run);
    // It is good indeed: it loads, and the same step fails again.
    run = test_lexmask("train --resume --out %s", in_folder("wild"));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "is not a number");
    test_run_free(&run);
}

static int clean(void **state) {
    return test_folder_remove(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(a_run_is_not_overwritten),
        cmocka_unit_test(a_cache_of_what_is_never_seen_twice_is_refused),
        cmocka_unit_test(what_contradicts_a_run_is_named),
        cmocka_unit_test(broken_settings_of_a_run_are_named),
        cmocka_unit_test(a_broken_picture_is_left_out_and_named),
        cmocka_unit_test(the_module_that_is_not_a_number_is_named),
        cmocka_unit_test(what_is_not_a_number_ends_it_with_the_last_good_checkpoint),
        cmocka_unit_test(stopped_and_resumed_it_ends_in_the_same_bits),
        cmocka_unit_test(a_batch_in_parts_has_the_same_gradients),
        cmocka_unit_test(ctrl_c_saves_first),
        cmocka_unit_test(learns_two_pictures_by_heart),
    };
    return cmocka_run_group_tests(tests, make_data, clean);
}
