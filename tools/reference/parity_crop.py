#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the program's crop mode with the same steps in PyTorch (crop_reference.py), on the small pair.

    python tools/reference/parity_crop.py               100 fresh scenes, all names of the emoji world; prints figures
    python tools/reference/parity_crop.py --golden      writes tests/golden/crop/ from demo/pictures and demo/names.txt

Sentences are cleaned with ftfy first, as OpenAI's tokenizer does and the program does for every CLIP; transformers'
tokenizer leaves that out, so 37 of the 1,377 names (one o’clock, woman’s hat) would have other tokens.

The comparing is done by build/tests/test_crop, which reads tests/golden/crop and the folder that LEXMASK_CROP_DUMPS
names: one safetensors file a picture with what PyTorch made of it,

    image       uint8 [H,W,3]; a committed file has the path of the picture in its settings instead
    proposals   float32 [P,4], the picture's coordinates; what is fed to both
    names       int32 [P], index of the name or -1 for the background
    probability float32 [P], of that name or of the background
    boxes, box_names, scores   the detections, best first
    masks       uint8 [R, H*W/8], their pixels as bits, first pixel in the highest bit (not in committed files)

and the metadata key "settings", JSON text: names, prompt, background, crop_shape, crop_context, objectness,
score, nms, top, picture.
"""

import argparse
import json
import os
import subprocess
import sys

import ftfy
import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

from crop_reference import PAIR, Pair
from emoji_world import BACKGROUND_PROMPT, load_glyphs, scene

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SETTINGS = dict(crop_shape="square", crop_context=1.15, objectness=0.5, score=0.05, nms=0.5, top=100)


def open_pair(names):
    pair = Pair(os.path.join(PAIR, "detector.safetensors"), os.path.join(PAIR, "clip"), names)
    rows = ["a photo of " + name for name in names] + [BACKGROUND_PROMPT]
    pair.texts = pair.embed_texts([ftfy.fix_text(row) for row in rows])
    return pair


def write(pair, picture, path, source=None):
    s = SETTINGS
    found = pair.propose(picture)
    named = pair.name(picture, found, s["crop_shape"], s["crop_context"])
    d = pair.detect(found, named, s["score"], s["nms"], s["top"], weight=s["objectness"])
    tensors = dict(
        proposals=found["picture_proposals"].numpy(),
        names=d["name"].int().numpy(),
        probability=d["probability"].numpy(),
        boxes=d["boxes"].numpy(),
        box_names=d["name"][d["kept"]].int().numpy(),
        scores=d["score"][d["kept"]].numpy(),
    )
    settings = dict(s, names=pair.names, prompt="a photo of {}", background=BACKGROUND_PROMPT)
    metadata = dict(settings=json.dumps(settings))
    if source:
        metadata = dict(settings=json.dumps(dict(settings, picture=source)))
    else:
        tensors["image"] = np.asarray(picture)
        tensors["masks"] = np.packbits(d["masks"].numpy().reshape(len(d["masks"]), -1), axis=1)
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path, metadata)
    return len(found["proposals"]), len(d["kept"])


def golden(out):
    with open(os.path.join(ROOT, "demo", "names.txt"), encoding="utf8") as file:
        names = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    pair = open_pair(names)
    os.makedirs(out, exist_ok=True)
    for name in sorted(os.listdir(os.path.join(ROOT, "demo", "pictures"))):
        source = f"demo/pictures/{name}"
        picture = Image.open(os.path.join(ROOT, source)).convert("RGB")
        counts = write(pair, picture, os.path.join(out, name.rsplit(".", 1)[0] + ".safetensors"), source)
        print(f"{source}: {counts[0]} proposals, {counts[1]} detections")


def scenes(count, seed, out):
    pair = open_pair(load_glyphs()[0])
    os.makedirs(out, exist_ok=True)
    for i in range(count):
        path = os.path.join(out, f"{seed}_{i:04}.safetensors")
        if not os.path.exists(path):
            write(pair, Image.fromarray(scene((seed, i))["picture"]), path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", action="store_true")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2718)
    parser.add_argument("--work", default="build/parity_crop")
    parser.add_argument("--test", default="build/tests/test_crop")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.golden:
        golden("tests/golden/crop")
        return 0
    scenes(arguments.scenes, arguments.seed, arguments.work)
    return subprocess.run([arguments.test], env=dict(os.environ, LEXMASK_CROP_DUMPS=arguments.work)).returncode


if __name__ == "__main__":
    sys.exit(main())
