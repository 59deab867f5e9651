#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the class-agnostic Mask R-CNN of the small pair from nothing on emoji scenes.

    train_small_detector.py --out demo/pair/detector.safetensors      the committed weights (demo/pair/README.md)
    train_small_detector.py --steps 30 --out /tmp/detector.safetensors

torchvision's model and losses.  Training scenes are smaller and denser than those it is measured on (256 instead
of 320 pixels, objects of the same sizes), since the objects teach and the pixels cost.
"""
import argparse
import math
import time

import torch
from torch.utils.data import DataLoader, Dataset

import small_pair
from emoji_world import scene

SIDE = 256


class Scenes(Dataset):
    """Scene i of a seed; the same i gives the same scene in whatever process."""

    def __init__(self, seed, count):
        self.seed, self.count = seed, count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        s = scene((self.seed, i), SIDE, SIDE, 5, 12, sizes=(18, 150))
        target = dict(boxes=torch.from_numpy(s["boxes"]), labels=torch.ones(len(s["names"]), dtype=torch.int64),
                      masks=torch.from_numpy(s["masks"]).to(torch.uint8))
        return torch.from_numpy(s["picture"]), target


def as_lists(rows):
    return [r[0] for r in rows], [r[1] for r in rows]


def run_in_half(module):
    """Makes a module compute in bfloat16, channels last, and hand on float32; its parameters stay as they are."""
    inner = module.forward

    def to(x, how):
        if isinstance(x, dict):
            return type(x)((k, to(v, how)) for k, v in x.items())
        return type(x)(to(v, how) for v in x) if isinstance(x, (list, tuple)) else how(x)

    def forward(x):
        with torch.autocast("cpu", torch.bfloat16):
            x = inner(to(x, lambda v: v.contiguous(memory_format=torch.channels_last)))
        return to(x, lambda v: v.float())

    module.to(memory_format=torch.channels_last)
    module.forward = forward


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--steps", type=int, default=1300)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--lr", type=float, default=1.5e-3)
    p.add_argument("--decay", type=float, default=0.05)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--float32", action="store_true", help="no bfloat16 in the backbone")
    p.add_argument("--start", help="continue from this state file, with a schedule of its own")
    p.add_argument("--state", help="keep the state here every 200 steps")
    p.add_argument("--out", required=True)
    a = p.parse_args()
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    model = small_pair.new_detector(
        {**small_pair.SETTINGS, "min_size": SIDE, "max_size": SIDE}, rpn_batch_size_per_image=128,
        box_batch_size_per_image=64, rpn_pre_nms_top_n_train=500, rpn_post_nms_top_n_train=250)
    if a.start:
        model.load_state_dict(torch.load(a.start))
    if not a.float32:
        for part in (model.backbone, model.rpn.head, model.roi_heads.mask_head):
            run_in_half(part)
    print(f"{sum(q.numel() for q in model.parameters()) / 1e6:.2f} M parameters", flush=True)
    matrices = [q for q in model.parameters() if q.ndim > 1]
    vectors = [q for q in model.parameters() if q.ndim <= 1]
    opt = torch.optim.AdamW([dict(params=matrices, weight_decay=a.decay), dict(params=vectors, weight_decay=0.0)], a.lr)
    data = DataLoader(Scenes(a.seed, a.steps * a.batch), a.batch, num_workers=1, collate_fn=as_lists, prefetch_factor=4)
    model.train()
    begin, mean = time.time(), {}

    for it, (pictures, targets) in enumerate(data):
        for g in opt.param_groups:
            g["lr"] = a.lr * min(1, (it + 1) / 100) * (0.5 * (1 + math.cos(math.pi * it / a.steps)) + 0.005)
        losses = model([x.permute(2, 0, 1).float() / 255 for x in pictures], targets)
        opt.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        opt.step()
        for k, v in losses.items():
            mean[k] = 0.9 * mean.get(k, v.item()) + 0.1 * v.item()
        if it % 20 == 19 or it == a.steps - 1:
            print(it + 1, " ".join(f"{k[5:]} {v:.3f}" for k, v in mean.items()), f"{time.time() - begin:.0f} s", flush=True)
        if a.state and (it % 200 == 199 or it == a.steps - 1):
            torch.save(model.state_dict(), a.state)
    small_pair.save_detector(model, a.out)


if __name__ == "__main__":
    main()
