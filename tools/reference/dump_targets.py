#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What torchvision's training part makes of boxes and masks, for tests/test_targets.c.

Matches, sampled choices, regression targets and mask targets of random pictures: with no, one and
many true boxes, with ties, with boxes that nothing overlaps well, true boxes of one pixel. Tensors
"KIND.CASE.NAME" of one safetensors file.

    python tools/reference/dump_targets.py tests/golden/targets.safetensors
"""
import sys

import torch
from safetensors.torch import save_file
from torchvision.models.detection import _utils as det
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads, project_masks_on_boxes
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import box_iou

H, W = 96, 128


def boxes(rng, n, least=2.0):
    a = torch.rand(n, 2, generator=rng) * torch.tensor([W - least, H - least])
    size = least + torch.rand(n, 2, generator=rng) ** 2 * (torch.tensor([W, H]) - a - least)
    return torch.cat([a, a + size], 1)


def anchors():
    make = AnchorGenerator(((16,), (32,), (64,)), ((0.5, 1.0, 2.0),) * 3)
    maps = [torch.zeros(1, 1, H // s, W // s) for s in (8, 16, 32)]
    return make(ImageList(torch.zeros(1, 3, H, W), [(H, W)]), maps)[0]


def both(name, out, f):
    """f in single and in double precision."""
    out[name] = f(torch.float32).contiguous()
    out[name + "64"] = f(torch.float64).contiguous()


def rpn_case(rng, name, truth, out):
    net = RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, {}, {}, 0.7)
    a = anchors()
    labels, matched = net.assign_targets_to_anchors([a], [{"boxes": truth}])
    pos, neg = det.BalancedPositiveNegativeSampler(256, 0.5)(labels)
    out[name + ".anchors"], out[name + ".truth"] = a, truth
    out[name + ".label"] = labels[0].to(torch.int32)
    out[name + ".choice"] = torch.where(pos[0] | neg[0])[0].to(torch.int32)
    chosen = torch.where(pos[0])[0]
    out[name + ".positive"] = chosen.to(torch.int32)
    coder = det.BoxCoder((1.0, 1.0, 1.0, 1.0))
    both(name + ".deltas", out,
         lambda t: coder.encode_single(matched[0][chosen].to(t), a[chosen].to(t)))


def roi_case(rng, name, truth, proposals, classes, out):
    heads = RoIHeads(None, None, None, 0.5, 0.5, 512, 0.25, None, 0.05, 0.5, 100)
    g = len(truth)
    labels = torch.randint(1, classes + 1, (g,), generator=rng)
    everything = torch.cat([proposals, truth])
    match, label = heads.assign_targets_to_proposals([everything], [truth], [labels])
    chosen = heads.subsample(label)[0]
    rois, label, match = everything[chosen], label[0][chosen], match[0][chosen]
    out[name + ".truth"], out[name + ".proposals"] = truth, proposals
    out[name + ".labels"] = (labels - 1).to(torch.int32)  # here names begin at 0
    out[name + ".choice"] = chosen.to(torch.int32)
    out[name + ".label"] = torch.where(label > 0, label - 1, classes).to(torch.int32)
    positive = torch.where(label > 0)[0]
    out[name + ".positive"] = positive.to(torch.int32)
    out[name + ".match"] = match[positive].to(torch.int32)
    coder = det.BoxCoder((10.0, 10.0, 5.0, 5.0))
    both(name + ".deltas", out,
         lambda t: coder.encode_single(truth[match[positive]].to(t), rois[positive].to(t)))


def mask_case(rng, name, size, out):
    g, p = 4, 12
    y, x = torch.meshgrid(torch.arange(60), torch.arange(80), indexing="ij")
    masks = torch.stack([
        ((x - cx) ** 2 / rx**2 + (y - cy) ** 2 / ry**2 < 1) ^ ((x + 2 * y) % 17 == 0)
        for cx, cy, rx, ry in torch.rand(g, 4, generator=rng) * 40 + 10
    ]).to(torch.uint8)
    rois = boxes(rng, p, 0.5) * torch.tensor([80 / W, 60 / H] * 2)
    rois[0] = torch.tensor([0.0, 0.0, 80.0, 60.0])
    rois[1] = torch.tensor([70.0, 50.0, 80.0, 60.0])
    rois[2] = torch.tensor([3.0, 4.0, 3.4, 4.2])
    which = torch.randint(0, g, (p,), generator=rng)
    out[name + ".masks"], out[name + ".rois"] = masks, rois
    out[name + ".box"] = which.to(torch.int32)
    both(name + ".y", out, lambda t: project_masks_on_boxes(masks, rois.to(t), which, size))


def main(path):
    torch.manual_seed(7)
    rng = torch.Generator().manual_seed(7)
    out = {}
    tiny = torch.tensor([[5.0, 5.0, 6.0, 6.0], [100.2, 40.1, 101.2, 41.1]])
    twice = torch.tensor([[16.0, 16.0, 48.0, 48.0], [16.0, 16.0, 48.0, 48.0], [0, 0, W, H]])
    sets = [torch.zeros(0, 4), boxes(rng, 1), boxes(rng, 5), boxes(rng, 30), tiny, twice]
    for i, truth in enumerate(sets):
        rpn_case(rng, f"rpn.{i}", truth, out)
        near = truth.repeat(40, 1) + torch.randn(40 * len(truth), 4, generator=rng) * 3
        near = torch.cat([near[(near[:, 2:] > near[:, :2] + 0.5).all(1)], boxes(rng, 150)])
        roi_case(rng, f"roi.{i}", truth, near, 9, out)
    out["iou.a"], out["iou.b"] = boxes(rng, 20), torch.cat([boxes(rng, 30), anchors()[:40]])
    out["iou.y"] = box_iou(out["iou.a"], out["iou.b"])
    mask_case(rng, "mask.0", 28, out)
    mask_case(rng, "mask.1", 14, out)
    save_file({name: tensor.clone() for name, tensor in out.items()}, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
