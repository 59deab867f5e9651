#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training beside PyTorch: every step that `lexmask train --dump DIR` wrote is done again by
tools/reference/fvlm.py with autograd and torch.optim.AdamW, on the same features and with the same
choices.

    train_reference.py RUN DIR [--double] [--own-sides] [--json]

1. Each step by itself, from the dumped values: the five losses, and the gradient of every tensor
   (largest difference over largest value).
2. All steps in a row, from the first one's values by PyTorch's own updates: how far both have gone
   from each other, over how far they have gone: |dW - dW'| / |dW'|.

The choices are the sampler's, and the side of every ReLU (which of its inputs are over 0). A side
is chosen by the sign of a sum, so where the sum is 0 but for rounding two implementations choose
differently, and the gradient jumps by all that comes through there. How many would have been chosen
differently, and how far from 0 the farthest of them is (over the layer's largest), is printed: that
has to be rounding. --own-sides leaves each implementation its own.

The dump decides the type: float32, or float64 (lexmask train --dtype f64 with LEXMASK_CPU=ref).
--double compares a float32 dump also with the gradients in double at the same values: how far
lexmask's and PyTorch's float32 are from the truth.
One step more has to be dumped than is compared, since values are those before the step.
"""

import argparse
import glob
import json
import math
import os
import sys

import torch
import torch.nn.functional as F
from safetensors import safe_open

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fvlm import Fvlm  # noqa: E402
from muon import muon  # noqa: E402

LOSSES = ("objectness", "proposals", "classes", "boxes", "masks")
ANCHORS, START = 256, 1e-3


def read(path):
    with safe_open(path, "pt") as file:
        return {k: file.get_tensor(k) for k in file.keys()}, file.metadata() or {}


def values_into(model, step):
    state = {k.split("/", 1)[1]: v for k, v in step.items() if k.startswith(("value/", "buffer/"))}
    wanted = dict(model.named_parameters()) | dict(model.named_buffers())
    with torch.no_grad():
        for name, tensor in state.items():
            wanted[name].copy_(tensor.reshape(wanted[name].shape))
    return [k.split("/", 1)[1] for k in step if k.startswith("value/")]


def rows(t, n, channels):
    """Level outputs [N,A*c,h,w] of picture n as rows in the order row, column, anchor."""
    a = t.shape[1] // channels
    return t[n].reshape(a, channels, *t.shape[2:]).permute(2, 3, 0, 1).reshape(-1, channels)


def smooth(x, target, weight):
    return (F.smooth_l1_loss(x, target, reduction="none", beta=1 / 9) * weight).sum()


def opened(folder):
    """The model of a run, in training, with the run's settings."""
    model = Fvlm.open(folder)
    with open(os.path.join(folder, "run.json"), encoding="utf-8") as file:
        model.run = json.load(file)
    model.train()
    model.clip.eval()
    return model


def forward(model, step, share):
    """The five losses as tensors."""
    regions = model.run["regions"]
    config, dtype = model.config, step["text"].dtype
    maps = [step[f"map.{i}"].permute(0, 3, 1, 2) for i in range(4) if f"map.{i}" in step]
    pictures = len(maps[0])
    levels = model.levels(maps, step["picture"].permute(0, 3, 1, 2))
    logits, deltas = model.rpn.head(levels)
    loss = dict.fromkeys(LOSSES, torch.zeros((), dtype=dtype))

    def of(n, name):
        return step[f"{n}.{name}"]

    for n in range(pictures):
        x = torch.cat([rows(t, n, 1) for t in logits])[:, 0]
        bce = F.binary_cross_entropy_with_logits(x, of(n, "anchors.objectness"), reduction="none")
        loss["objectness"] = loss["objectness"] + share / ANCHORS * (bce * of(n, "anchors.weight")).sum()
        x = torch.cat([rows(t, n, 4) for t in deltas])
        loss["proposals"] = loss["proposals"] + share / ANCHORS * smooth(x, of(n, "anchors.deltas"), of(n, "anchors.delta_weight"))

    def joined(name):
        boxes = torch.cat([of(n, name) for n in range(pictures)])
        image = torch.cat([torch.full((len(of(n, name)),), n) for n in range(pictures)])
        return boxes, image

    boxes, image = joined("regions.rois")
    box_deltas, embedding = model.box(model.box_regions(levels, boxes, image))
    names = len(step["text"]) - (config["background"]["kind"] == "text")
    if config["training"]["loss"] == "softmax":
        scores = model.scale1() * model.classify(step["text"], embedding)
        weight = torch.ones(scores.shape[1], dtype=dtype)
        weight[names:] = config["training"]["background"]
    first = 0
    for n in range(pictures):
        label = of(n, "regions.label").long()
        at = slice(first, first + len(label))
        first += len(label)
        loss["boxes"] = loss["boxes"] + share / regions * smooth(box_deltas[at], of(n, "regions.deltas"), of(n, "regions.box_weight"))
        if config["training"]["loss"] == "softmax":
            label = torch.where(label < scores.shape[1], label, torch.full_like(label, -100))
            loss["classes"] = loss["classes"] + share / regions * F.cross_entropy(scores[at], label, weight, reduction="sum", ignore_index=-100)
        else:
            fore = label < names
            cosine = F.cosine_similarity(embedding[at][fore], step["text"][label[fore]], dim=1)
            loss["classes"] = loss["classes"] + share / regions * (1 - cosine).sum()
    boxes, image = joined("regions.mask_rois")
    if len(boxes):
        masks = model.mask(model.regions(levels, boxes, image, config["mask_head"]["size"]))[:, 0]
        first = 0
        for n in range(pictures):
            target = of(n, "regions.masks")
            if len(target):
                part = masks[first:first + len(target)]
                loss["masks"] = loss["masks"] + share * F.binary_cross_entropy_with_logits(part, target)
            first += len(target)
    return loss


class Sides:
    """Takes the place of F.relu: the sides are those of the dump, in the order of the forward."""

    def __init__(self, step):
        self.side = [step[f"relu.{i}"] for i in range(sum(1 for k in step if k.startswith("relu.")))]
        self.next, self.places, self.other, self.farthest = 0, 0, 0, 0.0

    def __call__(self, x, inplace=False):
        side = self.side[self.next]
        self.next += 1
        side = (side.permute(0, 3, 1, 2) if x.dim() == 4 else side).bool()
        with torch.no_grad():
            other = (x > 0) != side
            self.places += x.numel()
            self.other += int(other.sum())
            if other.any():
                self.farthest = max(self.farthest, float(x[other].abs().max() / x.abs().max()))
        return torch.where(side, x, torch.zeros((), dtype=x.dtype))


def gradients(model, step, share, sides):
    """Losses, and the gradients of all parameters by name."""
    relu = F.relu
    model.zero_grad()
    F.relu = sides or relu
    try:
        losses = forward(model, step, share)
    finally:
        F.relu = relu
    sum(losses.values()).backward()
    assert not sides or sides.next == len(sides.side), "another number of ReLUs"
    return losses


def relative(a, b):
    top = b.abs().max()
    return float((a - b).abs().max() / top) if top > 0 else float(a.abs().max())


def rate(training, step):
    lr, warmup, steps = training["lr"], training["warmup"], training["steps"]
    if step < warmup:
        return lr * (START + (1 - START) * step / warmup)
    return lr * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def in_double(step):
    return {k: v.double() if v.dtype == torch.float32 else v for k, v in step.items()}


class Worst:
    """The largest of each kind of error, and of which tensor."""

    def __init__(self):
        self.error, self.of = {}, {}

    def take(self, kind, error, of=""):
        if not error <= self.error.get(kind, -1):
            self.error[kind], self.of[kind] = error, of


def step_errors(a, model, truth, step, worst):
    """One step from the dumped values."""
    share = 1 / len(step["map.0"])
    names = values_into(model, step)
    sides = None if a.own_sides else Sides(step)
    losses = gradients(model, step, share, sides)
    grad = {n: p.grad for n, p in model.named_parameters()}
    for name, theirs in zip(LOSSES, step["losses"].tolist()):
        ours = float(losses[name].detach())
        worst.take("losses", abs(ours - theirs) / max(1.0, abs(ours)), name)
    for name in names:
        worst.take("gradients", relative(step["grad/" + name].reshape(grad[name].shape), grad[name]), name)
    if sides:
        worst.take("other side", sides.other / sides.places)
        worst.take("farthest", sides.farthest)
    if not truth:
        return
    step = in_double(step)
    values_into(truth, step)
    gradients(truth, step, share, None if a.own_sides else Sides(step))
    for name, p in truth.named_parameters():
        if name in names:
            worst.take("lexmask to double", relative(step["grad/" + name].reshape(p.grad.shape), p.grad), name)
            worst.take("PyTorch to double", relative(grad[name].double(), p.grad), name)


def path_error(a, model, files, first, meta):
    """All steps in a row, by PyTorch's own updates."""
    training, share = model.config["training"], 1 / len(first["map.0"])
    parameters = dict(model.named_parameters())
    names = values_into(model, first)
    start = {n: parameters[n].detach().clone() for n in names}
    matrices = {}  # Muon's: a kernel is a matrix
    if model.run.get("optimizer") == "muon":
        matrices = {n: torch.nn.Parameter(parameters[n].detach().flatten(1)) for n in names if parameters[n].ndim > 1 and "rpn." not in n}
    rest = [n for n in names if n not in matrices]
    groups = [{"params": [parameters[n] for n in rest if meta[n] == "decay"], "weight_decay": training["decay"]},
              {"params": [parameters[n] for n in rest if meta[n] != "decay"], "weight_decay": 0.0}]
    optimizers = [torch.optim.AdamW(groups, lr=training["lr"])]
    if matrices:
        optimizers.append(muon(list(matrices.values()), first["text"].dtype, training["lr"], training["decay"]))
    for i, path in enumerate(files[:-1]):
        step, _ = read(path)
        for group in (g for o in optimizers for g in o.param_groups):
            group["lr"] = rate(training, i)
        gradients(model, step, share, None if a.own_sides else Sides(step))
        if training["clip"] > 0:
            torch.nn.utils.clip_grad_norm_([parameters[n] for n in names], training["clip"])
        for n, matrix in matrices.items():
            matrix.grad = parameters[n].grad.flatten(1)
        for optimizer in optimizers:
            optimizer.step()
    last, _ = read(files[-1])
    apart = sum(float(((last["value/" + n].reshape(start[n].shape) - parameters[n].detach()) ** 2).sum()) for n in names)
    gone = sum(float(((parameters[n].detach() - start[n]) ** 2).sum()) for n in names)
    return math.sqrt(apart / gone)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run")
    p.add_argument("dump")
    p.add_argument("--double", action="store_true")
    p.add_argument("--own-sides", action="store_true")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    files = sorted(glob.glob(os.path.join(a.dump, "step-*.safetensors")))
    first, meta = read(files[0])
    model, truth = opened(a.run), opened(a.run).double() if a.double else None
    if first["text"].dtype == torch.float64:
        model.double()
    worst = Worst()
    for path in files[:-1]:
        step_errors(a, model, truth, read(path)[0], worst)
    worst.take("path", path_error(a, model, files, first, meta))
    if a.json:
        print(json.dumps({"steps": len(files) - 1, "dtype": str(first["text"].dtype)[6:]} | worst.error))
        return
    print(f"{len(files) - 1} steps in {str(first['text'].dtype)[6:]}")
    for kind, error in worst.error.items():
        print(f"{kind:18} {error:.2e}  {worst.of[kind]}")


if __name__ == "__main__":
    main()
