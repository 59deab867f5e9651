// SPDX-License-Identifier: Apache-2.0
// F-VLM model folders: a configuration is preserved exactly, and every error in one is refused with
// file and key.
#include "io/file.h"
#include "io/weights/safetensors.h"
#include "models/fvlm/fvlm.h"
#include "tests/support/broken.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/fvlm/"

// ---- configurations ----------------------------------------------------------------------------

// Every preset is valid, and reading back what is written gives the same text.
static void test_presets(void **state) {
    (void)state;
    for (int i = 0; md_fvlm_presets[i]; i++) {
        md_fvlm_config config, back;
        tn_error err = {0};
        char *text, *again;
        size_t bytes, count;
        assert_true(md_fvlm_preset(md_fvlm_presets[i], &config));
        ASSERT_OK(md_fvlm_config_check(&config, md_fvlm_presets[i], &err), err);
        memset(config.clip_sha256, 'a', 64);
        const char *const names[] = {"cat", "a \"quoted\" \\ name", "t\xc3\xa9l\xc3\xa9"};
        ASSERT_OK(md_fvlm_config_set_base(&config, names, 3, &err), err);
        ASSERT_OK(md_fvlm_config_text(&config, &text, &bytes, &err), err);
        const char *path = temporary_path("config.json");
        ASSERT_OK(md_fvlm_config_write(path, &config, &err), err);
        ASSERT_OK(md_fvlm_config_read(path, &back, &err), err);
        ASSERT_OK(md_fvlm_config_text(&back, &again, &count, &err), err);
        assert_string_equal(text, again);
        assert_int_equal(back.base_names, 3);
        assert_string_equal(back.base_name[1], names[1]);
        tn_free(text);
        tn_free(again);
        md_fvlm_config_deinit(&config);
        md_fvlm_config_deinit(&back);
    }
    md_fvlm_config none;
    assert_false(md_fvlm_preset("fvlm-rn51", &none));
}

static char *read_golden(const char *path) {
    char *text;
    size_t count;
    tn_error err = {0};
    ASSERT_OK(io_read_text(path, 0, &text, &count, &err), err);
    return text;
}

// text with the first `from` replaced; the caller frees it.
static char *replaced(const char *name, const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    if (!at) fail_msg("%s: '%s' is not in the configuration", name, from);
    char *out = malloc(strlen(text) + strlen(to) + 1);
    assert_non_null(out);
    memcpy(out, text, (size_t)(at - text));
    strcpy(out + (at - text), to);
    strcat(out, at + strlen(from));
    return out;
}

// The text of a valid configuration based on a preset.
static char *sound_text(const char *preset) {
    md_fvlm_config config;
    tn_error err = {0};
    char *text;
    size_t bytes;
    assert_true(md_fvlm_preset(preset, &config));
    memset(config.clip_sha256, '0', 64);
    ASSERT_OK(md_fvlm_config_text(&config, &text, &bytes, &err), err);
    return text;
}

static const struct {
    const char *preset, *from, *to, *part;
} configs[] = {
    {"fvit-b16", "\"format\": \"lexmask-fvlm\"", "\"format\": \"fvlm\"", "format: expected"},
    {"fvit-b16", "\"format\": \"lexmask-fvlm\"", "\"format\": 3", "format: expected a string"},
    {"fvit-b16", "\"version\": 6", "\"version\": 7", "version"},
    {"fvit-b16", "\"version\": 6,", "", "version"},
    {"fvit-b16", "\"version\": 6", "\"version\": 0", "version"},
    {"fvit-b16", "\"picture\": {\"size\": 640}", "\"picture\": {}", "picture: there is no 'size'"},
    {"fvit-b16", "\"picture\": {\"size\": 640},", "", "picture"},
    {"fvit-b16", "\"size\": 640", "\"size\": \"640\"", "picture.size: expected an integer"},
    {"fvit-b16", "\"size\": 640", "\"size\": 640.5", "picture.size"},
    {"fvit-b16", "\"size\": 640", "\"size\": 8", "picture.size"},
    {"fvit-b16", "\"size\": 640", "\"size\": 99999999999", "picture.size"},
    {"fvit-b16", "\"size\": 640", "\"size\": 640, \"sise\": 1", "picture.sise: unknown setting"},
    {"fvit-b16", "\"version\": 6", "\"version\": 6, \"pyramids\": {}", "pyramids: unknown setting"},
    {"fvit-b16", "\"kind\": \"vit4\"", "\"kind\": \"vit5\"", "pyramid.kind: expected one of vit4"},
    {"fvit-b16", "\"kind\": \"vit4\"", "\"kind\": null", "pyramid.kind"},
    {"fvit-b16", "\"taps\": [3, 5, 7, 11]", "\"taps\": [3, 5, 7]", "pyramid.taps: expected four"},
    {"fvit-b16", "\"taps\": [3, 5, 7, 11]", "\"taps\": [3, 5, 5, 11]",
     "pyramid.taps: expected asc"},
    {"fvit-b16", "\"taps\": [3, 5, 7, 11]", "\"taps\": [3, 5, 7, \"11\"]", "pyramid.taps[3]"},
    {"fvit-b16", "\"taps\": [3, 5, 7, 11]", "\"taps\": [-2, 5, 7, 11]", "pyramid.taps[0]"},
    {"fvit-b16", "\"taps\": [3, 5, 7, 11]", "\"taps\": []", "pyramid.taps"},
    {"fvit-b16", "\"taps\": [3, 5, 7, 11]", "\"taps\": 3", "pyramid.taps: expected an array"},
    {"fvlm-rn50", "\"taps\": [0, 1, 2, 3]", "\"taps\": [1, 2, 3, 4]",
     "pyramid.taps: expected the st"},
    {"fvit-b16", "\"strides\": [4, 8, 16, 32]", "\"strides\": [4, 8, 16, 31]", "pyramid.strides"},
    {"seed", "\"strides\": [4, 8, 16, 32]", "\"strides\": [5, 10, 20, 40]", "pyramid.strides"},
    {"fvit-b16", "\"channels\": 256", "\"channels\": 0", "pyramid.channels"},
    {"small", "\"strides\": [4, 8, 16, 32]", "\"strides\": [3.5, 7, 14, 28]",
     "pyramid.strides: expected powers of two"},
    {"small", "\"strides\": [4, 8, 16, 32]", "\"strides\": [1, 2, 4, 8]",
     "pyramid.strides: expected powers of two"},
    {"small", "\"taps\": [2, 3, 4, 5]", "\"taps\": [2]", "pyramid.taps: expected four"},
    {"small", "\"channels\": 64", "\"channels\": 48", "pyramid.channels"},
    {"fvit-b16", "\"norm\": \"batch\"", "\"norm\": true", "pyramid.norm"},
    {"fvit-b16", "\"sizes\": [32, 64,", "\"sizes\": [64,", "anchors.sizes"},
    {"fvit-b16", "\"ratios\": [0.5, 1, 2]", "\"ratios\": [0.5, 0, 2]", "anchors.ratios[1]"},
    {"fvit-b16", "\"blocks\": 0", "\"blocks\": 1", "pyramid.blocks: expected 0"},
    {"small", "\"blocks\": 2", "\"blocks\": 9", "pyramid.blocks"},
    {"fvit-b16", "\"nms\": 1,", "\"nms\": 1.1,", "score2.nms: expected a number from 0 to 1"},
    {"small", "\"inside\": 0.8", "\"inside\": -1", "limits.inside"},
    {"small", "\"soft\": 0.3", "\"soft\": 3", "limits.soft"},
    {"fvit-b16", "\"version\": 6", "\"version\": 2", "pyramid.blocks: unknown setting"},
    {"fvit-b16", "\"version\": 6", "\"version\": 3", "box_head.rounds: unknown setting"},
    {"fvit-b16", "\"version\": 6", "\"version\": 4", "box_head.context: unknown setting"},
    {"fvit-b16", "\"version\": 6", "\"version\": 5", "limits.soft: unknown setting"},
    {"small", "\"context\": 1.5}", "\"context\": 0.5}", "box_head.context"},
    {"small", "\"rounds\": 2", "\"rounds\": 0", "box_head.rounds"},
    {"fvit-b16", "\"nms\": 0.7", "\"nms\": 7", "rpn.nms: expected a number from 0 to 1"},
    {"fvit-b16", "\"learned\": true", "\"learned\": 1", "score1.learned"},
    {"fvit-b16", "\"mode\": \"dense\"", "\"mode\": \"attnpool\"", "score2.mode: attnpool"},
    {"fvlm-rn50", "\"mode\": \"attnpool\"", "\"mode\": \"dense\"", "score2.mode: expected none"},
    {"fvit-b16", "\"window\": 0", "\"window\": -1", "tower.window"},
    {"fvlm-rn50", "\"window\": 0", "\"window\": 7", "tower.window: expected 0"},
    {"fvit-b16", "\"positions\": \"scene\"}", "\"positions\": \"window\"}", "tower.positions"},
    {"fvlm-rn50", "\"text\": \"background\"", "\"text\": \"\"", "background.text: is empty"},
    {"fvit-b16", "\"kind\": \"learned\", \"text\": \"\"", "\"kind\": \"learned\", \"text\": \"x\"",
     "background.text"},
    {"fvit-b16", "\"alpha\": 0.1", "\"alpha\": 1.1", "fusion.alpha"},
    {"fvit-b16", "\"jitter\": [0.1, 2]", "\"jitter\": [2, 0.1]", "training.jitter"},
    {"fvit-b16", "\"warmup\": 250", "\"warmup\": 250000", "training.warmup"},
    {"fvit-b16", "\"prompts\": [\"imagenet80\"]", "\"prompts\": [\"a photo\"]", "prompts[0]"},
    {"fvit-b16", "\"prompts\": [\"imagenet80\"]", "\"prompts\": []", "prompts: expected 1 to 80"},
    {"fvit-b16", "\"base_names\": []", "\"base_names\": [\"a\", 3]", "base_names[1]"},
    {"fvit-b16", "\"base_names\": []", "\"base_names\": [\"\"]", "base_names[0]: an empty name"},
    {"fvit-b16", "\"sha256\": \"0000", "\"sha256\": \"000g", "clip.sha256: expected 64"},
    {"fvit-b16", "\"sha256\": \"0000", "\"sha256\": \"", "clip.sha256: expected 64"},
    {"fvit-b16", "\"path\": \"clip\"", "\"path\": \"\"", "clip.path: is empty"},
    {"fvit-b16", "\"flip\": true", "\"flip\": true,", "line"},
    {"fvit-b16", "\"flip\": true", "\"flip\": true, \"flip\": false", "flip"},
};

static void test_broken_configs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        md_fvlm_config config;
        tn_error err = {0};
        char *text = sound_text(configs[i].preset);
        char *broken = replaced(configs[i].part, text, configs[i].from, configs[i].to);
        const char *path = temporary_file("config.json", broken, strlen(broken));
        broken_is_refused(configs[i].to, path, md_fvlm_config_read(path, &config, &err), &err,
                          configs[i].part);
        free(broken);
        tn_free(text);
    }
}

// Every key of every preset in turn: missing, of another type, out of range, with an unknown
// neighbour. The error names the key.

typedef struct key {
    const char *preset, *group, *name; // group NULL: a key of the top level
    json_t *config, *object;           // the root, and the object that holds the key
} key;

static int refused; // number of broken configurations

static void refuse_config(const key *k, const char *what, const char *part) {
    md_fvlm_config config;
    tn_error err = {0};
    char name[256], *text = json_dumps(k->config, JSON_REAL_PRECISION(17));
    assert_non_null(text);
    snprintf(name, sizeof name, "%s: %s.%s %s", k->preset, k->group ? k->group : "", k->name, what);
    const char *path = temporary_file("config.json", text, strlen(text));
    broken_is_refused(name, path, md_fvlm_config_read(path, &config, &err), &err, part);
    free(text);
    refused++;
}

static bool same_kind(const json_t *a, const json_t *b) {
    return json_typeof(a) == json_typeof(b) || (json_is_boolean(a) && json_is_boolean(b)) ||
           (json_is_integer(a) && json_is_real(b));
}

static void refuse_values(const key *k, const json_t *good, const char *path) {
    const struct {
        const char *what;
        json_t *value;
        bool number;
    } values[] = {{"null", json_null(), false},          {"true", json_true(), false},
                  {"a text", json_string("7"), false},   {"a number", json_integer(7), false},
                  {"an array", json_array(), false},     {"an object", json_object(), false},
                  {"1e15", json_real(1e15), true},       {"-1e15", json_real(-1e15), true},
                  {"far", json_integer(1LL << 60), true}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        bool broken = values[i].number ? json_is_number(good) : !same_kind(values[i].value, good);
        // An integer is accepted for a real number.
        if (!values[i].number && json_is_number(values[i].value) && json_is_number(good))
            broken = false;
        if (broken) {
            assert_int_equal(json_object_set(k->object, k->name, values[i].value), 0);
            refuse_config(k, values[i].what, path);
        }
        json_decref(values[i].value);
    }
}

static void refuse_key(const char *preset, const char *text, const char *group, const char *name) {
    char path[128], quoted[64];
    key k = {.preset = preset, .group = group, .name = name};
    snprintf(path, sizeof path, "%s%s%s", group ? group : "", group ? "." : "", name);
    snprintf(quoted, sizeof quoted, "there is no '%s'", name);
    k.config = json_loads(text, 0, NULL);
    k.object = group ? json_object_get(k.config, group) : k.config;
    json_t *good = json_incref(json_object_get(k.object, name));
    assert_non_null(good);
    json_object_del(k.object, name);
    refuse_config(&k, "left out", quoted);
    refuse_values(&k, good, path);
    json_object_set(k.object, name, good);
    char stranger[64], unknown[160];
    snprintf(stranger, sizeof stranger, "%.60sx", name);
    snprintf(unknown, sizeof unknown, "%sx: unknown setting", path);
    json_object_set_new(k.object, stranger, json_incref(good));
    refuse_config(&k, "with a stranger", unknown);
    json_decref(good);
    json_decref(k.config);
}

static void test_every_key(void **state) {
    (void)state;
    int keys = 0;
    refused = 0;
    for (int i = 0; md_fvlm_presets[i]; i++) {
        char *text = sound_text(md_fvlm_presets[i]);
        json_t *config = json_loads(text, 0, NULL), *value, *inner;
        const char *group, *name;
        assert_non_null(config);
        json_object_foreach(config, group, value) {
            refuse_key(md_fvlm_presets[i], text, NULL, group);
            keys++;
            if (json_is_object(value)) json_object_foreach(value, name, inner) {
                    refuse_key(md_fvlm_presets[i], text, group, name);
                    keys++;
                }
        }
        json_decref(config);
        tn_free(text);
    }
    assert_true(keys > 5 * 60 && refused > 7 * keys);
    print_message("%d broken configurations\n", refused);
}

// ---- folders -----------------------------------------------------------------------------------

static kn_ctx *kn;

// A copy of a golden folder's configuration with the path of its CLIP and one text replaced.
static void write_config(const char *model, const char *from, const char *to) {
    char path[256], where[512];
    snprintf(path, sizeof path, GOLDEN "%s/config.json", model);
    char *text = read_golden(path), *here = realpath(GOLDEN, NULL);
    snprintf(where, sizeof where, "\"path\": \"%s", here);
    char *found = replaced(model, text, "\"path\": \"..", where);
    char *broken = from ? replaced(model, found, from, to) : found;
    temporary_file("config.json", broken, strlen(broken));
    if (broken != found) free(broken);
    free(found);
    free(here);
    tn_free(text);
}

static char *folder(void) {
    static char path[256];
    snprintf(path, sizeof path, "%s", temporary_path("x"));
    *strrchr(path, '/') = 0;
    return path;
}

static tn_status open_folder(tn_error *err) {
    md_fvlm *model = NULL;
    tn_status status = md_fvlm_open(&(md_fvlm_open_options){.folder = folder()}, kn, &model, err);
    md_fvlm_close(model);
    return status;
}

// The adapters with one tensor changed: missing, of another shape, or cut.
static void write_adapters(const char *model, const char *name, int64_t first, const char *extra) {
    char path[256];
    io_weights *file;
    tn_error err = {0};
    snprintf(path, sizeof path, GOLDEN "%s/adapters.safetensors", model);
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    size_t count = 0, all = io_weights_count(file);
    io_tensor *t = calloc(all + 1, sizeof *t);
    bool met = !name;
    for (size_t i = 0; i < all; i++) {
        t[count] = *io_weights_at(file, i);
        if (name && !strcmp(t[count].name, name)) {
            met = true;
            if (first < 0) continue;
            t[count].dim[0] = first;
        }
        count++;
    }
    if (!met) fail_msg("no '%s' in %s", name, path);
    if (extra) {
        t[count] = *io_weights_at(file, 0);
        t[count++].name = extra;
    }
    ASSERT_OK(io_safetensors_write(temporary_path("adapters.safetensors"), t, count, NULL, 0,
                                   IO_AS_STORED, &err),
              err);
    io_weights_close(file);
    free(t);
}

static const struct {
    const char *model, *tensor;
    int64_t first; // rows that it gets; -1: missing
    const char *part;
} adapters[] = {
    {"vit4", "pyramid.fpn1.0.weight", -1, "pyramid.fpn1.0.weight"},
    {"vit4", "pyramid.fpn1.1.running_var", -1, "pyramid.fpn1.1.running_var"},
    {"vit4", "pyramid.fpn2.0.bias", 3, "pyramid.fpn2.0.bias"},
    {"vit4", "fpn.inner_blocks.2.0.weight", 5, "fpn.inner_blocks"},
    {"vit4", "fpn.layer_blocks.0.1.weight", 3, "fpn.layer_blocks.0.1.weight"},
    {"vit4", "rpn.head.conv.0.0.bias", -1, "rpn.head.conv.0.0.bias"},
    {"vit4", "rpn.head.cls_logits.weight", 2, "rpn.head.cls_logits.weight"},
    {"vit4", "rpn.head.bbox_pred.weight", 8, "rpn.head.bbox_pred.weight"},
    {"vit4", "box_head.fc.0.weight", 20, "box_head.fc.0.weight"},
    {"vit4", "box_head.fc.1.weight", -1, "box_head.fc.1.weight"},
    {"vit4", "box_predictor.bbox_pred.weight", 3, "box_predictor.bbox_pred.weight"},
    {"vit4", "box_predictor.embedding.weight", 20, "box_predictor.embedding.weight"},
    {"vit4", "classifier.background", -1, "classifier.background"},
    {"vit4", "classifier.background", 7, "classifier.background"},
    {"vit4", "classifier.logit_scale", -1, "classifier.logit_scale"},
    {"vit4", "mask_head.0.0.weight", -1, "mask_head.0.0.weight"},
    {"vit4", "mask_predictor.conv5_mask.weight", -1, "mask_predictor.conv5_mask.weight"},
    {"vit4", "mask_predictor.mask_fcn_logits.bias", -1, "mask_predictor.mask_fcn_logits"},
    {"simple", "pyramid.lateral.1.0.weight", -1, "pyramid.lateral.1.0.weight"},
    {"stem", "pyramid.stem.4.1.bias", -1, "pyramid.stem.4.1.bias"},
    {"stem", "pyramid.stem.0.0.weight", 3, "pyramid.stem.0.0.weight"},
    {"deep", "pyramid.block.3.1.1.bias", -1, "pyramid.block.3.1.1.bias"},
    {"deep", "pyramid.block.0.0.0.weight", 3, "pyramid.block.0.0.0.weight"},
    {"stem", "pyramid.side.2.weight", 5, "pyramid.side.2.weight"},
    {"stem", "pyramid.side.3.bias", -1, "pyramid.side.3.bias"},
    {"simple", "pyramid.output.3.0.bias", -1, "pyramid.output.3.0.bias"},
};

static void test_broken_adapters(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof adapters / sizeof *adapters; i++) {
        tn_error err = {0};
        write_config(adapters[i].model, NULL, NULL);
        write_adapters(adapters[i].model, adapters[i].tensor, adapters[i].first, NULL);
        broken_is_refused(adapters[i].tensor, "adapters.safetensors", open_folder(&err), &err,
                          adapters[i].part);
    }
    tn_error err = {0};
    write_adapters("vit4", NULL, 0, "box_head.fc.7.weight");
    write_config("vit4", NULL, NULL);
    broken_is_refused("a tensor more", "adapters.safetensors", open_folder(&err), &err,
                      "box_head.fc.7.weight");
}

// Configurations that are valid but do not match their CLIP or adapters.
static const struct {
    const char *model, *from, *to, *file, *part;
} folders[] = {
    {"vit4", "\"size\": 64", "\"size\": 60", "config.json", "picture.size"},
    {"vit4", "3\n  ]", "4\n  ]", "config.json", "pyramid.taps"},
    {"vit4", "\"window\": 0", "\"window\": 3", "config.json", "tower.window"},
    {"simple", "\"simple\"", "\"resnet\"", "config.json", "pyramid."},
    {"vit4", "\"vit4\"", "\"stem\"", "config.json", "pyramid.strides: expected 0.5, 1, 2"},
    {"resnet", "resnet.safetensors", "vit.safetensors", "vit.safetensors", "SHA-256"},
    {"vit4", "vit.safetensors", "no.safetensors", "no.safetensors", NULL},
    {"vit4", "\"norm\": \"batch\"", "\"norm\": \"none\"", "adapters.safetensors", "norm"},
    {"simple", "\"norm\": \"none\"", "\"norm\": \"batch\"", "adapters.safetensors", "norm"},
    {"vit4", "\"channels\": 16", "\"channels\": 24", "adapters.safetensors", "channels"},
    {"vit4", "\"width\": 24", "\"width\": 32", "adapters.safetensors", "box_head.fc.0.weight"},
};

static void test_broken_folders(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        tn_error err = {0};
        write_config(folders[i].model, folders[i].from, folders[i].to);
        write_adapters(folders[i].model, NULL, 0, NULL);
        broken_is_refused(folders[i].to, folders[i].file, open_folder(&err), &err, folders[i].part);
    }
    tn_error err = {0};
    write_config("vit4", NULL, NULL);
    write_adapters("vit4", NULL, 0, NULL);
    ASSERT_OK(open_folder(&err), err);
}

static int setup(void **state) {
    (void)state;
    tn_error err = {0};
    return kn_open("cpu", NULL, 1, &kn, &err) != TN_OK;
}

static int teardown(void **state) {
    kn_close(kn);
    return temporary_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),        cmocka_unit_test(test_broken_configs),
        cmocka_unit_test(test_every_key),      cmocka_unit_test(test_broken_adapters),
        cmocka_unit_test(test_broken_folders),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
