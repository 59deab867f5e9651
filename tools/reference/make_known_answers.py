#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes models/clip/known_answers.c: what OpenAI's ViT-B/32 says of 20 names, for `lexmask verify`.

    make_known_answers.py coco_clip_a+cname.npy > models/clip/known_answers.c

The file is the one that Detic publishes (Apache-2.0): float16 features of "a {name}" for COCO's 80
classes in the order of their ids, not normalised.
"""
import sys

import numpy as np

NAMES = {0: "person", 1: "bicycle", 2: "car", 14: "bird", 15: "cat", 16: "dog", 17: "horse", 20: "elephant", 22: "zebra", 25: "umbrella",
         39: "bottle", 41: "cup", 45: "bowl", 46: "banana", 53: "pizza", 56: "chair", 57: "couch", 63: "laptop", 73: "book", 76: "scissors"}
DIMS = 16

rows = np.load(sys.argv[1]).astype(np.float64)
assert rows.shape == (80, 512), rows.shape
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
print("""// SPDX-License-Identifier: Apache-2.0
// Made by tools/reference/make_known_answers.py from the text features of OpenAI's ViT-B/32 that
// Detic publishes (Apache-2.0; see NOTICE).
#include "models/clip/known_answers.h"

const md_known_answer md_known_vitb32[MD_KNOWN_ANSWERS] = {""")
for index, name in NAMES.items():
    print('    {"a %s",\n     {%s}},' % (name, ", ".join("%.5ff" % v for v in rows[index, :DIMS])))
print("};")
