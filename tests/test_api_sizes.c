// SPDX-License-Identifier: Apache-2.0
// Programs compiled with another version's header: option structs that are shorter or longer than
// the library's. Also arguments of every function of the C API: NULL, defaults, unused options.
#include "lexmask.h"
#include "tests/support/test.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "tests/golden/fvlm/pair"
#define CANARY 0x5a

static lexmask_error err;

// ---- sizes -------------------------------------------------------------------------------------

// The structs of an older header: only the first fields, followed by other memory.
typedef struct older_model {
    size_t size;
    const char *folder;
    unsigned char behind[256];
} older_model;
typedef struct older_names {
    size_t size;
    const char *const *names;
    size_t count;
    const char *text;
    unsigned char behind[256];
} older_names;
typedef struct older_session {
    size_t size;
    lexmask_mode mode;
    int threads;
    int64_t max_pixels;
    double score;
    unsigned char behind[256];
} older_session;
_Static_assert(offsetof(older_session, score) == offsetof(lexmask_session_options, score) &&
                   offsetof(older_names, text) == offsetof(lexmask_names_options, text) &&
                   offsetof(older_model, folder) == offsetof(lexmask_model_options, folder),
               "an older struct is the beginning of the newer one");

static void is_whole(const unsigned char behind[256]) {
    for (int i = 0; i < 256; i++) assert_int_equal(behind[i], CANARY);
}

static void older_programs(void **state) {
    (void)state;
    older_model from;
    older_names words;
    older_session how;
    lexmask_model *model = NULL;
    lexmask_names *names = NULL;
    lexmask_session *session = NULL;
    memset(&from, CANARY, sizeof from);
    memset(&words, CANARY, sizeof words);
    memset(&how, CANARY, sizeof how);
    lexmask_model_options_init_sized((void *)&from, offsetof(older_model, behind));
    lexmask_names_options_init_sized((void *)&words, offsetof(older_names, behind));
    lexmask_session_options_init_sized((void *)&how, offsetof(older_session, behind));
    assert_int_equal(how.size, offsetof(older_session, behind));
    assert_int_equal(how.mode, LEXMASK_MODE_CROP);
    assert_true(how.score == LEXMASK_DEFAULT && how.max_pixels == 100000000);
    from.folder = FOLDER, words.text = "pizza", how.threads = 1;
    // Memory behind the struct must not be read: as options it would be out of range.
    if (lexmask_model_open((void *)&from, &model, &err) ||
        lexmask_names_new(model, (void *)&words, &names, &err) ||
        lexmask_session_new(model, names, (void *)&how, &session, &err))
        fail_msg("%s", err.text);
    is_whole(from.behind), is_whole(words.behind), is_whole(how.behind);
    lexmask_session_free(session);
    lexmask_names_free(names);
    lexmask_model_close(model);
}

typedef struct newer_model {
    lexmask_model_options known;
    int64_t unknown[2];
} newer_model;

static void newer_programs(void **state) {
    (void)state;
    newer_model from;
    lexmask_model *model = NULL;
    memset(&from, CANARY, sizeof from);
    lexmask_model_options_init_sized(&from.known, sizeof from);
    assert_int_equal(from.known.size, sizeof from);
    assert_true(from.unknown[0] == 0 && from.unknown[1] == 0);
    from.known.folder = FOLDER, from.known.threads = 1;
    assert_int_equal(lexmask_model_open(&from.known, &model, &err), LEXMASK_OK);
    lexmask_model_close(model);
    model = NULL, from.unknown[1] = 1;
    assert_int_equal(lexmask_model_open(&from.known, &model, &err), LEXMASK_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "does not know"));
    assert_null(model);
}

static void options_without_init(void **state) {
    (void)state;
    lexmask_model *model = NULL;
    lexmask_model_options from = {0};
    assert_int_equal(lexmask_model_open(&from, &model, &err), LEXMASK_EINVAL);
    assert_non_null(strstr(err.text, "_init"));
    memset(&from, 0xff, sizeof from);
    assert_int_equal(lexmask_model_open(&from, &model, &err), LEXMASK_EINVAL);
}

// ---- lists -------------------------------------------------------------------------------------

static void version_and_lists(void **state) {
    (void)state;
    int major, minor, patch;
    assert_string_equal(lexmask_version(), LEXMASK_VERSION);
    assert_int_equal(lexmask_version_number(), LEXMASK_VERSION_NUMBER);
    assert_int_equal(sscanf(LEXMASK_VERSION, "%d.%d.%d", &major, &minor, &patch), 3);
    assert_int_equal(LEXMASK_VERSION_NUMBER, 10000 * major + 100 * minor + patch);
    assert_string_equal(lexmask_status_name(LEXMASK_OK), "ok");
    assert_string_equal(lexmask_status_name(LEXMASK_ECANCELLED), "cancelled");
    assert_string_equal(lexmask_status_name((lexmask_status)99), "unknown status");
    assert_null(lexmask_dtypes("abacus"));
    assert_null(lexmask_dtypes(NULL));
    for (const char *const *device = lexmask_devices(); *device; device++) {
        lexmask_model_options from;
        lexmask_model *model = NULL;
        lexmask_model_options_init(&from);
        from.folder = FOLDER, from.device = *device, from.threads = 1;
        for (const char *const *dtype = lexmask_dtypes(*device); *dtype; dtype++) {
            from.dtype = *dtype;
            if (lexmask_model_open(&from, &model, &err)) fail_msg("%s", err.text);
            lexmask_model_close(model);
        }
    }
}

static void null_objects(void **state) {
    (void)state;
    lexmask_names *names = NULL;
    lexmask_session *session = NULL;
    int width = 1, height = 1;
    float box[4];
    assert_int_equal(lexmask_model_is_fvlm(NULL), 0);
    assert_int_equal(lexmask_model_has_masks(NULL), 0);
    assert_int_equal(lexmask_result_has_masks(NULL), 0);
    assert_int_equal(lexmask_model_class_count(NULL), 0);
    assert_null(lexmask_model_class_at(NULL, 0));
    assert_int_equal(lexmask_names_count(NULL), 0);
    assert_null(lexmask_names_at(NULL, 0));
    assert_int_equal(lexmask_result_count(NULL), 0);
    assert_null(lexmask_result_at(NULL, 0));
    assert_null(lexmask_result_pixels(NULL));
    assert_null(lexmask_result_scores(NULL));
    assert_int_equal(lexmask_result_proposal_count(NULL), 0);
    assert_int_equal(lexmask_result_proposal_at(NULL, 0, box), 0);
    lexmask_result_size(NULL, &width, &height);
    assert_true(width == 0 && height == 0);
    lexmask_result_free(NULL);
    lexmask_session_free(NULL);
    lexmask_names_free(NULL);
    lexmask_model_close(NULL);
    assert_int_equal(lexmask_model_open(NULL, NULL, &err), LEXMASK_EINVAL);
    assert_int_equal(lexmask_names_new(NULL, NULL, &names, &err), LEXMASK_EINVAL);
    assert_int_equal(lexmask_session_new(NULL, NULL, NULL, &session, &err), LEXMASK_EINVAL);
    assert_int_equal(lexmask_run_file(NULL, "a.png", NULL, NULL), LEXMASK_EINVAL);
    assert_int_equal(lexmask_result_mask(NULL, 0, NULL, 0, &err), LEXMASK_EINVAL);
    assert_int_equal(lexmask_result_rle(NULL, 0, NULL, &err), LEXMASK_EINVAL);
}

// ---- options that the model or the mode does not use -------------------------------------------

static void refuse_model(const lexmask_model_options *from, const char *field) {
    lexmask_model *model = NULL;
    assert_int_equal(lexmask_model_open(from, &model, &err), LEXMASK_EINVAL);
    if (!strstr(err.text, field)) fail_msg("expected '%s' in: %s", field, err.text);
    assert_null(model);
}

static void unused_model_options(void **state) {
    (void)state;
    lexmask_model_options plain;
    lexmask_model_options_init(&plain);
    plain.folder = FOLDER;
    lexmask_model_options o = plain;
    o.heads = 8, refuse_model(&o, "heads");
    o = plain, o.bn_eps = 0, refuse_model(&o, "bn_eps");
    o = plain, o.activation = "gelu", refuse_model(&o, "activation");
    o = plain, o.detector = "a.pth", refuse_model(&o, "folder");
    o = plain, o.use_clip = 0, refuse_model(&o, "use_clip");
    o = plain, o.use_tokenizer = 0, o.tokenizer = FOLDER, refuse_model(&o, "tokenizer");
    o = plain, o.threads = 0, refuse_model(&o, "threads");
    plain.folder = "demo/pair";
    o = plain, o.picture_size = 512, refuse_model(&o, "picture_size");
    o = plain, o.use_clip = 0, o.text_heads = 8, refuse_model(&o, "text_heads");
    lexmask_model *model = NULL;
    o = plain, o.dtype = "f16";
    assert_int_equal(lexmask_model_open(&o, &model, &err), LEXMASK_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "f32, bf16"));
}

static void refuse(const lexmask_model *model, const lexmask_names *names,
                   const lexmask_session_options *how, const char *field) {
    lexmask_session *session = NULL;
    assert_int_equal(lexmask_session_new(model, names, how, &session, &err), LEXMASK_EINVAL);
    if (!strstr(err.text, field)) fail_msg("expected '%s' in: %s", field, err.text);
    assert_null(session);
}

static void open_pair(const char *folder, lexmask_model **model, lexmask_names **names) {
    lexmask_model_options from;
    lexmask_names_options words;
    lexmask_model_options_init(&from);
    lexmask_names_options_init(&words);
    from.folder = folder, from.threads = 1;
    words.text = "pizza", words.use_cache = 0, words.threads = 1;
    if (lexmask_model_open(&from, model, &err) || lexmask_names_new(*model, &words, names, &err))
        fail_msg("%s", err.text);
}

static void unused_session_options(void **state) {
    (void)state;
    lexmask_model *model;
    lexmask_names *names;
    lexmask_session_options plain, o;
    lexmask_session_options_init(&plain);
    open_pair(FOLDER, &model, &names);
    o = plain, o.crop_shape = LEXMASK_CROP_SHAPE_TIGHT, refuse(model, names, &o, "crop_shape");
    o = plain, o.crop_context = 2, refuse(model, names, &o, "crop_context");
    o = plain, o.objectness = 0, refuse(model, names, &o, "objectness");
    o = plain, o.objectness_of = LEXMASK_OBJECTNESS_RPN, refuse(model, names, &o, "objectness_of");
    o = plain, o.score = -0.5, refuse(model, names, &o, "score");
    o = plain, o.top = 0, refuse(model, names, &o, "top");
    o = plain, o.mode = (lexmask_mode)7, refuse(model, names, &o, "mode");
    lexmask_names_free(names);
    lexmask_model_close(model);
    open_pair("demo/pair", &model, &names);
    o = plain, o.alpha = 0.5, refuse(model, names, &o, "alpha");
    o = plain, o.score2 = "crop", refuse(model, names, &o, "score2");
    o = plain, o.agnostic = 1, refuse(model, names, &o, "agnostic");
    o = plain, o.keep_scores = 1, refuse(model, names, &o, "keep_scores");
    o = plain, o.each_score = 1, refuse(model, names, &o, "each_score");
    o = plain, o.max_size = 1024, refuse(model, names, &o, "max_size");
    plain.mode = LEXMASK_MODE_CLOSED, refuse(model, names, &plain, "does not use names");
    o = plain, o.proposals = 5, refuse(model, NULL, &o, "proposals");
    lexmask_names_options words;
    lexmask_names *none = NULL;
    lexmask_names_options_init(&words);
    words.text = "pizza", words.contrast = 0;
    assert_int_equal(lexmask_names_new(model, &words, &none, &err), LEXMASK_EINVAL);
    assert_non_null(strstr(err.text, "contrast"));
    lexmask_names_free(names);
    lexmask_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(older_programs),         cmocka_unit_test(newer_programs),
        cmocka_unit_test(options_without_init),   cmocka_unit_test(version_and_lists),
        cmocka_unit_test(null_objects),           cmocka_unit_test(unused_model_options),
        cmocka_unit_test(unused_session_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
