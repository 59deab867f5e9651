# SPDX-License-Identifier: Apache-2.0
"""The forms in which CLIPs are published, written from one state dict with OpenAI's names.

Used by dump_clip.py (small ones, committed) and parity_clip.py (full size, not kept).
"""

import json
import os
import re

import torch
from safetensors.torch import save_file
from torch import nn

HF_NAMES = [
    (r"^visual\.class_embedding$", "vision_model.embeddings.class_embedding"),
    (r"^visual\.positional_embedding$", "vision_model.embeddings.position_embedding.weight"),
    (r"^visual\.conv1\.weight$", "vision_model.embeddings.patch_embedding.weight"),
    (r"^visual\.ln_pre\.", "vision_model.pre_layrnorm."),
    (r"^visual\.ln_post\.", "vision_model.post_layernorm."),
    (r"^visual\.transformer\.resblocks\.", "vision_model.encoder.layers."),
    (r"^token_embedding\.", "text_model.embeddings.token_embedding."),
    (r"^positional_embedding$", "text_model.embeddings.position_embedding.weight"),
    (r"^ln_final\.", "text_model.final_layer_norm."),
    (r"^transformer\.resblocks\.", "text_model.encoder.layers."),
    (r"\.ln_1\.", ".layer_norm1."),
    (r"\.ln_2\.", ".layer_norm2."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
]


def huggingface(state):
    """The same tensors under the names of transformers' CLIPModel."""
    out = {}
    for name, tensor in state.items():
        if name == "visual.proj":
            out["visual_projection.weight"] = tensor.T.contiguous()
            continue
        if name == "text_projection":
            out["text_projection.weight"] = tensor.T.contiguous()
            continue
        for pattern, theirs in HF_NAMES:
            name = re.sub(pattern, theirs, name)
        joined = re.match(r"(.*)\.attn\.in_proj_(weight|bias)$", name)
        if joined:
            for part, piece in zip("qkv", tensor.chunk(3)):
                out[f"{joined[1]}.self_attn.{part}_proj.{joined[2]}"] = piece.contiguous()
        else:
            out[name] = tensor
    return out


def huggingface_config(settings):
    act = "quick_gelu" if settings["quick_gelu"] else "gelu"
    vision, text = settings["vision_cfg"], settings["text_cfg"]
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": settings["embed_dim"],
        "vision_config": {
            "hidden_size": vision["width"],
            "intermediate_size": 4 * vision["width"],
            "num_hidden_layers": vision["layers"],
            "num_attention_heads": vision["width"] // vision["head_width"],
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "hidden_act": act,
        },
        "text_config": {
            "hidden_size": text["width"],
            "intermediate_size": 4 * text["width"],
            "num_hidden_layers": text["layers"],
            "num_attention_heads": text["heads"],
            "max_position_embeddings": text["context_length"],
            "vocab_size": text["vocab_size"],
            "hidden_act": act,
            "eos_token_id": text["vocab_size"] - 1,
        },
    }


class Bag(nn.Module):
    """A tree of modules that only hold tensors: what a TorchScript archive keeps of a model."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def bag_of(state):
    root = Bag()
    for name, tensor in state.items():
        *way, last = name.split(".")
        at = root
        for step in way:
            if step not in at._modules:
                at.add_module(step, Bag())
            at = at._modules[step]
        if tensor.is_floating_point():
            at.register_parameter(last, nn.Parameter(tensor, requires_grad=False))
        else:
            at.register_buffer(last, tensor)
    return root


def as_openai(state, settings):
    """What OpenAI's archives hold: matrices in half precision, norms in single, three numbers."""
    out = dict(state)
    for name, value in (
        ("input_resolution", settings["vision_cfg"]["image_size"]),
        ("context_length", settings["text_cfg"]["context_length"]),
        ("vocab_size", settings["text_cfg"]["vocab_size"]),
    ):
        out[name] = torch.tensor(value)
    return out


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def write_torchscript(state, settings, path):
    torch.jit.script(bag_of(as_openai(state, settings))).save(path)


def write_state(state, path):
    torch.save(state, path)


def write_huggingface(state, settings, folder, binary=False):
    os.makedirs(folder, exist_ok=True)
    tensors = huggingface(state)
    if binary:
        torch.save(tensors, f"{folder}/pytorch_model.bin")
    else:
        save_file(tensors, f"{folder}/model.safetensors", metadata={"format": "pt"})
    write_json(f"{folder}/config.json", huggingface_config(settings))
    size = settings["vision_cfg"]["image_size"]
    write_json(
        f"{folder}/preprocessor_config.json",
        {
            "crop_size": {"height": size, "width": size},
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_processor_type": "CLIPImageProcessor",
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "resample": 3,
            "rescale_factor": 0.00392156862745098,
            "size": {"shortest_edge": size},
        },
    )


def write_openclip(state, settings, folder, text_tower_apart=False):
    os.makedirs(folder, exist_ok=True)
    tensors = dict(state)
    if text_tower_apart:
        tensors = {
            name if name.startswith("visual.") or name == "logit_scale" else "text." + name: tensor
            for name, tensor in state.items()
        }
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        f"{folder}/open_clip_model.safetensors",
        metadata={"format": "pt"},
    )
    write_json(
        f"{folder}/open_clip_config.json",
        {
            "model_cfg": settings,
            "preprocess_cfg": {
                "mean": [0.48145466, 0.4578275, 0.40821073],
                "std": [0.26862954, 0.26130258, 0.27577711],
                "interpolation": "bicubic",
                "resize_mode": "shortest",
            },
        },
    )
