#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lexmask beside PyTorch in the same run: alternating, medians, the same shapes and threads.

    bench_peers.py --program build/lexmask [--rounds 3] [--threads 2]

Prints a Markdown table. Weights are random on both sides; each part gets the same amount of work:
torchvision's Mask R-CNN R50-FPN at 800x1333 (padded to 800x1344) in its parts, with 1000 regions
through the box head and 100 through the mask head, and CLIP's ViT-B/32.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch
import torchvision
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection


def timed(run):
    start = time.time()
    run()
    return time.time() - start


class Torch:
    def __init__(self):
        torch.manual_seed(0)
        self.m = torchvision.models.detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
        self.clip = CLIPVisionModelWithProjection(CLIPVisionConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, patch_size=32, image_size=224,
            projection_dim=512, hidden_act="quick_gelu")).eval()
        self.x = torch.randn(1, 3, 800, 1344)
        wh = torch.exp(torch.rand(1000, 2) * 3.5 + 2.5)
        xy = torch.rand(1000, 2) * (torch.tensor([1333.0, 800.0]) - wh)
        self.regions = torch.cat([xy, xy + wh], 1)
        self.pictures = {n: torch.randn(n, 3, 224, 224) for n in (1, 32)}

    @torch.no_grad()
    def round(self):
        m, out = self.m, {}
        images = torchvision.models.detection.image_list.ImageList(self.x, [(800, 1333)])
        box = {}
        out["body, pyramid"] = timed(lambda: box.update(f=m.backbone(self.x)))
        out["proposals"] = timed(lambda: m.rpn(images, box["f"]))
        heads, size = m.roi_heads, [(800, 1333)]
        out["boxes of 1000 regions"] = timed(lambda: heads.box_predictor(heads.box_head(heads.box_roi_pool(box["f"], [self.regions], size))))
        out["masks of 100 regions"] = timed(lambda: heads.mask_predictor(heads.mask_head(heads.mask_roi_pool(box["f"], [self.regions[:100]], size))))
        out["all of it"] = sum(out.values())
        for n, x in self.pictures.items():
            out["ViT-B/32: %d picture" % n] = timed(lambda: self.clip(x))
        return out


def lexmask(program, threads):
    text = subprocess.run([program, "bench", "models", "--json", "-q", "--threads", str(threads)], check=True, capture_output=True, text=True).stdout
    return {r["name"].split("1333: ")[-1].replace("CLIP ", "").rstrip("s" if "pictures" in r["name"] else "").strip(): r["seconds"] for r in json.loads(text)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/lexmask")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    peer, ours, theirs = Torch(), [], []
    peer.round()
    for _ in range(a.rounds):
        ours.append(lexmask(a.program, a.threads))
        theirs += [peer.round() for _ in range(3)]
    print(f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}, {a.threads} threads, {a.rounds} rounds\n")
    print("| work | lexmask ms | PyTorch ms | PyTorch / lexmask |\n|---|---|---|---|")
    for name in theirs[0]:
        x, y = statistics.median(r[name] for r in ours), statistics.median(r[name] for r in theirs)
        print(f"| {name} | {1e3 * x:.1f} | {1e3 * y:.1f} | {y / x:.2f} |")


if __name__ == "__main__":
    main()
