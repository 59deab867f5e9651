#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lexmask eval beside pycocotools, faster-coco-eval and hotcoco: the same files, rounds alternating.

Makes 38,000 results against 35,000 objects in 5,000 pictures of 80 classes (polygons of 4 to 60
points, 1 % crowds; results are shifted objects and noise, boxes and compressed masks), of about the
size of val2017, then measures loading and evaluation: of lexmask the whole process, of the others
from the first call after the imports to the twelve figures, each time in a process of its own. The
figures have to be equal.

    python tools/reference/bench_eval.py --program build/lexmask [--rounds 5] [--threads 2]
        [--folder /tmp/bench_eval]
"""
import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import time

PEERS = {
    "pycocotools": "from pycocotools.coco import COCO; from pycocotools.cocoeval import COCOeval as E",
    "faster-coco-eval": "from faster_coco_eval import COCO, COCOeval_faster as E",
    "hotcoco": "from hotcoco import COCO, COCOeval as E",
}
RUN = """
import sys, time, json, io, contextlib
{imports}
truth, results, kind = sys.argv[1:]
start = time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    gt = COCO(truth)
    run = E(gt, {load}, kind)
    run.evaluate(); run.accumulate(); run.summarize()
seconds = time.perf_counter() - start
print(json.dumps([seconds, [float(v) for v in run.stats][:12]]))
"""


def make(folder):
    import numpy as np
    from pycocotools import mask as api
    rng = np.random.default_rng(5)
    images, objects, results = [], [], []
    for i in range(5000):
        images.append({"id": i + 1, "width": 640, "height": 480, "file_name": f"{i + 1:012d}.jpg"})

    def ring(box, points):
        angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
        r = 0.5 * rng.uniform(0.8, 1, points)
        return np.round(np.stack([box[0] + box[2] * (0.5 + r * np.cos(angle)), box[1] + box[3] * (0.5 + r * np.sin(angle))], -1).reshape(-1), 2).tolist()

    for i in range(35000):
        image = int(rng.integers(1, 5001))
        side = float(np.exp(rng.uniform(np.log(8), np.log(400))))
        w, h = min(side * rng.uniform(0.6, 1.6), 600), min(side * rng.uniform(0.6, 1.6), 440)
        box = [round(float(v), 2) for v in (rng.uniform(0, 640 - w), rng.uniform(0, 480 - h), w, h)]
        shape = [ring(box, int(rng.integers(4, 60)))]
        crowd = rng.random() < 0.01
        area = float(api.area(api.merge(api.frPyObjects(shape, 480, 640))))
        objects.append({"id": i + 1, "image_id": image, "category_id": int(rng.zipf(1.3)) % 80 + 1, "bbox": box, "area": area,
                        "iscrowd": int(crowd), "segmentation": shape})
        if crowd:
            mask = api.decode(api.merge(api.frPyObjects(shape, 480, 640)))
            flat = mask.T.reshape(-1)
            runs = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])).tolist()
            objects[-1]["segmentation"] = {"size": [480, 640], "counts": ([0] if flat[0] else []) + runs}
    for i in range(38000):
        if rng.random() < 0.75:
            base = objects[int(rng.integers(len(objects)))]
            box = np.array(base["bbox"]) + rng.normal(0, 0.04, 4) * np.array(base["bbox"])[[2, 3, 2, 3]]
            image, category = base["image_id"], base["category_id"] if rng.random() < 0.8 else int(rng.integers(1, 81))
        else:
            box, image, category = np.array([rng.uniform(0, 500), rng.uniform(0, 350), rng.uniform(5, 130), rng.uniform(5, 120)]), int(rng.integers(1, 5001)), int(rng.integers(1, 81))
        box = [round(float(v), 2) for v in np.maximum(box, 1)]
        rle = api.merge(api.frPyObjects([ring(box, 24)], 480, 640))
        results.append({"image_id": image, "category_id": category, "bbox": box, "score": round(float(rng.random()), 4),
                        "segmentation": {"size": [480, 640], "counts": rle["counts"].decode()}})
    truth = {"images": images, "annotations": objects, "categories": [{"id": c, "name": f"class {c}"} for c in range(1, 81)]}
    for name, value in (("truth", truth), ("results", results)):
        with open(f"{folder}/{name}.json", "w") as out:
            json.dump(value, out)


def lexmask(program, truth, results, kind, threads):
    start = time.perf_counter()
    run = subprocess.run([program, "eval", "--gt", truth, "--results", results, "--type", kind, "--json", "--threads", str(threads)],
                         check=True, capture_output=True, text=True)
    return time.perf_counter() - start, json.loads(run.stdout)["stats"]


def peer(name, truth, results, kind, threads):
    load = f"gt.loadRes({'results'})" if name != "hotcoco" else "gt.load_res(results)"
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), RAYON_NUM_THREADS=str(threads))
    text = RUN.format(imports=PEERS[name], load=load)
    run = subprocess.run([sys.executable, "-c", text, truth, results, kind], check=True, capture_output=True, text=True, env=env)
    return tuple(json.loads(run.stdout.splitlines()[-1]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/lexmask")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", default="/tmp/bench_eval")
    parser.add_argument("--without", default="", help="peers to leave out, by comma")
    o = parser.parse_args()
    os.makedirs(o.folder, exist_ok=True)
    truth, results = f"{o.folder}/truth.json", f"{o.folder}/results.json"
    if not os.path.exists(results):
        make(o.folder)
    peers = [p for p in PEERS if p not in o.without.split(",")]
    times, figures = {}, {}
    for _ in range(o.rounds):
        for kind in ("bbox", "segm"):
            for name in ["lexmask"] + peers:
                seconds, stats = lexmask(o.program, truth, results, kind, o.threads) if name == "lexmask" else peer(name, truth, results, kind, o.threads)
                times.setdefault((name, kind), []).append(seconds)
                figures[name, kind] = stats
    for (name, kind), stats in figures.items():
        worst = max(abs(a - b) for a, b in zip(stats, figures["lexmask", kind]))
        if not worst <= 1e-12:
            print(f"{name}, {kind}: figures differ by up to {worst:g}")
    print(f"{o.rounds} rounds, {o.threads} threads; seconds, median (best)\n\n| | boxes | masks |\n|---|---|---|")
    for name in ["lexmask"] + peers:
        label = name if name == "lexmask" else f"{name} {importlib.metadata.version(name)}"
        print(f"| {label} |" + "".join(f" {statistics.median(times[name, k]):.3f} ({min(times[name, k]):.3f}) |" for k in ("bbox", "segm")))


if __name__ == "__main__":
    main()
