#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""F-VLM at full size against PyTorch: random-weight CLIPs, real photos, every score 2, whole detections.

    python tools/reference/parity_fvlm.py --test build/tests/test_fvlm_dumps --work DIR
        --pictures ../shared/data/coco_mini/val2017 [--models b32,b16,l14,rn50] [--boxes 200] [--quick]

Writes one model folder a photo under DIR (CLIP and adapters with random weights, what fvlm.py makes of
them) and lets the test program compare: per mode the relative error of the boxes' embeddings after the
mean over all boxes is subtracted (random towers give nearly equal vectors), and the detections.
Weights are the reference settings of each kind: seed (ViT-B/32 at 224), fvit-b16 (640), fvit-l14 (896), fvlm-rn50 (1024).
"""

import argparse
import copy
import os
import subprocess
import time

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

import numpy as np
from dump_fvlm import COMMON, MODES, randomise, write_case
from fvlm import Clip, Fvlm, file_hash

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 1}
MODELS = {
    "b32": (
        {"embed_dim": 512, "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32}, "text_cfg": TEXT},
        {
            "clip": {"heads": 12},
            "picture": {"size": 224},
            "pyramid": {"kind": "single", "taps": [-1], "strides": [4, 8, 16, 32], "channels": 256, "norm": "none"},
            "anchors": {"sizes": [32, 64, 128, 256, 512]},
            "rpn": {"convs": 1, "before": 1000, "after": 1000},
            "box_head": {"convs": 0, "fcs": 2, "width": 1024, "size": 7},
            "mask_head": {"convs": 4, "size": 14},
            "score2": {"mode": "maskcls"},
            "background": {"kind": "text", "text": "background"},
            "score1": {"learned": False},
        },
    ),
    "b16": (
        {"embed_dim": 512, "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 16}, "text_cfg": TEXT},
        {
            "clip": {"heads": 12},
            "picture": {"size": 640},
            "pyramid": {"taps": [3, 5, 7, 11], "strides": [4, 8, 16, 32], "channels": 256},
            "anchors": {"sizes": [32, 64, 128, 256, 512]},
            "rpn": {"convs": 2, "before": 1000, "after": 300},
            "box_head": {"convs": 4, "fcs": 2, "width": 1024, "size": 7},
            "mask_head": {"convs": 4, "size": 14},
            "score2": {"mode": "dense", "scale": 75},
        },
    ),
    "l14": (
        {"embed_dim": 768, "vision_cfg": {"image_size": 224, "layers": 24, "width": 1024, "patch_size": 14}, "text_cfg": TEXT},
        {
            "clip": {"heads": 16},
            "picture": {"size": 896},
            "pyramid": {"taps": [6, 10, 14, 23], "strides": [3.5, 7, 14, 28], "channels": 256},
            "anchors": {"sizes": [28, 56, 112, 224, 448]},
            "rpn": {"convs": 2, "before": 1000, "after": 300},
            "box_head": {"convs": 4, "fcs": 2, "width": 1024, "size": 7},
            "mask_head": {"convs": 4, "size": 14},
            "score2": {"mode": "dense", "scale": 75},
        },
    ),
    "rn50": (
        {"embed_dim": 1024, "vision_cfg": {"image_size": 224, "layers": [3, 4, 6, 3], "width": 64, "patch_size": None}, "text_cfg": TEXT},
        {
            "clip": {"heads": 32},
            "picture": {"size": 1024},
            "pyramid": {"kind": "resnet", "strides": [4, 8, 16, 32], "channels": 256},
            "anchors": {"sizes": [32, 64, 128, 256, 512]},
            "rpn": {"convs": 2, "before": 1000, "after": 300},
            "box_head": {"convs": 4, "fcs": 1, "width": 1024, "size": 7},
            "mask_head": {"convs": 4, "size": 14},
            "score2": {"mode": "attnpool"},
            "background": {"kind": "text", "text": "background"},
            "score1": {"learned": False},
        },
    ),
}


def clip_weights(settings, path):
    """OpenCLIP's own random initialisation, under OpenAI's names."""
    from open_clip.model import CLIP

    torch.manual_seed(1)
    model = CLIP(settings["embed_dim"], settings["vision_cfg"], settings["text_cfg"], True).eval()
    generator = torch.Generator().manual_seed(2)
    state = {}
    for name, tensor in model.state_dict().items():
        if name == "attn_mask":
            continue
        if "running_mean" in name:
            tensor = 0.1 * torch.randn(tensor.shape, generator=generator)
        if "running_var" in name:
            tensor = 1 + 0.3 * torch.rand(tensor.shape, generator=generator)
        state[name] = tensor.clone().contiguous()
    save_file(state, path)


def config_of(change, limit):
    config = copy.deepcopy(COMMON)
    for key, value in change.items():
        config[key].update(value)
    config["limits"] = {"score": limit, "nms": 0.5, "top": 100}
    config["score1"]["scale"] = config["score2"]["scale"] = 100
    config["score2"]["top"] = 300
    return config


def boxes_of(count, width, height, generator):
    """Of many sizes, some at the border, some smaller than a place."""
    side = 4 * (max(width, height) / 4) ** torch.rand(count, 2, generator=generator)
    middle = torch.rand(count, 2, generator=generator) * torch.tensor([width, height])
    box = torch.cat([middle - side / 2, middle + side / 2], 1)
    box[:, 0::2].clamp_(0, width)
    box[:, 1::2].clamp_(0, height)
    return box


def beside_double(own, exact):
    """Of PyTorch's own float32: how many of double's detections it has to 0.02 px, and how far it is from the others' nearest."""
    off = [min((float((b - box).abs().max()) for b in own["boxes"][own["names"] == name].double()), default=float("inf"))
           for box, name in zip(exact["boxes"], exact["names"])]
    return f"PyTorch's float32 beside its double: {sum(o <= 0.02 for o in off)} of {len(off)} to 0.02 px, the farthest {max(off):.2g} px away"


def one(folder, clip, config, photo, boxes, index, modes, double):
    generator = torch.Generator().manual_seed(100 + index)
    model = Fvlm(config, clip.float())  # the photo before may have left it in double
    randomise(model, torch.Generator().manual_seed(7))
    if config["score1"]["learned"]:
        model.classifier.logit_scale.fill_(4.0)
    model.save(folder)
    picture = Image.open(photo).convert("RGB")
    rows = 20 + (config["background"]["kind"] == "text")
    text = F.normalize(torch.randn(rows, clip.dim, generator=generator), dim=-1)
    base = [t % 2 == 0 for t in range(20)]
    start = time.time()
    found = model.detect(picture, text, base=base, everything=True)
    if double:
        own, found = found, model.in_double().detect(picture, text, base=base, everything=True)
        print(beside_double(own, found))
    frame = found["frame"]
    given = boxes_of(boxes, frame["net_width"], frame["net_height"], generator)
    dump = {k: found[k] for k in ("boxes", "scores", "objectness")} | {"names": found["names"].int(), "given": given, "text": text}
    dump["picture"] = torch.from_numpy(np.asarray(picture).copy())
    for key, mode in MODES.items():
        if mode in modes and ((mode == "attnpool") != clip.is_vit or mode == "crop"):
            dump["unit." + key] = model.score2(mode, found["maps"], given.to(clip.dtype), picture, frame, positions=key[6:] if mode == "embed" else None)
    write_case(dump, folder)
    print(f"{folder}: {len(found['scores'])} detections, {len(found['proposals'])} boxes, {time.time() - start:.0f} s", flush=True)


@torch.no_grad()
def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--test", default="build/tests/test_fvlm_dumps")
    p.add_argument("--work", required=True)
    p.add_argument("--pictures", default="../shared/data/coco_mini/val2017")
    p.add_argument("--models", default="b32,b16,l14,rn50")
    p.add_argument("--modes", default="crop,embed,dense,maskcls,attnpool", help="crop and embed take PyTorch seconds a box")
    p.add_argument("--photos", type=int, default=4)
    p.add_argument("--boxes", type=int, default=200, help="over all photos of a model")
    p.add_argument("--double", action="store_true", help="the reference in double; tells how far its float32 is from that")
    p.add_argument("--quick", action="store_true", help="one photo, 50 boxes")
    a = p.parse_args()
    if a.quick:
        a.photos, a.boxes = 1, 50
    photos = sorted(os.path.join(a.pictures, f) for f in os.listdir(a.pictures) if f.endswith(".jpg"))[: a.photos]
    for name in a.models.split(","):
        settings, change = MODELS[name]
        os.makedirs(a.work, exist_ok=True)
        path = os.path.abspath(f"{a.work}/{name}.safetensors")
        clip_weights(settings, path)
        config = config_of(change, 0.05)
        config["clip"] |= {"path": path, "sha256": file_hash(path), "text_heads": 8}
        clip = Clip(path, config["clip"]["heads"], "quick_gelu")
        for i, photo in enumerate(photos):
            one(f"{a.work}/{name}-{i}", clip, config, photo, a.boxes // a.photos, i, a.modes.split(","), a.double)
    here = os.path.dirname(os.path.abspath(__file__))
    return subprocess.run([os.path.abspath(a.test)], cwd=f"{here}/../..", env=dict(os.environ, LEXMASK_FVLM_DUMPS=os.path.abspath(a.work))).returncode


if __name__ == "__main__":
    raise SystemExit(main())
