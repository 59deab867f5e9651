#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small seeded cases of every operation: PyTorch, torchvision and PIL (13) say what is right.

    python tools/reference/dump_ops.py tests/golden/ops
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import MultiScaleRoIAlign, batched_nms, clip_boxes_to_image, nms, roi_align
from torchvision.transforms import functional as TF

from dump import pair, save_case

OUT = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/ops"
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def case(name, kind, config, **tensors):
    save_case(OUT, name, kind, config, tensors)


def boxes(count, height, width, smallest=2.0):
    """Random boxes inside a picture."""
    size = smallest + torch.rand(count, 2) * (torch.tensor([width, height]) - smallest)
    corner = torch.rand(count, 2) * (torch.tensor([float(width), float(height)]) - size)
    return torch.cat([corner, corner + size], 1)


def convolutions():
    for name, n, c, k, size, kernel, stride, pad, dilation, extra in [
            ("conv3x3", 2, 5, 9, (7, 9), 3, 1, 1, 1, "bias relu"),
            ("conv1x1", 1, 17, 8, (5, 6), 1, 1, 0, 1, "bias"),
            ("conv1x1_stride2", 1, 16, 12, (9, 7), 1, 2, 0, 1, ""),
            ("conv7x7_stride2", 1, 3, 8, (21, 18), 7, 2, 3, 1, "bias relu"),
            ("conv3x3_dilation2", 1, 6, 7, (11, 10), 3, 1, 2, 2, "bias"),
            ("conv5x3_mixed", 1, 4, 6, (12, 11), (5, 3), (2, 1), (1, 2), (1, 2), "bias"),
            ("conv3x3_residual", 1, 8, 8, (6, 5), 3, 1, 1, 1, "bias residual relu"),
            ("conv8x8_patches", 1, 3, 10, (16, 24), 8, 8, 0, 1, "")]:
        x, weight = torch.randn(n, c, *size), torch.randn(k, c, *pair(kernel)) * 0.2
        bias = torch.randn(k) if "bias" in extra else None
        y = F.conv2d(x, weight, bias, stride, pad, dilation)
        residual = torch.randn_like(y) if "residual" in extra else None
        y = y if residual is None else y + residual
        config = {"stride": pair(stride), "padding": pair(pad), "dilation": pair(dilation)}
        if "relu" in extra:
            y, config["activation"] = F.relu(y), "relu"
        case(name, "conv2d", config, x=x, weight=weight, bias=bias, residual=residual, y=y)
    x, weight, bias = torch.randn(2, 6, 4, 5), torch.randn(6, 7, 2, 2), torch.randn(7)
    y = F.conv_transpose2d(x, weight, bias, 2)
    case("conv_transpose", "conv_transpose2x2", {}, x=x, weight=weight, bias=bias, y=y)
    case("conv_transpose_relu", "conv_transpose2x2", {"activation": "relu"}, x=x, weight=weight,
         bias=bias, y=F.relu(y))


def products():
    x, weight, bias = torch.randn(3, 5, 33), torch.randn(19, 33), torch.randn(19)
    y = F.linear(x, weight, bias)
    case("linear", "linear", {}, x=x, weight=weight, bias=bias, y=y)
    for act, f in [("gelu", F.gelu), ("quick_gelu", lambda v: v * torch.sigmoid(1.702 * v))]:
        case(f"linear_{act}", "linear", {"activation": act}, x=x, weight=weight, bias=bias, y=f(y))
    a, b = torch.randn(13, 40), torch.randn(21, 40)
    case("matmul_nt", "matmul_nt", {"alpha": 50.0}, a=a, b=b, y=50 * a @ b.T)
    for name, n, lq, lk, c, heads, causal, masked, scale in [
            ("attention", 2, 10, 10, 24, 3, False, False, 0), ("attention_causal", 1, 13, 13, 16, 2, True, False, 0),
            ("attention_cross", 1, 1, 17, 20, 4, False, False, 0), ("attention_masked", 2, 6, 9, 8, 2, False, True, 0.7)]:
        q, k, v = torch.randn(n, lq, c), torch.randn(n, lk, c), torch.randn(n, lk, c)
        mask = torch.rand(n, lq, lk) < 0.6 if masked else None
        if masked:
            mask[:, :, 0] = True
        split = [t.view(n, -1, heads, c // heads).transpose(1, 2) for t in (q, k, v)]
        y = F.scaled_dot_product_attention(*split, is_causal=causal, scale=scale or None,
                                           attn_mask=mask[:, None] if masked else None)
        case(name, "attention", {"heads": heads, "causal": causal, "scale": scale}, q=q, k=k, v=v,
             mask=mask.to(torch.uint8) if masked else None, y=y.transpose(1, 2).reshape(n, lq, c))


def rows():
    x, weight, bias = torch.randn(3, 4, 30) * 3 + 1, torch.randn(30), torch.randn(30)
    case("layer_norm", "layer_norm", {"eps": 1e-5}, x=x, weight=weight, bias=bias,
         y=F.layer_norm(x, (30,), weight, bias, 1e-5))
    image, mean, var = torch.randn(2, 11, 4, 3), torch.randn(11), torch.rand(11) + 0.1
    gamma, beta = torch.randn(11), torch.randn(11)
    for name, eps in [("batch_norm", 1e-5), ("batch_norm_eps0", 0.0)]:
        y = F.batch_norm(image, mean, var, gamma, beta, False, 0.1, eps)
        case(name, "batch_norm", {"eps": eps}, x=image, mean=mean, var=var, weight=gamma, bias=beta, y=y)
    case("batch_norm_relu", "batch_norm", {"eps": 1e-3, "activation": "relu"}, x=image, mean=mean, var=var,
         weight=gamma, bias=beta, y=F.relu(F.batch_norm(image, mean, var, gamma, beta, False, 0.1, 1e-3)))
    case("softmax", "softmax", {}, x=x * 4, y=F.softmax(x * 4, -1))
    case("softmax_scaled", "softmax", {"scale": 50.0}, x=x * 0.1, y=F.softmax(50 * (x * 0.1), -1))
    case("l2_normalize", "l2_normalize", {"eps": 1e-12}, x=x, y=F.normalize(x, dim=-1))
    near = torch.cat([torch.linspace(-4, 4, 200), torch.randn(50) * 1e-3, torch.tensor([0.0, -0.0])])
    far = torch.cat([torch.linspace(-15, 15, 60), torch.tensor([40.0, -40, 90, -90])])
    for kind, f in [("relu", F.relu), ("gelu", F.gelu), ("sigmoid", torch.sigmoid),
                    ("quick_gelu", lambda v: v * torch.sigmoid(1.702 * v)),
                    ("gelu_tanh", lambda v: F.gelu(v, approximate="tanh"))]:
        case(f"activation_{kind}", "activation", {"kind": kind}, x=near, y=f(near))
        case(f"activation_{kind}_far", "activation", {"kind": kind}, x=far, y=f(far))
    case("add", "add", {}, a=x, b=x.flip(0), y=x + x.flip(0))
    case("add_repeated_relu", "add", {"activation": "relu"}, a=x, b=x[0], y=F.relu(x + x[0]))
    table, ids = torch.randn(20, 6), torch.tensor([3, 0, 19, 3, 7], dtype=torch.int32)
    case("gather_rows", "gather_rows", {}, table=table, ids=ids, y=table[ids.long()])
    scores = torch.randn(50)
    case("topk", "topk", {}, x=scores, index=torch.topk(scores, 12).indices)


def pooling():
    x = torch.randn(2, 5, 9, 11)
    for name, kernel, stride, pad in [("3x3", 3, 2, 1), ("2x2", 2, 2, 0), ("1x1_stride2", 1, 2, 0)]:
        config = {"kernel": pair(kernel), "stride": pair(stride), "padding": pair(pad)}
        case(f"max_pool_{name}", "max_pool2d", config, x=x, y=F.max_pool2d(x, kernel, stride, pad))
        for count in (True, False) if pad else (False,):
            case(f"avg_pool_{name}{'_count_pad' if count else ''}", "avg_pool2d", {**config, "count_pad": count},
                 x=x, y=F.avg_pool2d(x, kernel, stride, pad, count_include_pad=count))


def resizing():
    x = torch.rand(1, 2, 11, 13)
    for name, size in [("up", (23, 25)), ("down", (5, 6)), ("mixed", (20, 7)), ("one", (1, 1)), ("double", (22, 26))]:
        for mode in ("nearest", "bilinear", "bicubic"):
            for antialias in (False, True) if mode != "nearest" and name != "double" else (False,):
                case(f"resize_{mode}_{name}{'_antialias' if antialias else ''}", "resize",
                     {"filter": mode, "antialias": antialias}, x=x,
                     y=F.interpolate(x, size, mode=mode, antialias=antialias,
                                     align_corners=None if mode == "nearest" else False))
    for mode in ("nearest", "bilinear", "bicubic"):
        y = F.interpolate(x, scale_factor=(1.7, 0.6), mode=mode, align_corners=None if mode == "nearest" else False)
        case(f"resize_{mode}_by_factor", "resize", {"filter": mode, "antialias": False, "scale": [1 / 1.7, 1 / 0.6]},
             x=x, y=y)
    # One centre of these 66, and many of the 1066, come out otherwise when they are rounded twice, as
    # they are in bilinear's form for large results; neighbours differ by 1.
    for name, channels, size, to in [("wide", 3, 516, 66), ("large", 1, 640, 1066)]:
        wide = (torch.arange(size) % 2).float().expand(1, channels, 1, -1)
        for mode in ("bilinear", "bicubic"):
            case(f"resize_{mode}_{name}", "resize", {"filter": mode, "antialias": False}, x=wide,
                 y=F.interpolate(wide, (1, to), mode=mode, align_corners=False))
    for name, top, size in [("double", (4, 5), (8, 10)), ("odd", (7, 13), (13, 25)), ("free", (6, 9), (10, 27))]:
        coarse, lateral = torch.randn(1, 4, *top), torch.randn(1, 4, *size)
        case(f"upsample_add_{name}", "upsample_add", {}, top=coarse, lateral=lateral,
             y=lateral + F.interpolate(coarse, size, mode="nearest"))


def pictures():
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (27, 35, 3), dtype=np.uint8)
    edges = np.where(rng.random((27, 35, 3)) < 0.5, 0, 255).astype(np.uint8)
    for name, array, size, box in [("down", noise, (15, 21), None), ("up", noise[:11, :13], (30, 25), None),
                                   ("edges", edges, (16, 16), None), ("edges_up", edges[:9, :8], (23, 22), None),
                                   ("width", noise, (20, 27), None), ("height", noise, (35, 12), None),
                                   ("one", noise, (1, 1), None), ("same", noise[:5, :6], (6, 5), None),
                                   ("box", noise, (18, 15), (3.25, 1.5, 30.75, 22.0)),
                                   ("box_same_size", noise, (20, 16), (2, 3, 22, 19)),
                                   ("grey", noise[:, :, :1], (25, 22), None), ("odd", noise[:25, :33], (32, 26), None)]:
        flat = array[:, :, 0] if array.shape[2] == 1 else array
        for mode, resample in [("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)]:
            y = np.asarray(Image.fromarray(flat).resize(size, resample, box=box)).reshape(size[1], size[0], -1)
            case(f"resize_u8_{mode}_{name}", "resize_u8", {"filter": mode, **({"box": box} if box else {})},
                 x=torch.from_numpy(array.copy()), y=torch.from_numpy(y.copy()))
    every = torch.arange(256, dtype=torch.uint8).repeat_interleave(3).reshape(16, 16, 3)
    y = TF.normalize(TF.to_tensor(every.numpy()), CLIP_MEAN, CLIP_STD).permute(1, 2, 0)
    case("normalize_u8", "normalize_u8", {"mean": CLIP_MEAN, "std": CLIP_STD}, x=every, y=y)


def regions():
    x, image = torch.randn(2, 4, 12, 15), torch.randint(0, 2, (9,), dtype=torch.int32)
    rois = boxes(9, 48, 60)
    rois[0], rois[1] = torch.tensor([-9.0, -7, 20, 30]), torch.tensor([50.0, 40, 75, 70])  # beyond the map
    rois[2], rois[3] = torch.tensor([10.0, 10, 10, 10]), torch.tensor([8.0, 9, 8.5, 40])  # without area, narrow
    with_image = torch.cat([image[:, None].float(), rois], 1)
    for name, aligned, ratio, size in [("roi_align", False, 2, (7, 7)), ("roi_align_aligned", True, 2, (3, 4)),
                                       ("roi_align_adaptive", False, 0, (3, 3)),
                                       ("roi_align_aligned_adaptive", True, 0, (1, 1))]:
        case(name, "roi_align", {"sampling_ratio": ratio, "aligned": aligned, "scale": [0.25]}, x0=x, rois=rois,
             image=image, y=roi_align(x, with_image, size, 0.25, ratio or -1, aligned))
    levels = {str(i): torch.randn(1, 3, 32 >> i, 40 >> i) for i in range(3)}
    rois = torch.cat([boxes(6, 128, 160, 8), boxes(4, 60, 60)])
    pool = MultiScaleRoIAlign(["0", "1", "2"], 2, 2, canonical_scale=56, canonical_level=4)
    y = pool(levels, [rois], [(128, 160)])
    case("roi_align_levels", "roi_align", {"sampling_ratio": 2, "aligned": False, "scale": pool.scales},
         **{f"x{i}": levels[str(i)] for i in range(3)}, rois=rois, image=torch.zeros(10, dtype=torch.int32),
         map=pool.map_levels([rois]).to(torch.int32), y=y)


def suppression():
    many, scores = boxes(60, 50, 50, 15), torch.rand(60)
    case("nms", "nms", {"threshold": 0.5}, boxes=many, scores=scores, keep=nms(many, scores, 0.5))
    group = torch.randint(0, 3, (60,), dtype=torch.int32)
    case("nms_groups", "nms", {"threshold": 0.3}, boxes=many, scores=scores, group=group,
         keep=batched_nms(many, scores, group.long(), 0.3))
    anchors, deltas = boxes(11, 100, 120, 4), torch.randn(11, 3 * 4) * 2
    for name, weights in [("box_decode_rpn", (1.0, 1.0, 1.0, 1.0)), ("box_decode_heads", (10.0, 10.0, 5.0, 5.0))]:
        coder = BoxCoder(weights)
        given = deltas * torch.tensor(weights).repeat(3)
        decoded = coder.decode_single(given, anchors).reshape(11, -1)
        case(name, "box_decode", {"weights": weights, "clip": coder.bbox_xform_clip}, anchors=anchors, deltas=given,
             y=decoded)
        case(f"{name}_clipped", "box_clip", {"height": 90, "width": 110}, boxes=decoded.reshape(-1, 4),
             y=clip_boxes_to_image(decoded.reshape(-1, 4), (90, 110)))


def masks():
    m, height, width = 14, 30, 38
    probability = F.interpolate(torch.randn(8, 1, 4, 4), (m, m), mode="bicubic").sigmoid()
    where = boxes(8, height, width, 1)
    where[0], where[1] = torch.tensor([-6.3, -4.2, 21.0, 17.7]), torch.tensor([28.0, 20, 50.5, 39])  # beyond
    where[2], where[3] = torch.tensor([5.5, 6.5, 5.6, 30]), torch.tensor([0.0, 0, width, height])  # narrow, whole
    case("mask_paste", "mask_paste", {"threshold": 0.5}, masks=probability[:, 0], boxes=where,
         y=(paste_masks_in_image(probability, where, (height, width))[:, 0] > 0.5).to(torch.uint8))
    # Dead features give logits of 0: whole masks at the threshold, where the last rounding decides. PyTorch rounds
    # otherwise for results of more than 128 rows and columns together.
    height, width = 110, 150
    probability = torch.full((8, 1, m, m), 0.5)
    probability[4:] = torch.where(torch.rand(4, 1, m, m) < 0.8, probability[4:], torch.rand(4, 1, m, m))
    where = torch.cat([boxes(4, 50, 60, 20), boxes(4, height, width, 70)])[[0, 4, 1, 5, 2, 6, 3, 7]]
    case("mask_paste_at_threshold", "mask_paste", {"threshold": 0.5}, masks=probability[:, 0], boxes=where,
         y=(paste_masks_in_image(probability, where, (height, width))[:, 0] > 0.5).to(torch.uint8))
    # The border itself: rows and columns together 127 to 130, most of them with edges beyond the picture. Values are
    # within two roundings of the threshold, so that a third of the pixels inside tell the two forms apart.
    height, width = 40, 60
    sizes = [(64, 64), (64, 65), (39, 88), (41, 88), (96, 32), (96, 33), (20, 107), (30, 100)]
    probability = 0.5 + torch.randint(-2, 3, (8, 1, m, m)) * 2.0**-24
    where = torch.tensor([[*pasted_at(3, w, m), *pasted_at(-2, h, m)] for h, w in sizes])[:, [0, 2, 1, 3]]
    case("mask_paste_border", "mask_paste", {"threshold": 0.5}, masks=probability[:, 0], boxes=where,
         y=(paste_masks_in_image(probability, where, (height, width))[:, 0] > 0.5).to(torch.uint8))


def pasted_at(start, size, m):
    """Two edges of a box whose mask of side m is pasted into `size` pixels from `start` on."""
    low, high, shrink = start + 0.3, start + size - 0.4, m / (m + 2)
    if start < 0:
        low -= 1.0  # truncated toward zero
    return (low + high) / 2 - (high - low) / 2 * shrink, (low + high) / 2 + (high - low) / 2 * shrink


def main():
    torch.set_num_threads(1)
    for seed, group in enumerate([convolutions, products, rows, pooling, resizing, pictures, regions, suppression,
                                  masks]):
        torch.manual_seed(seed)
        group()


if __name__ == "__main__":
    main()
