// SPDX-License-Identifier: Apache-2.0
// Checkpoints: what is written is read back bit for bit; a broken file is refused with a reason and
// the previous checkpoint is used; a refusal changes nothing.
#include "train/checkpoint.h"

#include "io/file.h"
#include "tests/support/broken.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A run of three tensors.
typedef struct run {
    float weight[6], moment[6];
    double statistic[2];
    tr_part parts[3];
    tr_checkpoint checkpoint;
} run;

static const io_text_pair settings[] = {{"batch", "2"}, {"lr", "0.0001"}};
static const tr_state somewhere = {.step = 7, .position = 28, .seed = 0xfedcba9876543210u};

static void fill(run *r, float first) {
    for (int i = 0; i < 6; i++) r->weight[i] = first + (float)i, r->moment[i] = -first * (float)i;
    r->statistic[0] = first / 3, r->statistic[1] = first * 1e200;
    r->parts[0] = (tr_part){"value/w", tn_view(r->weight, TN_F32, TN_DIMS(2, 3))};
    r->parts[1] = (tr_part){"m/w", tn_view(r->moment, TN_F32, TN_DIMS(2, 3))};
    r->parts[2] = (tr_part){"buffer/mean", tn_view(r->statistic, TN_F64, TN_DIMS(2))};
    r->checkpoint = (tr_checkpoint){r->parts, 3, settings, 2};
}

static bool same(const run *a, const run *b) {
    return !memcmp(a->weight, b->weight, sizeof a->weight) &&
           !memcmp(a->moment, b->moment, sizeof a->moment) &&
           !memcmp(a->statistic, b->statistic, sizeof a->statistic);
}

static const char *fresh_folder(void) {
    static int number;
    static char path[512];
    snprintf(path, sizeof path, "%s", temporary_path("run"));
    snprintf(path + strlen(path), sizeof path - strlen(path), "%d", number++);
    assert_int_equal(mkdir(path, 0777), 0);
    return path;
}

static void save(const char *folder, float first, int64_t step) {
    run r;
    tn_error err = {0};
    tr_state state = somewhere;
    state.step = step;
    fill(&r, first);
    ASSERT_OK(tr_checkpoint_save(folder, &r.checkpoint, &state, &err), err);
}

static void checkpoint_reads_back_bit_for_bit(void **state) {
    (void)state;
    const char *folder = fresh_folder();
    run written, read;
    tr_state at = {0};
    tn_error err = {0}, note = {0};
    assert_false(tr_checkpoint_exists(folder));
    save(folder, 5, 7);
    assert_true(tr_checkpoint_exists(folder));
    fill(&written, 5), fill(&read, 0);
    ASSERT_OK(tr_checkpoint_load(folder, &read.checkpoint, &at, &note, &err), err);
    assert_true(same(&written, &read));
    assert_memory_equal(&at, &somewhere, sizeof at);
    assert_string_equal(note.text, "");
}

static void checkpoint_keeps_the_previous_one(void **state) {
    (void)state;
    const char *folder = fresh_folder();
    char path[600];
    run want, read;
    tr_state at;
    tn_error err = {0};
    for (int i = 1; i <= 3; i++) save(folder, (float)i, i);
    for (int previous = 0; previous < 2; previous++) {
        fill(&want, (float)(3 - previous)), fill(&read, 0);
        tr_checkpoint_path(folder, previous, path, sizeof path);
        ASSERT_OK(tr_checkpoint_read(path, &read.checkpoint, &at, &err), err);
        assert_true(same(&want, &read));
        assert_int_equal(at.step, 3 - previous);
    }
    snprintf(path, sizeof path, "test $(ls %s | wc -l) = 2",
             folder); // and no other files are there
    assert_int_equal(system(path), 0);
}

static void a_folder_without_one_is_an_error(void **state) {
    (void)state;
    const char *folder = fresh_folder();
    run r;
    tr_state at;
    tn_error err = {0}, note;
    fill(&r, 1);
    assert_int_equal(tr_checkpoint_load(folder, &r.checkpoint, &at, &note, &err), TN_EIO);
    assert_non_null(strstr(err.text, "no checkpoint"));
    assert_int_equal(tr_checkpoint_save("/no/such/folder", &r.checkpoint, &somewhere, &err),
                     TN_EIO);
    assert_non_null(strstr(err.text, "/no/such/folder"));
}

// ---- broken files ------------------------------------------------------------------------------

// Replaces the newest with these bytes: reading it fails, tensors stay unchanged, and loading uses
// the previous one with a note that gives the reason.
static void is_refused(const char *name, const void *bytes, size_t count, const char *part) {
    const char *folder = fresh_folder();
    char path[600];
    run r, before, previous;
    tr_state at = {0}, zero = {0};
    tn_error err = {0}, note;
    save(folder, 1, 1);
    save(folder, 2, 2);
    tr_checkpoint_path(folder, false, path, sizeof path);
    FILE *file = fopen(path, "wb");
    assert_true(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0);
    fill(&r, 9), fill(&before, 9), fill(&previous, 1);
    tn_status status = tr_checkpoint_read(path, &r.checkpoint, &at, &err);
    broken_is_refused(name, path, status, &err, part);
    if (!same(&r, &before) || memcmp(&at, &zero, sizeof at))
        fail_msg("%s: was refused, but something has been read", name);
    err = (tn_error){0};
    status = tr_checkpoint_load(folder, &r.checkpoint, &at, &note, &err);
    if (status != TN_OK) fail_msg("%s: the one before was not taken: %s", name, err.text);
    if (!same(&r, &previous) || at.step != 1) fail_msg("%s: not the one before", name);
    if (part && !strstr(note.text, part))
        fail_msg("%s: expected '%s' in the note: %s", name, part, note.text);
    if (!*note.text) fail_msg("%s: no note", name);
}

static io_map good_bytes(void) {
    const char *folder = fresh_folder();
    char path[600];
    io_map map;
    tn_error err = {0};
    save(folder, 2, 2);
    ASSERT_OK(io_map_open(tr_checkpoint_path(folder, false, path, sizeof path), &map, &err), err);
    return map;
}

static void cut_at_every_structural_point(void **state) {
    (void)state;
    io_map good = good_bytes();
    size_t header = 8 + (size_t)good.bytes[0] + 256 * (size_t)good.bytes[1];
    const size_t cuts[] = {0,
                           1,
                           7,
                           8,
                           9,
                           8 + (header - 8) / 4,
                           8 + (header - 8) / 2,
                           header - 1,
                           header, // tensors, the widest type first: statistic, m, value
                           header + 1,
                           header + 8,
                           header + 15,
                           header + 16,
                           header + 39,
                           header + 40,
                           header + 41,
                           good.count - 1};
    assert_int_equal(good.count, header + 64);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        char name[64];
        snprintf(name, sizeof name, "cut at %zu of %zu", cuts[i], good.count);
        is_refused(name, good.bytes, cuts[i], NULL);
    }
    io_map_close(&good);
}

static void one_wrong_byte_of_the_data(void **state) {
    (void)state;
    io_map good = good_bytes();
    uint8_t *bytes = tn_alloc(good.count + 1);
    for (size_t back = 1; back <= 64; back += 7) {
        memcpy(bytes, good.bytes, good.count);
        bytes[good.count - back] ^= 0x10;
        is_refused("a wrong byte of a tensor", bytes, good.count, "damaged");
    }
    memcpy(bytes, good.bytes, good.count);
    bytes[good.count] = 0;
    is_refused("a byte too many", bytes, good.count + 1, NULL);
    tn_free(bytes);
    io_map_close(&good);
}

// Replaces the first `from` in the header with `to`, of the same length.
static void wrong_text(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *part;
    } cases[] = {
        {"lexmask checkpoint 1", "lexmask checkpoint 2", "format: expected"},
        {"\"format\":", "\"forman\":", "not a checkpoint"},
        {"\"step\":", "\"stop\":", "no 'step'"},
        {"\"step\":\"2\"", "\"step\":\"3\"", "damaged"},
        {"\"step\":\"2\"", "\"step\":\"x\"", "step: expected a number"},
        {"\"step\":\"2\"", "\"step\":\"-\"", "step: expected a number"},
        {"\"step\":\"2\"", "\"step\":\" \"", "step: expected a number"},
        {"\"step\":\"2\"", "\"step\":\"\" ", "step: expected a number"},
        {"\"position\":\"28\"", "\"position\":\"29\"", "damaged"},
        {"\"position\":\"28\"", "\"position\":\"-8\"", "position: expected a number"},
        {"\"position\":\"28\"", "\"position\":\"2.\"", "position: expected a number"},
        {"\"position\":", "\"positiom\":", "no 'position'"},
        {"\"seed\":", "\"sead\":", "no 'seed'"},
        {"\"seed\":\"18364758544493064720\"", "\"seed\":\"99364758544493064720\"",
         "seed: expected a number"},
        {"\"seed\":\"18364758544493064720\"", "\"seed\":\"18364758544493064721\"", "damaged"},
        {"\"settings\":\"2\"", "\"settings\":\"3\"", "3 settings, expected 2"},
        {"\"settings\":", "\"sottings\":", "no 'settings'"},
        {"\"setting.lr\":", "\"setting.lx\":", "no setting 'lr'"},
        {"\"digest\":\"", "\"digesT\":\"", "no 'digest'"},
        {"\"shape\":[2,3]", "\"shape\":[3,2]", "the shape [3,2], expected [2,3]"},
        {"\"m/w\"", "\"m/v\"", "no tensor 'm/w'"},
        {"\"value/w\"", "\"value/x\"", "no tensor 'value/w'"},
        {"\"F64\",\"shape\":[2]", "\"I64\",\"shape\":[2]", "is int64, expected float64"},
        {"\"F32\",\"shape\":[2,3]", "\"I32\",\"shape\":[2,3]", "is int32, expected float32"},
        {"\"F32\",\"shape\":[2,3]", "\"F16\",\"shape\":[2,6]", "is float16, expected float32"},
        {"\"F32\",\"shape\":[2,3]", "\"F31\",\"shape\":[2,3]", "type F31"},
    };
    io_map good = good_bytes();
    uint8_t *bytes = tn_alloc(good.count);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = strlen(cases[i].from);
        assert_int_equal(length, strlen(cases[i].to));
        memcpy(bytes, good.bytes, good.count);
        uint8_t *at = memmem(bytes, good.count, cases[i].from, length);
        if (!at) fail_msg("'%s' is not in the file", cases[i].from);
        memcpy(at, cases[i].to, length);
        is_refused(cases[i].to, bytes, good.count, cases[i].part);
    }
    tn_free(bytes);
    io_map_close(&good);
}

static void foreign_files(void **state) {
    (void)state;
    const char *path = temporary_path("foreign.safetensors");
    const float value[6] = {0};
    io_tensor one = {.name = "value/w", TN_F32, 2, {2, 3}, value};
    io_map map;
    tn_error err = {0};
    ASSERT_OK(io_safetensors_write(path, &one, 1, NULL, 0, IO_AS_STORED, &err), err);
    ASSERT_OK(io_map_open(path, &map, &err), err);
    is_refused("a model's weights", map.bytes, map.count, "not a checkpoint");
    io_map_close(&map);
    is_refused("text", "once upon a time there was", 26, "not a weight file");
    is_refused("a picture", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1", 20, NULL);
    ASSERT_OK(io_map_open("tests/golden/weights/zip.pth", &map, &err), err);
    is_refused("a torch archive", map.bytes, map.count, "not a checkpoint");
    io_map_close(&map);
}

static void more_and_fewer_tensors(void **state) {
    (void)state;
    for (size_t count = 2; count <= 4; count += 2) {
        const char *folder = fresh_folder();
        float extra = 3;
        run r;
        tr_part parts[4];
        tr_state at;
        tn_error err = {0}, note;
        fill(&r, 1);
        memcpy(parts, r.parts, sizeof r.parts);
        parts[3] = (tr_part){"extra", tn_view(&extra, TN_F32, TN_DIMS(1))};
        tr_checkpoint other = {parts, count, settings, 2};
        ASSERT_OK(tr_checkpoint_save(folder, &other, &somewhere, &err), err);
        assert_int_equal(tr_checkpoint_load(folder, &r.checkpoint, &at, &note, &err), TN_EFORMAT);
        assert_non_null(
            strstr(err.text, count == 2 ? "no tensor 'buffer/mean'" : "4 tensors, expected 3"));
        assert_non_null(strstr(err.text, "and the previous one"));
    }
}

static void checkpoint_of_another_setting_is_refused(void **state) {
    (void)state;
    const char *folder = fresh_folder();
    static const io_text_pair others[] = {{"batch", "2"}, {"lr", "0.0003"}};
    run r, before;
    tr_state at;
    tn_error err = {0}, note;
    save(folder, 1, 1);
    save(folder, 2, 2);
    fill(&r, 9), fill(&before, 9);
    r.checkpoint.settings = others;
    assert_int_equal(tr_checkpoint_load(folder, &r.checkpoint, &at, &note, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "a run with lr 0.0001, but this run has 0.0003"));
    assert_true(same(&r, &before));
}

static void both_broken(void **state) {
    (void)state;
    const char *folder = fresh_folder();
    char path[600];
    run r;
    tr_state at;
    tn_error err = {0}, note;
    for (int previous = 0; previous < 2; previous++) {
        FILE *file = fopen(tr_checkpoint_path(folder, previous, path, sizeof path), "wb");
        assert_true(file && fputs("nothing", file) >= 0 && fclose(file) == 0);
    }
    fill(&r, 1);
    tn_status status = tr_checkpoint_load(folder, &r.checkpoint, &at, &note, &err);
    broken_is_refused("both", "checkpoint.safetensors", status, &err, "checkpoint.previous");
}

static void without_memory(void **state) {
    (void)state;
    const char *folder = fresh_folder();
    run r, want;
    tr_state at;
    save(folder, 1, 1);
    save(folder, 2, 2);
    fill(&want, 2);
    for (int n = 1;; n++) {
        tn_error err = {0}, note;
        fill(&r, 9);
        tn_alloc_fail_after(n);
        tn_status status = tr_checkpoint_load(folder, &r.checkpoint, &at, &note, &err);
        tn_alloc_fail_after(0);
        if (status == TN_OK) break;
        assert_int_equal(status, TN_ENOMEM);
        tn_alloc_fail_after(n);
        status = tr_checkpoint_save(folder, &want.checkpoint, &somewhere, &err);
        tn_alloc_fail_after(0);
        if (status != TN_OK) assert_int_equal(status, TN_ENOMEM);
    }
    assert_true(same(&r, &want));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoint_reads_back_bit_for_bit),
        cmocka_unit_test(checkpoint_keeps_the_previous_one),
        cmocka_unit_test(a_folder_without_one_is_an_error),
        cmocka_unit_test(cut_at_every_structural_point),
        cmocka_unit_test(one_wrong_byte_of_the_data),
        cmocka_unit_test(wrong_text),
        cmocka_unit_test(foreign_files),
        cmocka_unit_test(more_and_fewer_tensors),
        cmocka_unit_test(checkpoint_of_another_setting_is_refused),
        cmocka_unit_test(both_broken),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
