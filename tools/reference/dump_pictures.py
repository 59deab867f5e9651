#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small pictures in BMP, WebP, GIF, TIFF, AVIF and HEIC, and PNGs with an eXIf chunk, with the pixels
that they show.

Writes tests/golden/pictures.bin: records of u32 name length, name, u32 file length, file, u32 largest
difference allowed, u32 height, u32 width, RGB bytes (all little-endian). A name begins with its format.
The difference is 0 where the format or the only decoder decides every bit; AVIF and HEIC are turned
from YCbCr to RGB by libheif here and by another library in PIL, which round differently.

    python tools/reference/dump_pictures.py tests/golden/pictures.bin

heif-enc (Debian: libheif-examples) makes the HEIC files, PIL the others that are not built by hand.
"""
import io
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
from PIL import Image, ImageOps

from dump_images import scene

ROTATE = 0x0112


def smooth(h, w):
    y, x = np.mgrid[0:h, 0:w]
    return np.stack([x * 200 / w + 20, y * 200 / h + 30, 200 - (x + y) * 150 / (h + w)], -1).astype(np.uint8)


def upright(array, orientation):
    image = Image.fromarray(array)
    image.getexif()[ROTATE] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def pil(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pil_rgb(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def over_white(rgba):
    rgba = rgba.astype(np.int64)
    return ((rgba[..., :3] * rgba[..., 3:] + 255 * (255 - rgba[..., 3:]) + 127) // 255).astype(np.uint8)


def exif(orientation, order="<"):
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "IHHHIHHI", 8, 1, ROTATE, 3, 1, orientation, 0, 0)


# ---- PNG ---------------------------------------------------------------------------------------

def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(array, orientation, behind, order, broken=False):
    h, w, _ = array.shape
    rows = b"".join(b"\0" + row.tobytes() for row in array)
    note = chunk(b"eXIf", exif(orientation, order)[: 9 if broken else None])
    data = chunk(b"IDAT", zlib.compress(rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))
            + (data + note if behind else note + data) + chunk(b"IEND", b""))


def png_cases():
    picture = scene(7, 11, 1)
    for orientation in range(1, 9):
        yield (f"PNG, eXIf {orientation}", png(picture, orientation, orientation % 2, "<>"[orientation // 2 % 2]),
               0, upright(picture, orientation))
    yield "PNG, eXIf 9", png(picture, 9, False, "<"), 0, picture
    yield "PNG, eXIf cut off", png(picture, 6, False, "<", True), 0, picture


# ---- BMP ---------------------------------------------------------------------------------------

def bmp(w, h, bits, data, palette=b"", compression=0, masks=b"", header=40, used=0):
    if header == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, w, h, 1, bits, compression, 0, 0, 0, used, 0)
        if header > 40:
            info += masks.ljust(header - 40, b"\0")
            masks = b""
    start = 14 + len(info) + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + masks + palette + data


def bmp_rows(array, down=False):
    rows = array if down else array[::-1]
    return b"".join(row.tobytes() + b"\0" * (-row.nbytes % 4) for row in rows)


def bmp_cases():
    picture = scene(6, 13, 2)
    bgr = picture[..., ::-1].copy()
    yield "BMP, 24 bit", bmp(13, 6, 24, bmp_rows(bgr)), 0, picture
    yield "BMP, 24 bit, from the top", bmp(13, -6, 24, bmp_rows(bgr, True)), 0, picture
    yield "BMP, 24 bit, OS/2", bmp(13, 6, 24, bmp_rows(bgr), header=12), 0, picture
    yield "BMP, by PIL", pil(Image.fromarray(picture), "BMP"), 0, picture
    alpha = np.random.default_rng(3).integers(0, 256, (6, 13, 1)).astype(np.uint8)
    bgra = np.concatenate([bgr, alpha], -1)
    yield "BMP, 32 bit, the fourth byte unused", bmp(13, 6, 32, bmp_rows(bgra)), 0, picture
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    yield ("BMP, 32 bit with alpha", bmp(13, 6, 32, bmp_rows(bgra), compression=3, masks=masks, header=108), 0,
           over_white(np.concatenate([picture, alpha], -1)))
    for name, bits, header in (("565", (5, 6, 5), 40), ("555", (5, 5, 5), 40), ("565, V3", (5, 6, 5), 56)):
        parts = [picture[..., c].astype(np.int64) >> (8 - bits[c]) for c in range(3)]
        shifts = (bits[1] + bits[2], bits[2], 0)
        packed = sum(parts[c] << shifts[c] for c in range(3)).astype("<u2")
        masks = struct.pack("<III", *(((1 << bits[c]) - 1) << shifts[c] for c in range(3)))
        want = np.stack([(parts[c] * 255 + ((1 << bits[c]) - 1) // 2) // ((1 << bits[c]) - 1) for c in range(3)], -1)
        compression = 0 if name == "555" else 3
        yield (f"BMP, 16 bit {name}",
               bmp(13, 6, 16, bmp_rows(packed), compression=compression, masks=b"" if name == "555" else masks,
                   header=header), 0, want.astype(np.uint8))
    for bits in (1, 4, 8):
        colours = np.random.default_rng(bits).integers(0, 256, (1 << bits, 3)).astype(np.uint8)
        index = np.random.default_rng(9).integers(0, 1 << bits, (6, 13))
        packed = np.zeros((6, (13 * bits + 7) // 8), np.uint8)
        for x in range(13):
            packed[:, x * bits // 8] |= (index[:, x] << (8 - bits - x * bits % 8)).astype(np.uint8)
        quads = b"".join(bytes(c[::-1]) + b"\0" for c in colours)
        triples = b"".join(bytes(c[::-1]) for c in colours)
        yield f"BMP, {bits} bit", bmp(13, 6, bits, bmp_rows(packed), quads), 0, colours[index]
        yield f"BMP, {bits} bit, OS/2", bmp(13, 6, bits, bmp_rows(packed), triples, header=12), 0, colours[index]
    yield from bmp_runs()


def bmp_runs():
    grey = b"".join(bytes((i, i, i, 0)) for i in range(5))
    # Rows from the bottom: a run, a jump over two columns and a row, plain indices, the end.
    runs8 = bytes((3, 1, 0, 2, 2, 1, 2, 2, 0, 0, 0, 3, 4, 3, 2, 0, 0, 1))
    want8 = np.zeros((4, 8), np.uint8)
    want8[3, 0:3], want8[2, 5:7], want8[1, 0:3] = 1, 2, (4, 3, 2)
    runs4 = bytes((5, 0x12, 0, 0, 0, 5, 0x34, 0x12, 0x30, 0, 0, 1))
    want4 = np.zeros((2, 6), np.uint8)
    want4[1, 0:5], want4[0, 0:5] = (1, 2, 1, 2, 1), (3, 4, 1, 2, 3)
    for name, bits, data, want, kind in (("8", 8, runs8, want8, 1), ("4", 4, runs4, want4, 2)):
        h, w = want.shape
        yield (f"BMP, runs of {name} bit", bmp(w, h, bits, data, grey, kind, used=5), 0,
               np.repeat(want[..., None], 3, -1))


# ---- WebP and GIF ------------------------------------------------------------------------------

def webp_cases():
    picture = scene(19, 26, 4)
    lossy = pil(Image.fromarray(picture), "WEBP", quality=80)
    yield "WebP, lossy", lossy, 0, pil_rgb(lossy)
    yield "WebP, lossless", pil(Image.fromarray(picture), "WEBP", lossless=True), 0, picture
    alpha = np.random.default_rng(5).integers(0, 256, (19, 26, 1)).astype(np.uint8)
    rgba = np.concatenate([picture, alpha], -1)
    yield ("WebP, alpha", pil(Image.fromarray(rgba), "WEBP", lossless=True, exact=True), 0, over_white(rgba))
    second = Image.fromarray(255 - picture)
    yield ("WebP, animated", pil(Image.fromarray(picture), "WEBP", lossless=True, save_all=True, append_images=[second]),
           0, picture)
    for orientation in range(2, 9):
        note = exif(orientation, "<>"[orientation % 2])
        note = b"Exif\0\0" + note if orientation % 3 else note
        yield (f"WebP, EXIF {orientation}", pil(Image.fromarray(picture), "WEBP", lossless=True, exif=note), 0,
               upright(picture, orientation))


def lzw(indices, bits):
    """Plain codes with a clear code before the width of a code grows."""
    clear, out, value, filled = 1 << bits, bytearray(), 0, 0
    codes, run = [clear], 0
    for index in indices:
        if run == (1 << bits) - 3:
            codes.append(clear)
            run = 0
        codes.append(int(index))
        run += 1
    for code in codes + [clear + 1]:
        value |= code << filled
        filled += bits + 1
        while filled >= 8:
            out.append(value & 255)
            value, filled = value >> 8, filled - 8
    out.append(value & 255)
    blocks = b"".join(bytes((len(out[i:i + 255]),)) + bytes(out[i:i + 255]) for i in range(0, len(out), 255))
    return bytes((bits,)) + blocks + b"\0"


def gif(canvas, frame, index, colours, interlaced=False, transparent=None, local=False):
    table = b"".join(bytes(c) for c in colours)
    flags = 0x80 | (len(colours).bit_length() - 2)
    out = b"GIF89a" + struct.pack("<HHBBB", canvas[0], canvas[1], 0 if local else flags, 0, 0) + (b"" if local else table)
    if transparent is not None:
        out += b"\x21\xf9\x04\x01\0\0" + bytes((transparent,)) + b"\0"
    out += b"\x21\xfe\x03abc\0"
    h = len(index)
    order = [y for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(start, h, step)] if interlaced else range(h)
    out += b"\x2c" + struct.pack("<HHHHB", frame[0], frame[1], len(index[0]), h,
                                 (flags if local else 0) | (0x40 if interlaced else 0))
    out += table if local else b""
    return out + lzw([i for y in order for i in index[y]], 4) + b"\x3b"


def gif_cases():
    rng = np.random.default_rng(6)
    colours = rng.integers(0, 255, (16, 3)).astype(np.uint8)
    index = rng.integers(0, 16, (11, 9))
    yield "GIF, plain", gif((9, 11), (0, 0), index, colours), 0, colours[index]
    yield "GIF, interlaced", gif((9, 11), (0, 0), index, colours, True), 0, colours[index]
    yield "GIF, palette of the frame", gif((9, 11), (0, 0), index, colours, local=True), 0, colours[index]
    shown = colours[index].copy()
    shown[index == 3] = 255
    yield "GIF, transparent", gif((9, 11), (0, 0), index, colours, transparent=3), 0, shown
    canvas = np.full((15, 14, 3), 255, np.uint8)
    canvas[2:13, 4:13] = colours[index]
    yield "GIF, frame inside the canvas", gif((14, 15), (4, 2), index, colours), 0, canvas
    canvas = np.full((15, 14, 3), 255, np.uint8)
    canvas[2:13, 5:14] = colours[index]
    yield "GIF, frame larger than the canvas", gif((3, 15), (5, 2), index, colours), 0, canvas
    first = Image.fromarray(scene(12, 17, 7)).quantize(64)
    second = Image.fromarray(scene(12, 17, 8)).quantize(64)
    yield ("GIF, animated, by PIL", pil(first, "GIF", save_all=True, append_images=[second]), 0,
           np.asarray(first.convert("RGB")))


# ---- TIFF --------------------------------------------------------------------------------------

def tiff(array, photometric, order="<", bits=8, tile=None, deflate=False, orientation=None, extra=(), palette=None,
         samples=None):
    """Uncompressed or deflated, in strips of 4 rows or in tiles. array: bytes [H, bytes of a row]."""
    h, row = array.shape[0], array.shape[1]
    samples = samples or (array.shape[2] if array.ndim == 3 else 1)
    w = array.shape[1]
    if tile:
        th, tw = tile
        blocks = []
        for y in range(0, h, th):
            for x in range(0, w, tw):
                block = np.zeros((th, tw) + array.shape[2:], array.dtype)
                part = array[y:y + th, x:x + tw]
                block[:part.shape[0], :part.shape[1]] = part
                blocks.append(block.tobytes())
    else:
        blocks = [array[y:y + 4].tobytes() for y in range(0, h, 4)]
    if bits < 8:
        w = row * 8 // bits
    if deflate:
        blocks = [zlib.compress(b) for b in blocks]
    data, offsets = b"", []
    for block in blocks:
        offsets.append(8 + len(data))
        data += block + b"\0" * (len(block) % 2)
    entries = [(256, 4, [w]), (257, 4, [h]), (258, 3, [bits] * samples), (259, 3, [8 if deflate else 1]),
               (262, 3, [photometric]), (277, 3, [samples]), (284, 3, [1])]
    if tile:
        entries += [(322, 4, [tile[1]]), (323, 4, [tile[0]]), (324, 4, offsets), (325, 4, [len(b) for b in blocks])]
    else:
        entries += [(273, 4, offsets), (278, 4, [4]), (279, 4, [len(b) for b in blocks])]
    if orientation:
        entries.append((274, 3, [orientation]))
    if extra:
        entries.append((338, 3, list(extra)))
    if photometric == 5:
        entries.append((332, 3, [1]))
    if palette is not None:
        entries.append((320, 3, list((palette.T.astype(int) * 257).ravel())))
    entries.sort()
    start = 8 + len(data)
    body, tail = struct.pack(order + "H", len(entries)), b""
    behind = start + 2 + 12 * len(entries) + 4
    for tag, kind, values in entries:
        packed = struct.pack(order + ("H" if kind == 3 else "I") * len(values), *values)
        if len(packed) > 4:
            field, tail = struct.pack(order + "I", behind + len(tail)), tail + packed + b"\0" * (len(packed) % 2)
        else:
            field = packed.ljust(4, b"\0")
        body += struct.pack(order + "HHI", tag, kind, len(values)) + field
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "I", start) + data + body + struct.pack(order + "I", 0) + tail


def tiff_cases():
    picture = scene(21, 34, 10)
    rng = np.random.default_rng(11)
    yield "TIFF, strips", tiff(picture, 2), 0, picture
    yield "TIFF, big-endian, deflate", tiff(picture, 2, ">", deflate=True), 0, picture
    yield "TIFF, tiles", tiff(picture, 2, tile=(16, 16)), 0, picture
    yield "TIFF, tiles, deflate, turned", tiff(picture, 2, tile=(16, 16), deflate=True, orientation=6), 0, upright(picture, 6)
    for name in ("tiff_lzw", "packbits", "tiff_adobe_deflate"):
        yield f"TIFF, {name}, by PIL", pil(Image.fromarray(picture), "TIFF", compression=name), 0, picture
    for orientation in range(2, 9):
        yield f"TIFF, orientation {orientation}", tiff(picture, 2, orientation=orientation), 0, upright(picture, orientation)
    grey = picture[..., 0].copy()
    yield "TIFF, grey", tiff(grey, 1), 0, np.repeat(grey[..., None], 3, -1)
    yield "TIFF, white is zero", tiff(grey, 0), 0, np.repeat(255 - grey[..., None], 3, -1)
    grey16 = grey.astype("<u2") * 257
    yield "TIFF, 16 bit grey", tiff(grey16, 1, bits=16), 0, np.repeat(grey[..., None], 3, -1)
    yield "TIFF, 16 bit", tiff(picture.astype(">u2") * 257, 2, ">", bits=16), 0, picture
    bits = rng.integers(0, 256, (9, 3)).astype(np.uint8)
    yield "TIFF, 1 bit", tiff(bits, 1, bits=1), 0, np.repeat(np.unpackbits(bits, axis=1)[..., None] * 255, 3, -1)
    palette = rng.integers(0, 256, (256, 3)).astype(np.uint8)
    yield "TIFF, palette", tiff(grey, 3, palette=palette), 0, palette[grey]
    alpha = rng.integers(0, 256, (21, 34, 1)).astype(np.uint8)
    rgba = np.concatenate([picture, alpha], -1)
    yield "TIFF, alpha", tiff(rgba, 2, extra=(2,)), 1, over_white(rgba)
    ink = rng.integers(0, 256, (21, 34, 4)).astype(np.int64)
    shown = ((255 - ink[..., :3]) * (255 - ink[..., 3:]) / 255).astype(np.uint8)
    yield "TIFF, CMYK", tiff(ink.astype(np.uint8), 5), 1, shown
    yield "TIFF, by its first page", pil(Image.fromarray(picture), "TIFF", save_all=True,
                                         append_images=[Image.fromarray(255 - picture)]), 0, picture


# ---- AVIF and HEIC -----------------------------------------------------------------------------

def heic(array, *options):
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(array).save(f"{folder}/x.png")
        subprocess.run(["heif-enc", *options, "-o", f"{folder}/x.heic", f"{folder}/x.png"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return pathlib.Path(folder, "x.heic").read_bytes()


def heif_cases():
    picture = smooth(40, 48)
    plain = dict(quality=95, subsampling="4:4:4", speed=6)
    data = pil(Image.fromarray(picture), "AVIF", **plain)
    yield "AVIF, plain", data, 4, pil_rgb(data)
    for orientation in range(2, 9):
        yield (f"AVIF, turned {orientation}", pil(Image.fromarray(picture), "AVIF", exif=exif(orientation), **plain), 6,
               upright(picture, orientation))
    alpha = np.full((40, 48, 1), 128, np.uint8)
    rgba = np.concatenate([picture, alpha], -1)
    yield "AVIF, alpha", pil(Image.fromarray(rgba), "AVIF", **plain), 6, over_white(rgba)
    yield "AVIF, odd sides", pil(Image.fromarray(picture[:31, :43].copy()), "AVIF", **plain), 6, picture[:31, :43]
    yield "HEIC, lossless", heic(picture, "-q", "95", "-p", "chroma=444"), 6, picture
    yield "HEIC, 4:2:0, odd sides", heic(picture[:31, :43].copy(), "-q", "90"), 10, picture[:31, :43]
    yield "HEIC, 10 bit", heic(picture, "-q", "95", "-b", "10", "-p", "chroma=444"), 6, picture


def main():
    out = b""
    for cases in (png_cases, bmp_cases, webp_cases, gif_cases, tiff_cases, heif_cases):
        for name, data, most, pixels in cases():
            h, w, _ = pixels.shape
            out += struct.pack("<I", len(name)) + name.encode() + struct.pack("<I", len(data)) + data
            out += struct.pack("<III", most, h, w) + np.ascontiguousarray(pixels, np.uint8).tobytes()
    pathlib.Path(sys.argv[1]).write_bytes(out)


if __name__ == "__main__":
    main()
