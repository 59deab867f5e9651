#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A little world of colour emoji with exact boxes, masks and names.

It is the only data that the small trained pair (demo/pair) has ever seen, and what its figures are
measured on.  The pictures of the objects are the bitmaps of Debian's fonts-noto-color-emoji (OFL 1.1),
their names those of unicode-data's emoji-test.txt: every fully qualified emoji of a single code point.

Three products, all seeded:

* ``crops``   batches of 64x64 crops for CLIP, composed directly in the crop's own coordinates
  (one affine map for each object), as fast as a small training step needs;
* ``scene``   whole pictures with boxes and masks, for the detector and for every measurement;
* ``python emoji_world.py --out DIR --count N --seed S`` writes scenes as a COCO data set.

Needs Pillow (with FreeType), numpy and torch; pycocotools for masks in the data set.
"""
import argparse
import functools
import json
import math
import os
import re

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
NAMES = "/usr/share/unicode/emoji/emoji-test.txt"
STRIKE = 109  # the one size that the font holds bitmaps of; they are 136 x 128 pixels
CANVAS = 136  # each bitmap is centred on a square canvas of this side
BACKGROUND_PROMPT = "a random photo with no specific object"


# ---------------------------------------------------------------------------------------------- glyphs


def read_names(path=NAMES):
    """[(character, name)] of every fully qualified emoji that is one code point (U+FE0F aside)."""
    row = re.compile(r"^([0-9A-F ]+?)\s*; fully-qualified\s*# \S+ E[\d.]+ (.*)$")
    found = []
    with open(path, encoding="utf8") as f:
        for line in f:
            m = row.match(line.strip())
            points = [int(c, 16) for c in m[1].split() if c != "FE0F"] if m else []
            if len(points) == 1:
                found.append((chr(points[0]), m[2]))
    return found


@functools.lru_cache(maxsize=1)
def load_glyphs():
    """(names, RGBA uint8 [N,136,136,4] with straight alpha), in the order of emoji-test.txt."""
    font = ImageFont.truetype(FONT, STRIKE)
    names, pictures = [], []
    for char, name in read_names():
        im = Image.new("RGBA", (CANVAS, CANVAS), (0, 0, 0, 0))
        ImageDraw.Draw(im).text((0, 4), char, font=font, embedded_color=True)
        a = np.asarray(im)
        if a[..., 3].any():  # the font may be older than the list
            names.append(name)
            pictures.append(a)
    return names, np.stack(pictures)


# ----------------------------------------------------------------------------------- crops, for CLIP


class CropMaker:
    """Composes batches of crops.  Coordinates: a glyph's canvas spans [-1,1] x [-1,1].

    Each crop looks at its object through a square window, which is what CLIP's preprocessing leaves of a
    box: of a tight box the central square of the shorter side, of a square box with context all of it.
    """

    SOURCE = 72  # side of the stored glyphs: about the crop's own resolution, so sampling hardly aliases
    DIRECTIONS = 72

    def __init__(self, side=64):
        self.side = side
        self.names, pictures = load_glyphs()
        small = []
        for p in pictures:  # premultiplied, so that resizing does not bleed colour
            small.append(np.asarray(Image.fromarray(p).convert("RGBa").resize((self.SOURCE,) * 2, Image.BICUBIC)))
        self.glyphs = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).contiguous()
        self.reach = torch.from_numpy(np.stack([self._support(p[..., 3]) for p in pictures]))

    @classmethod
    def _support(cls, alpha):
        """How far the glyph reaches from its canvas's centre in each of 72 directions."""
        y, x = np.nonzero(alpha > 127)
        if len(x) == 0:
            y, x = np.nonzero(alpha)
        angle = np.arange(cls.DIRECTIONS) * (2 * np.pi / cls.DIRECTIONS)
        xs, ys = (x + 0.5) * 2 / CANVAS - 1, (y + 0.5) * 2 / CANVAS - 1
        return (np.cos(angle)[:, None] * xs + np.sin(angle)[:, None] * ys).max(1).astype(np.float32)

    def boxes(self, index, angle):
        """Tight boxes [n,4] (x0,y0,x1,y1) of glyphs turned by angle (radians), in glyph units."""
        row = self.reach[index]
        sides = []
        for quarter in (2, 3, 0, 1):  # left, up, right, down
            d = (quarter * math.pi / 2 - angle) / (2 * math.pi) * self.DIRECTIONS
            lo = torch.floor(d)
            t = (d - lo)[:, None]
            i = (lo.long() % self.DIRECTIONS)[:, None]
            j = (i + 1) % self.DIRECTIONS
            sides.append((row.gather(1, i) * (1 - t) + row.gather(1, j) * t)[:, 0])
        left, up, right, down = sides
        return torch.stack([-left, -up, right, down], 1)

    def _paste(self, canvas, index, angle, size, cx, cy, shown, wx, wy, ws):
        """Draws glyphs (angle, size, centre in the object's units) seen through windows (wx, wy, half ws)."""
        if not bool(shown.any()):
            return canvas
        k = shown.nonzero()[:, 0]
        e = self.glyphs[index[k]].float().div_(255)
        c, s = torch.cos(angle[k]), torch.sin(angle[k])
        z, w = size[k], ws[k]
        dx, dy = wx[k] - cx[k], wy[k] - cy[k]
        a = torch.stack([c * w, s * w, c * dx + s * dy, -s * w, c * w, -s * dx + c * dy], 1) / z[:, None]
        g = F.affine_grid(a.view(-1, 2, 3), (len(k), 4, self.side, self.side), align_corners=False)
        p = F.grid_sample(e, g, align_corners=False)
        canvas[k] = canvas[k] * (1 - p[:, 3:]) + p[:, :3]
        return canvas

    def _backgrounds(self, n):
        k = (1, 2, 3, 5, 8, 16)[int(torch.randint(0, 6, ()))]
        x = F.interpolate(torch.rand(n, 3, k, k), size=(self.side,) * 2, mode="bicubic") if k > 1 else torch.rand(n, 3, 1, 1)
        x = x * torch.rand(n, 1, 1, 1) + torch.rand(n, 3, 1, 1) * (0.2 + 0.6 * torch.rand(n, 1, 1, 1))
        return x + 0.06 * torch.rand(n, 1, 1, 1) ** 2 * torch.randn(n, 3, self.side, self.side)

    def crops(self, index, empty=None, easy=0.0):
        """Crops [n,3,side,side] in 0..1 of the named glyphs.

        empty: bool [n], crops that hold no object: bare background, or an object cut at an IoU under 0.3.
        easy: 0..1, scales clutter and jitter down early in training.
        """
        n = len(index)
        empty = torch.zeros(n, dtype=torch.bool) if empty is None else empty
        hard = 1.0 - easy

        def u(a, b):
            return torch.rand(n) * (b - a) + a

        angle = u(-0.35, 0.35)
        box = self.boxes(index, angle)
        wh = box[:, 2:] - box[:, :2]
        jitter = torch.where(torch.rand(n) < 0.6, 0.10, 0.03)[:, None] * hard
        box = box + torch.cat([wh, wh], 1) * (torch.rand(n, 4) * 2 - 1) * jitter
        wh, mid = box[:, 2:] - box[:, :2], (box[:, 2:] + box[:, :2]) / 2
        tight = torch.rand(n) < 0.5
        half = torch.where(tight, wh.amin(1), wh.amax(1) * u(0.98, 1.32)) / 2
        # What holds no object: the window is small inside the object, or large around it, or to its side.
        kind = torch.randint(0, 4, (n,))
        far = u(0, 2 * math.pi)
        inside, around, beside = empty & (kind == 0), empty & (kind == 1), empty & (kind == 2)
        half = torch.where(inside, wh.amin(1) / 2 * u(0.25, 0.5), half)
        half = torch.where(around, wh.amax(1) / 2 * u(2.0, 3.5), half)
        half = torch.where(beside, wh.amax(1) / 2 * u(0.7, 1.4), half)
        shift = torch.where(inside, u(0, 0.35) * wh.amax(1), torch.zeros(n))
        shift = torch.where(around, u(0, 0.6) * half, shift)
        shift = torch.where(beside, u(0.8, 1.0) * (half + wh.amax(1) / 2), shift)
        wx, wy = mid[:, 0] + shift * far.cos(), mid[:, 1] + shift * far.sin()

        x = self._backgrounds(n).expand(n, 3, self.side, self.side).contiguous()
        count = len(self.names)
        size = torch.ones(n)

        def other(shown, size, near, far):
            d, r = u(0, 2 * math.pi), u(near, far) * (1 + size)
            i = torch.randint(0, count, (n,))
            return self._paste(x, i, u(-0.5, 0.5), size, r * d.cos(), r * d.sin(), shown, wx, wy, half)

        x = other(torch.rand(n) < 0.12, u(2.0, 5.0), 0.0, 0.6)
        for chance in (0.5, 0.35):
            x = other(torch.rand(n) < chance * (0.4 + 0.6 * hard), u(0.3, 1.5).clamp(max=1.5), 0.62, 0.95)
        zero = torch.zeros(n)
        x = self._paste(x, index, angle, size, zero, zero, ~(empty & (kind == 3)), wx, wy, half)
        x = other(torch.rand(n) < 0.3 * hard, u(0.3, 1.0), 0.72, 0.95)
        x = (x - 0.5) * u(0.8, 1.1)[:, None, None, None] + 0.5 + u(-0.08, 0.08)[:, None, None, None]
        return self._coarsen(x.clamp_(0, 1), hard)

    def _coarsen(self, x, hard):
        """A third of the crops loses resolution, as objects do that are small in their picture."""
        n = len(x) // 3
        if n == 0:
            return x
        for part in torch.arange(n).chunk(3):
            side = int(round(math.exp(float(torch.rand(())) * (math.log(60) - math.log(18 + 24 * (1 - hard))) + math.log(18 + 24 * (1 - hard)))))
            small = F.interpolate(x[part], size=(side, side), mode="bilinear", antialias=True)
            x[part] = F.interpolate(small, size=(self.side,) * 2, mode="bicubic").clamp_(0, 1)
        return x


# ------------------------------------------------------------------------------- scenes, with the truth


@functools.lru_cache(maxsize=1)
def _glyph_levels():
    """Each glyph premultiplied at sides 136, 68 and 34, so that shrinking it by bilinear sampling is clean."""
    levels = []
    for picture in load_glyphs()[1]:
        full = Image.fromarray(picture).convert("RGBa")
        levels.append([full] + [full.resize((CANVAS // k,) * 2, Image.BOX) for k in (2, 4)])
    return levels


def draw_glyph(index, size, angle):
    """Premultiplied uint8 [p,p,4]: the glyph with its canvas's side drawn `size` pixels, turned by angle."""
    level = next(g for g in reversed(_glyph_levels()[index]) if g.width >= size or g.width == CANVAS)
    p = int(math.ceil(size * (abs(math.cos(angle)) + abs(math.sin(angle))))) + 2
    k = level.width / size
    c, s = math.cos(angle) * k, math.sin(angle) * k
    m, h = level.width / 2, p / 2
    affine = (c, s, m - c * h - s * h, -s, c, m + s * h - c * h)
    return np.asarray(level.transform((p, p), Image.AFFINE, affine, Image.BILINEAR))


def _smooth(rng, width, height, k):
    """Random colours at k x k places, interpolated."""
    a = rng.integers(0, 256, (k, k, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(a).resize((width, height), Image.BICUBIC), dtype=np.float32)


def background(rng, width, height):
    """float32 [height,width,3] in 0..255: plain, gradients, blotches, stripes, checks, dots or a landscape."""
    kind = rng.integers(0, 6)
    one, two = rng.uniform(0, 255, (2, 3)).astype(np.float32)
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    if kind <= 1:
        x = _smooth(rng, width, height, int(rng.choice([1, 2, 3, 5, 8, 14]))) * rng.uniform(0.2, 1) + one * 0.6
    elif kind == 2:  # a landscape: two gradients and a wavy horizon
        line = height * rng.uniform(0.3, 0.7) + height * 0.06 * np.sin(xx / width * rng.uniform(3, 15) + rng.uniform(0, 6))
        t = (yy / height)[..., None]
        far, near = rng.uniform(0, 255, (2, 3)).astype(np.float32)
        x = np.where((yy < line)[..., None], one * (1 - t) + far * t, two * (1 - t) + near * t)
    else:
        a = rng.uniform(0, math.pi)
        step = rng.uniform(8, 70)
        u, v = (xx * math.cos(a) + yy * math.sin(a)) / step, (yy * math.cos(a) - xx * math.sin(a)) / step
        if kind == 3:
            on = np.sin(u * 2 * math.pi) * 3
        elif kind == 4:
            on = np.sign(np.sin(u * math.pi) * np.sin(v * math.pi)) * 3
        else:
            on = (0.3 - np.hypot(u - np.round(u), v - np.round(v))) * step
        t = np.clip(on + 0.5, 0, 1)[..., None]
        x = one * (1 - t) + (one * 0.3 + two * 0.7 if rng.random() < 0.5 else one * 0.75 + two * 0.25) * t
    if rng.random() < 0.6:
        x = x + rng.normal(0, rng.uniform(1, 18), (height, width, 1)).astype(np.float32)
    return np.clip(x, 0, 255).astype(np.float32)


def scene(seed, width=320, height=320, least=3, most=12, sizes=(20, 160), pool=None):
    """One picture and the truth about it; the same seed gives the same scene.

    Returns a dictionary: picture uint8 [H,W,3]; names int [n], indices into load_glyphs()'s names; boxes
    float32 [n,4] x0,y0,x1,y1, the edges of the visible mask; masks bool [n,H,W].  Objects may cover each other
    and leave the picture, but at least half of each is to be seen.
    """
    rng = np.random.default_rng(seed)
    count = len(load_glyphs()[0])
    pool = range(count) if pool is None else pool
    x = background(rng, width, height)
    masks, whole, names = [], [], []
    for _ in range(int(rng.integers(least, most + 1))):
        for _ in range(8):  # tries to find a place that leaves the others to be seen
            index = int(pool[int(rng.integers(len(pool)))])
            size = math.exp(rng.uniform(math.log(sizes[0]), math.log(sizes[1])))
            g = draw_glyph(index, size, rng.uniform(-0.35, 0.35))
            p = len(g)
            left, top = int(rng.uniform(-0.2 * p, width - 0.8 * p)), int(rng.uniform(-0.2 * p, height - 0.8 * p))
            x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + p, width), min(top + p, height)
            solid = g[..., 3] > 127
            area = int(solid.sum())
            g, solid = g[y0 - top:y1 - top, x0 - left:x1 - left], solid[y0 - top:y1 - top, x0 - left:x1 - left]
            if area < 40 or solid.sum() < 0.6 * area:
                continue
            if any((m[y0:y1, x0:x1] & solid).sum() > m.sum() - 0.5 * a for m, a in zip(masks, whole)):
                continue
            a = g[..., 3:].astype(np.float32) / 255
            x[y0:y1, x0:x1] = x[y0:y1, x0:x1] * (1 - a) + g[..., :3]
            for m in masks:
                m[y0:y1, x0:x1] &= ~solid
            mask = np.zeros((height, width), dtype=bool)
            mask[y0:y1, x0:x1] = solid
            masks.append(mask)
            whole.append(area)
            names.append(index)
            break
    x = (x - 128) * rng.uniform(0.85, 1.05) + 128 + rng.uniform(-15, 15)
    boxes = []
    for m in masks:
        ys, xs = np.nonzero(m.any(1))[0], np.nonzero(m.any(0))[0]
        boxes.append((xs[0], ys[0], xs[-1] + 1, ys[-1] + 1))
    return dict(picture=np.clip(x + 0.5, 0, 255).astype(np.uint8), names=np.array(names, dtype=np.int64),
                boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
                masks=np.stack(masks) if masks else np.zeros((0, height, width), dtype=bool))


# ------------------------------------------------------------------------------------- a COCO data set


def annotations(scenes, first_image=1):
    """COCO's dictionary for scenes: category ids are 1 + the name's index, masks are compressed RLE."""
    from pycocotools import mask as rle

    images, rows = [], []
    for i, s in enumerate(scenes):
        height, width = s["picture"].shape[:2]
        images.append(dict(id=first_image + i, file_name=f"{first_image + i:06d}.png", width=width, height=height))
        for name, box, mask in zip(s["names"], s["boxes"].tolist(), s["masks"]):
            code = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
            code = dict(size=code["size"], counts=code["counts"].decode())
            rows.append(dict(id=len(rows) + 1, image_id=first_image + i, category_id=int(name) + 1, iscrowd=0,
                             bbox=[box[0], box[1], box[2] - box[0], box[3] - box[1]], area=int(mask.sum()), segmentation=code))
    categories = [dict(id=i + 1, name=n) for i, n in enumerate(load_glyphs()[0])]
    return dict(info=dict(description="scenes of colour emoji (Noto Color Emoji, OFL 1.1)"), images=images, annotations=rows, categories=categories)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True, help="folder: images/NNNNNN.png and annotations.json")
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--width", type=int, default=320)
    p.add_argument("--height", type=int, default=320)
    p.add_argument("--names", help="a file of names, one a line: scenes of these alone")
    a = p.parse_args()
    pool = None
    if a.names:
        index = {name: i for i, name in enumerate(load_glyphs()[0])}
        pool = [index[line.strip()] for line in open(a.names, encoding="utf8") if line.strip()]
    os.makedirs(os.path.join(a.out, "images"), exist_ok=True)
    scenes = [scene((a.seed, i), a.width, a.height, pool=pool) for i in range(a.count)]
    coco = annotations(scenes)
    for row, s in zip(coco["images"], scenes):
        Image.fromarray(s["picture"]).save(os.path.join(a.out, "images", row["file_name"]))
    with open(os.path.join(a.out, "annotations.json"), "w", encoding="utf8") as f:
        json.dump(coco, f, ensure_ascii=False)
    print(f"{a.out}: {len(scenes)} pictures, {len(coco['annotations'])} objects")


if __name__ == "__main__":
    main()
