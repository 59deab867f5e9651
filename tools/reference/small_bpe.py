#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a byte-level BPE of CLIP's form: vocab.json and merges.txt as Hugging Face's CLIPTokenizer reads them.

The vocabulary is CLIP's in small: the 256 byte symbols, the same with the end-of-word mark, one entry for
each merge in order, <|startoftext|> and, with the highest id, <|endoftext|>.  All bytes are in it, so every
text can be written.
"""
import collections
import json
import os
import re

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
CONTEXT = 32  # tokens a text has room for, start and end included


def byte_symbols():
    """The printable character that stands for each byte, in the order of CLIP's vocabulary."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(rest)}


def split(text):
    """CLIP's pieces of a text.  Python's re has no \\p{L}; letters are \\w without digits and underscore."""
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+"
    return re.findall(pattern, " ".join(text.lower().split()))


def train(texts, size):
    """The merges, most frequent pair first (ties: the pair that sorts first), for a vocabulary of `size`."""
    symbols = byte_symbols()
    counts = collections.Counter()
    for text in texts:
        for piece in split(text):
            s = [symbols[b] for b in piece.encode("utf8")]
            counts[tuple(s[:-1] + [s[-1] + WORD_END])] += 1
    merges = []
    while len(merges) < size - 2 * len(symbols) - 2:
        pairs = collections.Counter()
        for word, n in counts.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        merged = collections.Counter()
        for word, n in counts.items():
            merged[_merge(word, best)] += n
        counts = merged
    return merges


def _merge(word, pair):
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def write(folder, merges):
    """Writes the tokenizer's four files; returns the vocabulary."""
    base = list(byte_symbols().values())
    tokens = base + [s + WORD_END for s in base] + ["".join(m) for m in merges] + [START, END]
    vocab = {t: i for i, t in enumerate(tokens)}
    assert len(vocab) == len(tokens)
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": CONTEXT, "do_lower_case": True, **special}
    os.makedirs(folder, exist_ok=True)

    def put(name, text):
        with open(os.path.join(folder, name), "w", encoding="utf8") as f:
            f.write(text)

    put("vocab.json", json.dumps(vocab, ensure_ascii=False) + "\n")
    put("merges.txt", "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    put("tokenizer_config.json", json.dumps(config, indent=2) + "\n")
    put("special_tokens_map.json", json.dumps(special, indent=2) + "\n")
    return vocab
