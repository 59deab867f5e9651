#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The small pair in PyTorch: how its detector is built, and how both committed files are loaded.

The detector file is torchvision's MaskRCNN by its parameter names; the settings that no tensor tells are one
JSON string in the safetensors metadata under "lexmask.maskrcnn", in torchvision's own words.
"""
import json
import os

import torch
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.models.resnet import BasicBlock
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

METADATA = "lexmask.maskrcnn"
SETTINGS = dict(
    min_size=320, max_size=640, image_mean=[0.45, 0.45, 0.45], image_std=[0.27, 0.27, 0.27],
    anchor_sizes=[[24], [40], [72], [128], [208]], aspect_ratios=[[0.5, 1.0, 2.0]] * 5,
    rpn_pre_nms_top_n_test=500, rpn_post_nms_top_n_test=300, rpn_nms_thresh=0.7, rpn_score_thresh=0.0,
    box_score_thresh=0.05, box_nms_thresh=0.5, box_detections_per_img=100, bn_eps=1e-5, roi_sampling_ratio=2,
    canonical_scale=224, canonical_level=4, categories=["__background__", "object"])
WIDTHS = (32, 64, 96, 128)
BLOCKS = (2, 2, 2, 2)
PYRAMID = 64


class NarrowResNet(nn.Module):
    """torchvision's ResNet of basic blocks, its names and strides, with other widths."""

    def __init__(self, widths=WIDTHS, blocks=BLOCKS):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        last = widths[0]
        for i, (width, count) in enumerate(zip(widths, blocks)):
            layer = []
            for j in range(count):
                stride = 2 if i and not j else 1
                down = None
                if stride != 1 or last != width:
                    down = nn.Sequential(nn.Conv2d(last, width, 1, stride, bias=False), nn.BatchNorm2d(width))
                layer.append(BasicBlock(last, width, stride, down))
                last = width
            setattr(self, f"layer{i + 1}", nn.Sequential(*layer))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):  # never called: BackboneWithFPN runs the parts
        raise NotImplementedError


def new_detector(settings=SETTINGS, **training):
    """torchvision's MaskRCNN with two classes; `training` are more keyword arguments of MaskRCNN."""
    s = settings
    layers = {f"layer{i}": str(i - 1) for i in range(1, 5)}
    backbone = BackboneWithFPN(NarrowResNet(), layers, list(WIDTHS), PYRAMID, LastLevelMaxPool())

    def pool(side):
        return MultiScaleRoIAlign(["0", "1", "2", "3"], side, s["roi_sampling_ratio"], canonical_scale=s["canonical_scale"],
                                  canonical_level=s["canonical_level"])

    same = ("min_size", "max_size", "image_mean", "image_std", "rpn_pre_nms_top_n_test", "rpn_post_nms_top_n_test",
            "rpn_nms_thresh", "rpn_score_thresh", "box_score_thresh", "box_nms_thresh", "box_detections_per_img")
    anchors = AnchorGenerator(tuple(map(tuple, s["anchor_sizes"])), tuple(map(tuple, s["aspect_ratios"])))
    return MaskRCNN(
        backbone, rpn_anchor_generator=anchors, box_roi_pool=pool(7), box_head=TwoMLPHead(PYRAMID * 49, 256),
        box_predictor=FastRCNNPredictor(256, 2), mask_roi_pool=pool(14), mask_head=MaskRCNNHeads(PYRAMID, (64, 64), 1),
        mask_predictor=MaskRCNNPredictor(64, 64, 2), **{k: s[k] for k in same}, **training)


def save_detector(model, path, settings=SETTINGS):
    """float16 weights, batch norm's running statistics as float32, settings in the metadata."""
    from safetensors.torch import save_file

    state = {}
    for k, v in model.state_dict().items():
        v = v.detach().clone().contiguous()
        state[k] = v if "running_" in k or not v.is_floating_point() else v.half()
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    save_file(state, path, metadata={"format": "pt", METADATA: json.dumps(settings)})
    os.chmod(path, 0o644)


def load_detector(path, **other):
    """(model in float32 for inference, settings); other: settings to use in place of the file's."""
    from safetensors import safe_open

    with safe_open(path, "pt") as f:
        settings = {**json.loads(f.metadata()[METADATA]), **other}
        state = {k: f.get_tensor(k) for k in f.keys()}
    model = new_detector(settings)
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    return model.eval(), settings


def load_clip(folder):
    """(CLIPModel in float32, tokenizer, image processor) of a Hugging Face folder."""
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    return model, CLIPTokenizer.from_pretrained(folder), CLIPImageProcessor.from_pretrained(folder)
