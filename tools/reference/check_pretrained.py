#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A CLIP of `lexmask pretrain` beside transformers: the folder loads, texts have equal ids, embeddings are equal.

    check_pretrained.py RUN [--program build/lexmask] [--pictures demo/pictures]

Pictures go through PIL with the numbers of preprocessor_config.json (transformers' own resize rounds otherwise), texts
through transformers' tokenizer. Prints the largest differences of
the unit vectors and fails over 1e-5.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer

TEXTS = ["a photo of a red heart", "an emoji of a grinning face", "nothing", "a random photo with no specific object", "Grüße & 1,000 'quotes'"]


def ours(program, run, option, words):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "x.npy")
        subprocess.run([program, "embed", "--clip", run, "--out", out, "--quiet", option, *words], check=True)
        return torch.from_numpy(np.load(out))


def unit(x):
    x = getattr(x, "pooler_output", x)
    return torch.nn.functional.normalize(x, dim=-1)


def pixels_of(path, c):
    """What transformers' CLIPImageProcessor makes of it."""
    image, side = Image.open(path).convert("RGB"), c["size"]["shortest_edge"]
    w, h = image.size
    w, h = (side, int(side * h / w)) if w < h else (int(side * w / h), side)
    x = torch.from_numpy(np.array(image.resize((w, h), c["resample"]))).permute(2, 0, 1).float() / 255
    size = c["crop_size"]["height"]
    top, left = (h - size) // 2, (w - size) // 2
    mean, std = (torch.tensor(c[k])[:, None, None] for k in ("image_mean", "image_std"))
    return (x[:, top:top + size, left:left + size] - mean) / std


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run")
    p.add_argument("--program", default="build/lexmask")
    p.add_argument("--pictures", default="demo/pictures")
    a = p.parse_args()
    model, tokenizer = CLIPModel.from_pretrained(a.run).float().eval(), CLIPTokenizer.from_pretrained(a.run)
    config = json.loads(pathlib.Path(a.run, "preprocessor_config.json").read_text())
    paths = sorted(str(x) for x in pathlib.Path(a.pictures).iterdir() if x.suffix in (".png", ".jpg", ".jpeg"))
    lines = subprocess.run([a.program, "tokenize", "--tokenizer", a.run, *TEXTS], check=True, capture_output=True, text=True).stdout.splitlines()
    ids = tokenizer(TEXTS).input_ids
    same = [json.loads(x)["ids"] == y for x, y in zip(lines, ids)]
    print(f"{len(TEXTS)} texts, {same.count(False)} with other ids")
    with torch.no_grad():
        texts = unit(model.get_text_features(**tokenizer(TEXTS, padding=True, return_tensors="pt")))
        pictures = unit(model.get_image_features(pixel_values=torch.stack([pixels_of(x, config) for x in paths])))
    worst = [float((x - y).abs().max()) for x, y in ((texts, ours(a.program, a.run, "--texts", TEXTS)), (pictures, ours(a.program, a.run, "--pictures", paths)))]
    print(f"largest difference of {len(TEXTS)} texts {worst[0]:.2g}, of {len(paths)} pictures {worst[1]:.2g}")
    raise SystemExit(not all(same) or not max(worst) <= 1e-5)


if __name__ == "__main__":
    main()
