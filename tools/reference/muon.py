# SPDX-License-Identifier: Apache-2.0
"""torch.optim.Muon with the iteration in another type than bfloat16, and nothing else changed."""
import inspect

import torch
from torch.optim import _muon

SOURCE = inspect.getsource(_muon._zeropower_via_newtonschulz)


def muon(matrices, dtype, rate, decay):
    """An optimizer of matrices that iterates in dtype; of one type in a process."""
    exec(compile(SOURCE.replace("torch.bfloat16", str(dtype)), f"muon in {dtype}", "exec"), _muon.__dict__)
    return torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
