#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `lexmask tokenize` with CLIP's tokenizer in Python on random strings in all scripts.
Strings that ftfy would re-decode are counted and compared without that step.
Usage: tools/reference/check_tokens.py VOCABULARY [--program build/lexmask] [--count 100000]"""
import argparse
import json
import subprocess
import sys

import clip_tokenizer
import random_text


def ids_of(program, vocabulary, texts):
    """Texts go as arguments, because some hold line breaks."""
    command = [program, 'tokenize', '--tokenizer', vocabulary, '--', *texts]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    assert len(lines) == len(texts), f'{len(lines)} lines for {len(texts)} texts'
    return [json.loads(line)['ids'] for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('vocabulary')
    parser.add_argument('--program', default='build/lexmask')
    parser.add_argument('--count', type=int, default=100000)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    reference = clip_tokenizer.Tokenizer(args.vocabulary)
    texts = list(random_text.strings(args.count, args.seed))
    redecoded = different = tokens = 0
    for first in range(0, len(texts), 2000):
        some = texts[first:first + 2000]
        for text, ids in zip(some, ids_of(args.program, args.vocabulary, some)):
            again = clip_tokenizer.is_redecoded(text)
            redecoded += again
            tokens += len(ids)
            expected = reference.encode(text, fix_encoding=not again)
            if ids != expected:
                different += 1
                if different <= 5:
                    print(f'{text!r} ({text.encode()!r})\n    found    {ids}\n    expected {expected}')
    print(f'{len(texts)} strings, {tokens} tokens: {len(texts) - redecoded} compared with all of '
          f'ftfy, {redecoded} that it would re-decode without that step; {different} differ')
    return different > 0


if __name__ == '__main__':
    sys.exit(main())
