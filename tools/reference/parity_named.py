# SPDX-License-Identifier: Apache-2.0
"""Crop mode of the program beside crop_reference.py, end to end on scenes of emoji: a part of parity.py, which see.

Twice: with sentences cleaned by ftfy first, as OpenAI's tokenizer does and the program does for every CLIP, and as
transformers' tokenizer takes them.
"""
import json
import os
import subprocess

import ftfy
import numpy as np
import torch
from PIL import Image
from torchvision.ops import box_iou

from crop_reference import PAIR, Pair, crop_edges
from emoji_world import BACKGROUND_PROMPT, load_glyphs, scene

OVERLAP, SCORE, HAIR = 0.9, 1e-3, 1e-3


def cleaned(names):
    """Sentences of the names and the background, as OpenAI's tokenizer cleans them."""
    return [ftfy.fix_text(s) for s in sentences_of(names)]


def sentences_of(names):
    return [f"a photo of {name}" for name in names] + [BACKGROUND_PROMPT]


def dump_scenes(count, folder, seed=2718):
    """What build/tests/test_crop reads, from fresh scenes."""
    import parity_crop

    names = load_glyphs()[0]
    pair = Pair(os.path.join(PAIR, "detector.safetensors"), os.path.join(PAIR, "clip"), names)
    pair.texts = pair.embed_texts(cleaned(names))
    os.makedirs(folder, exist_ok=True)
    for i in range(count):
        path = os.path.join(folder, f"{seed}_{i:04}.safetensors")
        if not os.path.exists(path):
            parity_crop.write(pair, Image.fromarray(scene((seed, i))["picture"]), path)


def run_program(program, files, names, work):
    listed, out = os.path.join(work, "names.txt"), os.path.join(work, "named.jsonl")
    with open(listed, "w", encoding="utf8") as file:
        file.write("\n".join(names) + "\n")
    subprocess.run([program, "detect", *files, "--model", PAIR, "--names-file", listed, "--jsonl", out, "-q"], check=True, stdout=subprocess.DEVNULL)
    with open(out, encoding="utf8") as file:
        return [json.loads(line)["detections"] for line in file]


def one(found, boxes, labels, scores, figures):
    """Pairs one picture's detections, best of ours first for each of theirs, and adds to the figures."""
    ours = torch.tensor([d["box"] for d in found], dtype=torch.float64).reshape(-1, 4)
    overlap = box_iou(ours, boxes.double()).numpy() if len(ours) and len(boxes) else np.zeros((len(ours), len(boxes)))
    free = set(range(len(ours)))
    last = float(scores[-1]) if len(scores) else 0.0
    for j in range(len(boxes)):
        # Several names can have the same box: one with the same name is taken first, then the nearest score.
        near = [i for i in free if overlap[i, j] >= OVERLAP]
        i = min(near, key=lambda i: (found[i]["label"] != labels[j], abs(found[i]["score"] - scores[j])), default=None)
        figures["boxes"] += 1
        if i is None:
            figures["alone"] += 1
            figures["border"] += abs(scores[j] - 0.05) <= HAIR or (len(boxes) == 100 and abs(scores[j] - last) <= HAIR)
            continue
        free.discard(i)
        figures["paired"] += 1
        if found[i]["label"] != labels[j]:
            continue
        figures["named"] += 1
        off = abs(found[i]["score"] - scores[j])
        figures["score"] = max(figures["score"], off)
        figures["good"] += off <= SCORE
        figures["offs"].append(off)
        figures["box"] = max(figures["box"], float(np.abs(np.array(found[i]["box"]) - boxes[j].numpy()).max()))
    figures["extra"] += len(free)


def compare(program, count, work, seed=99):
    names = load_glyphs()[0]
    pictures = [scene((seed, i))["picture"] for i in range(count)]
    files = []
    for i, pixels in enumerate(pictures):
        files.append(os.path.join(work, f"named{i:04}.png"))
        Image.fromarray(pixels).save(files[-1])
    found = run_program(program, files, names, work)
    pair = Pair(os.path.join(PAIR, "detector.safetensors"), os.path.join(PAIR, "clip"), names)
    texts = dict(ftfy=pair.embed_texts(cleaned(names)), plain=pair.texts)
    figures = {kind: dict(boxes=0, paired=0, named=0, good=0, alone=0, border=0, extra=0, score=0.0, box=0.0, offs=[]) for kind in texts}
    for pixels, ours in zip(pictures, found):
        picture = Image.fromarray(pixels)
        regions = pair.propose(picture)
        edges = crop_edges(regions["picture_proposals"], picture.width, picture.height, "square", 1.15)
        embedded = pair.embed_crops(picture, edges)
        for kind, pair.texts in texts.items():
            best, name = pair.probabilities(embedded).max(1)
            named = dict(crops=edges, name=torch.where(name < len(names), name, -1), probability=best)
            d = pair.detect(regions, named, masks=False)
            kept = d["kept"]
            one(ours, d["boxes"], d["name"][kept].tolist(), d["score"][kept].tolist(), figures[kind])
    changed = int(((texts["ftfy"] - texts["plain"]).abs().amax(1) > 1e-6).sum())
    return figures, changed
