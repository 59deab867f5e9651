#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/text: a small vocabulary of CLIP's form in every kind of file, strings in
many scripts with the text that Python cleans them to and their tokens, and checksums of every
character of Unicode 14. Usage: tools/reference/dump_tokens.py (from the project's root; needs
ftfy, regex, and a Python whose unicodedata is version 14, which 3.11 has)."""
import collections
import gzip
import json
import os
import random
import unicodedata
import zlib

import clip_tokenizer
import random_text

FOLDER = 'tests/golden/text'
MERGES = 300
CORPUS = '''a photo of a cat, a photo of the dog; it's not the zebra's remote control. people don't
walk on the beach while they're eating a banana. she'd like an umbrella, we'll take the sofa couch.
the quick brown fox jumps over the lazy dog. Zażółć gęślą jaźń, größe, café naïve, señor niño
широкая электрификация южных губерний дала мощный толчок подъёму, собака и кошка на диване
ξεσκεπάζω την ψυχοφθόρα βδελυγμία, σκύλος και γάτα στον καναπέ 東京の猫と犬の写真 いろはにほへと
コーヒーを飲む人 고양이와 개의 사진 한국어 קטה וכלב على الأريكة قطة وكلب बिल्ली और कुत्ता แมวและหมา'''
HAND = ['', ' ', 'a photo of a cat', "I can't believe it's not butter", 'Straße ΑΣ ΣΑΣ İstanbul',
        '<b>&amp;lt;</b>', '&amp;lt;', 'a\n<i>&eacute;\n&eacute;', '&eacute;\n<i>\n&eacute;', '&notit;',
        '&#x1F600;', '&#128;&#129;', '&#xD800;&#0;', '“curly” ‘quotes’ ŉ', 'ﬁﬂﬃﬅﬆ Ǆ', 'ＬＯＵＤ　ﾀｰﾝ ｶﾞ',
        'caf\u00e9 cafe\u0301', '한 \u1112\u1161\u11ab \uac00\u11a7', "'ſ 'ﬅ '\u0345", '<|startoftext|>a<|endoftext|>',
        '<|ſtartoftext|>', '\x1b[31mred\x1b[0m', 'a\x01b\ufeffc\u200bd', 'line\r\nbreak\u2028here', 'x' * 300,
        'aaab' * 60, '👩\u200d🚀🇫🇷😀', '1234567', "''s !!'t 're", 'q\u0323\u0307 q\u0307\u0323', '&AMP;&EACUTE;&SZLIG;']


def train(count):
    """The merges of ordinary byte pair encoding on the corpus and the random strings."""
    tokens = clip_tokenizer.Tokenizer.__new__(clip_tokenizer.Tokenizer)
    tokens.set_merges([])
    words = collections.Counter()
    for text in [CORPUS, CORPUS, *random_text.strings(30, 7)]:
        words.update(clip_tokenizer.WORD.findall(clip_tokenizer.clean(text)))
    split = {word: tokens.split_word(word) for word in words}
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, parts in split.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[word]
        # One name for each symbol: the published form has no second way to one.
        made = {a + b for a, b in merges}
        best = min((p for p in pairs if p[0] + p[1] not in made), key=lambda p: (-pairs[p], p))
        merges.append(best)
        tokens.set_merges(merges)
        split = {word: tokens.split_word(word) for word in words}
    return tokens


def write_vocabulary(tokens):
    lines = [f'{a} {b}' for a, b in tokens.merges]
    text = '\n'.join(['"bpe_simple_vocab_golden.txt#version: 0.2', *lines]) + '\n'
    with open(f'{FOLDER}/bpe.txt', 'w') as f:
        f.write(text)
    with open(f'{FOLDER}/bpe.txt.gz', 'wb') as f:
        f.write(gzip.compress(text.encode(), mtime=0))
    os.makedirs(f'{FOLDER}/pair', exist_ok=True)
    with open(f'{FOLDER}/pair/merges.txt', 'w') as f:
        f.write('\n'.join(['#version: 0.2', *lines]) + '\n')
    with open(f'{FOLDER}/pair/vocab.json', 'w') as f:
        json.dump(tokens.ids, f, ensure_ascii=False)
    special = ('<|startoftext|>', '<|endoftext|>')
    vocab = {s: i for s, i in tokens.ids.items() if s != special[1]}  # as some files have it
    added = [{'id': tokens.ids[s], 'content': s, 'single_word': False, 'lstrip': False,
              'rstrip': False, 'normalized': i == 0, 'special': True} for i, s in enumerate(special)]
    for name, merges in (('tokenizer.json', lines), ('tokenizer_new.json', tokens.merges)):
        model = {'type': 'BPE', 'dropout': None, 'unk_token': special[1],
                 'continuing_subword_prefix': '', 'end_of_word_suffix': '</w>', 'fuse_unk': False,
                 'vocab': vocab, 'merges': merges}
        with open(f'{FOLDER}/{name}', 'w') as f:
            json.dump({'version': '1.0', 'added_tokens': added, 'model': model}, f,
                      ensure_ascii=False)


def write_strings(tokens):
    texts = [*HAND, *(t for t in random_text.strings(230, 11) if not clip_tokenizer.is_redecoded(t))]
    rng = random.Random(3)
    texts.append(''.join(rng.choice('etaoin shrdlu') for _ in range(400)).replace(' ', ''))
    assert not any(map(clip_tokenizer.is_redecoded, HAND))
    rows = [{'text': t, 'clean': clip_tokenizer.clean(t), 'ids': tokens.encode(t)} for t in texts]
    with open(f'{FOLDER}/strings.json', 'w') as f:
        f.write('[' + ',\n'.join(json.dumps(r, separators=(',', ':')) for r in rows) + ']\n')
    print(f'{len(rows)} strings, {sum(len(r["ids"]) for r in rows)} tokens')


def write_characters():
    """For 256 characters at a time: which are assigned, as ranges, and the CRC-32 of the words
    that CLIP's pattern finds in a cleaned text with each, a line break behind each word."""
    assert unicodedata.unidata_version.startswith('14.')
    blocks = []
    for first in range(0, 0x110000, 256):
        ranges, crc = [], 0
        for point in range(first, first + 256):
            c = chr(point)
            if point == 0 or unicodedata.category(c) in ('Cn', 'Cs', 'Co'):
                continue
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
            words = clip_tokenizer.WORD.findall(
                clip_tokenizer.clean(f"A{c}\u03a3 {c}\u03a3b!{c}\u0301'{c}1", fix_encoding=False))
            crc = zlib.crc32(''.join(w + '\n' for w in words).encode(), crc)
        if ranges:
            blocks.append({'ranges': ranges, 'crc': crc})
    with open(f'{FOLDER}/characters.json', 'w') as f:
        f.write('[' + ',\n'.join(json.dumps(b, separators=(',', ':')) for b in blocks) + ']\n')


os.makedirs(FOLDER, exist_ok=True)
small = train(MERGES)
write_vocabulary(small)
write_strings(small)
write_characters()
