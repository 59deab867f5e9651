# SPDX-License-Identifier: Apache-2.0
"""Why masks of random weights differ from torchvision's: pixels at its threshold. A part of parity.py, which see."""
import numpy as np
import torch
from pycocotools import mask as coco_mask

import parity_detector


@torch.no_grad()
def ties(name, program, photos, work, seed=0):
    """Differing pixels, how many of them torchvision puts at exactly 0.5, and each mask's IoU without such pixels."""
    model, path = parity_detector.make(name, work, seed)
    ours, _ = parity_detector.lexmask(program, path, photos, work, 0)
    differing = exact = more = 0
    overlaps = []
    for one, (_, picture) in zip(ours, photos):
        found = model([parity_detector.pixels(picture)])[0]
        theirs = {k: found[k].numpy() for k in ("boxes", "scores", "labels")}
        for i, j in parity_detector.pairs(one, theirs)[0]:
            a, p = coco_mask.decode(one["masks"][i]).astype(bool), found["masks"][j, 0].numpy()
            b = p > 0.5
            differing, exact, more = differing + int((a != b).sum()), exact + int((p[a != b] == 0.5).sum()), more + int((a & ~b).sum())
            sure = p != 0.5
            either = int(((a | b) & sure).sum())
            overlaps.append(int((a & b & sure).sum()) / either if either else 1.0)
    return differing, exact, more, np.array(overlaps)
