#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/clip/: small random CLIPs with every intermediate, and preprocessing.

    python tools/reference/dump_clip.py [--out tests/golden/clip]

vit.pt, resnet.pt         state dicts with OpenAI's names; heads and GELU must be told
*_case.safetensors        for each: pictures [N,3,S,S], token ids, and what every module makes of
                          them, as PyTorch has it; metadata: the settings
forms/                    one smaller CLIP in every published form, with its embeddings
preprocess.json           hashes of preprocessed tensors for pictures that a formula makes

The reference is OpenCLIP's model; where transformers can hold the same weights, it must agree.
Weights are numbers that half precision holds exactly, and are stored so; both compute with the very
same numbers in single precision.
"""

import argparse
import hashlib
import json
import os
import random
import shutil

import numpy as np
import torch
from clip_forms import (
    huggingface,
    huggingface_config,
    write_huggingface,
    write_openclip,
    write_state,
    write_torchscript,
)
from open_clip.model import CLIP
from PIL import Image
from safetensors.torch import save_file
from torchvision import transforms
from transformers import CLIPConfig, CLIPModel
from formula import formula

SETTINGS = {
    "vit": {
        "embed_dim": 20,
        "vision_cfg": {"image_size": 40, "layers": 2, "width": 24, "patch_size": 8, "head_width": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 60, "width": 24, "heads": 2, "layers": 2},
        "quick_gelu": True,
    },
    "resnet": {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 64, "layers": [1, 2, 1, 1], "width": 2, "head_width": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 40, "width": 16, "heads": 2, "layers": 1},
        "quick_gelu": True,
    },
    "forms": {
        "embed_dim": 8,
        "vision_cfg": {"image_size": 16, "layers": 2, "width": 16, "patch_size": 4, "head_width": 8},
        "text_cfg": {"context_length": 12, "vocab_size": 30, "width": 16, "heads": 4, "layers": 1},
        "quick_gelu": False,
    },
}

SEEDS = {"vit": 1, "resnet": 4, "forms": 3}  # no layer of theirs is dead


def build(settings, generator):
    model = CLIP(
        settings["embed_dim"], settings["vision_cfg"], settings["text_cfg"], settings["quick_gelu"]
    ).eval()
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        norm = ".ln_" in name or ".bn" in name or name.startswith("ln_final") or "downsample.1" in name
        if name == "logit_scale":
            value = torch.tensor(3.5)
        elif "running_var" in name:
            value = 1 + 0.3 * noise.abs()
        elif norm and name.endswith("weight"):
            value = 1 + 0.2 * noise
        elif norm or name.endswith("bias"):
            value = 0.1 * noise
        elif "embedding" in name:
            value = 0.3 * noise
        else:
            fan = tensor[0].numel() if tensor.ndim > 1 else tensor.numel()
            value = noise * (1.2 / fan**0.5)
        tensor.copy_(value.half().float())
    return model


def stored(model):
    """float32 for what OpenAI keeps in single precision, float16 for the rest; exact either way."""
    out = {}
    for name, tensor in model.state_dict().items():
        if name == "attn_mask":
            continue
        out[name] = tensor.half() if tensor.ndim > 1 else tensor.clone()
    return out


def agrees_with_transformers(model, settings, pictures, ids):
    other = CLIPModel(CLIPConfig(**huggingface_config(settings))).eval()
    missing, unexpected = other.load_state_dict(
        {name: t.float() for name, t in huggingface(stored(model)).items()}, strict=False
    )
    assert not unexpected and all("position_ids" in name for name in missing), (missing, unexpected)

    def vector(value):
        return value if torch.is_tensor(value) else value.pooler_output

    for ours, theirs in (
        (model.encode_image(pictures), vector(other.get_image_features(pixel_values=pictures))),
        (model.encode_text(ids), vector(other.get_text_features(input_ids=ids))),
    ):
        assert (ours - theirs).abs().max() <= 2e-6 * ours.abs().max(), (ours - theirs).abs().max()


def catch(model, run, wanted):
    """wanted: name in the dump -> (module, what to take of its input or output)."""
    seen, hooks = {}, []
    for name, (module, pick) in wanted.items():

        def hook(_module, inputs, output, name=name, pick=pick):
            seen[name] = pick(inputs, output).detach().clone()

        hooks.append(module.register_forward_hook(hook))
    seen["projection"] = run()
    for hook in hooks:
        hook.remove()
    for name, value in seen.items():
        assert (value != 0).float().mean() > 0.2, f"{name} is nearly dead: take another seed"
    return seen


def out_of(_inputs, output):
    return output


def into(inputs, _output):
    return inputs[0]


def vit_taps(visual):
    taps = {
        "embeddings": (visual.ln_pre, into),
        "ln_pre": (visual.ln_pre, out_of),
        "ln_post": (visual.ln_post, lambda _, output: output[:, 0] if output.ndim == 3 else output),
    }
    for i, block in enumerate(visual.transformer.resblocks):
        taps[f"block.{i}"] = (block, out_of)
    return taps


def resnet_taps(visual):
    taps = {
        "stem.0": (visual.act1, out_of),
        "stem.1": (visual.act2, out_of),
        "stem.2": (visual.act3, out_of),
        "stem.pool": (visual.avgpool, out_of),
    }
    for stage in range(1, 5):
        for i, block in enumerate(getattr(visual, f"layer{stage}")):
            taps[f"layer{stage}.{i}"] = (block, out_of)
    return taps


def text_taps(model, length):
    taps = {
        "embeddings": (model.transformer.resblocks[0], lambda inputs, _: inputs[0][:, :length]),
        "ln_final": (model.ln_final, lambda _, output: output[:, length - 1]),
    }
    for i, block in enumerate(model.transformer.resblocks):
        taps[f"block.{i}"] = (block, lambda _, output: output[:, :length])
    return taps


def texts(settings, lengths, generator):
    """Rows that end with the highest id, which then is followed by zeros."""
    text = settings["text_cfg"]
    rows = torch.zeros(len(lengths), text["context_length"], dtype=torch.int64)
    for row, length in zip(rows, lengths):
        row[: length - 1] = torch.randint(0, text["vocab_size"] - 1, (length - 1,), generator=generator)
        row[length - 1] = text["vocab_size"] - 1
    return rows


def case(name, settings, out):
    generator = torch.Generator().manual_seed(SEEDS[name])
    model = build(settings, generator)
    size, context = settings["vision_cfg"]["image_size"], settings["text_cfg"]["context_length"]
    pictures = torch.randn(2, 3, size, size, generator=generator).half().float()
    same = texts(settings, [9, 9], generator)
    mixed = texts(settings, [2, context, 5, 9, 5, 1], generator)
    if name != "resnet":
        agrees_with_transformers(model, settings, pictures, torch.cat([same, mixed]))
    taps = resnet_taps(model.visual) if name == "resnet" else vit_taps(model.visual)
    image = catch(model, lambda: model.encode_image(pictures), taps)
    text = catch(model, lambda: model.encode_text(same), text_taps(model, 9))
    dump = {f"image.{key}": value for key, value in image.items()}
    dump |= {f"text.{key}": value for key, value in text.items()}
    dump |= {
        "pictures": pictures.half(),
        "ids": same.int(),
        "mixed_ids": mixed.int(),
        "image_embeds": model.encode_image(pictures, normalize=True),
        "mixed_embeds": model.encode_text(mixed, normalize=True),
    }
    save_file(
        {key: value.contiguous() for key, value in dump.items()},
        f"{out}/{name}_case.safetensors",
        metadata={"settings": json.dumps(settings)},
    )
    return model


def forms(settings, out):
    os.makedirs(f"{out}/forms", exist_ok=True)
    folder = f"{out}/forms"
    model = case("forms", settings, folder)
    state = stored(model)
    write_state(state, f"{folder}/state.pt")
    write_torchscript(state, settings, f"{folder}/archive.pt")
    write_huggingface(state, settings, f"{folder}/huggingface")
    write_openclip(state, settings, f"{folder}/openclip")
    write_openclip(state, settings, f"{folder}/openclip_text", text_tower_apart=True)


def preprocess(out):
    rng = random.Random(7)
    rows = []
    sizes = [(1, 1), (1, 9), (224, 224), (224, 300), (301, 224), (223, 225), (640, 480), (37, 500), (400, 31), (2, 300)]
    sizes += [(rng.randint(1, 400), rng.randint(1, 400)) for _ in range(50)]
    for i, (height, width) in enumerate(sizes):
        size = (32, 224, 33, 48)[i % 4]
        pixels = formula(height, width, i)
        box = None
        if i % 3 == 2:
            left, top = rng.randrange(width), rng.randrange(height)
            box = [left, top, rng.randint(left + 1, width), rng.randint(top + 1, height)]
        picture = Image.fromarray(pixels)
        if box:
            picture = picture.crop(box)
        done = transforms.Compose(
            [
                transforms.Resize(size, interpolation=transforms.InterpolationMode.BICUBIC),
                transforms.CenterCrop(size),
                transforms.ToTensor(),
                transforms.Normalize(
                    (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
                ),
            ]
        )(picture)
        digest = hashlib.sha256(done.permute(1, 2, 0).contiguous().numpy().tobytes()).hexdigest()
        rows.append({"height": height, "width": width, "size": size, "box": box, "sha256": digest})
    with open(f"{out}/preprocess.json", "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="tests/golden/clip")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    with torch.no_grad():
        for name in ("vit", "resnet"):
            write_state(stored(case(name, SETTINGS[name], out)), f"{out}/{name}.pt")
        forms(SETTINGS["forms"], out)
        preprocess(out)


if __name__ == "__main__":
    main()
