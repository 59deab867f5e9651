#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/detector/: small random Mask R-CNNs of torchvision with every intermediate.

    python tools/reference/dump_detector.py [--out tests/golden/detector]

bottleneck.safetensors   v1's form: frozen batch norm (eps 0), one RPN convolution, two-layer box head
basic.safetensors        v2's form: batch norm everywhere, two RPN convolutions, convolutions in the box head
*_case.safetensors       for each: a picture (uint8 [H,W,3]) and what every module makes of it, NCHW as PyTorch has it
tables.safetensors       resized sizes of many pictures, pyramid levels of many boxes, anchors of several maps

The settings that are not torchvision's defaults are in the metadata key "lexmask.maskrcnn", as in
every detector file that the program reads. Weights are multiples that half precision holds exactly,
and are stored so; torchvision computes with the very same numbers in single precision.
"""

import argparse
import json
import os

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import (
    FastRCNNConvFCHead,
    FastRCNNPredictor,
    TwoMLPHead,
)
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.misc import FrozenBatchNorm2d
from torchvision.ops.poolers import LevelMapper

KEY = "lexmask.maskrcnn"


class NarrowResNet(ResNet):
    """torchvision's ResNet with any stem width and any stage widths."""

    def __init__(self, block, layers, stem, planes, norm_layer):
        super().__init__(block, [1, 1, 1, 1], norm_layer=norm_layer)
        self.inplanes = stem
        self.conv1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False)
        self.bn1 = norm_layer(stem)
        for i in range(4):
            layer = self._make_layer(block, planes[i], layers[i], stride=1 if i == 0 else 2)
            setattr(self, f"layer{i + 1}", layer)
        self.out_channels = [p * block.expansion for p in planes]


def frozen(eps):
    class Norm(FrozenBatchNorm2d):
        def __init__(self, channels):
            super().__init__(channels, eps=eps)

    return Norm


def bottleneck_model(settings):
    """The form of maskrcnn_resnet50_fpn as published."""
    body = NarrowResNet(Bottleneck, [1, 2, 1, 1], 8, [4, 4, 6, 8], frozen(0.0))
    names = {f"layer{i + 1}": str(i) for i in range(4)}
    backbone = BackboneWithFPN(body, names, body.out_channels, 12)
    return MaskRCNN(
        backbone,
        box_head=TwoMLPHead(12 * 7 * 7, 24),
        box_predictor=FastRCNNPredictor(24, 4),
        mask_head=MaskRCNNHeads(12, (10, 10), 1),
        mask_predictor=MaskRCNNPredictor(10, 8, 4),
        rpn_head=RPNHead(12, 3),
        **parts(settings),
    )


def basic_model(settings):
    """The form of maskrcnn_resnet50_fpn_v2, on the blocks of ResNet-18."""
    norm = nn.BatchNorm2d
    body = NarrowResNet(BasicBlock, [1, 1, 2, 1], 6, [6, 8, 10, 12], norm)
    names = {f"layer{i + 1}": str(i) for i in range(4)}
    backbone = BackboneWithFPN(body, names, body.out_channels, 10, norm_layer=norm)
    return MaskRCNN(
        backbone,
        box_head=FastRCNNConvFCHead((10, 7, 7), [10, 12], [20], norm_layer=norm),
        box_predictor=FastRCNNPredictor(20, 3),
        mask_head=MaskRCNNHeads(10, (10, 8), 1, norm_layer=norm),
        mask_predictor=MaskRCNNPredictor(8, 6, 3),
        rpn_head=RPNHead(10, 2 * 2, conv_depth=2),
        **parts(settings),
    )


def parts(s):
    """torchvision's keyword arguments from the settings in the metadata."""
    keywords = {k: v for k, v in s.items() if k.startswith(("min_", "max_", "image_", "rpn_", "box_"))}
    sizes, ratios = s["anchor_sizes"], s["aspect_ratios"]
    anchors = AnchorGenerator(tuple(map(tuple, sizes)), tuple(map(tuple, ratios)))
    pool = dict(canonical_scale=s["canonical_scale"], canonical_level=s["canonical_level"])
    names = ["0", "1", "2", "3"]
    return dict(
        rpn_anchor_generator=anchors,
        box_roi_pool=MultiScaleRoIAlign(names, 7, s["roi_sampling_ratio"], **pool),
        mask_roi_pool=MultiScaleRoIAlign(names, 14, s["roi_sampling_ratio"], **pool),
        **keywords,
    )


def randomise(model, generator):
    """Weights under which activations keep their size and norms are not the identity."""
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if value.ndim > 1:
            fan_in = value[0].numel() if "conv5_mask" not in name else value.shape[0]
            new = torch.randn(value.shape, generator=generator) * (1.6 / fan_in**0.5)
        elif name.endswith("running_var") or (name.endswith("weight") and value.ndim == 1):
            new = 0.5 + torch.rand(value.shape, generator=generator)
        else:
            new = torch.randn(value.shape, generator=generator) * 0.2
        value.copy_(new.half().float())


def spread(model, name, output, wanted, centre):
    """Scales and shifts a last layer so that its outputs have the wanted deviation around centre."""
    rows = output.transpose(0, 1).flatten(1)
    weight, bias = model.state_dict()[name + ".weight"], model.state_dict()[name + ".bias"]
    scale = (wanted / rows.std(1)).clamp(max=100)
    weight.copy_((weight * scale.view(-1, *[1] * (weight.ndim - 1))).half().float())
    bias.copy_((centre - (rows.mean(1) - bias) * scale).half().float())


def picture(height, width, generator):
    """Coloured boxes on a gradient, so that there are edges at several sizes."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    image = torch.stack((x * 2, y * 2, x + y), 2) % 256
    for _ in range(8):
        top, left = (int(torch.randint(0, n, (1,), generator=generator)) for n in (height, width))
        h, w = (int(torch.randint(4, 40, (1,), generator=generator)) for _ in range(2))
        image[top : top + h, left : left + w] = torch.randint(0, 256, (3,), generator=generator)
    return image.to(torch.uint8)


@torch.no_grad()
def run(model, image):
    """All intermediates of one picture, by module name."""
    seen, hooks = {}, []

    def see(name, module, pick=lambda output: output):
        hooks.append(module.register_forward_hook(lambda m, i, o: seen.__setitem__(name, pick(o))))

    see("input", model.transform, lambda o: o[0].tensors)
    for i in range(4):
        see(f"body.{i}", model.backbone.body[f"layer{i + 1}"])
    see("fpn", model.backbone.fpn, lambda o: list(o.values()))
    see("rpn", model.rpn.head)
    see("proposals", model.rpn, lambda o: o[0][0])
    see("logits", model.roi_heads.box_predictor, lambda o: o[0])
    see("deltas", model.roi_heads.box_predictor, lambda o: o[1])
    see("mask_logits", model.roi_heads.mask_predictor)
    see("heads", model.roi_heads, lambda o: dict(o[0][0]))  # changed in place afterwards
    result = model([image.permute(2, 0, 1).float() / 255])[0]
    for hook in hooks:
        hook.remove()
    out = {f"fpn.{i}": level for i, level in enumerate(seen.pop("fpn"))}
    logits, deltas = seen.pop("rpn")
    for i in range(len(logits)):
        out[f"rpn.{i}.objectness"], out[f"rpn.{i}.deltas"] = logits[i], deltas[i]
    heads = seen.pop("heads")
    out["masks"] = heads["masks"][:, 0]
    out["network_boxes"] = heads["boxes"]
    out["image"] = image
    out["boxes"], out["scores"] = result["boxes"], result["scores"]
    out["labels"] = result["labels"].int()
    out["pasted"] = (result["masks"][:, 0] > 0.5).to(torch.uint8)
    return {**seen, **out}


def scores_of_proposals(model, image):
    """The RPN hands out boxes alone; its filter has the scores."""
    kept = {}
    original = model.rpn.filter_proposals

    def catch(*arguments):
        boxes, scores = original(*arguments)
        kept["scores"] = scores[0]
        return boxes, scores

    model.rpn.filter_proposals = catch
    run(model, image)
    model.rpn.filter_proposals = original
    return kept["scores"]


def case(make, settings, height, width, seed, out, name):
    generator = torch.Generator().manual_seed(seed)
    model = make(settings).eval()
    with torch.no_grad():
        randomise(model, generator)
        image = picture(height, width, generator)
        # One after the other: each changes what the next one sees.
        for layer, key, wanted, centre in (
            ("rpn.head.cls_logits", "rpn.0.objectness", 1.2, -2.0),
            ("rpn.head.bbox_pred", "rpn.0.deltas", 0.3, 0.0),
            ("roi_heads.box_predictor.cls_score", "logits", 1.5, 0.0),
            ("roi_heads.box_predictor.bbox_pred", "deltas", 1.0, 0.0),
            ("roi_heads.mask_predictor.mask_fcn_logits", "mask_logits", 2.0, 0.0),
        ):
            spread(model, layer, run(model, image)[key], wanted, centre)
        found = run(model, image)
        del found["mask_logits"]
        found["proposal_scores"] = scores_of_proposals(model, image)
    print(
        name,
        f"{len(found['proposals'])} proposals of {found['proposal_scores'].min():.3f} to "
        f"{found['proposal_scores'].max():.3f}, {len(found['scores'])} detections of "
        f"{found['scores'].min():.3f} to {found['scores'].max():.3f}, labels "
        f"{found['labels'].tolist()}",
    )
    weights = {
        k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()
    }
    metadata = {KEY: json.dumps(settings)}  # one key: their order in the file is random
    save_file(weights, os.path.join(out, f"{name}.safetensors"), metadata)
    save_file({k: v.clone(memory_format=torch.contiguous_format) for k, v in found.items()}, os.path.join(out, f"{name}_case.safetensors"))


def sizes(generator):
    """int32 rows: height, width, min_size, max_size, then resized and padded height and width."""
    rows = []
    pictures = [(480, 640), (640, 480), (427, 640), (640, 427), (1, 1), (1, 3000), (3000, 1)]
    pictures += torch.randint(1, 2000, (400, 2), generator=generator).tolist()
    for i, (h, w) in enumerate(pictures):
        low, high = [(800, 1333), (320, 640), (64, 96)][i % 3]
        try:
            images, _ = GeneralizedRCNNTransform(low, high, [0.0] * 3, [1.0] * 3).eval()([torch.zeros(3, h, w)])
        except RuntimeError:  # a side of 0 pixels; the program keeps one
            continue
        rows.append([h, w, low, high, *images.image_sizes[0], *images.tensors.shape[-2:]])
    return torch.tensor(rows, dtype=torch.int32)


def crops(generator):
    """What is cut out for a box: rows of a picture's height and width, and edges for each way of cutting."""
    size = torch.randint(1, 300, (150, 2), generator=generator)
    ends = torch.rand(150, 2, 2, generator=generator).sort(1)[0] * size.flip(1)[:, None]
    ends[:60] = (ends[:60] * 2).round() / 2  # many halves
    ends[60:70] = ends[60:70].floor()
    boxes = ends.reshape(-1, 4).float()
    edges = []
    for context in (None, 1.0, 1.15, 3.0):
        b = boxes.double().clone()
        if context:
            middle = (b[:, :2] + b[:, 2:]) / 2
            half = context * (b[:, 2:] - b[:, :2]).max(1, keepdim=True)[0] / 2
            b = torch.cat((middle - half, middle + half), 1)
        b = b.round()  # half to even
        last = size.flip(1).double()
        low = torch.minimum(b[:, :2].clamp(min=0), last - 1)
        high = torch.minimum(torch.maximum(b[:, 2:], low + 1), last)
        edges.append(torch.cat((low, high), 1).int())
    return {"crops.sizes": size.int(), "crops.boxes": boxes, "crops.edges": torch.stack(edges)}


def tables(out, generator):
    corner = torch.rand(250, 2, generator=generator) * 500
    side = 2 ** (torch.rand(250, 2, generator=generator) * 10)
    side[:40] = 2.0 ** torch.arange(1, 11).repeat(4)[:, None] * torch.tensor([0.875, 1, 1.75, 3.5]).repeat_interleave(10)[:, None]
    corner[:40] = 0
    boxes = torch.cat((corner, corner + side), 1)
    found = {"sizes": sizes(generator), "boxes": boxes, "levels": LevelMapper(2, 5)([boxes]).int()}
    for i, (scales, ratios, h, w, maps) in enumerate(
        (
            ([32], [0.5, 1.0, 2.0], 800, 1344, (13, 21)),
            ([24, 48], [0.3, 0.7, 1.0, 1.9], 96, 64, (24, 16)),
            ([17], [1.0], 33, 47, (5, 7)),
        )
    ):
        make = AnchorGenerator((tuple(scales),), (tuple(ratios),))
        images = ImageList(torch.zeros(1, 3, h, w), [(h, w)])
        found[f"anchors.{i}"] = make(images, [torch.zeros(1, 1, *maps)])[0]
        found[f"anchors.{i}.sizes"], found[f"anchors.{i}.ratios"] = torch.tensor(scales).float(), torch.tensor(ratios)
        found[f"anchors.{i}.maps"] = torch.tensor([h, w, *maps], dtype=torch.int32)
    found.update(crops(generator))
    save_file(found, os.path.join(out, "tables.safetensors"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="tests/golden/detector")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    torch.set_num_threads(1)
    common = dict(
        max_size=120,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
        rpn_pre_nms_top_n_test=60,
        rpn_post_nms_top_n_test=40,
        box_score_thresh=0.2,
        box_detections_per_img=12,
        roi_sampling_ratio=2,
        canonical_scale=32,
        canonical_level=4,
    )
    one = dict(common, min_size=64, anchor_sizes=[[8], [16], [24], [40], [60]], aspect_ratios=[[0.5, 1.0, 2.0]] * 5)
    one.update(categories=["__background__", "one", "two", "three"])
    case(bottleneck_model, one, 45, 61, 1, arguments.out, "bottleneck")
    two = dict(common, min_size=50, rpn_nms_thresh=0.6, box_nms_thresh=0.4, rpn_score_thresh=0.1)
    two.update(anchor_sizes=[[8, 12], [16, 20], [24, 30], [40, 50], [60, 70]], aspect_ratios=[[0.7, 1.5]] * 5)
    case(basic_model, two, 90, 64, 2, arguments.out, "basic")
    tables(arguments.out, torch.Generator().manual_seed(3))


if __name__ == "__main__":
    main()
