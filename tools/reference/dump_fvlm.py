#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/fvlm/: small random F-VLM models with what fvlm.py makes of a picture.

    python tools/reference/dump_fvlm.py [--out tests/golden/fvlm] [--only CASE]

vit.safetensors, resnet.safetensors   small CLIPs with OpenAI's names
CASE/config.json, adapters.safetensors, case.safetensors
                                      a model folder, and every intermediate of one picture
pair/config.json, adapters.safetensors
                                      one on demo/pair/clip

Weights are numbers that half precision holds exactly, and are stored so.  Everything is computed in double and stored
as float32, so that a test measures what lexmask rounds, not what PyTorch does.
"""

import argparse
import copy
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from dump_clip import build, stored
from fvlm import Clip, Fvlm, file_hash

CLIPS = {
    "vit": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 4, "width": 32, "patch_size": 8, "head_width": 8},
        "text_cfg": {"context_length": 8, "vocab_size": 40, "width": 16, "heads": 2, "layers": 1},
        "quick_gelu": True,
    },
    "resnet": {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 64, "layers": [1, 2, 1, 1], "width": 2, "head_width": 16},
        "text_cfg": {"context_length": 8, "vocab_size": 40, "width": 16, "heads": 2, "layers": 1},
        "quick_gelu": True,
    },
}

COMMON = {
    "format": "lexmask-fvlm",
    "version": 1,
    "clip": {"path": "../vit.safetensors", "sha256": "", "tokenizer": "", "heads": 4, "text_heads": 2, "activation": "quick_gelu"},
    "picture": {"size": 64},
    "tower": {"window": 0, "positions": "scene"},
    "pyramid": {"kind": "vit4", "taps": [0, 1, 2, 3], "strides": [2, 4, 8, 16], "channels": 16, "norm": "batch"},
    "anchors": {"sizes": [8, 12.5, 20, 32, 48], "ratios": [0.5, 1, 2]},
    "rpn": {"convs": 1, "before": 40, "after": 40, "nms": 0.7},
    "box_head": {"convs": 1, "fcs": 2, "width": 24, "size": 3},
    "mask_head": {"convs": 1, "size": 5},
    "score1": {"scale": 5, "learned": True},
    "score2": {"mode": "dense", "scale": 4, "top": 30, "positions": "own", "context": 1.15},
    "background": {"kind": "learned", "text": ""},
    "fusion": {"alpha": 0.3, "beta": 0.7, "objectness": 0.5, "renormalise": True},
    "limits": {"score": 0.2, "nms": 0.5, "top": 60},
    "training": {"loss": "softmax", "background": 0.9, "lr": 1e-4, "decay": 0.1, "clip": 1, "batch": 2, "steps": 100, "warmup": 10, "jitter": [0.5, 1.5], "flip": True},
    "prompts": ["a photo of {}"],
    "base_names": ["one", "three"],
}

CASES = {
    "vit4": {},
    "simple": {
        "picture": {"size": 48},
        "tower": {"window": 3, "positions": "scene"},
        "pyramid": {"kind": "simple", "taps": [3], "norm": "none"},
        "box_head": {"convs": 0, "fcs": 1},
        "mask_head": {"convs": 2},
        "score1": {"learned": False},
        "score2": {"mode": "embed"},
        "background": {"kind": "text", "text": "background"},
    },
    "single": {
        "pyramid": {"kind": "single", "taps": [-1], "strides": [4, 8, 16, 32], "channels": 32, "norm": "group"},
        "tower": {"window": 0},
        "anchors": {"sizes": [8, 16, 24, 36, 50]},
        "score1": {"learned": False},
        "score2": {"mode": "maskcls", "positions": "scene"},
        "background": {"kind": "none"},
        "fusion": {"renormalise": False, "objectness": 0},
    },
    "windows": {
        "picture": {"size": 56},
        "tower": {"window": 7, "positions": "window"},
        "pyramid": {"kind": "single", "taps": [2], "strides": [3.5, 7, 14, 28], "channels": 8, "norm": "none"},
        "box_head": {"convs": 0},
        "mask_head": {"convs": 0},
        "score2": {"mode": "crop", "context": 1.4},
        "fusion": {"objectness": 1},
    },
    "stem": {
        "picture": {"size": 56},
        "pyramid": {"kind": "stem", "strides": [4, 8, 16, 32], "channels": 32, "norm": "group"},
        "score2": {"mode": "crop"},
    },
    "deep": {
        "version": 6,
        "picture": {"size": 56},
        "pyramid": {"kind": "stem", "strides": [4, 8, 16, 32], "channels": 32, "norm": "group", "blocks": 2},
        "box_head": {"rounds": 2, "context": 1.5},
        "score2": {"mode": "crop", "nms": 0.45},
        "limits": {"soft": 0.1, "inside": 0.7},
    },
    "resnet": {
        "clip": {"path": "../resnet.safetensors"},
        "picture": {"size": 96},
        "pyramid": {"kind": "resnet", "strides": [4, 8, 16, 32]},
        "rpn": {"convs": 2},
        "score2": {"mode": "attnpool"},
        "background": {"kind": "text", "text": "nothing"},
    },
}

# New ones go to the end: the others stay as they are.
SEEDS = ["resnet", "simple", "single", "vit4", "windows", "stem", "deep"]

# A model on the small CLIP of the repository, which has words: for the API and the command line.
ON_PAIR = {
    "clip": {"path": "../../../../demo/pair/clip", "heads": 0, "text_heads": 0, "activation": "auto"},
    "picture": {"size": 128},
    "pyramid": {"kind": "single", "taps": [3], "strides": [4, 8, 16, 32], "channels": 8, "norm": "none"},
    "anchors": {"sizes": [16, 24, 32, 48, 64]},
    "rpn": {"convs": 1, "before": 20, "after": 20},
    "box_head": {"convs": 0, "fcs": 1, "width": 16, "size": 3},
    "mask_head": {"convs": 0},
    "score1": {"scale": 10, "learned": False},
    "score2": {"mode": "embed", "scale": 30},
    "background": {"kind": "text", "text": "a random photo with no specific object"},
    "limits": {"score": 0.02, "top": 30},
}

MODES = {"crop": "crop", "embed_own": "embed", "embed_scene": "embed", "dense": "dense", "maskcls": "maskcls", "attnpool": "attnpool"}


def merged(change):
    config = copy.deepcopy(COMMON)
    for key, value in change.items():
        if isinstance(value, dict):
            config[key].update(value)
        else:
            config[key] = value
    if config["version"] > 1:
        config["contrast"] = ""
    return config


def picture(generator):
    """A smooth scene of blobs, so that features differ from place to place."""
    low = torch.rand(1, 3, 6, 8, generator=generator)
    image = F.interpolate(low, size=(50, 70), mode="bicubic", align_corners=False).clamp(0, 1)[0]
    noise = 0.15 * torch.rand(3, 50, 70, generator=generator)
    return Image.fromarray(((0.85 * image + noise) * 255).byte().permute(1, 2, 0).numpy())


def randomise(model, generator):
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        norm = ".1." in name and tensor.ndim == 1
        if "logit_scale" in name:
            value = torch.tensor(1.625)
        elif "running_var" in name:
            value = 1 + 0.3 * noise.abs()
        elif norm and name.endswith("weight"):
            value = 1 + 0.2 * noise
        elif tensor.ndim == 1:
            value = 0.1 * noise
        else:
            fan = tensor.shape[0] if "fpn1" in name or "fpn2" in name or "conv5" in name else tensor[0].numel()
            value = noise * (1.3 / fan**0.5)
        tensor.copy_(value.half().float())


def write_case(dump, folder):
    """What was computed in double is stored as float32."""
    save_file({k: (v.float() if v.is_floating_point() else v).contiguous() for k, v in dump.items()}, f"{folder}/case.safetensors")


def case(name, change, out):
    generator = torch.Generator().manual_seed(11 + SEEDS.index(name))
    config = merged(change)
    folder = f"{out}/{name}"
    where = f"{folder}/{config['clip']['path']}"
    os.makedirs(folder, exist_ok=True)
    config["clip"]["sha256"] = file_hash(where)
    model = Fvlm(config, Clip(where, 4, "quick_gelu"))
    randomise(model, generator)
    model.save(folder, half=True)
    model = Fvlm.open(folder).in_double()
    scene = picture(generator)
    rows = 4 + (config["background"]["kind"] == "text")
    text = F.normalize(torch.randn(rows, model.clip.dim, generator=generator), dim=-1)
    found = model.detect(scene, text, base=[True, False, True, False], everything=True)
    assert 3 <= len(found["scores"]) < config["limits"]["top"], (name, len(found["scores"]))
    boxes = torch.rand(12, 4, generator=generator) * config["picture"]["size"] / 2
    boxes[:, 2:] += boxes[:, :2] + 1
    boxes[0, 2:] = boxes[0, :2] + 0.5  # smaller than a place
    boxes[1] = torch.tensor([0.0, 0, config["picture"]["size"], config["picture"]["size"] * 50 / 70])
    dump = {k: found[k] for k in ("boxes", "scores", "names", "objectness", "score1", "score2", "masks", "x", "proposals", "refined", "all_objectness", "p1", "p2", "fused")}
    dump |= {f"map{i}": m for i, m in enumerate(found["maps"]["maps"])}
    dump |= {f"level{i}": m for i, m in enumerate(found["levels"])}
    dump |= {f"logits{i}": m for i, m in enumerate(found["logits"])}
    dump |= {f"deltas{i}": m for i, m in enumerate(found["deltas"])}
    dump |= {"picture": torch.from_numpy(np.asarray(scene).copy()), "text": text, "given": boxes, "names": found["names"].int()}
    for key, mode in MODES.items():
        right = (mode == "attnpool") != model.clip.is_vit or mode == "crop"
        if right and not (mode == "maskcls" and config["tower"]["window"]):
            positions = key[6:] if mode == "embed" else None
            dump["unit." + key] = model.score2(mode, found["maps"], boxes.double(), scene, found["frame"], positions=positions)
    write_case(dump, folder)
    print(name, len(found["scores"]), "found,", len(found["proposals"]), "boxes, score", float(found["scores"].min()), float(found["scores"].max()))


def on_pair(out):
    config = merged(ON_PAIR)
    config["base_names"] = ["red heart"]
    where = f"{out}/pair/{config['clip']['path']}"
    os.makedirs(f"{out}/pair", exist_ok=True)
    config["clip"]["sha256"] = file_hash(where)
    model = Fvlm(config, Clip(where))
    randomise(model, torch.Generator().manual_seed(9))
    model.save(f"{out}/pair", half=True)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="tests/golden/fvlm")
    parser.add_argument("--only", choices=sorted(CASES), help="one case, on the CLIPs that are there")
    args = parser.parse_args()
    out = args.out
    if args.only:
        return case(args.only, CASES[args.only], out)
    os.makedirs(out, exist_ok=True)
    for i, (name, settings) in enumerate(CLIPS.items()):
        state = stored(build(settings, torch.Generator().manual_seed(4 if name == "resnet" else 7)))
        save_file({k: v.contiguous() for k, v in state.items()}, f"{out}/{name}.safetensors")
    for name, change in CASES.items():
        case(name, change, out)
    on_pair(out)


if __name__ == "__main__":
    main()
