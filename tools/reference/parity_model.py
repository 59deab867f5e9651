#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A trained F-VLM in PyTorch (fvlm.py) and in `lexmask detect`: the same detections?

    python tools/reference/parity_model.py RUN PICTURE... --names "cat,dog" [--program build/lexmask]

RUN is the folder that `lexmask train` wrote. Texts are embedded by `lexmask embed` with the model's
own prompts; everything behind them is PyTorch's: the CLIP, our adapters, both scores, suppression,
masks. Prints, for each picture, how many detections are met (same name, box within 0.1 pixels), the
largest differences, and the smallest overlap of masks (a box a hair beside a whole pixel moves its
mask by one). What is not met must lie within 1e-4 of a
threshold or be decided by another one that does; it stays under 0.5 %. Exit code 1 otherwise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from pycocotools import mask as coco_mask
from torchvision.models.detection.roi_heads import paste_masks_in_image

from fvlm import Fvlm

SAME_BOX, MOST_MISSED = 0.1, 0.005


def prompts_of(config):
    if config["prompts"] == ["imagenet80"]:
        from open_clip import OPENAI_IMAGENET_TEMPLATES

        return list(OPENAI_IMAGENET_TEMPLATES)
    return [lambda name, p=p: p.replace("{}", name) for p in config["prompts"]]


def embed(program, model, texts, folder):
    """Unit rows of the model's CLIP."""
    config, out, lines = model.config["clip"], f"{folder}/text.npy", f"{folder}/texts.txt"
    with open(lines, "w", encoding="utf8") as file:
        file.write("\n".join(texts) + "\n")
    command = [program, "embed", "--clip", os.path.join(model.folder, config["path"]), "--texts-file", lines, "--out", out, "-q"]
    if config["tokenizer"]:
        command += ["--tokenizer", os.path.join(model.folder, config["tokenizer"])]
    for option, key in (("--heads", "heads"), ("--text-heads", "text_heads")):
        command += [option, str(config[key])] if config[key] else []
    if config["activation"] != "auto":
        command += ["--activation", config["activation"]]
    subprocess.run(command, check=True)
    return torch.from_numpy(np.load(out))


def text_rows(program, model, names, folder):
    prompts, background = prompts_of(model.config), model.config["background"]
    texts = [p(name) for name in names for p in prompts]
    texts += [background["text"]] if background["kind"] == "text" else []
    rows = embed(program, model, texts, folder)
    means = F.normalize(rows[: len(names) * len(prompts)].reshape(len(names), len(prompts), -1).mean(1), dim=-1)
    return torch.cat([means, rows[len(names) * len(prompts) :]])


def ours(program, model, pictures, names, folder):
    lines, results, words = f"{folder}/found.jsonl", f"{folder}/found.json", f"{folder}/names.txt"
    with open(words, "w", encoding="utf8") as file:
        file.write("\n".join(names) + "\n")
    command = [program, "detect", *pictures, "--model", model.folder, "--names-file", words, "--jsonl", lines, "--json", results, "--no-cache", "--no-contrast", "-q"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = [json.loads(line)["detections"] for line in open(lines, encoding="utf8")]
    masks = iter(json.load(open(results, encoding="utf8")))
    for one in found:
        for d in one:
            d["mask"] = coco_mask.decode(next(masks)["segmentation"]) > 0
    return found


def overlap(a, b):
    both = (a | b).sum()
    return (a & b).sum() / both if both else 1.0


def compare(found, theirs, names, size):
    """Of what lexmask found and PyTorch found in one picture."""
    masks = paste_masks_in_image(theirs["masks"][:, None], theirs["boxes"], size)[:, 0] > 0.5
    free, worst, masks_overlap = list(range(len(theirs["scores"]))), dict.fromkeys(("box", "score", "score1", "score2"), 0.0), []
    for d in found:
        far = {i: float((theirs["boxes"][i] - torch.tensor(d["box"])).abs().max()) for i in free if names[int(theirs["names"][i])] == d["name"]}
        at = min(far, key=far.get, default=None)
        if at is None or not far[at] <= SAME_BOX:
            continue
        free.remove(at)
        worst["box"] = max(worst["box"], far[at])
        for key in ("score", "score1", "score2"):
            value = theirs["scores" if key == "score" else key][at]
            worst[key] = max(worst[key], abs(float(value) - d.get(key, 0.0)))
        masks_overlap.append(overlap(masks[at].numpy(), d["mask"]))
    return worst, masks_overlap


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("pictures", nargs="+")
    p.add_argument("--names", required=True, help="separated by commas, or a file with one a line")
    p.add_argument("--program", default="build/lexmask")
    a = p.parse_args()
    names = open(a.names, encoding="utf8").read().split("\n") if os.path.exists(a.names) else a.names.split(",")
    names = [n.strip() for n in names if n.strip()]
    model = Fvlm.open(a.model)
    model.folder = a.model
    base = [n in model.config["base_names"] for n in names]
    total, missed = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        text = text_rows(a.program, model, names, folder)
        for path, found in zip(a.pictures, ours(a.program, model, a.pictures, names, folder)):
            picture = Image.open(path).convert("RGB")
            theirs = model.detect(picture, text, base=base)
            worst, overlaps = compare(found, theirs, names, (picture.height, picture.width))
            met, apart = len(overlaps), sum(o < 0.99 for o in overlaps)
            print(f"{path}: {met} of {len(theirs['scores'])} met (lexmask found {len(found)}), differences: " + ", ".join(f"{k} {v:.2g}" for k, v in worst.items()) + f"; masks overlap >= {min(overlaps, default=1):.5f}, {apart} under 0.99")
            total += len(theirs["scores"]) + len(found)
            missed += len(theirs["scores"]) + len(found) - 2 * met
    print(f"{missed} of {total} detections of both sides have no partner")
    return 0 if total and missed <= MOST_MISSED * total else 1


if __name__ == "__main__":
    sys.exit(main())
