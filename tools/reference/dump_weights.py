# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/weights: one small state in every weight format, and what is in it.

Run from the repository's root: python tools/reference/dump_weights.py
expected.json gives of each tensor type, shape and its bytes (contiguous, little endian, hex).
"""
import json
import os
import pickle
import struct
from collections import OrderedDict

import torch
from safetensors.torch import save_file
from torch import nn

OUT = "tests/golden/weights"


def make_state():
    g = torch.Generator().manual_seed(7)
    normal = lambda *shape: torch.randn(*shape, generator=g)
    base = normal(6, 5)
    special = torch.tensor([0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-45, 3.4e38, 1 / 3])
    shared = normal(12)
    return OrderedDict(
        [
            ("conv.weight", normal(4, 3, 2, 2)),
            ("conv.bias", normal(4)),
            ("special.f32", special),
            ("special.f16", special.half()),
            ("special.bf16", special.bfloat16()),
            ("double", normal(2, 3).double() / 3),
            ("half", normal(5, 2).half()),
            ("brain", normal(3, 3).bfloat16()),
            ("long", torch.tensor([0, -1, 2**62, -(2**63)])),
            ("int", torch.tensor([[1, -2], [2**31 - 1, -(2**31)]], dtype=torch.int32)),
            ("short", torch.tensor([1, -32768, 32767], dtype=torch.int16)),
            ("char", torch.tensor([-128, 127], dtype=torch.int8)),
            ("byte", torch.tensor([0, 255, 7], dtype=torch.uint8)),
            ("bool", torch.tensor([True, False, True])),
            ("scalar", torch.tensor(3.25)),
            ("bn.num_batches_tracked", torch.tensor(77)),
            ("empty", torch.zeros(0, 4)),
            ("empty.inside", torch.zeros(2, 0, 3)),
            ("transposed", base.t()),
            ("sliced", base[1:6:2, 1:4]),
            ("row", base[2]),
            ("permuted", normal(2, 3, 4).permute(2, 0, 1)),
            ("expanded", normal(3, 1).expand(3, 4)),
            ("position_ids", torch.arange(7).expand(1, -1)),
            ("shared.front", shared[:6].view(2, 3)),
            ("shared.back", shared[3:]),
            ("six.dims", normal(1, 2, 1, 2, 1, 2)),
            ("naïve.größe", normal(2)),
        ]
    )


def write_expected(state, path):
    described = {}
    for name, t in state.items():
        t = t.detach().contiguous()
        raw = t.reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
        described[name] = {"dtype": str(t.dtype).split(".")[1], "shape": list(t.shape), "hex": raw.hex()}
    with open(path, "w") as f:
        json.dump(described, f, indent=0, ensure_ascii=False)
        f.write("\n")


def contiguous(state):
    return OrderedDict((k, v.detach().contiguous().clone()) for k, v in state.items())


def write_sharded(state, folder):
    os.makedirs(folder, exist_ok=True)
    names = list(state)
    weight_map = {}
    for i in range(3):
        shard = f"model-{i + 1:05d}-of-00003.safetensors"
        part = {k: state[k] for k in names[i::3]}
        save_file(part, f"{folder}/{shard}", metadata={"format": "pt"})
        weight_map.update({k: shard for k in part})
    with open(f"{folder}/model.safetensors.index.json", "w") as f:
        json.dump({"metadata": {"total_size": 0}, "weight_map": weight_map}, f, indent=1, sort_keys=True)


class View:
    """Stands for a tensor over a view of a storage, as PyTorch before 0.4 wrote them."""

    def __init__(self, root, offset, size, shape, stride):
        self.root, self.offset, self.size, self.shape, self.stride = root, offset, size, shape, stride

    def __reduce__(self):
        return torch._utils._rebuild_tensor, (StorageView(self), 1, self.shape, self.stride)


class StorageView:
    def __init__(self, view):
        self.view = view


class OldPickler(pickle._Pickler):
    def persistent_id(self, obj):
        if isinstance(obj, StorageView):
            v = obj.view
            return ("storage", torch.FloatStorage, "root", "cpu", v.root.numel(), (f"view{v.offset}", v.offset, v.size))
        return None


def write_legacy_views(path):
    root = torch.arange(20, dtype=torch.float32) * 1.5
    state = OrderedDict(a=View(root, 2, 10, (2, 3), (3, 1)), b=View(root, 8, 12, (3, 2), (1, 4)))
    with open(path, "wb") as f:
        pickle.dump(0x1950A86A20F9469CFC6C, f, protocol=2)
        pickle.dump(1001, f, protocol=2)
        sizes = {"short": 2, "int": 4, "long": 4}
        pickle.dump({"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}, f, protocol=2)
        OldPickler(f, protocol=2).dump(state)
        pickle.dump(["root"], f, protocol=2)
        f.write(struct.pack("<q", root.numel()) + root.numpy().tobytes())
    return {k: torch.as_strided(root, v.shape, v.stride, v.offset + 1) for k, v in state.items()}


class Block(nn.Module):
    def __init__(self, seed):
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(3, 3, generator=g).half())
        self.register_buffer("mask", torch.tensor([[True, False]]))

    def forward(self, x):
        return x @ self.weight


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        g = torch.Generator().manual_seed(11)
        self.blocks = nn.Sequential(Block(1), Block(2))
        self.proj = nn.Parameter(torch.randn(4, 3, generator=g).t())
        self.width = 3
        self.rate = 0.5
        self.kind = "tower"
        self.sizes = [3, 4]
        self.also = None

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = Tower()
        self.logit_scale = nn.Parameter(torch.tensor(2.6593))
        self.register_buffer("input_resolution", torch.tensor(224))
        self.bn = nn.BatchNorm2d(2)

    def forward(self, x):
        return self.visual(x) * self.logit_scale



def main():
    os.makedirs(OUT, exist_ok=True)
    state = make_state()
    flat = contiguous(state)
    write_expected(state, f"{OUT}/expected.json")
    save_file(flat, f"{OUT}/state.safetensors", metadata={"format": "pt"})
    write_sharded(flat, f"{OUT}/sharded")
    torch.save(state, f"{OUT}/zip.pth")
    torch.save(state, f"{OUT}/legacy.pth", _use_new_zipfile_serialization=False)
    with_parameters = OrderedDict(
        (k, nn.Parameter(v) if v.is_floating_point() and v.is_leaf else v) for k, v in state.items()
    )
    for protocol in (3, 4, 5):
        torch.save(with_parameters, f"{OUT}/protocol{protocol}.pth", pickle_protocol=protocol)
    training = {
        "epoch": 3,
        "name": "ViT-B-32",
        "best": 0.5,
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "size": torch.Size([2, 3]),
        "state_dict": OrderedDict(("module." + k, v) for k, v in state.items()),
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.98)}]},
    }
    torch.save(training, f"{OUT}/training.pt")
    torch.save({"model": state, "epoch": 3}, f"{OUT}/training_legacy.pt", _use_new_zipfile_serialization=False)
    write_expected(write_legacy_views(f"{OUT}/views.pth"), f"{OUT}/views.json")
    module = Whole().eval()
    torch.jit.script(module).save(f"{OUT}/script.pt")
    write_expected(module.state_dict(), f"{OUT}/script.json")
    for name in sorted(os.listdir(OUT)):
        print(name, os.path.getsize(f"{OUT}/{name}"))


if __name__ == "__main__":
    main()
