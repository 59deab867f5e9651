// SPDX-License-Identifier: Apache-2.0
// Writes a trained CLIP in the form of Hugging Face's transformers.
#include "io/file.h"
#include "io/weights/safetensors.h"
#include "models/clip/clip_parts.h"
#include "models/clip/clip_tensor_names.h"
#include "models/clip/clip_train.h"

#include <inttypes.h>
#include <limits.h>

static const char *activation_name(kn_act act) {
    return act == KN_QUICK_GELU ? "quick_gelu" : act == KN_GELU_TANH ? "gelu_pytorch_tanh" : "gelu";
}

static const char *dtype_name(tn_dtype dtype) {
    return dtype == TN_F16 ? "float16" : dtype == TN_BF16 ? "bfloat16" : "float32";
}

// The settings that both towers have.
static void put_tower(FILE *f, const md_clip *clip, const nn_block *block, int64_t width,
                      int64_t layers, int64_t heads, kn_act act) {
    fprintf(f,
            "    \"hidden_size\": %" PRId64 ",\n    \"intermediate_size\": %" PRId64
            ",\n    \"num_hidden_layers\": %" PRId64 ",\n    \"num_attention_heads\": %" PRId64
            ",\n    \"hidden_act\": \"%s\",\n    \"layer_norm_eps\": %.9g,\n"
            "    \"projection_dim\": %" PRId64 ",\n    \"attention_dropout\": 0.0\n  }",
            width, block->mlp.up.w.out, layers, heads, activation_name(act), clip->config.norm_eps,
            clip->config.embed_dim);
}

static void put_config(FILE *f, const md_clip *clip, int32_t start, int32_t end, tn_dtype dtype) {
    const md_clip_config *c = &clip->config;
    fprintf(f,
            "{\n  \"architectures\": [\n    \"CLIPModel\"\n  ],\n  \"model_type\": \"clip\",\n"
            "  \"dtype\": \"%s\",\n  \"projection_dim\": %" PRId64
            ",\n  \"logit_scale_init_value\": 2.6592,\n  \"text_config\": {\n"
            "    \"model_type\": \"clip_text_model\",\n    \"vocab_size\": %" PRId64
            ",\n    \"max_position_embeddings\": %" PRId64
            ",\n    \"bos_token_id\": %d,\n    \"eos_token_id\": %d,\n    \"pad_token_id\": %d,\n",
            dtype_name(dtype), c->embed_dim, c->vocabulary, c->context, start, end, end);
    put_tower(f, clip, clip->text.block, c->text_width, c->text_layers, c->text_heads,
              c->text_activation);
    fprintf(f,
            ",\n  \"vision_config\": {\n    \"model_type\": \"clip_vision_model\",\n"
            "    \"image_size\": %" PRId64 ",\n    \"patch_size\": %" PRId64
            ",\n    \"num_channels\": 3,\n",
            c->image_size, c->patch);
    put_tower(f, clip, clip->vit.block, c->width, c->layers, c->heads, c->activation);
    fputs("\n}\n", f);
}

static void put_three(FILE *f, const char *name, const float *value) {
    fprintf(f, "  \"%s\": [\n    %.8g,\n    %.8g,\n    %.8g\n  ],\n", name, (double)value[0],
            (double)value[1], (double)value[2]);
}

static void put_processor(FILE *f, const md_clip_config *c) {
    fputs("{\n  \"image_processor_type\": \"CLIPImageProcessor\",\n  \"do_resize\": true,\n", f);
    if (c->resize_square)
        fprintf(f,
                "  \"size\": {\n    \"height\": %" PRId64 ",\n    \"width\": %" PRId64 "\n  },\n",
                c->resize, c->resize);
    else
        fprintf(f, "  \"size\": {\n    \"shortest_edge\": %" PRId64 "\n  },\n", c->resize);
    fprintf(f,
            "  \"resample\": %d,\n"
            "  \"do_center_crop\": true,\n  \"crop_size\": {\n    \"height\": %" PRId64
            ",\n    \"width\": %" PRId64 "\n  },\n  \"do_rescale\": true,\n"
            "  \"rescale_factor\": 0.00392156862745098,\n  \"do_normalize\": true,\n",
            c->interpolation == KN_BILINEAR ? 2 : 3, c->image_size, c->image_size);
    put_three(f, "image_mean", c->mean);
    put_three(f, "image_std", c->std);
    fputs("  \"do_convert_rgb\": true\n}\n", f);
}

static tn_status write_json(const md_clip *clip, int32_t start, int32_t end, tn_dtype dtype,
                            bool processor, const char *folder, tn_error *err) {
    char path[PATH_MAX];
    io_writer writer;
    snprintf(path, sizeof path, "%s/%s", folder,
             processor ? "preprocessor_config.json" : "config.json");
    TN_TRY(io_writer_open(&writer, path, err));
    if (processor)
        put_processor(writer.file, &clip->config);
    else
        put_config(writer.file, clip, start, end, dtype);
    return io_writer_commit(&writer, err);
}

tn_status md_clip_write(const md_clip *clip, const nn_params *params, int32_t start, int32_t end,
                        tn_dtype dtype, const char *folder, tn_error *err) {
    char path[PATH_MAX];
    const io_text_pair meta[] = {{"format", "pt"}};
    size_t count = (size_t)params->count;
    io_tensor *tensors = tn_alloc_zero(count + 1, sizeof *tensors);
    char(*names)[NN_NAME] = tn_alloc_zero(count + 1, sizeof *names);
    tn_status status = TN_OK;
    if (!tensors || !names) status = tn_fail(err, TN_ENOMEM, "%s: out of memory", folder);
    for (size_t i = 0; status == TN_OK && i < count; i++) {
        const tn_tensor *t = &params->param[i]->value;
        md_clip_huggingface_name(params->param[i]->name, names[i], NN_NAME);
        tensors[i] = (io_tensor){.name = names[i], t->dtype, t->rank, .data = t->data};
        for (int d = 0; d < t->rank; d++) tensors[i].dim[d] = t->dim[d];
    }
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    if (status == TN_OK)
        status = io_safetensors_write(path, tensors, count, meta, 1, (int)dtype, err);
    for (int processor = 0; status == TN_OK && processor < 2; processor++)
        status = write_json(clip, start, end, dtype, processor, folder, err);
    tn_free(tensors);
    tn_free(names);
    return status;
}
