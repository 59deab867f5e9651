#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Learning rates of PyTorch's schedulers, as rows of C, for tests/test_schedule.c.

    dump_schedule.py > tests/golden/schedule.inc
"""
import warnings

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

warnings.simplefilter("ignore")  # the schedulers are stepped without an optimizer's step
CASES = [  # lr, least, start, warmup, steps
    (1e-4, 0.0, 1e-3, 10, 40),
    (0.02, 1e-6, 0.1, 1, 12),
    (3e-3, 3e-4, 1.0, 5, 30),
]
print("// SPDX-License-Identifier: Apache-2.0")
print("// Written by tools/reference/dump_schedule.py.")
print("// clang-format off")
for lr, least, start, warmup, steps in CASES:
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    parts = [LinearLR(sgd, start_factor=start, total_iters=warmup),
             CosineAnnealingLR(sgd, steps - warmup, eta_min=least)]
    schedule = SequentialLR(sgd, parts, [warmup])
    for step in range(steps):
        rate = schedule.get_last_lr()[0]
        print(f"{{{{{lr!r}, {least!r}, {start!r}, {warmup}, {steps}}}, {step}, {rate!r}}},")
        schedule.step()
