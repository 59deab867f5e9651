#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random true and given names with what scikit-learn's classification_report makes of them.

Classes that no box is, boxes without a name, crowds, one class alone, over 128 classes, names that
are not ASCII. Writes tests/golden/report.bin, little-endian records, texts as u32 length, u32 packed
length, zlib:
annotations (JSON), names (JSON, as lexmask report --named reads them), u32 digits, u32 all classes,
the report's text, u32 n, n x 3 f64 rows of precision, recall, F1; the last three are micro, macro
and weighted averages.

    python tools/reference/dump_report.py tests/golden/report.bin
"""
import json
import struct
import sys
import warnings
import zlib

import numpy as np
from sklearn.metrics import classification_report, precision_recall_fscore_support

warnings.filterwarnings("ignore")
WORDS = ["cat", "dog", "traffic light", "Straße", "猫", "a rather long name of a thing", "x"]


def make(rng, number):
    classes = [1, 2, 5, 9, 40, 81, 150, 300][number % 8]
    ids = sorted(int(i) for i in rng.choice(np.arange(1, 1000), classes, replace=False))
    categories = [{"id": i, "name": f"{WORDS[k % len(WORDS)]}{k if k >= len(WORDS) else ''}"} for k, i in enumerate(ids)]
    rng.shuffle(categories)
    used = ids[: max(1, int(classes * rng.uniform(0.4, 1)))]
    good = rng.uniform(0.1, 1)
    annotations, named, pairs = [], [], []
    for i in range(int(rng.integers(1, 6 * classes + 3))):
        true = int(rng.choice(used))
        crowd = bool(rng.random() < 0.1) and i > 0
        annotations.append({"id": i + 10, "image_id": 1, "category_id": true, "bbox": [1, 1, 2, 2], "area": 4, "iscrowd": int(crowd)})
        given = true if rng.random() < good else int(rng.choice(ids))
        if number % 3 == 1 and rng.random() < 0.2:
            given = None
        if not crowd:
            pairs.append((true, given))
            if given is not None or rng.random() < 0.5:
                named.append({"annotation_id": i + 10, "category_id": given, "score": 0.5})
    rng.shuffle(named)
    return {"images": [{"id": 1}], "categories": categories, "annotations": annotations}, named, pairs


def text(value):
    raw = value.encode()
    small = zlib.compress(raw, 9)
    return struct.pack("<II", len(raw), len(small)) + small


def main(path):
    rng = np.random.default_rng(7)
    with open(path, "wb") as out:
        for number in range(32):
            data, named, pairs = make(rng, number)
            digits, everything = int(rng.choice([2, 2, 4])), number % 5 == 2
            true = [t for t, _ in pairs]
            given = [-1 if g is None else g for _, g in pairs]
            name = {c["id"]: c["name"] for c in data["categories"]}
            labels = sorted(name) if everything else sorted((set(true) | set(given)) - {-1})
            names = [name[i] for i in labels]
            page = classification_report(true, given, labels=labels, target_names=names, digits=digits)
            rows = np.stack(precision_recall_fscore_support(true, given, labels=labels)[:3], -1)
            averages = [precision_recall_fscore_support(true, given, labels=labels, average=a)[:3] for a in ("micro", "macro", "weighted")]
            rows = np.concatenate([rows, np.array(averages, dtype=np.float64)])
            out.write(text(json.dumps(data, separators=(",", ":"))) + text(json.dumps(named, separators=(",", ":"))))
            out.write(struct.pack("<II", digits, everything) + text(page) + struct.pack("<I", len(rows)) + rows.astype("<f8").tobytes())
        print(out.tell(), "bytes; the last:")
    print(page[-300:])


if __name__ == "__main__":
    main(sys.argv[1])
