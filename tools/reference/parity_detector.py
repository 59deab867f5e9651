#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `lexmask detect --mode closed` with torchvision's Mask R-CNN on photographs, full size, float32.

    python tools/reference/parity_detector.py --photos ../shared/data/coco_mini/val2017 --count 50

Models: v1 (maskrcnn_resnet50_fpn: frozen batch norm with eps 0, older parameter names and PyTorch's older
file format, as the published file), v2 (maskrcnn_resnet50_fpn_v2, PyTorch's zip format), both with torchvision's
own random initialisation, and small (demo/pair/detector.safetensors, trained). Both sides see the same pixels:
photographs are decoded once and handed on as PPM.

Bars: the same detections; boxes within 0.05 pixels, scores within 1e-4, IoU of masks at least 0.99. "The same
detections" leaves out those that exist or not by a hair: torchvision itself gives another answer for them when it is
run again with one of its thresholds moved by 1e-4, or with noise in its logits that moves scores by less than that
(two boxes whose scores are 1e-7 apart suppress each other in either order). Masks that lie one pixel otherwise because
an edge of the box was within its difference of a whole pixel count as by a hair too, and so do those of a few pixels
that hold the bar once pixels are left out whose probability is within 1e-4 of the threshold. They are counted, and may be 0.5 % at most.

torchvision's results are kept in --work and used again.

--double N says whose error a difference is: torchvision is run again in double precision (behind its float32 resize, which
both sides share) on the N photographs of each model with the largest differences, and both float32 results are compared
with that. Photographs over the bars of boxes and scores are also compared with torchvision in float32 once more, now with PyTorch's
own convolutions: oneDNN's, which it takes by default, are the coarser ones.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import time

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from torchvision.models import detection
from torchvision.models.detection.roi_heads import expand_boxes
from torchvision.ops.misc import FrozenBatchNorm2d

HAIR = 1e-4
BOX, SCORE, MASK = 0.05, 1e-4, 0.99
MASK_SIDE = 28


def frozen_v1(seed):
    """maskrcnn_resnet50_fpn as published: frozen batch norm, eps 0."""
    torch.manual_seed(seed)
    model = detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    for parent in list(model.backbone.body.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.BatchNorm2d):
                frozen = FrozenBatchNorm2d(child.num_features, eps=0.0)
                setattr(parent, name, frozen)
    return model


def older_names(weights):
    """The names of the published file, which is older than torchvision 0.13."""
    out = {}
    for name, value in weights.items():
        if name.startswith("backbone.fpn."):
            name = name.replace(".0.weight", ".weight").replace(".0.bias", ".bias")
        name = name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        for i in range(4):
            name = name.replace(f"mask_head.{i}.0.", f"mask_head.mask_fcn{i + 1}.")
        out[name] = value
    return out


def make(name, work, seed):
    """The model, and the file that lexmask reads."""
    path = os.path.join(work, f"{name}.pth")
    if name == "v1":
        model = frozen_v1(seed)
        if not os.path.exists(path):
            torch.save(older_names(model.state_dict()), path, _use_new_zipfile_serialization=False)
    elif name == "v2":
        torch.manual_seed(seed)
        model = detection.maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
        if not os.path.exists(path):
            torch.save(model.state_dict(), path)
    else:
        import small_pair  # beside this file

        path = os.path.join(os.path.dirname(__file__), "..", "..", "demo", "pair", "detector.safetensors")
        model, _ = small_pair.load_detector(path)
    return model.eval(), path


def photographs(folder, count, work):
    """[(name, path of a PPM)], the first count in order of name."""
    out = []
    for name in sorted(os.listdir(folder)):
        if name.lower().endswith((".jpg", ".png")) and len(out) < count:
            path = os.path.join(work, "photos", name.rsplit(".", 1)[0] + ".ppm")
            if not os.path.exists(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                Image.open(os.path.join(folder, name)).convert("RGB").save(path)
            out.append((name, path))
    return out


def pixels(path):
    return torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 0, 1).float() / 255


@torch.no_grad()
def reference(model, name, photos, work):
    """torchvision's results: boxes, scores, labels, run-length masks; cached."""
    os.makedirs(os.path.join(work, name), exist_ok=True)
    results, seconds = [], 0.0
    for photo, path in photos:
        cache = os.path.join(work, name, photo + ".pickle")
        if not os.path.exists(cache):
            start = time.time()
            found = model([pixels(path)])[0]
            seconds += time.time() - start
            masks = [coco_mask.encode(np.asfortranarray((m[0] > 0.5).numpy().astype(np.uint8))) for m in found["masks"]]
            entry = {k: found[k].numpy() for k in ("boxes", "scores", "labels")}
            with open(cache, "wb") as file:
                pickle.dump({**entry, "masks": masks}, file)
        with open(cache, "rb") as file:
            results.append(pickle.load(file))
    return results, seconds


def lexmask(program, path, photos, work, name, threads):
    out = os.path.join(work, f"{name}.json")
    command = [program, "detect", *(p for _, p in photos), "--mode", "closed", "--detector", path, "--json", out, "-q"]
    if threads:
        command += ["--threads", str(threads)]
    start = time.time()
    subprocess.run(command, check=True)
    seconds = time.time() - start
    with open(out) as file:
        rows = json.load(file)
    results = [{"boxes": [], "scores": [], "labels": [], "masks": []} for _ in photos]
    for row in rows:
        x, y, w, h = row["bbox"]
        one = results[row["image_id"] - 1]
        one["boxes"].append([x, y, x + w, y + h])
        one["scores"].append(row["score"])
        one["labels"].append(row["category_id"])
        one["masks"].append(row["segmentation"])
    for one in results:
        one["boxes"] = np.array(one["boxes"], dtype=np.float64).reshape(-1, 4)
        one["scores"], one["labels"] = np.array(one["scores"]), np.array(one["labels"])
    return results, seconds


def pairs(ours, theirs):
    """Greedy one-to-one by label and nearest box; what stays alone on either side."""
    free = set(range(len(ours["boxes"])))
    matched, missing = [], []
    for j in range(len(theirs["boxes"])):
        best = min(
            (i for i in free if ours["labels"][i] == theirs["labels"][j]),
            key=lambda i: np.abs(ours["boxes"][i] - theirs["boxes"][j]).max(),
            default=None,
        )
        if best is None or np.abs(ours["boxes"][best] - theirs["boxes"][j]).max() > 1:
            missing.append(j)
        else:
            free.discard(best)
            matched.append((best, j))
    return matched, sorted(free), missing


@torch.no_grad()
def by_a_hair(model, path, theirs, ours, extra, missing):
    """How many of the unpaired torchvision decides otherwise with a threshold moved by HAIR."""
    open_extra, open_missing = set(extra), set(missing)
    last = theirs["scores"].min() if len(theirs["scores"]) else 0.0
    full = len(theirs["scores"]) >= model.roi_heads.detections_per_img
    if full:  # the hundredth and the next
        open_extra -= {i for i in extra if abs(ours["scores"][i] - last) <= HAIR}
        open_missing -= {j for j in missing if abs(theirs["scores"][j] - last) <= HAIR}
    for owner, field in ((model.rpn, "nms_thresh"), (model.roi_heads, "nms_thresh"), (model.roi_heads, "score_thresh")):
        for sign in (-1, 1):
            if not open_extra and not open_missing:
                return 0
            value = getattr(owner, field)
            setattr(owner, field, value + sign * HAIR)
            found = model([pixels(path)])[0]
            setattr(owner, field, value)
            explain(found, ours, theirs, open_extra, open_missing)
    # Which of two nearly equal boxes suppresses the other.
    for seed in range(8):
        if open_extra or open_missing:
            explain(with_noise(model, path, seed), ours, theirs, open_extra, open_missing)
    return len(open_extra) + len(open_missing)


def explain(found, ours, theirs, open_extra, open_missing):
    """Takes out what torchvision, asked otherwise, has as lexmask has it."""
    moved = {k: found[k].numpy() for k in ("boxes", "scores", "labels")}
    _, still_extra, _ = pairs(ours, moved)
    _, _, gone = pairs(moved, theirs)
    open_extra &= set(still_extra)
    open_missing -= set(gone)


def with_noise(model, path, seed):
    """torchvision's answer with noise in its logits, small enough that scores stay within HAIR."""
    noise = torch.Generator().manual_seed(seed)

    def add(head, given, found):
        logits, deltas = found
        if isinstance(logits, list):
            return [x + 0.5 * HAIR * torch.randn(x.shape, generator=noise) for x in logits], deltas
        return logits + 0.5 * HAIR * torch.randn(logits.shape, generator=noise), deltas

    hooks = [head.register_forward_hook(add) for head in (model.rpn.head, model.roi_heads.box_predictor)]
    try:
        return model([pixels(path)])[0]
    finally:
        for hook in hooks:
            hook.remove()


def carried_over(ours, theirs, m):
    """Whether the difference of two boxes carries an edge of the pasted mask over a whole pixel: torchvision truncates
    the box, widened by the mask's border, so that the mask then lies or is stretched one pixel otherwise."""
    box = torch.from_numpy(np.asarray(theirs, dtype=np.float32)[None])
    edges = expand_boxes(box, float(m + 2) / m)[0].double().numpy()
    off = np.abs(np.asarray(ours, dtype=np.float64) - theirs).max() * (m + 2) / m + 1e-5
    return bool((np.trunc(edges - off) != np.trunc(edges + off)).any())


@torch.no_grad()
def without_ties(model, path, ours, number):
    """IoU of our mask and theirs of this number, without the pixels whose probability is within HAIR of the threshold."""
    found = model([pixels(path)])[0]["masks"][number, 0].numpy()
    a, b, sure = coco_mask.decode(ours).astype(bool), found > 0.5, np.abs(found - 0.5) > HAIR
    either = int(((a | b) & sure).sum())
    return int((a & b & sure).sum()) / either if either else 1.0


def kept(cache, run):
    """What run() finds of boxes, scores and labels; run once, then read from the cache."""
    if not os.path.exists(cache):
        with torch.no_grad():
            found = run()
        with open(cache, "wb") as file:
            pickle.dump({k: found[k].numpy() for k in ("boxes", "scores", "labels")}, file)
    with open(cache, "rb") as file:
        return pickle.load(file)


def in_double(model, path):
    """torchvision's answer in double precision behind its resize in float32."""

    def widen(transform, given, found):
        found[0].tensors = found[0].tensors.double()

    hook = model.transform.register_forward_hook(widen)
    try:
        return model.double()([pixels(path)])[0]
    finally:
        hook.remove()
        model.float()


def with_own_convolutions(model, path):
    """torchvision's answer in float32 without oneDNN."""
    with torch.backends.mkldnn.flags(enabled=False):
        return model([pixels(path)])[0]


def farthest(a, b):
    """Largest differences of the pairs: boxes, scores."""
    matched, _, _ = pairs(a, b)
    i, j = np.array(matched, dtype=int).reshape(-1, 2).T
    if not len(i):
        return 0.0, 0.0
    return float(np.abs(a["boxes"][i] - b["boxes"][j]).max()), float(np.abs(a["scores"][i] - b["scores"][j]).max())


def beside_double(model, photos, ours, theirs, folder, count):
    """Largest differences (pixels, scores) of ours and theirs from double, on the photographs that differ most."""
    worst = sorted(range(len(photos)), key=lambda i: max(np.divide(farthest(ours[i], theirs[i]), (BOX, SCORE))))[-count:]
    off = np.zeros((2, 2))
    for i in reversed(worst):
        exact = kept(os.path.join(folder, photos[i][0] + ".double.pickle"), lambda: in_double(model, photos[i][1]))
        both = np.array([farthest(side[i], exact) for side in (ours, theirs)])
        print(f"  {photos[i][0]} beside double: lexmask {both[0, 0]:.2g} px, {both[0, 1]:.2g}; torchvision {both[1, 0]:.2g} px, {both[1, 1]:.2g}")
        off = np.maximum(off, both)
    return off


def beside_own_convolutions(model, photos, ours, theirs, folder):
    """How many photographs are over a bar, and the largest differences there from torchvision without oneDNN."""
    off, over = np.zeros(2), [i for i in range(len(photos)) if np.any(np.array(farthest(ours[i], theirs[i])) > (BOX, SCORE))]
    for i in over:
        plain = kept(os.path.join(folder, photos[i][0] + ".own.pickle"), lambda: with_own_convolutions(model, photos[i][1]))
        off = np.maximum(off, farthest(ours[i], plain))
    return len(over), off


def compare(model, photos, ours, theirs):
    total, unpaired, unexplained, count = dict(box=0.0, score=0.0, mask=1.0, moved=0), 0, 0, 0
    for (photo, path), a, b in zip(photos, ours, theirs):
        matched, extra, missing = pairs(a, b)
        count += len(b["boxes"])
        unpaired += len(extra) + len(missing)
        if extra or missing:
            left = by_a_hair(model, path, b, a, extra, missing)
            unexplained += left
            print(f"  {photo}: {len(extra)} more, {len(missing)} fewer, {left} of them not by a hair")
        for i, j in matched:
            total["box"] = max(total["box"], float(np.abs(a["boxes"][i] - b["boxes"][j]).max()))
            total["score"] = max(total["score"], float(abs(a["scores"][i] - b["scores"][j])))
            both_empty = not coco_mask.area(a["masks"][i]) and not coco_mask.area(b["masks"][j])
            iou = 1.0 if both_empty else float(coco_mask.iou([a["masks"][i]], [b["masks"][j]], [0])[0, 0])
            if iou >= MASK:
                total["mask"] = min(total["mask"], iou)
            elif carried_over(a["boxes"][i], b["boxes"][j], MASK_SIDE):
                total["moved"] += 1
            else:
                total["moved"] += 1
                total["mask"] = min(total["mask"], without_ties(model, path, a["masks"][i], j))
    return count, unpaired, unexplained, total


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", default="../shared/data/coco_mini/val2017")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--models", default="v1,v2,small")
    parser.add_argument("--lexmask", default="build/lexmask")
    parser.add_argument("--work", default="build/parity_detector")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--double", type=int, default=0, help="compare both with double on this many photographs")
    arguments = parser.parse_args()
    photos = photographs(arguments.photos, arguments.count, arguments.work)
    good = True
    rows = ["| model | photos | detections | scores | unpaired | not by a hair | masks by a hair | boxes (px) | scores | mask IoU | |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for name in arguments.models.split(","):
        model, path = make(name, arguments.work, arguments.seed)
        theirs, their_seconds = reference(model, name, photos, arguments.work)
        ours, our_seconds = lexmask(arguments.lexmask, path, photos, arguments.work, name, arguments.threads)
        count, unpaired, unexplained, worst = compare(model, photos, ours, theirs)
        scores = np.concatenate([t["scores"] for t in theirs])
        span = f"{scores.min():.3f}–{scores.max():.3f}" if len(scores) else "–"
        holds = count > 0 and unexplained == 0 and unpaired + worst["moved"] <= 0.005 * count
        holds &= worst["box"] <= BOX and worst["score"] <= SCORE and worst["mask"] >= MASK
        rows.append(
            f"| {name} | {len(photos)} | {count} | {span} | {unpaired} | {unexplained} | {worst['moved']} | "
            f"{worst['box']:.2g} | {worst['score']:.3g} | {worst['mask']:.4f} | {'holds' if holds else 'misses'} |"
        )
        if arguments.double:
            (our_box, our_score), (their_box, their_score) = beside_double(model, photos, ours, theirs, os.path.join(arguments.work, name), arguments.double)
            print(f"{name} beside double on {arguments.double} photos: lexmask {our_box:.2g} px, {our_score:.2g}; torchvision {their_box:.2g} px, {their_score:.2g}")
            over, (box, score) = beside_own_convolutions(model, photos, ours, theirs, os.path.join(arguments.work, name))
            if over:
                print(f"{name} without oneDNN on {over} photos: {box:.2g} px, {score:.2g}")
        print(f"{name}: torchvision {their_seconds:.1f} s, lexmask {our_seconds:.1f} s for {len(photos)} photos")
        good &= holds
    print("\n".join(rows))
    print("all within the bars" if good else "NOT within the bars")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
