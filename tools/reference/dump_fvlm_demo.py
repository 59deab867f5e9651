#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small F-VLM with random adapters on the demo's CLIP, for tests of the command line.

    python tools/reference/dump_fvlm_demo.py [tests/golden/fvlm_demo]
"""
import json
import os
import sys

import torch

from fvlm import Clip, Fvlm, file_hash

CLIP = "demo/pair/clip"


def main(folder="tests/golden/fvlm_demo"):
    torch.manual_seed(3)
    with open("tests/golden/fvlm/vit4/config.json", encoding="utf8") as file:
        config = json.load(file)
    config["clip"].update(path=os.path.relpath(CLIP, folder), sha256=file_hash(CLIP), heads=0, text_heads=0, activation="auto")
    config["picture"]["size"] = 128
    config["background"] = {"kind": "learned", "text": ""}
    config["base_names"] = ["rocket", "guitar"]
    config["limits"] = {"score": 0.01, "nms": 0.5, "top": 60}
    model = Fvlm(config, Clip(CLIP))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim > 1 and "bbox_pred" not in name:
                p.copy_(torch.randn_like(p) * (2 / p[0].numel()) ** 0.5)
        for name, b in model.named_buffers():
            if name.endswith("running_var"):
                b.fill_(1)
    model.save(folder, half=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
