#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run-length masks as pycocotools makes them, for tests/test_rle.c.

Writes tests/golden/rle.bin, a list of records (little-endian, "text" is u32 length and bytes):
  'm' u32 h w, h*w mask bytes row by row, text RLE, u32 area, u32 x y w h
  'p' u32 h w, u32 points, f64 x y each, text RLE
  'u' u32 h w, u32 n, u32 intersect, n texts, text result
  'i' u32 h w, u32 m n, m texts, n texts, n crowd bytes, m*n f64 IoU
  'b' u32 m n, m and n boxes of 4 f64, n crowd bytes, m*n f64 IoU
  'r' u32 first, u32 count, u32 CRC-32 of the texts of count random masks (see random_mask)
  'c' one u32 CRC-32 for each polygon annotation, in order, of ../shared/data/coco_mini: text file
      name, u32 count, the values

    python tools/reference/dump_rle.py tests/golden/rle.bin ../shared/data/coco_mini/annotations
"""
import json
import pathlib
import struct
import sys
import zlib

import numpy as np
from pycocotools import mask as api


def text(data):
    return struct.pack("<I", len(data)) + data


def encode(mask):
    return api.encode(np.asfortranarray(mask.astype(np.uint8)))


def blob(rng, h, w):
    """Something like a segmented object: a few discs, with holes."""
    y, x = np.mgrid[0:h, 0:w]
    mask = np.zeros((h, w), bool)
    for _ in range(rng.integers(0, 5)):
        r = rng.uniform(0.5, max(h, w) / 2)
        inside = (x - rng.uniform(0, w)) ** 2 + (y - rng.uniform(0, h)) ** 2 < r * r
        mask = mask & ~inside if rng.random() < 0.3 else mask | inside
    return mask


def masks(rng):
    for h, w in [(1, 1), (1, 9), (9, 1), (2, 2), (7, 8), (8, 7), (9, 17), (16, 16), (3, 33), (0, 3), (3, 0)]:
        yield np.zeros((h, w)), h, w
        yield np.ones((h, w)), h, w
        yield np.arange(h * w).reshape(h, w) % 2, h, w
    for _ in range(80):
        h, w = rng.integers(1, 24, 2)
        yield (rng.random((h, w)) < rng.choice([0.02, 0.3, 0.5, 0.9])), h, w
    for _ in range(80):
        h, w = rng.integers(1, 30, 2)
        yield blob(rng, h, w), h, w
    yield blob(rng, 64, 90), 64, 90


def polygons(rng):
    yield 10, 12, [2, 3, 8, 3, 8, 7, 2, 7]
    yield 10, 12, [2.5, 3.5, 2.5, 3.5, 2.5, 3.5]
    yield 10, 12, [0, 0, 12, 0, 12, 10, 0, 10]
    yield 10, 12, [-50, -50, 60, -50, 60, 60, -50, 60]
    yield 10, 12, [1, 1, 11, 9, 11, 1, 1, 9]
    yield 10, 12, [3, 3]
    yield 10, 12, [3, 3, 9, 9]
    yield 1, 1, [0, 0, 1, 0, 1, 1, 0, 1]
    for _ in range(60):  # random corners, many outside
        h, w = rng.integers(1, 60, 2)
        k = rng.integers(3, 9)
        yield h, w, (rng.uniform(-0.3, 1.3, (k, 2)) * (w, h)).reshape(-1).tolist()
    for _ in range(60):  # round things with coordinates as COCO has them
        h, w = rng.integers(20, 200, 2)
        k = rng.integers(5, 30)
        angle = np.sort(rng.uniform(0, 2 * np.pi, k))
        r = rng.uniform(0.1, 0.6, k)
        points = np.stack([(0.5 + r * np.cos(angle)) * w, (0.5 + r * np.sin(angle)) * h], -1)
        yield h, w, np.round(points, 2).reshape(-1).tolist()
    for _ in range(30):  # on whole and half pixels, where rounding decides
        h, w = rng.integers(5, 40, 2)
        k = rng.integers(3, 12)
        yield h, w, (np.round(rng.uniform(-0.1, 1.1, (k, 2)) * (w, h) * 10) / 10).reshape(-1).tolist()
    for _ in range(20):
        h, w = rng.integers(5, 40, 2)
        yield h, w, rng.integers(-3, 45, 2 * rng.integers(3, 8)).astype(float).tolist()


def mix(x):
    """splitmix64's output function, so that the test can draw the same numbers."""
    x = (x + np.uint64(0x9E3779B97F4A7C15))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def random_mask(number):
    """Down the columns, the value changes wherever mix is divisible by a period: long and short runs."""
    base = np.uint64(number) << np.uint64(20)
    head = mix(base + np.arange(3, dtype=np.uint64))
    h, w = int(head[0] % np.uint64(40)) + 1, int(head[1] % np.uint64(40)) + 1
    period = np.uint64([2, 5, 30, 500][int(head[2] % np.uint64(4))])
    change = mix(base + np.uint64(3) + np.arange(h * w, dtype=np.uint64)) % period == 0
    return (np.cumsum(change) % 2).reshape(w, h).T


def main(path, annotations):
    rng = np.random.default_rng(5)
    out = open(path, "wb")
    for mask, h, w in masks(rng):
        rle = encode(mask)
        out.write(b"m" + struct.pack("<II", h, w) + mask.astype(np.uint8).tobytes() + text(rle["counts"]))
        box = api.toBbox(rle).astype(int) if h * w else [0, 0, 0, 0]
        out.write(struct.pack("<5I", int(api.area(rle)), *box))
    for h, w, xy in polygons(rng):
        rle = api.frPyObjects([xy, xy], int(h), int(w))[0] if len(xy) > 4 else short_polygon(xy, h, w)
        out.write(b"p" + struct.pack("<III", h, w, len(xy) // 2) + struct.pack(f"<{len(xy)}d", *xy))
        out.write(text(rle["counts"]))
    for i in range(60):
        h, w, n = rng.integers(1, 30), rng.integers(1, 30), rng.integers(1, 5)
        parts = [encode(blob(rng, h, w)) for _ in range(n)]
        merged = api.merge(parts, intersect=bool(i % 2))
        out.write(b"u" + struct.pack("<IIII", h, w, n, i % 2))
        out.write(b"".join(text(p["counts"]) for p in parts) + text(merged["counts"]))
    for _ in range(25):
        h, w, m, n = rng.integers(1, 30), rng.integers(1, 30), rng.integers(1, 5), rng.integers(1, 5)
        a = [encode(blob(rng, h, w)) for _ in range(m)]
        b = [encode(blob(rng, h, w)) for _ in range(n)]
        crowd = rng.integers(0, 2, n)
        iou = api.iou(a, b, crowd.tolist())
        out.write(b"i" + struct.pack("<IIII", h, w, m, n))
        out.write(b"".join(text(p["counts"]) for p in a + b) + crowd.astype(np.uint8).tobytes() + iou.astype("<f8").tobytes())
    for _ in range(25):
        m, n = rng.integers(1, 6, 2)
        a, b = (np.round(rng.uniform(0, 30, (k, 4)), rng.integers(0, 4)) for k in (m, n))
        crowd = rng.integers(0, 2, n)
        iou = api.iou(a, b, crowd.tolist())
        out.write(b"b" + struct.pack("<II", m, n) + a.tobytes() + b.tobytes())
        out.write(crowd.astype(np.uint8).tobytes() + np.ascontiguousarray(iou).astype("<f8").tobytes())
    for first in range(0, 100000, 1000):
        crc = 0
        for number in range(first, first + 1000):
            crc = zlib.crc32(encode(random_mask(number))["counts"], crc)
        out.write(b"r" + struct.pack("<III", first, 1000, crc))
    for file in sorted(pathlib.Path(annotations).glob("instances_*.json")):
        data = json.loads(file.read_text())
        size = {i["id"]: (i["height"], i["width"]) for i in data["images"]}
        sums = [zlib.crc32(api.merge(api.frPyObjects(a["segmentation"], *size[a["image_id"]]))["counts"])
                for a in data["annotations"] if isinstance(a["segmentation"], list)]
        out.write(b"c" + text(file.name.encode()) + struct.pack(f"<{len(sums) + 1}I", len(sums), *sums))
    print(out.tell(), "bytes")


def short_polygon(xy, h, w):
    """pycocotools takes 4 numbers for a box: under 3 points, the last one is given again."""
    while len(xy) < 6:
        xy = xy + xy[-2:]
    return api.frPyObjects([xy], int(h), int(w))[0]


if __name__ == "__main__":
    np.seterr(over="ignore")
    main(sys.argv[1], sys.argv[2])
