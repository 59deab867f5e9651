// SPDX-License-Identifier: Apache-2.0
// Files of CLIP: the published forms of one model give the same bits; settings from configuration,
// options and the published shapes; files and configurations that are broken are refused with the
// tensor's or the key's name.
#include "io/weights/safetensors.h"
#include "models/clip/clip.h"
#include "tests/support/broken.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FORMS "tests/golden/clip/forms/"

static kn_ctx *kn;

static int setup(void **state) {
    (void)state;
    return kn_open("cpu", NULL, 1, &kn, NULL) != TN_OK;
}

static int teardown(void **state) {
    kn_close(kn);
    return temporary_teardown(state);
}

// ---- the same model in every form --------------------------------------------------------------

enum { PICTURES = 3, TEXTS = 2, DIM = 8 };

static void embed(const char *path, const md_clip_options *options, const char *form,
                  float images[PICTURES * DIM], float texts[TEXTS * DIM]) {
    md_clip *clip;
    tn_arena step;
    tn_error err;
    static float pictures[PICTURES * 16 * 16 * 3];
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        pictures[i] = sinf(0.37f * (float)i);
    ASSERT_OK(md_clip_open(path, options, kn, &clip, &err), err);
    ASSERT_OK(tn_arena_init(&step, 1 << 24, &err), err);
    assert_string_equal(md_clip_settings(clip)->form, form);
    assert_string_equal(md_clip_settings(clip)->assumed, "");
    nn_ctx cx = {kn, &step, &err};
    tn_tensor x = tn_view(pictures, TN_F32, TN_DIMS(PICTURES, 16, 16, 3)),
              y = tn_view(images, TN_F32, TN_DIMS(PICTURES, DIM)),
              z = tn_view(texts, TN_F32, TN_DIMS(TEXTS, DIM));
    const int32_t ids[] = {3, 14, 15, 29}, other[] = {9, 26, 5, 3, 5, 29};
    const md_clip_text text[TEXTS] = {{ids, 4}, {other, 6}};
    ASSERT_OK(md_clip_encode_images(&cx, clip, &x, &y), err);
    ASSERT_OK(md_clip_encode_texts(&cx, clip, text, TEXTS, &z), err);
    tn_arena_deinit(&step);
    md_clip_close(clip);
}

static const md_clip_options told = {2, 4, "gelu"};

static void every_form_gives_the_same_bits(void **state) {
    (void)state;
    const struct {
        const char *path, *form;
        bool told;
    } files[] = {
        {FORMS "state.pt", "OpenAI", true},
        {FORMS "archive.pt", "OpenAI", true},
        {FORMS "openclip", "OpenCLIP", false},
        {FORMS "openclip/open_clip_model.safetensors", "OpenCLIP", false},
        {FORMS "openclip_text", "OpenCLIP", false},
        {FORMS "huggingface", "Hugging Face", false},
        {FORMS "huggingface/model.safetensors", "Hugging Face", false},
    };
    float first[2][PICTURES * DIM] = {0}, images[PICTURES * DIM], texts[TEXTS * DIM];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        embed(files[i].path, files[i].told ? &told : NULL, files[i].form, images, texts);
        if (i == 0) memcpy(first[0], images, sizeof images);
        if (i == 0) memcpy(first[1], texts, sizeof texts);
        assert_memory_equal(first[0], images, sizeof images);
        assert_memory_equal(first[1], texts, sizeof texts);
    }
}

static void clip_hash_differs_between_models(void **state) {
    (void)state;
    md_clip *a, *b, *c;
    uint8_t of_a[32], of_b[32], of_c[32], of_image[32];
    tn_error err;
    const md_clip_options other = {2, 2, "gelu"};
    ASSERT_OK(md_clip_open(FORMS "state.pt", &told, kn, &a, &err), err);
    ASSERT_OK(md_clip_open(FORMS "huggingface", NULL, kn, &b, &err), err);
    ASSERT_OK(md_clip_open(FORMS "state.pt", &other, kn, &c, &err), err);
    ASSERT_OK(md_clip_hash(a, MD_CLIP_TEXT, kn, of_a, &err), err);
    ASSERT_OK(md_clip_hash(b, MD_CLIP_TEXT, kn, of_b, &err), err);
    ASSERT_OK(md_clip_hash(c, MD_CLIP_TEXT, kn, of_c, &err), err);
    ASSERT_OK(md_clip_hash(a, MD_CLIP_IMAGE, kn, of_image, &err), err);
    assert_memory_equal(of_a, of_b, 32);
    assert_memory_not_equal(of_a, of_c, 32);
    assert_memory_not_equal(of_a, of_image, 32);
    md_clip_close(a), md_clip_close(b), md_clip_close(c);
}

// ---- settings ----------------------------------------------------------------------------------

// A safetensors file of zeros with the tensors of an OpenAI state dict that tell the sizes.
static const char *shapes(const char *name, int64_t width, int64_t layers, int64_t patch,
                          int64_t grid, int64_t embed, int64_t text_width, int64_t text_layers) {
    static float zeros[1 << 22];
    enum { MOST = 256 };
    io_tensor t[MOST];
    char names[MOST][64];
    size_t count = 0;
#define PUT(text, ...)                                                                             \
    do {                                                                                           \
        const int64_t dims_[] = {__VA_ARGS__};                                                     \
        snprintf(names[count], sizeof *names, "%s", text);                                         \
        t[count] = (io_tensor){names[count], TN_F16, sizeof dims_ / sizeof *dims_, {0}, zeros};    \
        memcpy(t[count++].dim, dims_, sizeof dims_);                                               \
    } while (0)
    char block[64];
    PUT("visual.conv1.weight", width, 3, patch, patch);
    PUT("visual.positional_embedding", grid * grid + 1, width);
    PUT("visual.proj", width, embed);
    PUT("token_embedding.weight", 100, text_width);
    PUT("positional_embedding", 77, text_width);
    t[count] = (io_tensor){"logit_scale", TN_F32, 0, {0}, zeros};
    count++;
    for (int64_t i = 0; i < layers; i++) {
        snprintf(block, sizeof block, "visual.transformer.resblocks.%lld.ln_1.bias", (long long)i);
        PUT(block, width);
    }
    for (int64_t i = 0; i < text_layers; i++) {
        snprintf(block, sizeof block, "transformer.resblocks.%lld.ln_1.bias", (long long)i);
        PUT(block, text_width);
    }
#undef PUT
    tn_error err;
    const char *path = temporary_path(name);
    ASSERT_OK(io_safetensors_write(path, t, count, NULL, 0, IO_AS_STORED, &err), err);
    return path;
}

static void published_shapes_are_known(void **state) {
    (void)state;
    const struct {
        const char *name;
        int64_t width, layers, patch, grid, embed, text_width, text_layers, heads, text_heads;
        kn_act act;
    } known[] = {
        {"ViT-B/32", 768, 12, 32, 7, 512, 512, 12, 12, 8, KN_QUICK_GELU},
        {"ViT-B/16", 768, 12, 16, 14, 512, 512, 12, 12, 8, KN_QUICK_GELU},
        {"ViT-L/14", 1024, 24, 14, 16, 768, 768, 12, 16, 12, KN_QUICK_GELU},
        {"ViT-L/14@336", 1024, 24, 14, 24, 768, 768, 12, 16, 12, KN_QUICK_GELU},
        {"ViT-H/14", 1280, 32, 14, 16, 1024, 1024, 24, 16, 16, KN_GELU},
        {"ViT-bigG/14", 1664, 48, 14, 16, 1280, 1280, 32, 16, 20, KN_GELU},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        md_clip_config c;
        tn_error err;
        const char *path =
            shapes("known.safetensors", known[i].width, known[i].layers, known[i].patch,
                   known[i].grid, known[i].embed, known[i].text_width, known[i].text_layers);
        ASSERT_OK(md_clip_describe(path, NULL, &c, &err), err);
        assert_string_equal(c.name, known[i].name);
        assert_int_equal(c.heads, known[i].heads);
        assert_int_equal(c.text_heads, known[i].text_heads);
        assert_int_equal(c.activation, known[i].act);
        assert_int_equal(c.text_activation, known[i].act);
        assert_true(*c.assumed); // a state dict does not say whose it is
        const md_clip_options options = {.activation = "gelu"};
        ASSERT_OK(md_clip_describe(path, &options, &c, &err), err);
        assert_int_equal(c.activation, KN_GELU);
        assert_string_equal(c.assumed, "");
    }
}

static void open_asks_for_heads_of_unpublished_shapes(void **state) {
    (void)state;
    const char *path = FORMS "state.pt";
    const struct {
        md_clip_options options;
        const char *part;
    } cases[] = {
        {{0, 0, NULL}, "--heads"},         {{2, 0, NULL}, "--text-heads"},
        {{2, 4, NULL}, "--activation"},    {{2, 4, "relu"}, "'relu'"},
        {{3, 4, "gelu"}, "3 heads of 16"}, {{2, 5, "gelu"}, "5 of 16"},
        {{-2, 4, "gelu"}, "-2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        md_clip *clip;
        tn_error err = {0};
        assert_int_equal(md_clip_open(path, &cases[i].options, kn, &clip, &err), TN_EINVAL);
        if (!strstr(err.text, cases[i].part))
            fail_msg("expected '%s' in: %s", cases[i].part, err.text);
    }
}

// ---- broken configurations ---------------------------------------------------------------------

static const char *const named[] = {"huggingface", "openclip"};
static const char *const weights_of[] = {"model.safetensors", "open_clip_model.safetensors"};

static void copy(const char *from, const char *to, const char *find, const char *put) {
    char *text, path[512];
    size_t count;
    tn_error err;
    snprintf(path, sizeof path, FORMS "%s", from);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    count = (size_t)ftell(file);
    rewind(file);
    text = calloc(1, count + 1);
    assert_int_equal(fread(text, 1, count, file), count);
    fclose(file);
    (void)err;
    char *hit = find ? strstr(text, find) : NULL;
    if (find && !hit) fail_msg("%s has no %s", from, find);
    char *changed = NULL;
    size_t changed_count;
    FILE *out = open_memstream(&changed, &changed_count);
    if (hit) {
        fwrite(text, 1, (size_t)(hit - text), out);
        fputs(put, out);
        fwrite(hit + strlen(find), 1, count - (size_t)(hit - text) - strlen(find), out);
    } else {
        fwrite(text, 1, count, out);
    }
    fclose(out);
    temporary_file(to, changed, changed_count);
    free(changed);
    free(text);
}

// A folder of form 0 or 1 with one replacement in one of its files.
static const char *folder(int form, const char *file, const char *find, const char *put) {
    char from[256], to[256];
    static char base[512];
    snprintf(base, sizeof base, "%s", temporary_path(named[form]));
    mkdir(base, 0700);
    const char *all[] = {weights_of[form], form ? "open_clip_config.json" : "config.json",
                         "preprocessor_config.json"};
    for (int i = 0; i < (form ? 2 : 3); i++) {
        snprintf(from, sizeof from, "%s/%s", named[form], all[i]);
        snprintf(to, sizeof to, "%s/%s", named[form], all[i]);
        bool here = file && strcmp(all[i], file) == 0;
        copy(from, to, here ? find : NULL, put);
    }
    return base;
}

static void broken_configurations_are_refused(void **state) {
    (void)state;
    const struct {
        int form;
        const char *file, *find, *put, *part;
    } cases[] = {
        {0, "config.json", "{", "[", NULL},
        {0, "config.json", "\"vision_config\"", "\"vision\"", "vision_config"},
        {0, "config.json", "\"hidden_size\": 16", "\"hidden_size\": 24", "hidden_size"},
        {0, "config.json", "\"hidden_size\": 16", "\"hidden_size\": \"16\"", "hidden_size"},
        {0, "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "layers"},
        {0, "config.json", "\"patch_size\": 4", "\"patch_size\": 8", "patch_size"},
        {0, "config.json", "\"image_size\": 16", "\"image_size\": 32", "image_size"},
        {0, "config.json", "\"vocab_size\": 30", "\"vocab_size\": 31", "vocab_size"},
        {0, "config.json", "\"projection_dim\": 8", "\"projection_dim\": 9", "projection_dim"},
        {0, "config.json", "\"num_attention_heads\": 2", "\"num_attention_heads\": 0", "heads"},
        {0, "config.json", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"silu\"", "silu"},
        {0, "config.json", "\"hidden_act\": \"gelu\"", "\"layer_norm_eps\": 1e-3", "norm_eps"},
        {0, "preprocessor_config.json", "\"image_mean\": [", "\"image_mean\": [1,", "image_mean"},
        {0, "preprocessor_config.json", "\"resample\": 3", "\"resample\": 0", "resample"},
        {0, "preprocessor_config.json", "\"height\": 16", "\"height\": 17", "square"},
        {0, "preprocessor_config.json", "\"shortest_edge\": 16", "\"shortest_edge\": -1",
         "shortest_edge"},
        {0, "preprocessor_config.json", "\"do_resize\": true", "\"do_resize\": false", "do_resize"},
        {0, "preprocessor_config.json", "\"do_center_crop\": true", "\"do_center_crop\": false",
         "do_center_crop"},
        {0, "preprocessor_config.json", "\"do_rescale\": true", "\"do_rescale\": false",
         "do_rescale"},
        {0, "preprocessor_config.json", "\"rescale_factor\": 0.00392156862745098",
         "\"rescale_factor\": 0.0078", "rescale_factor"},
        {0, "preprocessor_config.json", "\"shortest_edge\"", "\"longest_edge\"", "longest_edge"},
        {0, "preprocessor_config.json", "\"resample\": 3", "\"resample\": 1", "Lanczos"},
        {0, "preprocessor_config.json", "0.26862954", "0.0", "standard deviation"},
        {0, "preprocessor_config.json", "\"shortest_edge\": 16", "\"shortest_edge\": 12", "12"},
        {1, "open_clip_config.json", "\"model_cfg\"", "\"model\"", "model_cfg"},
        {1, "open_clip_config.json", "\"width\": 16", "\"width\": 32", "width"},
        {1, "open_clip_config.json", "\"width\": 16", "\"timm_model_name\": \"x\"", "timm_model"},
        {1, "open_clip_config.json", "\"width\": 16", "\"no_ln_pre\": true", "no_ln_pre"},
        {1, "open_clip_config.json", "\"width\": 16", "\"pool_type\": \"avg\"", "pool_type"},
        {1, "open_clip_config.json", "\"head_width\": 8", "\"head_width\": 5", "5"},
        {1, "open_clip_config.json", "\"heads\": 4", "\"no_causal_mask\": true", "no_causal_mask"},
        {1, "open_clip_config.json", "\"heads\": 4", "\"hf_model_name\": \"x\"", "hf_model_name"},
        {1, "open_clip_config.json", "\"shortest\"", "\"squash\"", "resize_mode"},
        {1, "open_clip_config.json", "\"quick_gelu\": false", "\"quick_gelu\": 1", "quick_gelu"},
    };
    for (int form = 0; form < 2; form++) { // unchanged, it opens
        md_clip_config c;
        tn_error err;
        ASSERT_OK(md_clip_describe(folder(form, NULL, NULL, NULL), NULL, &c, &err), err);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        md_clip *clip = NULL;
        tn_error err = {0};
        const char *path = folder(cases[i].form, cases[i].file, cases[i].find, cases[i].put);
        tn_status status = md_clip_open(path, NULL, kn, &clip, &err);
        assert_null(clip);
        broken_is_refused(cases[i].put, path, status, &err, cases[i].part);
    }
}

// ---- broken tensors ----------------------------------------------------------------------------

typedef struct change {
    const char *tensor, *rename; // rename NULL: dropped, unless there is a new shape
    int rank;
    int64_t dim[4];
    const char *part; // of the error's text
} change;

static const char *changed(const char *from, const change *c) {
    static float zeros[4096]; // what a tensor of another shape holds
    io_weights *file;
    tn_error err;
    ASSERT_OK(io_weights_open(from, &file, &err), err);
    io_tensor *all = calloc(io_weights_count(file), sizeof *all);
    size_t count = 0;
    bool hit = false;
    for (size_t i = 0; i < io_weights_count(file); i++) {
        io_tensor t = *io_weights_at(file, i);
        if (strcmp(t.name, c->tensor) == 0) {
            hit = true;
            if (!c->rename && !c->rank && !c->dim[0]) continue;
            if (c->rename) t.name = c->rename;
            if (c->rank || c->dim[0] == -1) {
                t.rank = c->rank;
                memcpy(t.dim, c->dim, sizeof c->dim);
                t.data = zeros;
            }
        }
        all[count++] = t;
    }
    if (!hit) fail_msg("%s has no tensor %s", from, c->tensor);
    const char *path = temporary_path("changed.safetensors");
    ASSERT_OK(io_safetensors_write(path, all, count, NULL, 0, IO_AS_STORED, &err), err);
    free(all);
    io_weights_close(file);
    return path;
}

static void refuse(const char *from, const change *cases, size_t count,
                   const md_clip_options *options) {
    for (size_t i = 0; i < count; i++) {
        md_clip *clip = NULL;
        tn_error err = {0};
        const char *path = changed(from, &cases[i]);
        tn_status status = md_clip_open(path, options, kn, &clip, &err);
        assert_null(clip);
        broken_is_refused(cases[i].tensor, path, status, &err, cases[i].part);
    }
}

#define BLOCK "visual.transformer.resblocks.0."

static void broken_vits_are_refused(void **state) {
    (void)state;
    const change cases[] = {
        {"visual.conv1.weight", NULL, 0, {0}, "visual.conv1.weight"},
        {"visual.conv1.weight", NULL, 2, {16, 48}, "[16,48]"},
        {"visual.conv1.weight", NULL, 4, {16, 3, 4, 2}, "[16,3,4,2]"},
        {"visual.conv1.weight", NULL, 4, {16, 1, 4, 4}, "[16,1,4,4]"},
        {"visual.conv1.weight", NULL, 4, {0, 3, 4, 4}, "[0,3,4,4]"},
        {"visual.class_embedding", NULL, 1, {17}, "[17]"},
        {"visual.class_embedding", NULL, 0, {0}, "class_embedding"},
        {"visual.positional_embedding", NULL, 2, {16, 16}, "square"},
        {"visual.positional_embedding", NULL, 2, {1, 16}, "square"},
        {"visual.positional_embedding", NULL, 2, {17, 8}, "[17,8]"},
        {"visual.proj", NULL, 0, {0}, "visual.proj"},
        {"visual.proj", NULL, 2, {8, 8}, "[8,8]"},
        {"visual.ln_pre.weight", NULL, 1, {8}, "ln_pre.weight"},
        {"visual.ln_post.bias", NULL, 0, {0}, "ln_post.bias"},
        {BLOCK "ln_1.weight", NULL, 0, {0}, BLOCK "ln_1.weight"},
        {BLOCK "ln_1.weight", BLOCK "ln_1.gain", 0, {0}, "ln_1"},
        {BLOCK "attn.in_proj_weight", NULL, 2, {32, 16}, "in_proj_weight"},
        {BLOCK "attn.in_proj_bias", NULL, 0, {0}, "in_proj_bias"},
        {BLOCK "attn.out_proj.weight", NULL, 2, {16, 15}, "[16,15]"},
        {BLOCK "mlp.c_fc.weight", NULL, 2, {64, 8}, "[64,8]"},
        {BLOCK "mlp.c_fc.bias", NULL, 1, {63}, "[63]"},
        {BLOCK "mlp.c_proj.weight", NULL, 2, {16, 60}, "[16,60]"},
        {BLOCK "mlp.c_proj.weight", NULL, 2, {0, 64}, "[0,64]"},
        {BLOCK "ln_2.bias", BLOCK "ls_1.gamma", 0, {0}, "ls_1.gamma"},
        {BLOCK "ln_2.bias",
         "visual.transformer.resblocks.999999999999.ln_1.bias",
         0,
         {0},
         "blocks"},
        {BLOCK "ln_2.bias", "visual.transformer.resblocks.9.ln_1.bias", 0, {0}, "resblocks."},
        {"token_embedding.weight", "text_embedding.weight", 0, {0}, "not a CLIP"},
        {"token_embedding.weight", NULL, 1, {30}, "[30]"},
        {"positional_embedding", NULL, 2, {12, 8}, "positional_embedding"},
        {"positional_embedding", NULL, 0, {0}, "positional_embedding"},
        {"ln_final.weight", NULL, 0, {0}, "ln_final.weight"},
        {"text_projection", NULL, 2, {16, 7}, "[16,7]"},
        {"text_projection", NULL, 0, {0}, "text_projection"},
        {"logit_scale", NULL, 1, {2}, "logit_scale"},
        {"logit_scale", NULL, 0, {0}, "logit_scale"},
        {"logit_scale", "logit_bias", 0, {0}, "logit_bias"},
    };
    refuse(FORMS "state.pt", cases, sizeof cases / sizeof *cases, &told);
}

static void broken_huggingface_files_are_refused(void **state) {
    (void)state;
#define HF "vision_model.encoder.layers.1."
    const change cases[] = {
        {HF "self_attn.k_proj.weight", NULL, 0, {0}, HF "self_attn.k_proj.weight"},
        {HF "self_attn.v_proj.weight", NULL, 2, {16, 8}, "[16,8]"},
        {HF "self_attn.q_proj.bias", NULL, 0, {0}, "q_proj.bias"},
        {HF "self_attn.k_proj.bias", NULL, 1, {15}, "[15]"},
        {HF "mlp.fc1.bias", HF "mlp.gate.bias", 0, {0}, "mlp.gate.bias"},
        {"visual_projection.weight", NULL, 0, {0}, "visual"},
        {"visual_projection.weight", NULL, 2, {8, 8}, "[8,8]"},
        {"text_model.final_layer_norm.bias", NULL, 0, {0}, "text_model.final_layer_norm.bias"},
        {"vision_model.pre_layrnorm.bias", "vision_model.pre_norm.bias", 0, {0}, "pre_norm.bias"},
    };
    refuse(FORMS "huggingface/model.safetensors", cases, sizeof cases / sizeof *cases, &told);
}

static void broken_resnets_are_refused(void **state) {
    (void)state;
    const md_clip_options options = {4, 2, "quick_gelu"};
    const change cases[] = {
        {"visual.conv2.weight", NULL, 0, {0}, "visual.conv2.weight"},
        {"visual.bn1.running_var", NULL, 0, {0}, "visual.bn1.running_var"},
        {"visual.bn2.weight", NULL, 1, {5}, "[5]"},
        {"visual.layer1.0.conv1.weight", NULL, 0, {0}, "positional_embedding"}, // a ViT, then
        {"visual.layer1.0.conv2.weight", NULL, 4, {2, 2, 1, 1}, "[2,2,1,1]"},
        {"visual.layer2.0.bn1.weight", NULL, 0, {0}, "visual.layer2.0.bn1.weight"},
        {"visual.layer2.0.downsample.0.weight",
         NULL,
         0,
         {0},
         "visual.layer2.0.downsample.0.weight"},
        {"visual.layer2.1.conv1.weight", NULL, 0, {0}, "visual.layer2.1.conv1.weight"},
        {"visual.layer3.0.conv3.weight", NULL, 4, {32, 16, 1, 1}, "[32,16,1,1]"},
        {"visual.layer4.0.bn3.bias", "visual.layer4.7.bn1.bias", 0, {0}, "visual.layer4."},
        {"visual.attnpool.positional_embedding", NULL, 2, {6, 64}, "square"},
        {"visual.attnpool.positional_embedding", NULL, 2, {5, 32}, "[5,32]"},
        {"visual.attnpool.k_proj.weight", NULL, 0, {0}, "k_proj"},
        {"visual.attnpool.v_proj.bias", NULL, 0, {0}, "v_proj.bias"},
        {"visual.attnpool.c_proj.weight", NULL, 2, {12, 63}, "[12,63]"},
    };
    refuse("tests/golden/clip/resnet.pt", cases, sizeof cases / sizeof *cases, &options);
}

static void open_reports_out_of_memory(void **state) {
    (void)state;
    const char *paths[] = {FORMS "archive.pt", FORMS "huggingface"};
    for (int p = 0; p < 2; p++)
        for (int64_t n = 1;; n++) {
            md_clip *clip = NULL;
            tn_error err = {0};
            tn_alloc_fail_after(n);
            tn_status status = md_clip_open(paths[p], &told, kn, &clip, &err);
            tn_alloc_fail_after(0);
            if (status == TN_OK) {
                assert_true(n > 20);
                md_clip_close(clip);
                break;
            }
            assert_int_equal(status, TN_ENOMEM);
            assert_null(clip);
            assert_true(*err.text);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_gives_the_same_bits),
        cmocka_unit_test(clip_hash_differs_between_models),
        cmocka_unit_test(published_shapes_are_known),
        cmocka_unit_test(open_asks_for_heads_of_unpublished_shapes),
        cmocka_unit_test(broken_configurations_are_refused),
        cmocka_unit_test(broken_vits_are_refused),
        cmocka_unit_test(broken_huggingface_files_are_refused),
        cmocka_unit_test(broken_resnets_are_refused),
        cmocka_unit_test(open_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
