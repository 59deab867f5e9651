# SPDX-License-Identifier: Apache-2.0
"""Pictures that tests/test_clip_preprocess.c makes again."""
import numpy as np


def formula(height, width, salt):
    """Pixels that a test makes again: smooth waves with a sharp pattern over them."""
    y = np.arange(height, dtype=np.uint64)[:, None, None]
    x = np.arange(width, dtype=np.uint64)[None, :, None]
    c = np.arange(3, dtype=np.uint64)[None, None, :]
    mixed = x * 7 + y * 13 + c * 101 + (x * y) // 9 + ((x // 5 + y // 3) % 2) * 90 + salt
    return ((mixed * 2654435761 % 2**32) // 2**29 * 12 + mixed % 172).astype(np.uint8)
