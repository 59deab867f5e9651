#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How the settings of the crop mode do on unseen scenes: COCO figures of the program, a line each.

    measure_crop.py --program build/lexmask --count 60 [--seed 4242]

Scenes come from emoji_world.py with all 1,377 names; needs pycocotools.
"""
import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = [
    "--crop-shape tight --objectness 0",
    "--crop-shape square --crop-context 1 --objectness 0",
    "--crop-shape square --crop-context 1.15 --objectness 0",
    "--crop-shape square --crop-context 1.3 --objectness 0",
    "--crop-shape square --objectness 0.5 --objectness-of rpn",
    "--crop-shape square --objectness 0.3 --objectness-of head",
    "--crop-shape square --objectness 0.5 --objectness-of head",
    "--crop-shape square --objectness 0.7 --objectness-of head",
    "--crop-shape tight --objectness 0.5 --objectness-of head",
    "--crop-shape square --objectness 0.5 --proposals 100",
    "--crop-shape square --objectness 0.5 --proposals 30",
]


def figures(truth, results, kind):
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO(truth)
        e = COCOeval(gt, gt.loadRes(results), kind)
        e.params.catIds = sorted({a["category_id"] for a in gt.dataset["annotations"]})
        e.evaluate(), e.accumulate(), e.summarize()
    return e.stats


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/lexmask")
    p.add_argument("--model", default="demo/pair")
    p.add_argument("--count", type=int, default=60)
    p.add_argument("--seed", type=int, default=4242)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, f"{HERE}/emoji_world.py", "--out", folder, "--count", str(a.count), "--seed", str(a.seed)], check=True, stdout=subprocess.DEVNULL)
        truth = f"{folder}/annotations.json"
        names = [c["name"] for c in json.load(open(truth))["categories"]]
        with open(f"{folder}/names.txt", "w") as f:
            f.write("\n".join(names) + "\n")
        print(f"{a.count} scenes, {len(names)} names\n\n| settings | box AP | AP50 | AR@100 | mask AP | s a picture |\n|---|---|---|---|---|---|")
        for line in SETTINGS:
            start = time.time()
            subprocess.run([a.program, "detect", f"{folder}/images", "-q", "--model", a.model, "--names-file", f"{folder}/names.txt",
                            "--json", f"{folder}/r.json", "--ids", truth, "--score", "0.001"] + line.split(), check=True)
            seconds = (time.time() - start) / a.count
            box, mask = figures(truth, f"{folder}/r.json", "bbox"), figures(truth, f"{folder}/r.json", "segm")
            print(f"| `{line}` | {box[0]:.3f} | {box[1]:.3f} | {box[8]:.3f} | {mask[0]:.3f} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
