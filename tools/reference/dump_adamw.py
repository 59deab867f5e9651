#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Twelve steps of PyTorch's AdamW in double, with gradients clipped by their global norm and one
parameter without decay, for tests/test_optimizer.c.

    dump_adamw.py tests/golden/adamw.safetensors
"""
import sys

import torch
from safetensors.torch import save_file

STEPS, RATE, DECAY, CLIP, AVERAGE = 12, 3e-3, 0.1, 1.0, 0.9
torch.manual_seed(5)
weight = torch.nn.Parameter(torch.randn(7, 9, dtype=torch.float64))
bias = torch.nn.Parameter(torch.randn(7, dtype=torch.float64))
grads = torch.randn(STEPS, 70, dtype=torch.float64) * torch.logspace(-2, 1, STEPS)[:, None]
out = {"value0": torch.cat([weight.detach().reshape(-1), bias.detach()]), "grads": grads}
adamw = torch.optim.AdamW([{"params": [weight], "weight_decay": DECAY},
                           {"params": [bias], "weight_decay": 0.0}], lr=RATE)
average, norms, values = out["value0"].clone(), [], []
for step in range(STEPS):
    for group in adamw.param_groups:
        group["lr"] = RATE * (step + 1) / STEPS
    weight.grad, bias.grad = grads[step, :63].reshape(7, 9).clone(), grads[step, 63:].clone()
    norms.append(torch.nn.utils.clip_grad_norm_([weight, bias], CLIP))
    adamw.step()
    values.append(torch.cat([weight.detach().reshape(-1), bias.detach()]))
    average = AVERAGE * average + (1 - AVERAGE) * values[-1]
out |= {"norms": torch.stack(norms), "values": torch.stack(values), "average": average}
save_file(out, sys.argv[1])
