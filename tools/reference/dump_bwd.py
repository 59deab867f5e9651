#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small seeded cases of every gradient, loss and of AdamW: PyTorch's autograd in float64 says what is right.

    python tools/reference/dump_bwd.py tests/golden/bwd

Inputs are float32 numbers, results float64; that PyTorch's own float32 comes within 1e-5 of them is checked here.
"""
import sys

import torch
import torch.nn.functional as F
from torchvision.ops import roi_align

from dump import pair, save_case

OUT = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/bwd"


def case(name, kind, config, inputs, results):
    tensors = {**inputs, **{k: v.double() for k, v in results.items()}}
    save_case(OUT, name, kind, config, tensors)


def graded(run, inputs, dy):
    """y = run(*inputs) and the gradients of sum(dy*y), in float64."""
    results = {}
    for dtype in (torch.float32, torch.float64):
        given = [x.detach().to(dtype).requires_grad_() for x in inputs]
        y = run(*given)
        results[dtype] = [y.detach(), *torch.autograd.grad(y, given, dy.to(dtype))]
    for narrow, wide in zip(results[torch.float32], results[torch.float64]):
        error = (narrow.double() - wide).abs().max() / wide.abs().max().clamp_min(1e-30)
        assert error <= 1e-5, f"float32 differs by {error:g}"
    return results[torch.float64]


def activations():
    x = torch.cat([torch.linspace(-6, 6, 90), torch.randn(30) * 1e-2, torch.tensor([30.0, -30])])
    dy = torch.randn_like(x)
    for kind, f in [("linear", lambda v: v * 1), ("relu", F.relu), ("gelu", F.gelu), ("sigmoid", torch.sigmoid),
                    ("quick_gelu", lambda v: v * torch.sigmoid(1.702 * v)),
                    ("gelu_tanh", lambda v: F.gelu(v, approximate="tanh"))]:
        _, dx = graded(f, [x], dy)
        case(f"activation_{kind}", "activation_bwd", {"kind": kind}, {"x": x, "dy": dy}, {"dx": dx})


def norms():
    for name, shape in [("layer_norm", (5, 37)), ("layer_norm_one_row", (1, 8)), ("layer_norm_three", (4, 3))]:
        x, weight, bias, dy = torch.randn(shape) * 3 + 1, *torch.randn(2, shape[-1]), torch.randn(shape)
        _, dx, dweight, dbias = graded(lambda x, w, b: F.layer_norm(x, shape[-1:], w, b, 1e-5), [x, weight, bias], dy)
        case(name, "layer_norm_bwd", {"eps": 1e-5}, {"x": x, "weight": weight, "dy": dy},
             {"dx": dx, "dweight": dweight, "dbias": dbias})
    for name, shape, act in [("batch_norm", (2, 11, 4, 3), "linear"), ("batch_norm_relu", (3, 17, 5, 5), "relu")]:
        x, weight, bias, dy = torch.randn(shape) + 0.5, *torch.randn(2, shape[1]), torch.randn(shape)

        def run(x, w, b):
            y = F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5)
            return F.relu(y) if act == "relu" else y

        y, dx, dweight, dbias = graded(run, [x, weight, bias], dy)
        wide = x.double().transpose(0, 1).flatten(1)
        case(name, "batch_norm_train", {"eps": 1e-5, "activation": act},
             {"x": x, "weight": weight, "bias": bias, "dy": dy},
             {"y": y, "mean": wide.mean(1), "var": wide.var(1, unbiased=False), "dx": dx, "dweight": dweight,
              "dbias": dbias})
    for groups, channels in [(1, 6), (4, 12), (9, 9)]:
        shape = (2, channels, 5, 4)
        x, weight, bias, dy = torch.randn(shape) - 0.5, *torch.randn(2, channels), torch.randn(shape)
        y, dx, dweight, dbias = graded(lambda x, w, b: F.group_norm(x, groups, w, b, 1e-5), [x, weight, bias], dy)
        case(f"group_norm_{groups}", "group_norm", {"eps": 1e-5, "groups": groups},
             {"x": x, "weight": weight, "bias": bias, "dy": dy}, {"y": y, "dx": dx, "dweight": dweight, "dbias": dbias})


def rows():
    x, dy = torch.randn(2, 6, 21)
    for scale in (1.0, 20.0):
        _, dx = graded(lambda x: F.softmax(scale * x, -1), [x], dy)
        case(f"softmax_{scale:.0f}", "softmax_bwd", {"scale": scale}, {"x": x, "dy": dy}, {"dx": dx})
    short = x.clone()
    short[2], short[3] = 0, short[3] * 1e-3
    for name, given, eps in [("l2_normalize", x, 1e-12), ("l2_normalize_short", short, 0.1)]:
        _, dx = graded(lambda x: F.normalize(x, dim=-1, eps=eps), [given], dy)
        case(name, "l2_normalize_bwd", {"eps": eps}, {"x": given, "dy": dy}, {"dx": dx})
    table, ids, dy = torch.randn(20, 7), torch.tensor([3, 0, 19, 3, 7, 3], dtype=torch.int32), torch.randn(6, 7)
    _, dtable = graded(lambda t: t[ids.long()], [table], dy)
    case("gather_rows", "gather_rows_bwd", {}, {"ids": ids, "dy": dy}, {"dtable": dtable})


def pictures():
    x = torch.randn(2, 3, 7, 8)
    for name, kernel, stride, pad in [("3x3", 3, 2, 1), ("2x2", 2, 2, 0), ("1x1_stride2", 1, 2, 0),
                                      ("3x2_overlap", (3, 2), 1, (1, 0))]:
        config = {"kernel": pair(kernel), "stride": pair(stride), "padding": pair(pad)}
        for ties in (False, True):
            given = (x * 2).round() if ties else x
            dy = torch.randn_like(F.max_pool2d(given, kernel, stride, pad))
            _, dx = graded(lambda x: F.max_pool2d(x, kernel, stride, pad), [given], dy)
            case(f"max_pool_{name}{'_ties' if ties else ''}", "max_pool2d_bwd", config, {"x": given, "dy": dy},
                 {"dx": dx})
        for count in (True, False) if pad else (False,):
            _, dx = graded(lambda x: F.avg_pool2d(x, kernel, stride, pad, count_include_pad=count), [x], dy)
            case(f"avg_pool_{name}{'_count_pad' if count else ''}", "avg_pool2d_bwd", {**config, "count_pad": count},
                 {"dy": dy}, {"dx": dx})
    x = torch.rand(1, 2, 11, 13)
    for name, size in [("up", (23, 25)), ("down", (5, 6)), ("mixed", (20, 7)), ("double", (22, 26))]:
        dy = torch.randn(1, 2, *size)
        for mode in ("nearest", "bilinear", "bicubic"):
            for antialias in (False, True) if mode != "nearest" and name != "double" else (False,):
                _, dx = graded(lambda x: F.interpolate(x, size, mode=mode, antialias=antialias,
                                                       align_corners=None if mode == "nearest" else False), [x], dy)
                case(f"resize_{mode}_{name}{'_antialias' if antialias else ''}", "resize_bwd",
                     {"filter": mode, "antialias": antialias}, {"dy": dy}, {"dx": dx})
    for name, top, size in [("double", (4, 5), (8, 10)), ("odd", (7, 13), (13, 25)), ("free", (6, 9), (10, 27))]:
        dy = torch.randn(1, 3, *size)
        _, dx = graded(lambda t: F.interpolate(t, size, mode="nearest"), [torch.randn(1, 3, *top)], dy)
        case(f"upsample_{name}", "upsample_bwd", {}, {"dy": dy}, {"dtop": dx})


def regions():
    rois = torch.rand(9, 4) * torch.tensor([40.0, 30, 25, 25])
    rois[:, 2:] += rois[:, :2]
    rois[0], rois[1] = torch.tensor([-9.0, -7, 20, 30]), torch.tensor([50.0, 40, 75, 70])  # beyond the map
    rois[2], rois[3] = torch.tensor([10.0, 10, 10, 10]), torch.tensor([8.0, 9, 8.5, 40])  # without area, narrow
    image, levels = torch.randint(0, 2, (9,), dtype=torch.int32), torch.randint(0, 2, (9,), dtype=torch.int32)
    for name, aligned, ratio, size in [("", False, 2, (7, 7)), ("_aligned", True, 2, (3, 4)),
                                       ("_adaptive", False, 0, (3, 3)), ("_aligned_adaptive", True, 0, (1, 1))]:
        maps, scales, dy = [torch.randn(2, 3, 12, 15), torch.randn(2, 3, 6, 8)], [0.25, 0.125], torch.randn(9, 3, *size)

        def run(*maps):
            y = torch.zeros(dy.shape, dtype=maps[0].dtype)
            for i, (x, scale) in enumerate(zip(maps, scales)):
                mine = levels == i
                with_image = torch.cat([image[mine, None].to(x.dtype), rois[mine].to(x.dtype)], 1)
                y = y.index_put((mine.nonzero()[:, 0],), roi_align(x, with_image, size, scale, ratio or -1, aligned))
            return y

        _, *dx = graded(run, maps, dy)
        case(f"roi_align{name}", "roi_align_bwd", {"sampling_ratio": ratio, "aligned": aligned, "scale": scales},
             {"rois": rois, "image": image, "map": levels, "dy": dy}, {f"dx{i}": d for i, d in enumerate(dx)})


def losses():
    one = torch.ones(())
    x, target = torch.randn(14, 23), torch.randint(0, 23, (14,), dtype=torch.int32)
    target[3], target[9] = -100, -100
    weight = torch.rand(23) + 0.1
    for name, scale, given in [("", 1.0, None), ("_weighted", 10.0, weight)]:
        loss, dx = graded(lambda x: F.cross_entropy(scale * x, target.long(), given if given is None else
                                                    given.to(x.dtype), reduction="sum"), [x], one)
        case(f"cross_entropy{name}", "cross_entropy", {"scale": scale}, {"x": x, "target": target, "weight": given},
             {"loss": loss, "dx": dx})
    x, target, weight = torch.randn(3, 5, 9) * 4, torch.rand(3, 5, 9), (torch.rand(3, 5, 9) - 0.3).clamp_min(0)
    for name, given in [("", None), ("_weighted", weight)]:
        loss, dx = graded(lambda x: F.binary_cross_entropy_with_logits(
            x, target.to(x.dtype), given if given is None else given.to(x.dtype), reduction="sum"), [x], one)
        case(f"bce_logits{name}", "bce_logits", {}, {"x": x, "target": target, "weight": given},
             {"loss": loss, "dx": dx})
    x, target = torch.randn(2, 33, 4)
    x[0] = target[0]
    for name, delta in [("0", 0.0), ("ninth", 1 / 9), ("1", 1.0)]:
        loss, dx = graded(lambda x: F.smooth_l1_loss(x, target.to(x.dtype), reduction="sum", beta=delta), [x], one)
        case(f"smooth_l1_{name}", "smooth_l1", {"delta": delta}, {"x": x, "target": target}, {"loss": loss, "dx": dx})
    weight = (torch.rand(33, 4) - 0.3).clamp_min(0)
    loss, dx = graded(lambda x: (weight.to(x.dtype) * F.smooth_l1_loss(x, target.to(x.dtype), reduction="none",
                                                                      beta=0.5)).sum(), [x], one)
    case("smooth_l1_weighted", "smooth_l1", {"delta": 0.5}, {"x": x, "target": target, "weight": weight},
         {"loss": loss, "dx": dx})
    x, target, weight = torch.randn(7, 30), torch.randn(7, 30), torch.rand(7)
    for name, eps in [("", 1e-8), ("_short", 4.5)]:
        # Not F.cosine_similarity, whose gradient below eps is that of a longer row.
        loss, dx = graded(lambda x: (weight.to(x.dtype) * (1 - (F.normalize(x, dim=-1, eps=eps) * F.normalize(
            target.to(x.dtype), dim=-1, eps=eps)).sum(-1))).sum(), [x], one)
        case(f"cosine_loss{name}", "cosine_loss", {"eps": eps}, {"x": x, "target": target, "weight": weight},
             {"loss": loss, "dx": dx})


def optimizer():
    for name, betas, decay, clip in [("", (0.9, 0.999), 0.1, 1.0), ("_clipped", (0.8, 0.95), 0.0, 0.25)]:
        value, grads = torch.randn(70), torch.randn(20, 70)
        w = torch.nn.Parameter(value.double())
        adamw = torch.optim.AdamW([w], lr=0.01, betas=betas, eps=1e-8, weight_decay=decay, foreach=False)
        for grad in grads:
            w.grad = grad.double() * clip
            adamw.step()
        state = adamw.state[w]
        case(f"adamw{name}", "adamw", {"lr": 0.01, "betas": betas, "eps": 1e-8, "decay": decay, "grad_scale": clip},
             {"start": value, "grads": grads}, {"value": w.detach(), "m": state["exp_avg"], "v": state["exp_avg_sq"]})


def main():
    torch.set_num_threads(1)
    for seed, group in enumerate([activations, norms, rows, pictures, regions, losses, optimizer]):
        torch.manual_seed(seed)
        group()


if __name__ == "__main__":
    main()
