# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/odd_weights: one small state inside what training programs save, and what is in it.

Run from the repository's root: python tools/reference/dump_odd_weights.py
Every file holds the same tensors, those of expected.json (as dump_weights.py writes it), beside objects of classes
that a reader does not have: argparse's Namespace, NumPy's scalars and arrays, Lightning's callbacks, mmengine's
buffers, averages of weights, whole modules. The classes of frameworks stand here under the frameworks' names, so
that none of them need be installed.
"""
import argparse
import collections
import os
import pathlib
import sys
import types

import numpy
import torch
from torch import nn

from dump_weights import write_expected

OUT = "tests/golden/odd_weights"


def lent(module, cls):
    """cls, pickled as if it were of that module."""
    for i in range(1, module.count(".") + 2):
        name = ".".join(module.split(".")[:i])
        sys.modules.setdefault(name, types.ModuleType(name))
    cls.__module__, cls.__qualname__ = module, cls.__name__
    setattr(sys.modules[module], cls.__name__, cls)
    return cls


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.register_buffer("scratch", torch.zeros(3), persistent=False)
        self.anchor = torch.ones(2)  # neither a parameter nor a buffer


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(2), Block(2)])
        self.blocks.append(self.blocks[0])  # shared: its tensors have two names
        self.scale = nn.Parameter(torch.tensor(2.5))
        self.register_parameter("bias", None)
        self.register_buffer("mean", torch.tensor([0.5, 0.25]))
        self.loss = nn.CrossEntropyLoss(weight=None)
        self.hook = collections.defaultdict(list, a=[1, 2])


class AttributeDict(dict):
    pass


class HistoryBuffer:
    def __init__(self, values):
        self._log_history, self._count_history = numpy.array(values), numpy.ones(len(values), dtype=numpy.int64)


class ModelEMA:  # as detectors' training programs keep it: no module, but one lies in it
    def __init__(self, model):
        self.ema, self.updates, self.decay = model, 7, 0.99


def make_net(seed):
    torch.manual_seed(seed)
    net = Net()
    for p in net.parameters():
        nn.init.normal_(p)
    return net


def trained(net):
    """An optimizer and a schedule that have state."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    sum(p.sum() for p in net.parameters()).backward()
    net_before = {k: v.clone() for k, v in net.state_dict().items()}
    optimizer.step()
    net.load_state_dict(net_before)
    net.zero_grad(set_to_none=True)
    return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[16, 22], gamma=0.1)


def prefixed(prefix, state):
    return collections.OrderedDict((prefix + k, v) for k, v in state.items())


def main():
    os.makedirs(OUT, exist_ok=True)
    lent("people.model", Block)
    lent("people.model", Net)
    lent("lightning.fabric.utilities.data", AttributeDict)
    lent("mmengine.logging.history_buffer", HistoryBuffer)
    lent("people.ema", ModelEMA)
    net, other = make_net(3), make_net(4)
    optimizer, schedule = trained(net)
    state, average = net.state_dict(), other.state_dict()
    args = argparse.Namespace(data_path="/data", lr=0.02, lr_steps=[16, 22], device="cuda", amp=False)
    write_expected(state, f"{OUT}/expected.json")
    files = {
        # torchvision's references/detection/train.py
        "torchvision.pth": {"model": state, "optimizer": optimizer.state_dict(), "lr_scheduler": schedule.state_dict(),
                            "args": args, "epoch": 25},
        "numpy.pth": {"epoch": numpy.int64(3), "best": numpy.float64(0.75), "curve": numpy.arange(6.0).reshape(2, 3),
                      "state_dict": state},
        # Lightning's Trainer.save_checkpoint
        "lightning.ckpt": {
            "epoch": 3, "pytorch-lightning_version": "2.5.0", "state_dict": prefixed("model.", state),
            "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {
                "best_model_score": torch.tensor(0.5), "dirpath": pathlib.PurePosixPath("/runs")}},
            "optimizer_states": [optimizer.state_dict()], "hparams_name": "kwargs",
            "hyper_parameters": AttributeDict(lr=0.02, args=args)},
        # mmengine's Runner.save_checkpoint
        "mmengine.pth": {
            "meta": {"epoch": 12, "dataset_meta": {"CLASSES": ("cat", "dog")}}, "state_dict": prefixed("module.", state),
            "message_hub": {"log_scalars": {"train/loss": HistoryBuffer([1.5, 0.5])}, "resumed_keys": {}},
            "optimizer": optimizer.state_dict(), "param_schedulers": [schedule.state_dict()]},
        # timm's CheckpointSaver
        "averages.pth": {"state_dict": state, "state_dict_ema": average, "args": args, "metric": numpy.float32(0.5)},
        "ema_object.pth": {"ema": ModelEMA(other), "model": prefixed("_orig_mod.", state)},
        "ema_alone.pth": {"model": None, "ema": net},
        "module.pt": net,
        "module_parallel.pt": {"epoch": 3, "model": nn.DataParallel(net)},
    }
    for name, what in files.items():
        torch.save(what, f"{OUT}/{name}")
    # Before 1.6 the source of every class went along, where it could be found.
    torch.serialization.get_source_lines_and_file = None
    torch.save(net, f"{OUT}/module_legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(files["torchvision.pth"], f"{OUT}/torchvision_protocol4.pth", pickle_protocol=4)
    for name in sorted(os.listdir(OUT)):
        print(name, os.path.getsize(f"{OUT}/{name}"))


if __name__ == "__main__":
    main()
