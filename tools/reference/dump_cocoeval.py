#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random small data sets and results with what pycocotools' COCOeval makes of them.

Crowds, ties in score, empty pictures, pictures and categories without objects, more than 100
results in a picture, areas at the borders of the ranges, an annotation with id 0, results with
boxes, masks or both. Writes tests/golden/cocoeval.bin, little-endian records: two times u32 length,
u32 packed length, packed JSON (zlib): annotations and results; then for boxes and for masks
  u32 agnostic, u32 x 3 limits, u32 n, n x i64 pictures, u32 n, n x i64 categories (none: all),
  12 f64 figures, u32 CRC-32 of precision and of recall in the order
  [category][area][limit][iou][recall]

    python tools/reference/dump_cocoeval.py tests/golden/cocoeval.bin
"""
import contextlib
import copy
import io
import json
import struct
import sys
import zlib

import numpy as np
from pycocotools import mask as api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def rle_of(mask):
    rle = api.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(n) for n in rle["size"]], "counts": rle["counts"].decode()}


def rectangle(rng, h, w):
    x, y = rng.uniform(0, w * 0.8), rng.uniform(0, h * 0.8)
    side = rng.choice([4, 20, 33, 60, 97, 150])
    return x, y, min(rng.uniform(0.3, 1.2) * side, w - x), min(rng.uniform(0.3, 1.2) * side, h - y)


def blob(box, h, w):
    x, y, bw, bh = box
    gy, gx = np.mgrid[0:h, 0:w]
    return ((gx - x - bw / 2) / max(bw / 2, 0.5)) ** 2 + ((gy - y - bh / 2) / max(bh / 2, 0.5)) ** 2 <= 1


def polygon(box):
    x, y, bw, bh = box
    angle = np.linspace(0, 2 * np.pi, 9)[:-1]
    points = np.stack([x + bw / 2 * (1 + np.cos(angle)), y + bh / 2 * (1 + np.sin(angle))], -1)
    return [round(float(v), 2) for v in points.reshape(-1)]


def make_set(rng, number):
    """Annotations and results; what is odd about a set depends on its number."""
    pictures = int(rng.integers(1, 7))
    categories = [int(c) for c in rng.choice(np.arange(1, 30), rng.integers(1, 5), replace=False)]
    ids = [int(i) for i in rng.choice(np.arange(1, 1000), pictures, replace=False)]
    images = [{"id": i, "width": int(rng.integers(100, 260)), "height": int(rng.integers(100, 260))} for i in ids]
    objects, results = [], []
    many = number % 10 == 3
    for image in images:
        h, w = image["height"], image["width"]
        for _ in range(rng.integers(0, 7)):
            box = rectangle(rng, h, w)
            crowd = bool(rng.random() < 0.2)
            kind = rng.integers(0, 3)
            if crowd or kind == 0:
                rle = api.encode(np.asfortranarray(blob(box, h, w).astype(np.uint8)))
                plain = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(np.concatenate(
                    [[0], blob(box, h, w).T.reshape(-1), [2]])))])).tolist()
                shape = {"size": [h, w], "counts": plain}
                area = float(api.area(rle))
            else:
                shape = [polygon(box)] if kind == 1 else [polygon(box), polygon((box[0], box[1], box[2] / 2, box[3] / 2))]
                area = float(api.area(api.merge(api.frPyObjects(shape, h, w))))
            if rng.random() < 0.15:
                area = float(rng.choice([0, 1024, 9216, 1e5, 2e10]))
            objects.append({"id": 0, "image_id": image["id"], "category_id": int(rng.choice(categories)),
                            "bbox": [round(float(v), 2) for v in box], "area": area, "iscrowd": int(crowd),
                            "segmentation": shape})
        truths = [o for o in objects if o["image_id"] == image["id"]]
        for _ in range(rng.integers(100, 150) if many else rng.integers(0, 14)):
            if truths and rng.random() < 0.7:
                base = truths[rng.integers(len(truths))]
                box = np.array(base["bbox"]) + rng.normal(0, rng.choice([0, 1, 4]), 4)
                category = base["category_id"] if rng.random() < 0.85 else int(rng.choice(categories))
            else:
                box, category = np.array(rectangle(rng, h, w)), int(rng.choice(categories + [99]))
            box[2:] = np.maximum(box[2:], 1)
            box = [round(float(v), 2) for v in box]
            result = {"image_id": image["id"], "category_id": category,
                      "score": float(rng.choice([0.1, 0.25, 0.5, 0.5, 0.9])) if rng.random() < 0.5 else round(float(rng.random()), 3)}
            if number % 3 != 1:
                result["bbox"] = box
            if number % 3 != 0 or number % 6 == 3:
                result["segmentation"] = rle_of(blob(box, h, w))
            results.append(result)
    for i, o in enumerate(rng.permutation(len(objects))):
        objects[o]["id"] = int(i) + (0 if number % 4 == 0 else 1)
    rng.shuffle(results)
    if not results:
        results = [{"image_id": ids[0], "category_id": categories[0], "score": 0.5, "bbox": [0, 0, 10, 10],
                    "segmentation": rle_of(blob((0, 0, 10, 10), images[0]["height"], images[0]["width"]))}]
    return ({"images": images, "annotations": objects, "categories": [{"id": c, "name": f"c{c}"} for c in categories]},
            results)


def evaluate(truth, results, kind, agnostic, limits, pictures, categories):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(copy.deepcopy(results)), ("bbox", "segm")[kind])
        run.params.useCats = 0 if agnostic else 1
        run.params.maxDets = list(limits)
        if pictures:
            run.params.imgIds = pictures
        if categories:
            run.params.catIds = categories
        run.evaluate()
        run.accumulate()
        precision, recall = run.eval["precision"], run.eval["recall"]
        run.summarize()
        stats = run.stats.copy()
        if limits[2] != 100:  # its first figure looks for a limit of 100, whatever the limits are
            valid = precision[:, :, :, 0, 2]
            stats[0] = np.mean(valid[valid > -1]) if (valid > -1).any() else -1
    order = np.ascontiguousarray(precision.transpose(2, 3, 4, 0, 1)), np.ascontiguousarray(recall.transpose(1, 2, 3, 0))
    return stats, zlib.crc32(order[0].tobytes()), zlib.crc32(order[1].tobytes())


def packed(value):
    raw = json.dumps(value, separators=(",", ":")).encode()
    small = zlib.compress(raw, 9)
    return struct.pack("<II", len(raw), len(small)) + small


def chosen(values):
    return struct.pack(f"<I{len(values)}q", len(values), *values)


def main(path):
    rng = np.random.default_rng(11)
    records = 0
    with open(path, "wb") as out:
        for number in range(60):
            truth, results = make_set(rng, number)
            out.write(packed(truth) + packed(results))
            for kind in (0, 1):
                agnostic = number % 7 == 2
                limits = (10, 100, 1000) if number % 10 == 3 and kind else (1, 2, 3) if number % 9 == 4 else (1, 10, 100)
                pictures = [i["id"] for i in truth["images"]][::2] if number % 8 == 5 else []
                categories = [c["id"] for c in truth["categories"]][:1] if number % 8 == 6 else []
                stats, p, r = evaluate(truth, results, kind, agnostic, limits, pictures, categories)
                out.write(struct.pack("<4I", agnostic, *limits) + chosen(pictures) + chosen(categories))
                out.write(struct.pack("<12d2I", *stats, p, r))
                records += 1
        print(records, "evaluations,", out.tell(), "bytes")


if __name__ == "__main__":
    main(sys.argv[1])
