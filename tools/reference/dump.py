#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dumps of layers: what PyTorch computed, for the kernels to be compared with (docs/dumps.md).

One .safetensors file a case: inputs, weights and outputs as tensors in PyTorch's own layout, the
kind of the layer and its settings as metadata. To dump every layer of a module of your own:

    python tools/reference/dump.py torchvision.models:resnet18 OUT --shape 1,3,64,64
    make test DUMPS=OUT

FACTORY is package.module:callable; it is called without arguments, put into eval mode, and run once
on normal random input. Layers whose files would be larger than --limit bytes are left out, said so.
"""
import argparse
import importlib
import json
import pathlib
import struct

import torch
from safetensors.torch import save
from torch import nn


def pair(value):
    return list(value) if isinstance(value, (tuple, list)) else [value, value]


def in_order(file):
    """The same file with the keys of its header sorted: the library writes metadata in any order."""
    length = struct.unpack("<Q", file[:8])[0]
    header = json.dumps(json.loads(file[8:8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + file[8 + length:]


def save_case(folder, name, kind, config, tensors):
    """Writes folder/name.safetensors; tensors that are None are left out."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items() if v is not None}
    metadata = {"kind": kind, "config": json.dumps(config, sort_keys=True)}
    (folder / f"{name}.safetensors").write_bytes(in_order(save(tensors, metadata)))


def conv2d(m, x, y):
    if m.groups != 1 or m.padding_mode != "zeros" or isinstance(m.padding, str):
        return None
    config = {"stride": pair(m.stride), "padding": pair(m.padding), "dilation": pair(m.dilation)}
    return "conv2d", config, {"x": x, "weight": m.weight, "bias": m.bias, "y": y}


def conv_transpose2d(m, x, y):
    plain = pair(m.kernel_size) == [2, 2] == pair(m.stride) and pair(m.padding) == [0, 0]
    if not plain or m.groups != 1 or pair(m.output_padding) != [0, 0] or pair(m.dilation) != [1, 1]:
        return None
    return "conv_transpose2x2", {}, {"x": x, "weight": m.weight, "bias": m.bias, "y": y}


def linear(m, x, y):
    return "linear", {}, {"x": x, "weight": m.weight, "bias": m.bias, "y": y}


def batch_norm(m, x, y):
    tensors = {"x": x, "mean": m.running_mean, "var": m.running_var, "weight": m.weight,
               "bias": m.bias, "y": y}
    return "batch_norm", {"eps": m.eps}, tensors


def layer_norm(m, x, y):
    if len(m.normalized_shape) != 1 or m.weight is None or m.bias is None:
        return None
    return "layer_norm", {"eps": m.eps}, {"x": x, "weight": m.weight, "bias": m.bias, "y": y}


def max_pool2d(m, x, y):
    if pair(m.dilation) != [1, 1] or m.ceil_mode:
        return None
    config = {"kernel": pair(m.kernel_size), "stride": pair(m.stride), "padding": pair(m.padding)}
    return "max_pool2d", config, {"x": x, "y": y}


def avg_pool2d(m, x, y):
    if m.ceil_mode or m.divisor_override:
        return None
    config = {"kernel": pair(m.kernel_size), "stride": pair(m.stride), "padding": pair(m.padding),
              "count_pad": m.count_include_pad}
    return "avg_pool2d", config, {"x": x, "y": y}


def softmax(m, x, y):
    return ("softmax", {}, {"x": x, "y": y}) if m.dim in (-1, x.dim() - 1) else None


def activation(kind):
    return lambda m, x, y: ("activation", {"kind": kind}, {"x": x, "y": y})


def gelu(m, x, y):
    return activation("gelu_tanh" if m.approximate == "tanh" else "gelu")(m, x, y)


KINDS = [(nn.Conv2d, conv2d), (nn.ConvTranspose2d, conv_transpose2d), (nn.Linear, linear),
         (nn.BatchNorm2d, batch_norm), (nn.LayerNorm, layer_norm), (nn.MaxPool2d, max_pool2d),
         (nn.AvgPool2d, avg_pool2d), (nn.Softmax, softmax), (nn.ReLU, activation("relu")),
         (nn.Sigmoid, activation("sigmoid")), (nn.GELU, gelu)]
try:  # torchvision's detectors keep batch norm as constants
    from torchvision.ops import FrozenBatchNorm2d
except ImportError:
    pass
else:
    KINDS.append((FrozenBatchNorm2d, batch_norm))


def case_of(module, x, y):
    """(kind, config, tensors) of one call of a layer; None where no kernel does the same."""
    for kind, describe in KINDS:
        if isinstance(module, kind):
            return describe(module, x, y)
    return None


def dump_module(model, inputs, folder, limit=1 << 24):
    """Runs the model once and writes one case for each call of each layer. Returns
    (written, left out) as lists of names."""
    written, left_out, hooks = [], [], []

    def watch(name):
        def before(module, args):
            # Copied now: an in-place layer behind this one would change it.
            module.dump_input = args[0].detach().clone() if args and torch.is_tensor(args[0]) else None

        def after(module, args, output):
            x = module.__dict__.pop("dump_input", None)
            case = case_of(module, x, output.clone()) if x is not None else None
            size = sum(t.numel() * t.element_size() for t in case[2].values() if t is not None) if case else 0
            file = f"{len(written):03}-{name}"
            if case and size <= limit:
                save_case(folder, file, *case)
            (written if case and size <= limit else left_out).append(file if case else name)

        return before, after

    for name, module in model.named_modules():
        if not any(True for _ in module.children()):
            before, after = watch(name or "module")
            hooks += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    with torch.no_grad():
        model.eval()(*inputs)
    for hook in hooks:
        hook.remove()
    return written, left_out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("factory", help="package.module:callable that makes the module")
    parser.add_argument("folder", help="where the cases go")
    parser.add_argument("--shape", action="append", required=True, help="of an input; repeat for more")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=1 << 24, help="largest case in bytes")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    package, _, name = args.factory.partition(":")
    model = getattr(importlib.import_module(package), name)()
    inputs = [torch.randn([int(d) for d in shape.split(",")]) for shape in args.shape]
    written, left_out = dump_module(model, inputs, args.folder, args.limit)
    print(f"{len(written)} cases in {args.folder}; {len(left_out)} layers left out: {', '.join(left_out) or '-'}")


if __name__ == "__main__":
    main()
