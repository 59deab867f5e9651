#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes models/text/html5.c: the entities of HTML5, as Python's html.entities.html5 has them, and the
names in capitals that ftfy takes besides. Usage: tools/reference/make_html5.py > models/text/html5.c"""
import html
import html.entities


def c_string(text):
    """Octal escapes, because a hexadecimal one would swallow the letter after it."""
    plain = ' !#$%&()*+,-./:;<=>@[]^_`{|}~'
    return '"' + ''.join(c if c.isascii() and (c.isalnum() or c in plain) else
                         ''.join(f'\\{b:03o}' for b in c.encode()) for c in text) + '"'


def table(name, entities):
    print(f'const md_entity {name}[] = {{')
    line = '   '
    for key in sorted(entities):  # names are ASCII: the order of strcmp
        entry = f' {{{c_string(key)}, {c_string(entities[key])}}},'
        if len(line) + len(entry) > 100:
            print(line)
            line = '   '
        line += entry
    print(line)
    print('};')
    print(f'const size_t {name}_count = sizeof {name} / sizeof *{name};')


html5 = html.entities.html5
capitals = {}
for name, text in html5.items():
    # ftfy takes a name in capitals where it means nothing by itself, not even its beginning.
    upper = name.upper()
    if name.endswith(';') and name == name.lower() and html.unescape('&' + upper) == '&' + upper:
        capitals[upper] = text.upper()

print('// SPDX-License-Identifier: Apache-2.0')
print('// Written by tools/reference/make_html5.py: do not edit.')
print('// clang-format off')
print('#include "models/text/text_runes.h"')
print()
table('md_html5', html5)
print()
table('md_html5_capitals', capitals)
