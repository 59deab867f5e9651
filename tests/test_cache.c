// SPDX-License-Identifier: Apache-2.0
// The cache of frozen features: bit-identical results with and without it, for every batching;
// entries that are damaged, foreign or over the limit are computed again.
#include "train/cache.h"

#include "io/weights/safetensors.h"
#include "tensor/rng.h"
#include "tests/support/levels.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN "tests/golden/fvlm/"
#define PICTURES 4

static tn_error err;
static tn_arena data, step;
static nn_ctx cx;
static md_fvlm *model;
static tn_tensor pictures; // [PICTURES,S,S,3]

static void open_model(const char *name, int threads) {
    char path[256];
    snprintf(path, sizeof path, GOLDEN "%s", name);
    kn_ctx *kn = levels_at(levels_count() - 1)->cx[threads];
    ASSERT_OK(tn_arena_init(&data, (size_t)1 << 28, &err), err);
    ASSERT_OK(tn_arena_init(&step, (size_t)1 << 30, &err), err);
    cx = (nn_ctx){.kn = kn, .step = &step, .err = &err};
    md_fvlm_open_options options = {.folder = path};
    ASSERT_OK(md_fvlm_open(&options, kn, &model, &err), err);
    int64_t side = md_fvlm_settings(model)->picture_size;
    ASSERT_OK(tn_new(&data, &pictures, TN_F32, TN_DIMS(PICTURES, side, side, 3), &err), err);
    tn_rng rng = tn_rng_new(5, 0);
    for (int64_t i = 0; i < tn_count(&pictures); i++)
        tn_f32(&pictures)[i] = (float)tn_rng_normal(&rng);
}

static void close_model(void) {
    md_fvlm_close(model);
    tn_arena_deinit(&data);
    tn_arena_deinit(&step);
}

static tr_cache *open_cache(const char *folder, int64_t limit, uint8_t identity) {
    tr_cache *cache;
    tr_cache_options options = {.folder = folder, .limit = limit, .identity = {identity}};
    ASSERT_OK(tr_cache_open(&options, &cache, &err), err);
    return cache;
}

static tn_tensor batch_of(const int *which, int64_t n) {
    tn_tensor x;
    ASSERT_OK(tn_new(&step, &x, TN_F32, TN_DIMS(n, pictures.dim[1], pictures.dim[2], 3), &err),
              err);
    for (int64_t i = 0; i < n; i++) {
        tn_tensor to = tn_slice(&x, i, 1), from = tn_slice(&pictures, which[i], 1);
        memcpy(to.data, from.data, tn_bytes(&to));
    }
    return x;
}

// Batches with the cache and without are equal to the last bit.
static void same(tr_cache *cache, const int *which, int64_t n) {
    md_fvlm_features want, is;
    tn_arena_reset(&step, 0);
    tn_tensor x = batch_of(which, n);
    ASSERT_OK(md_fvlm_frozen(&cx, model, &x, MD_SCORE2_NONE, &want), err);
    ASSERT_OK(tr_cache_features(cache, &cx, model, &x, &is), err);
    int maps = 0;
    for (int m = 0; m < MD_FVLM_MAPS; m++) {
        assert_int_equal(!want.map[m].data, !is.map[m].data);
        if (!want.map[m].data) continue;
        maps++;
        assert_true(tn_same_shape(&want.map[m], &is.map[m]));
        assert_memory_equal(want.map[m].data, is.map[m].data, tn_bytes(&is.map[m]));
    }
    assert_true(maps > 0);
    assert_memory_equal(want.picture.data, is.picture.data, tn_bytes(&x));
}

static const char *fresh_folder(void) {
    static int number;
    static char path[512];
    snprintf(path, sizeof path, "%s-%d", temporary_path("cache"), number++);
    return path;
}

static void counts_are(const tr_cache *cache, int64_t found, int64_t computed, int64_t damaged) {
    tr_cache_counts c = tr_cache_tally(cache);
    assert_int_equal(c.found, found);
    assert_int_equal(c.computed, computed);
    assert_int_equal(c.damaged, damaged);
}

static void the_same_bits_in_any_batch(void **state) {
    (void)state;
    static const char *const cases[] = {"vit4", "windows", "single", "stem", "deep", "resnet"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *folder = fresh_folder();
        open_model(cases[i], ONE_THREAD);
        tr_cache *cache = open_cache(folder, INT64_MAX, 1);
        same(cache, (int[]){0, 1}, 2);
        same(cache, (int[]){1, 2}, 2); // one is found
        same(cache, (int[]){2, 0, 3}, 3);
        same(cache, (int[]){3}, 1);
        counts_are(cache, 4, 4, 0);
        assert_null(tr_cache_error(cache));
        tr_cache_close(cache);
        close_model();
        // Another process, with more threads: the first batch is always computed.
        open_model(cases[i], TWO_THREADS);
        cache = open_cache(folder, INT64_MAX, 1);
        same(cache, (int[]){0}, 1);
        same(cache, (int[]){3, 2, 1, 0}, 4);
        counts_are(cache, 4, 1, 0);
        tr_cache_close(cache);
        cache = open_cache(folder, INT64_MAX, 2); // entries of another configuration are not found
        same(cache, (int[]){0, 1}, 2);
        same(cache, (int[]){2, 3}, 2);
        counts_are(cache, 0, 4, 0);
        tr_cache_close(cache);
        close_model();
    }
}

// The only file of the folder.
static const char *entry_of(const char *folder) {
    static char path[1024];
    DIR *all = opendir(folder);
    assert_non_null(all);
    path[0] = 0;
    for (struct dirent *each; (each = readdir(all));)
        if (each->d_name[0] != '.') snprintf(path, sizeof path, "%s/%s", folder, each->d_name);
    closedir(all);
    assert_true(path[0]);
    return path;
}

typedef enum damage {
    CUT,
    EMPTY,
    FLIPPED,
    HEADER,
    NO_DIGEST,
    SHAPE,
    TYPE,
    NAMES,
    FOLDER,
    DAMAGES
} damage;

static void rewrite(const char *path, damage kind) {
    io_weights *file;
    io_tensor item[MD_FVLM_MAPS];
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    size_t count = io_weights_count(file);
    char digest[IO_SHA256_HEX];
    snprintf(digest, sizeof digest, "%s", io_weights_meta(file, "digest"));
    for (size_t i = 0; i < count; i++) item[i] = *io_weights_at(file, i);
    int64_t h = item[0].dim[1];
    if (kind == SHAPE) item[0].dim[1] = item[0].dim[2] * h, item[0].dim[2] = 1;
    if (kind == TYPE) item[0].dtype = TN_I32;
    if (kind == NAMES) item[0].name = "map.9";
    io_text_pair meta = {kind == NO_DIGEST ? "other" : "digest", digest};
    ASSERT_OK(io_safetensors_write(path, item, count, &meta, 1, IO_AS_STORED, &err), err);
    io_weights_close(file);
}

static void do_damage(const char *path, damage kind) {
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    if (kind == CUT) assert_int_equal(truncate(path, about.st_size - 7), 0);
    if (kind == EMPTY) assert_int_equal(truncate(path, 0), 0);
    if (kind == FLIPPED || kind == HEADER) {
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        assert_int_equal(fseek(file, kind == HEADER ? 3 : about.st_size - 9, SEEK_SET), 0);
        int byte = fgetc(file);
        assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
        assert_true(fputc(byte ^ 1, file) != EOF && fclose(file) == 0);
    }
    if (kind == NO_DIGEST || kind == SHAPE || kind == TYPE || kind == NAMES) rewrite(path, kind);
    if (kind == FOLDER) assert_true(remove(path) == 0 && mkdir(path, 0777) == 0);
}

static void cache_recomputes_damaged_entries(void **state) {
    (void)state;
    open_model("vit4", TWO_THREADS);
    for (int kind = 0; kind < DAMAGES; kind++) {
        const char *folder = fresh_folder();
        tr_cache *cache = open_cache(folder, INT64_MAX, 1);
        same(cache, (int[]){0}, 1);
        same(cache, (int[]){0}, 1);
        counts_are(cache, 1, 1, 0);
        do_damage(entry_of(folder), (damage)kind);
        same(cache, (int[]){0}, 1);
        counts_are(cache, 1, 2, 1);
        const char *trouble = tr_cache_error(cache);
        if (!trouble || !strstr(trouble, folder)) fail_msg("damage %d: %s", kind, trouble);
        assert_null(tr_cache_error(cache));
        same(cache, (int[]){0}, 1); // written again; a folder in its place cannot be overwritten
        counts_are(cache, 1 + (kind != FOLDER), 2 + (kind == FOLDER), 1 + (kind == FOLDER));
        tr_cache_close(cache);
    }
    close_model();
}

static void cache_respects_its_limit(void **state) {
    (void)state;
    open_model("vit4", TWO_THREADS);
    const char *folder = fresh_folder();
    tr_cache *cache = open_cache(folder, INT64_MAX, 1);
    same(cache, (int[]){0}, 1);
    int64_t one = tr_cache_tally(cache).bytes;
    tr_cache_close(cache);
    cache = open_cache(folder, 5 * one / 2, 1); // existing entries count
    assert_true(tr_cache_tally(cache).bytes >= one && tr_cache_tally(cache).bytes < 2 * one);
    for (int i = 0; i < PICTURES; i++) same(cache, &i, 1);
    assert_true(tr_cache_tally(cache).full);
    assert_true(tr_cache_tally(cache).bytes <= 5 * one / 2);
    same(cache, (int[]){0, 1, 2, 3}, 4);
    counts_are(cache, 2, 6, 0);
    tr_cache_close(cache);
    close_model();
}

static void cache_refuses_a_file_as_its_folder(void **state) {
    (void)state;
    tr_cache *cache;
    tr_cache_options options = {.folder = temporary_file("file", "x", 1), .limit = 1};
    assert_int_equal(tr_cache_open(&options, &cache, &err), TN_EIO);
    assert_non_null(strstr(err.text, options.folder));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bits_in_any_batch),
        cmocka_unit_test(cache_recomputes_damaged_entries),
        cmocka_unit_test(cache_respects_its_limit),
        cmocka_unit_test(cache_refuses_a_file_as_its_folder),
    };
    int failed = cmocka_run_group_tests(tests, levels_setup, levels_teardown);
    return temporary_teardown(NULL) || failed;
}
