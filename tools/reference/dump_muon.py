#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Six steps of torch.optim.Muon on a wide, a tall and a square matrix, for tests/test_optimizer.c.

    dump_muon.py tests/golden/muon.safetensors

PyTorch iterates in bfloat16; here its own function runs in double, with nothing else changed.
"""
import sys

import torch
from safetensors.torch import save_file

from muon import muon

STEPS, RATE, DECAY = 6, 4e-3, 0.1
SHAPES = ((5, 9), (12, 4), (7, 7))
torch.manual_seed(6)
out = {}
for k, shape in enumerate(SHAPES):
    value = torch.nn.Parameter(torch.randn(shape, dtype=torch.float64))
    grads = torch.randn(STEPS, *shape, dtype=torch.float64) * torch.logspace(-2, 1, STEPS)[:, None, None]
    optimizer = muon([value], torch.float64, RATE, DECAY)
    out |= {f"value{k}": value.detach().clone(), f"grads{k}": grads}
    after = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (step + 1) / STEPS
        value.grad = grads[step].clone()
        optimizer.step()
        after.append(value.detach().clone())
    out[f"after{k}"] = torch.stack(after)
save_file(out, sys.argv[1])
