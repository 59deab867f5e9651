# SPDX-License-Identifier: Apache-2.0
"""CLIP's tokenizer in Python, after what OpenAI published of it (simple_tokenizer): the reference
that lexmask's is compared with. Needs ftfy 6 and regex."""
import gzip
import html

import ftfy
import regex

MERGES = 49152 - 256 - 2
WORD = regex.compile(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d"
                     r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE)


def byte_characters():
    """The character that stands for each byte: printable ones for themselves, others from 256."""
    plain = [*range(ord('!'), ord('~') + 1), *range(0xa1, 0xac + 1), *range(0xae, 0xff + 1)]
    other = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(other)}}


def clean(text, fix_encoding=True):
    text = ftfy.fix_text(text, fix_encoding=fix_encoding)
    text = html.unescape(html.unescape(text)).strip()
    return regex.sub(r'\s+', ' ', text).strip().lower()


def is_redecoded(text):
    """Whether ftfy's repair of wrongly decoded text, which lexmask leaves out, changes this one."""
    return clean(text) != clean(text, fix_encoding=False)


class Tokenizer:
    def __init__(self, path):
        data = open(path, 'rb').read()
        if data[:2] == b'\x1f\x8b':
            data = gzip.decompress(data)
        lines = data.decode().split('\n')[1:]
        if lines[-1] == '':
            lines.pop()
        self.set_merges([tuple(line.split()) for line in lines[:MERGES]])

    def set_merges(self, merges):
        self.merges = merges
        self.characters = byte_characters()
        symbols = list(self.characters.values())
        symbols += [s + '</w>' for s in symbols] + [a + b for a, b in merges]
        symbols += ['<|startoftext|>', '<|endoftext|>']
        self.ids = {s: i for i, s in enumerate(symbols)}
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self.cache = {s: [s] for s in ('<|startoftext|>', '<|endoftext|>')}

    def split_word(self, word):
        if word in self.cache:
            return self.cache[word]
        parts = [self.characters[b] for b in word.encode()]
        parts[-1] += '</w>'
        while len(parts) > 1:
            best = min(zip(parts, parts[1:]), key=lambda pair: self.rank.get(pair, 1 << 40))
            if best not in self.rank:
                break
            joined, i = [], 0
            while i < len(parts):
                if tuple(parts[i:i + 2]) == best:
                    joined.append(parts[i] + parts[i + 1])
                    i += 2
                else:
                    joined.append(parts[i])
                    i += 1
            parts = joined
        self.cache[word] = parts
        return parts

    def encode_cleaned(self, text):
        ids = [self.ids[s] for word in WORD.findall(text) for s in self.split_word(word)]
        return [self.ids['<|startoftext|>'], *ids, self.ids['<|endoftext|>']]

    def encode(self, text, fix_encoding=True):
        return self.encode_cleaned(clean(text, fix_encoding))
