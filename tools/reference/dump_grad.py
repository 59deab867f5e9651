#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gradients of modules by PyTorch's autograd in float64, for tests/test_grad_golden.c.

    python tools/reference/dump_grad.py tests/golden/grad

One .safetensors file a module. Parameters and buffers have PyTorch's names and layouts. Inputs
(in.N), outputs (out.N) and gradients of the loss by outputs (up.N) and by inputs (din.N) are
channels-last. grad.NAME is the gradient by a parameter, after.NAME a buffer after the step. The
loss is the sum of out.N * up.N.
"""
import pathlib
import sys
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.detection import faster_rcnn, mask_rcnn, rpn
from torchvision.ops import Conv2dNormActivation, FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from dump import save_case


def last(t):
    return t.permute(0, 2, 3, 1) if t.dim() == 4 else t


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.attn = nn.MultiheadAttention(channels, heads, batch_first=True)

    def forward(self, x):
        return self.attn(x, x, x, need_weights=False)[0]


class Block(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attn = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.mlp = nn.Sequential(OrderedDict(
            c_fc=nn.Linear(channels, 2 * channels), gelu=QuickGELU(),
            c_proj=nn.Linear(2 * channels, channels)))

    def forward(self, x):
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Classifier(nn.Module):
    """text is an input: in.1."""

    def __init__(self, channels):
        super().__init__()
        self.background = nn.Parameter(torch.randn(channels))
        self.logit_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, x, text):
        names = torch.cat([text, F.normalize(self.background, dim=0)[None]])
        return self.logit_scale.exp() * F.normalize(x, dim=1) @ names.T


class Pyramid(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.fpn = FeaturePyramidNetwork([4, 6], 8, LastLevelMaxPool(), norm_layer=norm)

    def forward(self, *x):
        return list(self.fpn(OrderedDict((str(i), t) for i, t in enumerate(x))).values())


class Region(nn.Module):
    def __init__(self):
        super().__init__()
        self.box_head = faster_rcnn.FastRCNNConvFCHead((6, 5, 5), [6, 6], [10, 9], nn.BatchNorm2d)
        self.box_predictor = faster_rcnn.FastRCNNPredictor(9, 3)

    def forward(self, x):
        return list(self.box_predictor(self.box_head(x)))


class Mask(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask_head = mask_rcnn.MaskRCNNHeads(6, [7, 7], 1)
        self.mask_predictor = mask_rcnn.MaskRCNNPredictor(7, 8, 2)

    def forward(self, x):
        return self.mask_predictor(self.mask_head(x))


class Proposals(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = rpn.RPNHead(6, 3, conv_depth=2)

    def forward(self, *x):
        logits, deltas = self.head(list(x))
        return logits + deltas


def named(**modules):
    return nn.Sequential(OrderedDict(modules))


CASES = {
    "conv_bn_relu": (lambda: named(unit=Conv2dNormActivation(5, 8, 3)), [(2, 5, 6, 7)]),
    "conv_gn_gelu": (lambda: named(unit=nn.Sequential(nn.Conv2d(5, 8, 3, 2, 1, bias=False),
                                                      nn.GroupNorm(2, 8), nn.GELU())), [(2, 5, 6, 7)]),
    "layer_norm": (lambda: named(ln=nn.LayerNorm(12)), [(2, 3, 12)]),
    "mlp": (lambda: named(fc1=nn.Linear(12, 20), act=nn.GELU(), fc2=nn.Linear(20, 12)), [(2, 3, 12)]),
    "deconv_relu": (lambda: named(up=nn.ConvTranspose2d(5, 4, 2, 2), act=nn.ReLU()), [(2, 5, 3, 4)]),
    "attention": (lambda: Attention(12, 3), [(2, 5, 12)]),
    "block": (lambda: Block(12, 3), [(2, 5, 12)]),
    "classifier": (lambda: Classifier(10), [(6, 10), (4, 10)]),
    "fpn": (lambda: Pyramid(None), [(1, 4, 9, 7), (1, 6, 5, 4)]),
    "fpn_bn": (lambda: Pyramid(nn.BatchNorm2d), [(2, 4, 6, 8), (2, 6, 3, 4)]),
    "box_head": (Region, [(3, 6, 5, 5)]),
    "mask_head": (Mask, [(3, 6, 4, 4)]),
    "rpn": (Proposals, [(1, 6, 5, 7), (1, 6, 3, 4)]),
}


def main():
    for seed, (name, (make, shapes)) in enumerate(CASES.items()):
        torch.manual_seed(seed)
        model = make().double().train()
        with torch.no_grad():
            for p in model.parameters():
                if p.dim() == 1:
                    p.uniform_(0.5, 1.5)
        inputs = [torch.randn(s, dtype=torch.float64) for s in shapes]
        if name == "classifier":
            inputs[1] = F.normalize(inputs[1], dim=1)
        # A module that is not inside another is called as its file.
        prefix = f"{name}." if isinstance(model, (Block, Classifier)) else ""
        tensors = {prefix + k: v.clone() for k, v in model.state_dict().items()}
        for x in inputs:
            x.requires_grad_()
        outputs = model(*inputs)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        ups = [torch.randn_like(y) for y in outputs]
        sum((y * u).sum() for y, u in zip(outputs, ups)).backward()
        for i, x in enumerate(inputs):
            tensors[f"in.{i}"], tensors[f"din.{i}"] = last(x), last(x.grad)
        for i, (y, u) in enumerate(zip(outputs, ups)):
            tensors[f"out.{i}"], tensors[f"up.{i}"] = last(y), last(u)
        for k, p in model.named_parameters():
            tensors[f"grad.{prefix}{k}"] = p.grad
        for k, b in model.named_buffers():
            if "running" in k:
                tensors[f"after.{prefix}{k}"] = b
        save_case(pathlib.Path(sys.argv[1]), name, "gradient", {}, tensors)


main()
