# SPDX-License-Identifier: Apache-2.0
"""Random strings that exercise text cleaning: every script of Python's Unicode (14 in Python
3.11), marks, case, entities, quotes, controls, white space, and what the pattern treats apart."""
import html.entities
import random
import unicodedata


def alphabets():
    """Assigned characters by the first word of their name, which for letters is their script."""
    groups = {}
    for point in range(1, 0x110000):
        c = chr(point)
        if unicodedata.category(c) in ('Cn', 'Cs', 'Co', 'Cc'):
            continue
        groups.setdefault(unicodedata.name(c, 'UNNAMED').split(' ')[0].split('-')[0], []).append(c)
    return list(groups.values())


GROUPS = alphabets()
ALL = [c for group in GROUPS for c in group]
MARKS = [c for c in ALL if unicodedata.combining(c)]
CASED = [c for c in ALL if c.lower() != c or c.upper() != c]
WIDE = [chr(c) for c in range(0xff01, 0xfff0) if unicodedata.category(chr(c)) != 'Cn'] + ['\u3000']
LIGATURES = list('ĲĳŉǱǲǳǄǅǆǇǈǉǊǋǌﬀﬁﬂﬃﬄﬅﬆ')
QUOTES = list('ʼ‘’‚‛“”„‟«»\'"')
SPACES = list('\t\n\v\f\r \u00a0\u1680\u2000\u2009\u2028\u2029\u202f\u205f\u3000') + ['\r\n', '\n\n']
CONTROLS = [chr(c) for c in (*range(1, 9), 11, *range(14, 32), 127, *range(0x206a, 0x2070), 0xfeff,
                             *range(0xfff9, 0xfffd), 0x200b, 0x200c, 0x200d, 0xfe0f, 0xad)]
C1 = [chr(c) for c in range(0x80, 0xa0)]
NAMES = list(html.entities.html5)
WORDS = 'a photo of the cat dog remote control it\'s I\'ve don\'t we\'ll he\'d they\'re I\'m zebra'.split()
TRICKS = ["'s", "'S", "'ſ", "'ﬅ", "'t", "'RE", "'Ve", "'LL", "'d", "''s", '<|startoftext|>',
          '<|endoftext|>', '<|StartOfText|>', '<|ſtartoftext|>', '<|startoftext', 'İ', 'I\u0307', 'Σ',
          'ΑΣ', 'ΣΑ', 'Α.Σ', 'ΑΣ.Β', 'Α\u0345Σ', '\u0345', 'ẞ', 'ß', 'K', 'Å', '\x1b[31m', '\x1b[1;٣m',
          '\x1b[', '&amp;amp;lt;', '&&amp;', '&#', '&#x', '&;', '&#0;', '&#128;', '&#xD800;',
          '&#x110000;', '&#99999999999;', '&#59;', '&amp&semi;', '&#x26;#38;', '<b>', '<', '>', '한',
          '가\u11a7', '가\u11a8', '1²½Ⅷ', '٣', '😀', '👩\u200d🚀', '🇫🇷', '\ufffd', '&notit;', '&nGt;', '&lt']


def entity(rng):
    kind = rng.randrange(8)
    if kind == 0:
        return f'&#{rng.choice([rng.randrange(300), rng.randrange(0x3000), rng.randrange(0x120000)])}' + rng.choice([';', '', ' '])
    if kind == 1:
        return f'&#{rng.choice("xX")}{rng.choice([rng.randrange(300), rng.randrange(0x11000)]):{rng.choice("xX")}}' + rng.choice([';', '', 'g;'])
    name = rng.choice(NAMES)
    if kind == 2:
        name = name.upper()
    elif kind == 3:
        name = name.rstrip(';')
    elif kind == 4:
        name = name[:rng.randrange(1, len(name) + 1)] + rng.choice(['', 'x', ';', 'é', '=1'])
    elif kind == 5:
        name = 'amp;' * rng.randrange(1, 4) + name
    return '&' + name


def piece(rng):
    kind = rng.randrange(20)
    if kind < 7:
        group = rng.choice(GROUPS)
        return ''.join(rng.choice(group) for _ in range(rng.randrange(1, 9)))
    if kind < 9:
        return rng.choice(WORDS) + rng.choice(['', ' ', '  ', ', ', '.'])
    if kind == 9:
        return rng.choice(ALL)
    if kind == 10:
        return rng.choice(ALL) + ''.join(rng.choice(MARKS) for _ in range(rng.randrange(1, 5)))
    if kind == 11:
        return ''.join(rng.choice(CASED) for _ in range(rng.randrange(1, 5)))
    if kind == 12:
        return entity(rng)
    if kind == 13:
        return rng.choice(rng.choice([WIDE, LIGATURES, QUOTES]))
    if kind == 14:
        return rng.choice(rng.choice([CONTROLS, SPACES, C1]))
    if kind == 15:
        return rng.choice(TRICKS)
    if kind == 16:
        return ' '
    if kind == 17:
        return str(rng.randrange(10000))
    if kind == 18:
        return ''.join(chr(rng.randrange(32, 127)) for _ in range(rng.randrange(1, 12)))
    return ''.join(rng.choice('ΑΒΣσςαβ.\u0301\u00ad\'Aaʰ²') for _ in range(rng.randrange(1, 7)))


def unassigned_entity(text):
    """Whether an entity in the text stands for a character that this Unicode does not have."""
    return any(unicodedata.category(c) == 'Cn' for c in html.unescape(html.unescape(text)))


def strings(count, seed):
    rng = random.Random(seed)
    made = 0
    while made < count:
        text = ''.join(piece(rng) for _ in range(rng.randrange(0, rng.choice([3, 8, 20]))))
        if unassigned_entity(text):
            continue
        made += 1
        yield text
