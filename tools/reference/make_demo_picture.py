#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Composes the demo's pictures from the emoji world, with a seed: demo/pictures/party.png and sea.jpg.

Each picture has a painted background and a cast: a name, its size in pixels and roughly where it stands (x, y of
its middle, in parts of the picture).  The seed turns and shifts the cast a little.  Neither background nor
arrangement was in the training; the glyphs of course were, as all 1,377 are.
"""
import argparse
import os

import numpy as np
from PIL import Image

from emoji_world import draw_glyph, load_glyphs

WIDTH, HEIGHT = 640, 480
PARTY = (
    ("rainbow", 120, 0.13, 0.17), ("rocket", 90, 0.40, 0.15), ("flying saucer", 95, 0.64, 0.13), ("airplane", 85, 0.88, 0.19),
    ("T-Rex", 135, 0.16, 0.60), ("pizza", 85, 0.37, 0.50), ("unicorn", 105, 0.57, 0.50), ("penguin", 95, 0.86, 0.52),
    ("birthday cake", 100, 0.33, 0.82), ("guitar", 105, 0.54, 0.83), ("bicycle", 115, 0.79, 0.82), ("watermelon", 75, 0.10, 0.88))
SEA = (
    ("sailboat", 115, 0.20, 0.17), ("sun", 90, 0.85, 0.13), ("spouting whale", 130, 0.62, 0.47),
    ("octopus", 105, 0.30, 0.68), ("tropical fish", 85, 0.14, 0.48), ("crab", 85, 0.55, 0.87), ("lobster", 90, 0.86, 0.85),
    ("turtle", 95, 0.87, 0.57), ("anchor", 90, 0.12, 0.86), ("shark", 100, 0.38, 0.43), ("spiral shell", 65, 0.34, 0.92))


def gradient(stops):
    """[HEIGHT,WIDTH,3] from (part of the height, colour) pairs."""
    y = np.linspace(0, 1, HEIGHT)
    at, colours = [s[0] for s in stops], np.array([s[1] for s in stops], dtype=float)
    column = np.stack([np.interp(y, at, colours[:, i]) for i in range(3)], 1)
    return np.repeat(column[:, None], WIDTH, 1)


def wave(x, line, height, length, phase, colours):
    """Everything below a wavy line, from the first colour at the line to the second at the bottom."""
    yy, xx = np.mgrid[0:HEIGHT, 0:WIDTH]
    top = HEIGHT * line + height * np.sin(xx / length + phase)
    cover = np.clip(yy - top, 0, 1)[..., None]
    t = np.clip((yy - top) / (HEIGHT - top), 0, 1)[..., None]
    return x * (1 - cover) + (np.array(colours[0]) * (1 - t) + np.array(colours[1]) * t) * cover


def party():
    x = gradient([(0, (96, 170, 232)), (0.45, (206, 232, 250)), (1, (206, 232, 250))])
    x = wave(x, 0.36, 14, 95, 0.4, [(150, 196, 120), (120, 176, 96)])
    return wave(x, 0.44, 18, 140, 2.1, [(126, 190, 92), (64, 132, 60)])


def sea():
    x = gradient([(0, (250, 214, 165)), (0.3, (252, 238, 214)), (1, (252, 238, 214))])
    x = wave(x, 0.27, 7, 22, 0.2, [(86, 176, 208), (20, 70, 128)])
    return wave(x, 0.92, 6, 60, 1.0, [(226, 204, 150), (206, 180, 124)])


def compose(x, cast, rng):
    names = load_glyphs()[0]
    for name, size, px, py in cast:
        g = draw_glyph(names.index(name), size * rng.uniform(0.93, 1.07), rng.uniform(-0.25, 0.25)).astype(float)
        p = len(g)
        left = int(px * WIDTH - p / 2 + rng.uniform(-10, 10))
        top = int(py * HEIGHT - p / 2 + rng.uniform(-8, 8))
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + p, WIDTH), min(top + p, HEIGHT)
        g = g[y0 - top:y1 - top, x0 - left:x1 - left]
        x[y0:y1, x0:x1] = x[y0:y1, x0:x1] * (1 - g[..., 3:] / 255) + g[..., :3]
    return Image.fromarray(np.clip(x + 0.5, 0, 255).astype(np.uint8))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demo", "pictures"))
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    compose(party(), PARTY, np.random.default_rng((a.seed, 1))).save(os.path.join(a.out, "party.png"), optimize=True)
    compose(sea(), SEA, np.random.default_rng((a.seed, 2))).save(os.path.join(a.out, "sea.jpg"), quality=95, subsampling=0)


if __name__ == "__main__":
    main()
