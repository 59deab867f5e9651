#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the committed small pair on data that neither of its models has seen.

    eval_small_pair.py [--part clip|scenes|detector]        prints what demo/pair/README.md reports

clip: crops with clutter of every name, --rounds of each, prompt "a photo of {}".  scenes: the true boxes of unseen
scenes, cut out by Pillow.  detector: torchvision's inference on unseen scenes against pycocotools, all objects
one category.  The weights are the committed half precision ones, computed with in float32.
"""
import argparse
import time

import numpy as np
import torch
from PIL import Image

import crop_reference
import train_small_clip
from emoji_world import CropMaker, annotations, load_glyphs, scene

CROP_SEED, SCENE_SEED = 20261, 20262  # training uses 0 and 1


@torch.no_grad()
def measure_clip(pair, rounds):
    crops = CropMaker(pair.side)
    torch.manual_seed(CROP_SEED)
    count = len(crops.names)
    everything = torch.arange(count)
    first = five = lost = named = 0
    for _ in range(rounds):
        for index in everything.split(128):
            s = train_small_clip.image_embeddings(pair.clip, train_small_clip.normalise(crops.crops(index))) @ pair.texts.T
            top = s[:, :count].topk(5, 1)[1] == index[:, None]
            first, five = first + int(top[:, 0].sum()), five + int(top.any(1).sum())
            lost, named = lost + int((s.argmax(1) == count).sum()), named + int((s.argmax(1) == index).sum())
    n = rounds * count
    print(f"crops with clutter, {count} names, {n} crops: top-1 {first / n:.4f}, top-5 {five / n:.4f}; "
          f"with the background among the names: right {named / n:.4f}, taken for background {lost / n:.4f}")
    empty = 0
    for _ in range(16):
        index = torch.randint(0, count, (128,))
        x = crops.crops(index, torch.ones(128, dtype=torch.bool))
        empty += int(((train_small_clip.image_embeddings(pair.clip, train_small_clip.normalise(x)) @ pair.texts.T).argmax(1) == count).sum())
    print(f"crops without an object: {empty / 2048:.4f} of 2048 go to the background prompt")


def measure_true_boxes(pair, scenes):
    truth = np.concatenate([s["names"] for s in scenes])
    side = np.concatenate([np.sqrt((s["boxes"][:, 2:] - s["boxes"][:, :2]).prod(1)) for s in scenes])
    for shape, context in (("tight", 1.0), ("square", 1.0), ("square", 1.15), ("square", 1.3)):
        best, lost = [], []
        for s in scenes:
            picture = Image.fromarray(s["picture"])
            edges = crop_reference.crop_edges(torch.from_numpy(s["boxes"]), picture.width, picture.height, shape, context)
            p = pair.probabilities(pair.embed_crops(picture, edges))
            best.append(p[:, :len(pair.names)].argmax(1).numpy())
            lost.append(p.argmax(1).numpy() == len(pair.names))
        right, lost = np.concatenate(best) == truth, np.concatenate(lost)
        print(f"true boxes of {len(scenes)} scenes, {shape} {context}: {len(right)} objects, right {right.mean():.4f} "
              f"(under 32 pixels {right[side < 32].mean():.3f}, 32 to 64 {right[(side >= 32) & (side < 64)].mean():.3f}, "
              f"above {right[side >= 64].mean():.3f}), taken for background {lost.mean():.4f}", flush=True)


@torch.no_grad()
def measure_detector(pair, scenes):
    truth = annotations(scenes)
    for row in truth["annotations"]:
        row["category_id"] = 1
    truth["categories"] = [dict(id=1, name="object")]
    rows, begin = [], time.time()
    for i, s in enumerate(scenes):
        d = pair.detector([torch.from_numpy(s["picture"]).permute(2, 0, 1).float() / 255])[0]
        for box, score, mask in zip(d["boxes"].tolist(), d["scores"].tolist(), d["masks"]):
            rows.append(dict(image_id=i + 1, category_id=1, score=score, bbox=[box[0], box[1], box[2] - box[0], box[3] - box[1]],
                             segmentation=crop_reference.encode(mask[0] > 0.5)))
    took = time.time() - begin
    b, m = crop_reference.coco_figures(truth, rows), crop_reference.coco_figures(truth, rows, "segm")
    print(f"detector, {len(scenes)} scenes, {len(truth['annotations'])} objects: box AP50 {b[1]:.4f}, box AP {b[0]:.4f}, "
          f"mask AP50 {m[1]:.4f}, mask AP {m[0]:.4f}, AR@100 {b[8]:.4f} (masks {m[8]:.4f}); {took / len(scenes) * 1000:.0f} ms a picture")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--detector", default=crop_reference.PAIR + "/detector.safetensors")
    p.add_argument("--clip", default=crop_reference.PAIR + "/clip")
    p.add_argument("--part", action="append", choices=("clip", "scenes", "detector"))
    p.add_argument("--rounds", type=int, default=4)
    p.add_argument("--scenes", type=int, default=200)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    parts = a.part or ["clip", "scenes", "detector"]
    pair = crop_reference.Pair(a.detector if "detector" in parts else None, a.clip, load_glyphs()[0])
    scenes = [scene((SCENE_SEED, i)) for i in range(a.scenes)] if {"scenes", "detector"} & set(parts) else []
    if "clip" in parts:
        measure_clip(pair, a.rounds)
    if "scenes" in parts:
        measure_true_boxes(pair, scenes)
    if "detector" in parts:
        measure_detector(pair, scenes)


if __name__ == "__main__":
    main()
