#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random small data sets in LVIS's form and results, with what the lvis package makes of them.

Negative and partly annotated categories, pictures with more than 300 results, ties, areas of 0,
annotations to be ignored, an annotation with id 0, results of unknown categories, results with
boxes, masks or both. Writes tests/golden/lvis.bin, little-endian records: two times u32 length,
u32 packed length, packed JSON (zlib): annotations and results; then 13 f64 for boxes and for masks.

    python tools/reference/dump_lvis.py tests/golden/lvis.bin [SETS]
"""
import copy
import json
import logging
import struct
import sys
import tempfile
import zlib

import numpy as np

np.float = float  # the package was written when NumPy had it
from lvis import LVIS, LVISEval, LVISResults  # noqa: E402
from pycocotools import mask as api  # noqa: E402

logging.disable(logging.CRITICAL)
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf", "AR@300", "ARs@300", "ARm@300", "ARl@300"]


def box_mask(box, h, w):
    x, y, bw, bh = box
    gy, gx = np.mgrid[0:h, 0:w]
    inside = (gx >= x) & (gx < x + bw) & (gy >= y) & (gy < y + bh)
    return api.encode(np.asfortranarray(inside.astype(np.uint8)))


def rle_json(rle):
    return {"size": [int(n) for n in rle["size"]], "counts": rle["counts"].decode()}


def corners(box):
    x, y, w, h = box
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def random_box(rng, h, w):
    side = rng.choice([3, 15, 33, 60, 97, 130])
    x, y = rng.uniform(0, w * 0.7), rng.uniform(0, h * 0.7)
    return [round(float(v), 1) for v in (x, y, min(rng.uniform(0.4, 1.2) * side, w - x), min(rng.uniform(0.4, 1.2) * side, h - y))]


def make_set(rng, number):
    categories = [int(c) for c in rng.choice(np.arange(1, 60), rng.integers(2, 9), replace=False)]
    letters = "rcf" if number % 5 else "rf"
    kinds = [{"id": c, "name": f"c{c}", "frequency": str(rng.choice(list(letters)))} for c in categories]
    ids = [int(i) for i in rng.choice(np.arange(1, 500), rng.integers(1, 6), replace=False)]
    many = number % 8 == 3
    images, objects, results = [], [], []
    for place, i in enumerate(ids):
        h, w = int(rng.integers(90, 200)), int(rng.integers(90, 200))
        images.append({"id": i, "width": w, "height": h,
                       "neg_category_ids": [int(c) for c in categories + [77] if rng.random() < 0.4],
                       "not_exhaustive_category_ids": [int(c) for c in categories if rng.random() < 0.25]})
        truths = []
        for _ in range(rng.integers(0, 7)):
            box = random_box(rng, h, w)
            shape = [corners(box)]
            if rng.random() < 0.4:
                rle = box_mask(box, h, w)
                shape = rle_json(rle)
            area = float(api.area(api.merge(api.frPyObjects([corners(box)], h, w))))
            if rng.random() < 0.15:
                area = float(rng.choice([0, 1024, 9216, 2e10]))
            truth = {"id": 0, "image_id": i, "category_id": int(rng.choice(categories)), "bbox": box, "area": area,
                     "segmentation": shape}
            if rng.random() < 0.1:
                truth["ignore"] = 1
            if rng.random() < 0.1:
                truth["iscrowd"] = 1
            truths.append(truth)
        objects += truths
        count = rng.integers(301, 340) if many and place == 0 else rng.integers(0, 25)
        for _ in range(count):
            if truths and rng.random() < 0.6:
                base = truths[rng.integers(len(truths))]
                box = np.array(base["bbox"]) + rng.normal(0, rng.choice([0, 1, 4]), 4)
                category = base["category_id"] if rng.random() < 0.85 else int(rng.choice(categories))
            else:
                box, category = np.array(random_box(rng, h, w)), int(rng.choice(categories + [99]))
            box[2:] = np.maximum(box[2:], 1)
            box = [round(float(v), 1) for v in box]
            if rng.random() < 0.03:
                box[2] = 0.0
            score = float(rng.choice([0.1, 0.25, 0.5, 0.9])) if rng.random() < 0.6 else round(float(rng.random()), 2)
            result = {"image_id": i, "category_id": category, "score": score}
            if number % 3 != 1:
                result["bbox"] = box
            if number % 3 != 0 or number % 6 == 3:
                result["segmentation"] = rle_json(box_mask(box, h, w))
            results.append(result)
    for i, o in enumerate(rng.permutation(len(objects))):
        objects[o]["id"] = int(i) + (0 if number % 6 == 2 else 1)
    rng.shuffle(results)
    if not results:
        results = [{"image_id": ids[0], "category_id": categories[0], "score": 0.5, "bbox": [0, 0, 10, 10],
                    "segmentation": rle_json(box_mask([0, 0, 10, 10], images[0]["height"], images[0]["width"]))}]
    return {"images": images, "annotations": objects, "categories": kinds}, results


def evaluate(truth, results, kind):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(truth, file)
        file.flush()
        gt = LVIS(file.name)
    run = LVISEval(gt, LVISResults(gt, copy.deepcopy(results)), kind)
    run.run()
    return [float(run.get_results()[name]) for name in NAMES], run


def packed(value):
    raw = json.dumps(value, separators=(",", ":")).encode()
    small = zlib.compress(raw, 9)
    return struct.pack("<II", len(raw), len(small)) + small


def main(path, sets=40):
    rng = np.random.default_rng(23)
    with open(path, "wb") as out:
        for number in range(sets):
            truth, results = make_set(rng, number)
            out.write(packed(truth) + packed(results))
            for kind in ("bbox", "segm"):
                stats, run = evaluate(truth, results, kind)
                out.write(struct.pack("<13d", *stats))
        print(sets, "sets,", out.tell(), "bytes; the last, as the package prints it:")
    run.print_results()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
