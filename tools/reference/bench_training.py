#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`lexmask bench training` beside PyTorch in the same run: alternating, medians, the same shapes and threads.

    bench_training.py --program build/lexmask [--rounds 3] [--threads 2]

Prints a Markdown table. PyTorch computes channels-last where the layer is a convolution's neighbour. A gradient's
time is that of torch.autograd.grad alone; losses are forward and gradient together, as ours are.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F
from torchvision.ops import roi_align


def median_of(run):
    times = []
    run()
    while len(times) < 3 or (sum(times) < 0.15 and len(times) < 15):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def forward(f, *inputs):
    def run():
        with torch.no_grad():
            f(*inputs)
    return median_of(run)


def gradient(f, *inputs):
    inputs = [x.requires_grad_() for x in inputs]
    y = f(*inputs)
    dy = torch.randn_like(y)
    return median_of(lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True))


def loss(f, x):
    x.requires_grad_()
    return median_of(lambda: torch.autograd.grad(f(x), x))


def picture(n, h, w, c):
    return torch.randn(n, c, h, w).contiguous(memory_format=torch.channels_last)


def batch_norm_relu(x, w, b):
    return F.relu(F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5))


def regions(count, picture_size, finest, c, bins):
    u = torch.rand(count, 4)
    size = picture_size * (0.03 + 0.7 * u[:, 2:] ** 3)
    share = size.prod(1) / picture_size ** 2
    level = (share >= 0.02).long() + (share >= 0.08).long() + (share >= 0.3).long()
    corner = u[:, :2] * (picture_size - size)
    boxes = torch.cat([(torch.arange(count) % 2)[:, None].float(), corner, corner + size], 1)
    maps = [picture(2, finest >> i, finest >> i, c).requires_grad_() for i in range(4)]
    outs = [roi_align(x, boxes[level == i], (bins, bins), (finest >> i) / picture_size, 2, True)
            for i, x in enumerate(maps)]
    dys = [torch.randn_like(y) for y in outs]
    return median_of(lambda: torch.autograd.grad(outs, maps, dys, retain_graph=True))


def adamw(count):
    w = torch.nn.Parameter(torch.randn(count))
    w.grad = torch.randn(count)
    best = []
    for way in ({"foreach": True}, {"fused": True}):
        optimizer = torch.optim.AdamW([w], lr=1e-4, weight_decay=0.1, **way)
        best.append(median_of(optimizer.step))
    return min(best)


def token_table():
    table, ids = torch.randn(49408, 512), torch.arange(6160) * 7919 % 49408
    return gradient(lambda t: F.embedding(ids, t), table)


def works():
    vit, small = "fvit-b16, 2 pictures of 640", "small, 8 pictures of 256"
    ce = {c: torch.arange(1024) * 7919 % c for c in (66, 1204)}
    return {
        (vit, "batch norm + ReLU 160x160x256"): lambda: forward(batch_norm_relu, picture(2, 160, 160, 256), *torch.rand(2, 256)),
        (vit, "its gradient"): lambda: gradient(batch_norm_relu, picture(2, 160, 160, 256), *torch.rand(2, 256)),
        (vit, "layer norm gradient 3200x768"): lambda: gradient(lambda x, w, b: F.layer_norm(x, (768,), w, b), torch.randn(3200, 768), *torch.rand(2, 768)),
        (vit, "GELU gradient 3200x3072"): lambda: gradient(F.gelu, torch.randn(3200, 3072)),
        (vit, "ReLU gradient 1024x7x7x256"): lambda: gradient(F.relu, picture(1024, 7, 7, 256)),
        (vit, "softmax gradient 3200x1600"): lambda: gradient(lambda x: F.softmax(x, -1), torch.randn(3200, 1600)),
        (vit, "unit rows gradient 1024x512"): lambda: gradient(lambda x: F.normalize(x, dim=-1), torch.randn(1024, 512)),
        (vit, "max pool gradient 40x40x768"): lambda: gradient(lambda x: F.max_pool2d(x, 2), picture(2, 40, 40, 768)),
        (vit, "upsample gradient 80x80x256"): lambda: gradient(lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), picture(2, 80, 80, 256)),
        (vit, "bicubic gradient 14 to 42, 768"): lambda: gradient(lambda x: F.interpolate(x, (42, 42), mode="bicubic"), picture(1, 14, 14, 768)),
        (vit, "RoIAlign gradient 1024x7x7x256"): lambda: regions(1024, 640, 160, 256, 7),
        (vit, "RoIAlign gradient 256x14x14x256"): lambda: regions(256, 640, 160, 256, 14),
        (vit, "cross-entropy 1024x66"): lambda: loss(lambda x: F.cross_entropy(50 * x, ce[66], reduction="sum"), torch.randn(1024, 66)),
        (vit, "cross-entropy 1024x1204"): lambda: loss(lambda x: F.cross_entropy(50 * x, ce[1204], reduction="sum"), torch.randn(1024, 1204)),
        (vit, "BCE of masks 256x784"): lambda: loss(lambda x: F.binary_cross_entropy_with_logits(x, torch.full_like(x, 0.5), reduction="sum"), torch.randn(256, 784)),
        (vit, "smooth L1 204600x4"): lambda: loss(lambda x: F.smooth_l1_loss(x, torch.full_like(x, 0.5), reduction="sum", beta=1 / 9), torch.randn(204600, 4)),
        (vit, "token table gradient 6160 of 49408"): token_table,
        (vit, "AdamW 25 million"): lambda: adamw(25_000_000),
        (vit, "square of a norm, 25 million"): lambda: forward(lambda x: x.square().sum(), torch.randn(25_000_000)),
        (small, "group norm 128x128x64, 32 groups"): lambda: forward(lambda x, w, b: F.group_norm(x, 32, w, b), picture(8, 128, 128, 64), *torch.rand(2, 64)),
        (small, "its gradient"): lambda: gradient(lambda x, w, b: F.group_norm(x, 32, w, b), picture(8, 128, 128, 64), *torch.rand(2, 64)),
        (small, "layer norm gradient 8192x256"): lambda: gradient(lambda x, w, b: F.layer_norm(x, (256,), w, b), torch.randn(8192, 256), *torch.rand(2, 256)),
        (small, "upsample gradient 64x64x64"): lambda: gradient(lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), picture(8, 64, 64, 64)),
        (small, "RoIAlign gradient 1024x7x7x64"): lambda: regions(1024, 256, 128, 64, 7),
        (small, "AdamW 1 million"): lambda: adamw(1_000_000),
    }


def lexmask(program, threads):
    text = subprocess.run([program, "bench", "training", "--json", "--threads", str(threads)], check=True,
                          capture_output=True, text=True).stdout
    return {(r["preset"], r["kernel"]): r["ms"] / 1e3 for r in json.loads(text)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/lexmask")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    ours, theirs = [], []
    for _ in range(a.rounds):
        ours.append(lexmask(a.program, a.threads))
        theirs.append({name: run() for name, run in works().items()})
    print(f"PyTorch {torch.__version__}, {a.threads} threads, {a.rounds} rounds\n")
    print("| preset | kernel | lexmask ms | PyTorch ms | PyTorch / lexmask |\n|---|---|---|---|---|")
    for name in theirs[0]:
        x, y = statistics.median(r[name] for r in ours), statistics.median(r[name] for r in theirs)
        print(f"| {name[0]} | {name[1]} | {1e3 * x:.2f} | {1e3 * y:.2f} | {y / x:.2f} |")


if __name__ == "__main__":
    main()
