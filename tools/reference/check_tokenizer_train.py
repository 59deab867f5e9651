#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A vocabulary of `lexmask tokenizer-train` beside small_bpe.py's, and its ids beside transformers' CLIPTokenizer.

    check_tokenizer_train.py LINES.txt [--program build/lexmask] [--size 2048]
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import small_bpe
from transformers import CLIPTokenizer


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("lines")
    p.add_argument("--program", default="build/lexmask")
    p.add_argument("--size", type=int, default=2048)
    a = p.parse_args()
    lines = [x for x in pathlib.Path(a.lines).read_text(encoding="utf8").splitlines() if x.strip()]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([a.program, "tokenizer-train", "--out", folder, "--size", str(a.size), "--context", "32", a.lines], check=True)
        merges = pathlib.Path(folder, "merges.txt").read_text(encoding="utf8").splitlines()[1:]
        expected = [" ".join(m) for m in small_bpe.train(lines, a.size)]
        same = sum(x == y for x, y in zip(merges, expected))
        print(f"{len(merges)} merges, small_bpe.py has {len(expected)}, {same} are in the same place")
        ids = [json.loads(x)["ids"] for x in subprocess.run(
            [a.program, "tokenize", "--tokenizer", folder, "-"], input="\n".join(lines), check=True, capture_output=True, text=True).stdout.splitlines()]
        theirs = CLIPTokenizer.from_pretrained(folder)(lines).input_ids
        different = [x for x, y, z in zip(lines, ids, theirs) if y != z]
        print(f"{len(lines)} texts, {len(different)} with other ids than transformers': {different[:5]}")
        raise SystemExit(bool(different))


if __name__ == "__main__":
    main()
