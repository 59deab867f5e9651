#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/clip/transformers.json: what transformers' CLIPImageProcessor (with PIL) makes of
pictures of odd sizes, by several preprocessor_config.json for a tower of 16x16 pixels.

    python tools/reference/dump_clip_pictures.py tests/golden/clip/transformers.json

A row: the processor's configuration, the picture's sides (their pixels are formula.py's with
the row's number as salt), the SHA-256 of the cropped bytes [16,16,3] and twelve numbers of the
tensor [16,16,3].
"""
import hashlib
import json
import random
import sys

import numpy as np
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from formula import formula

SIZE = 16
BASE = {
    "crop_size": {"height": SIZE, "width": SIZE}, "do_center_crop": True, "do_convert_rgb": True,
    "do_normalize": True, "do_rescale": True, "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_processor_type": "CLIPImageProcessor",
    "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3,
    "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": SIZE},
}
KINDS = [
    {},
    {"size": SIZE, "crop_size": SIZE},
    {"size": {"shortest_edge": 21}},
    {"size": {"shortest_edge": 19}, "resample": 2},
    {"size": {"height": 18, "width": 18}},
    {"size": {"height": SIZE, "width": SIZE}, "do_center_crop": False},
    {"do_normalize": False},
    {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2]},
]


def main():
    rng = random.Random(11)
    rows = []
    sizes = [(16, 19), (19, 16), (16, 21), (16, 23), (27, 16), (1, 9), (17, 17), (64, 99)]
    sizes += [(rng.randint(1, 200), rng.randint(1, 200)) for _ in range(56)]
    differ = 0
    for i, (height, width) in enumerate(sizes):
        config = {**BASE, **KINDS[i % len(KINDS) if i >= 8 else 0]}
        picture = Image.fromarray(formula(height, width, i))
        processor = CLIPImageProcessorPil(**{k: v for k, v in config.items() if k != "image_processor_type"})
        tensor = np.moveaxis(processor(picture, return_tensors="np")["pixel_values"][0], 0, -1)
        plain = processor(picture, return_tensors="np", do_rescale=False, do_normalize=False)["pixel_values"][0]
        assert plain.dtype == np.uint8 and plain.shape == (3, SIZE, SIZE), (plain.dtype, plain.shape)
        numbers = tensor.ravel()[np.arange(12) * 61 % tensor.size]
        rows.append({"config": config, "height": height, "width": width,
                     "sha256": hashlib.sha256(np.moveaxis(plain, 0, -1).tobytes()).hexdigest(),
                     "numbers": [round(float(v), 7) for v in numbers]})
        edge = config["size"].get("shortest_edge", 0) if isinstance(config["size"], dict) else config["size"]
        if edge:
            over = int(edge * max(height, width) / min(height, width)) - SIZE
            differ += round(over / 2) != over // 2
    assert differ >= 8, differ  # rows in which torchvision's centre crop begins elsewhere
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
