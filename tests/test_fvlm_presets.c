// SPDX-License-Identifier: Apache-2.0
// Every preset works with a CLIP of the kind it is for (patch, depth, family; with smaller widths),
// and detects with random weights in each mode of score 2; with another CLIP it is refused, and the
// error names the key. Heads are smaller, and so are pictures where something is computed.
#include "models/fvlm/fvlm.h"
#include "models/fvlm/fvlm_text.h"
#include "nn/params.h"
#include "tensor/rng.h"
#include "tests/support/random_clip.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define PROPOSALS 4

static const struct {
    const char *preset;
    random_clip clip;
    int64_t size; // of a picture, where something is computed
} cases[] = {
    {"seed", {.patch = 32, .grid = 7, .width = 64, .layers = 12}, 224},
    {"fvlm-rn50", {.grid = 7, .width = 8}, 256},
    {"fvit-b16", {.patch = 16, .grid = 14, .width = 64, .layers = 12}, 160},
    {"fvit-l14", {.patch = 14, .grid = 16, .width = 64, .layers = 24}, 224},
    {"small", {.patch = 8, .grid = 8, .width = 64, .layers = 6}, 128},
};
#define CASES (sizeof cases / sizeof *cases)

static kn_ctx *kn;
static tn_arena step;
static tn_error err;
static nn_ctx cx;
static md_bpe *bpe;

static const char *clip_of(size_t i) {
    const char *folder = temporary_path(cases[i].preset);
    if (mkdir(folder, 0700) == 0) random_clip_write(folder, &cases[i].clip);
    return folder;
}

// size: 0 for the preset's own.
static tn_status open_preset(size_t i, const char *clip, int64_t size, nn_params *params,
                             md_fvlm **model) {
    md_fvlm_config config;
    assert_true(md_fvlm_preset(cases[i].preset, &config));
    if (size) config.picture_size = size;
    config.box_width = 64;
    config.mask_convs = 1;
    config.box_convs = config.box_convs ? 1 : 0;
    ASSERT_OK(nn_params_init(params, TN_F32, &err), err);
    md_fvlm_open_options options = {.config = &config, .clip = clip, .params = params, .seed = 1};
    return md_fvlm_open(&options, kn, model, &err);
}

static void presets_match_their_clip(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        md_fvlm *model;
        nn_params params;
        ASSERT_OK(open_preset(i, clip_of(i), 0, &params, &model), err);
        assert_true(md_fvlm_adapter_count(model) > 100000);
        md_fvlm_close(model);
        nn_params_deinit(&params);
    }
    assert_null(md_fvlm_presets[CASES]); // all presets are covered
}

static void presets_refuse_another_clip(void **state) {
    (void)state;
    static const struct {
        size_t preset, clip;
        const char *says;
    } wrong[] = {
        {0, 1, "pyramid.kind: is for a ViT"},     {1, 0, "pyramid.kind: resnet"},
        {2, 0, "pyramid.strides: expected 0.25"}, {2, 1, "pyramid.kind: is for a ViT"},
        {3, 2, "pyramid.taps: the CLIP has"},     {3, 0, "pyramid.taps: the CLIP has"},
        {4, 2, "pyramid.strides: expected 0.5"},  {2, 4, "pyramid.taps: the CLIP has"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        md_fvlm *model;
        nn_params params;
        int status = open_preset(wrong[i].preset, clip_of(wrong[i].clip), 0, &params, &model);
        if (status != TN_EFORMAT || !strstr(err.text, wrong[i].says))
            fail_msg("%s on the CLIP of %s: status %d, %s", cases[wrong[i].preset].preset,
                     cases[wrong[i].clip].preset, status, err.text);
        assert_null(model);
        nn_params_deinit(&params);
    }
}

static tn_tensor picture_of(int64_t height, int64_t width) {
    tn_tensor image;
    tn_rng rng = tn_rng_new(3, 0);
    ASSERT_OK(tn_new(&step, &image, TN_U8, TN_DIMS(height, width, 3), &err), err);
    for (int64_t k = 0; k < tn_count(&image); k++)
        tn_u8(&image)[k] = (uint8_t)tn_rng_below(&rng, 256);
    return image;
}

// Sizes of levels follow from the configuration's strides.
static void check_levels(const md_fvlm *model) {
    const md_fvlm_config *c = md_fvlm_settings(model);
    tn_tensor x, level[MD_FVLM_LEVELS];
    md_fvlm_features features;
    md_frame frame = md_fvlm_frame(c, 90, 120);
    tn_tensor image = picture_of(90, 120);
    ASSERT_OK(md_fvlm_input(&cx, model, &frame, &image, &x), err);
    ASSERT_OK(md_fvlm_frozen(&cx, model, &x, MD_SCORE2_NONE, &features), err);
    ASSERT_OK(md_fvlm_pyramid(&cx, model, &features, level), err);
    for (int l = 0; l < MD_FVLM_MAPS; l++) {
        assert_true((double)level[l].dim[1] * c->pyramid_stride[l] == (double)c->picture_size);
        assert_int_equal(level[l].dim[3], c->pyramid_channels);
    }
    assert_int_equal(level[MD_FVLM_MAPS].dim[1], (level[MD_FVLM_MAPS - 1].dim[1] + 1) / 2);
}

static void check_found(const md_found *r, const char *preset, md_score2 mode) {
    if (!r->count) fail_msg("%s, %s: nothing found", preset, md_fvlm_score2_name(mode));
    for (int64_t i = 0; i < r->count; i++) {
        const float *box = tn_f32(&r->boxes) + 4 * i, score = tn_f32(&r->scores)[i];
        const float second = r->score2.data ? tn_f32(&r->score2)[i] : -1;
        assert_true(box[0] >= 0 && box[1] >= 0 && box[2] > box[0] && box[3] > box[1]);
        assert_true(box[2] <= (float)r->width && box[3] <= (float)r->height);
        assert_true(score > 0 && score <= 1);
        assert_true(mode == MD_SCORE2_NONE ? second == -1 : second > 0 && second <= 1);
        assert_in_range(tn_i32(&r->labels)[i], 0, 2);
    }
    for (int64_t k = 0; k < tn_count(&r->masks); k++)
        assert_true(tn_f32(&r->masks)[k] >= 0 && tn_f32(&r->masks)[k] <= 1);
}

static void presets_detect_in_all_modes(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        md_fvlm *model;
        nn_params params;
        md_names names;
        md_vocabulary vocabulary;
        const md_vocabulary_options options = {.cache_folder = ""};
        ASSERT_OK(open_preset(i, clip_of(i), cases[i].size, &params, &model), err);
        ASSERT_OK(md_names_parse("cat,dog,remote control", &names, &err), err);
        ASSERT_OK(md_fvlm_vocabulary(&cx, model, bpe, &names, NULL, &options, &vocabulary, &err),
                  err);
        check_levels(model);
        int modes = 0;
        for (int mode = 0; mode <= MD_SCORE2_ATTNPOOL; mode++) {
            tn_arena_reset(&step, 0);
            md_found result;
            md_fvlm_options how = md_fvlm_default_options(model);
            if (md_fvlm_mode_check(model, (md_score2)mode, &err) != TN_OK) {
                assert_true(mode != (int)how.mode); // the preset's own mode is supported
                continue;
            }
            how.mode = (md_score2)mode, how.rules.score = 0, how.proposals = PROPOSALS;
            tn_tensor image = picture_of(90, 120);
            ASSERT_OK(md_fvlm_detect(&cx, model, &vocabulary, &image, &how, &result, NULL), err);
            check_found(&result, cases[i].preset, (md_score2)mode);
            modes++;
        }
        // maskcls does not work with windows
        int vit = md_fvlm_settings(model)->tower_window ? 4 : 5;
        assert_int_equal(modes, cases[i].clip.patch ? vit : 3);
        md_vocabulary_deinit(&vocabulary);
        md_names_deinit(&names);
        md_fvlm_close(model);
        nn_params_deinit(&params);
    }
}

static int open_all(void **state) {
    (void)state;
    if (kn_open("cpu", NULL, 2, &kn, &err) != TN_OK || tn_arena_init_large(&step, &err) != TN_OK ||
        md_bpe_open(RANDOM_CLIP_TOKENIZER, &bpe, &err) != TN_OK)
        return printf("%s\n", err.text), -1;
    cx = (nn_ctx){.kn = kn, .step = &step, .err = &err};
    return 0;
}

static int close_all(void **state) {
    md_bpe_close(bpe);
    tn_arena_deinit(&step);
    kn_close(kn);
    return temporary_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_match_their_clip),
        cmocka_unit_test(presets_refuse_another_clip),
        cmocka_unit_test(presets_detect_in_all_modes),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
