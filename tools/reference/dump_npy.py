# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/npy: small arrays by NumPy, all holding 0, 1, 2, ... in C order.

Run from the repository's root: python tools/reference/dump_npy.py
"""
import os

import numpy as np
from numpy.lib import format as npy

OUT = "tests/golden/npy"


def write(name, array, version=None):
    with open(f"{OUT}/{name}.npy", "wb") as f:
        npy.write_array(f, array, version=version, allow_pickle=False)


def main():
    os.makedirs(OUT, exist_ok=True)
    for t in ("f4", "f2", "f8", "i1", "i2", "i4", "i8", "u1"):
        write(t, np.arange(6, dtype=t).reshape(2, 3))
        write(t + "_fortran", np.asfortranarray(np.arange(24, dtype=t).reshape(2, 3, 4)))
    write("bool", np.arange(6).reshape(2, 3).astype(bool))
    write("version2", np.arange(6, dtype="f4").reshape(2, 3), (2, 0))
    write("version3", np.arange(6, dtype="f4").reshape(2, 3), (3, 0))
    write("scalar", np.float32(0))
    write("row", np.arange(5, dtype="f4"))
    write("empty", np.zeros((0, 3), "f4"))
    write("six", np.arange(8, dtype="f4").reshape(1, 2, 1, 2, 1, 2))
    write("bad_big_endian", np.arange(6, dtype=">f4"))
    write("bad_complex", np.arange(6, dtype="c8"))
    write("bad_unsigned", np.arange(6, dtype="u4"))
    write("bad_record", np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]))
    write("bad_text", np.array(["a", "b"]))
    write("bad_rank", np.zeros((1,) * 7, "f4"))


if __name__ == "__main__":
    main()
