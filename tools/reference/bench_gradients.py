#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gradients of products, lexmask beside PyTorch in the same run: alternating, medians, same threads.

    bench_gradients.py --program build/lexmask [--rounds 3] [--threads 2]

Prints a Markdown table of the rows "gradients, batch 2" of `lexmask bench kernels`. PyTorch runs
each convolution in both of its memory formats; the faster one counts.
"""
import argparse
import json
import re
import statistics
import subprocess
import time

import torch
from torch.nn import functional
from torch.nn import grad

GROUP = "gradients, batch 2"


def conv(wanted, kernel, stride, channels, outputs, height, width):
    pad, runs = (kernel // 2, [])
    x, w = torch.randn(2, channels, height, width), torch.randn(outputs, channels, kernel, kernel)
    dy = torch.randn_like(functional.conv2d(x, w, None, stride, pad))
    for form in torch.contiguous_format, torch.channels_last:
        a, b, c = (t.contiguous(memory_format=form) for t in (x, w, dy))
        if wanted == "dw":
            runs.append(lambda a=a, b=b, c=c: grad.conv2d_weight(a, b.shape, c, stride, pad))
        else:
            runs.append(lambda a=a, b=b, c=c: grad.conv2d_input(a.shape, b, c, stride, pad))
    return runs


def linear(wanted, rows, inputs, outputs):
    x, w, dy = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(rows, outputs)
    return [(lambda: dy.T @ x) if wanted == "dw" else (lambda: dy @ w)]


def attention(tokens, heads):
    q, k, v = (torch.randn(2, heads, tokens, 64, requires_grad=True) for _ in range(3))
    y = functional.scaled_dot_product_attention(q, k, v)
    dy = torch.randn_like(y)
    return [lambda: torch.autograd.grad(y, (q, k, v), dy, retain_graph=True)]


def peer(name):
    """What PyTorch runs for a row of the table."""
    n = [int(i) for i in re.findall(r"\d+", name)]
    wanted = name[:2]
    if " conv " in name:
        stride = n.pop(2) if "/" in name else 1
        return conv(wanted, n[0], stride, *n[2:6])
    if " linear " in name:
        return linear(wanted, *n)
    if name.startswith("sum of rows"):
        x = torch.randn(n[0], n[1])
        return [lambda: x.sum(0)]
    if name.startswith("attention"):
        return attention(*n)
    raise SystemExit(f"no peer for row '{name}'")


def seconds(runs):
    best = float("inf")
    for run in runs:
        run()
        times = []
        for _ in range(5):
            start = time.time()
            run()
            times.append(time.time() - start)
        best = min(best, statistics.median(times))
    return best


def lexmask(program, threads):
    command = [program, "bench", "kernels", "--json", "-q", "--threads", str(threads)]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["kernels"]
    return {r["kernel"]: r["ms"] / 1e3 for r in rows if r["model"] == GROUP}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/lexmask")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    ours, theirs = [], []
    for _ in range(a.rounds):
        ours.append(lexmask(a.program, a.threads))
        theirs.append({name: seconds(peer(name)) for name in ours[0]})
    print(f"PyTorch {torch.__version__}, {a.threads} threads, {a.rounds} rounds\n")
    print("| gradient | lexmask ms | PyTorch ms | PyTorch / lexmask |\n|---|---|---|---|")
    for name in ours[0]:
        x, y = statistics.median(r[name] for r in ours), statistics.median(r[name] for r in theirs)
        print(f"| {name} | {1e3 * x:.1f} | {1e3 * y:.1f} | {y / x:.2f} |")


if __name__ == "__main__":
    main()
