#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of every kind that the decoder reads, with the pixels that PIL makes of them.

Writes tests/golden/images.bin: records of u32 name length, name, u32 file length, file, u32 height,
u32 width, RGB bytes (all little-endian). PNG and PPM files are built here by hand, so that kinds
PIL cannot write are there too; where PIL differs from what is promised (alpha over white, 16-bit
grey by its upper byte, a transparent level under 8 bit), the expected pixels are computed here.

    python tools/reference/dump_images.py tests/golden/images.bin

With a folder of photos behind it, writes "NAME CRC32-OF-PIXELS" lines for them to standard output:
tests/golden/photos.txt is made so from the photos of ../shared/data/coco_mini.
"""
import ctypes
import ctypes.util
import io
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps


def scene(h, w, seed=0):
    """Smooth colours, an edge and some noise: what chroma upsampling and filters care about."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w]
    picture = np.stack([x * 255 / max(w - 1, 1), y * 255 / max(h - 1, 1), (x * 7 + y * 11) % 256], -1)
    picture[(x - w / 2) ** 2 + (y - h / 2) ** 2 < (min(h, w) / 4) ** 2] = (250, 30, 20)
    return np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


def jpeg(array, mode=None, **options):
    out = io.BytesIO()
    image = Image.fromarray(array)
    if mode:
        image = image.convert(mode)
    image.save(out, "JPEG", **options)
    return out.getvalue()


def turbojpeg(array, sampling):
    """Chroma samplings that PIL does not write; the numbers are turbojpeg.h's TJSAMP_*."""
    lib = ctypes.CDLL(ctypes.util.find_library("turbojpeg"))
    lib.tjInitCompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(lib.tjInitCompress())
    buffer, size = ctypes.c_void_p(None), ctypes.c_ulong(0)
    h, w, _ = array.shape
    code = lib.tjCompress2(handle, array.ctypes.data_as(ctypes.c_void_p), w, 0, h, 0,
                           ctypes.byref(buffer), ctypes.byref(size), sampling, 80, 0)
    assert code == 0
    return ctypes.string_at(buffer, size.value)


def exif_segment(orientation, order="<", kind=3, count=1):
    head = b"II*\0" if order == "<" else b"MM\0*"
    value = struct.pack(order + "I", orientation) if kind == 4 else struct.pack(order + "HH", orientation, 0)
    entries = struct.pack(order + "HHII", 0x0100, 4, 1, 99)
    entries += struct.pack(order + "HHI", 0x0112, kind, count) + value
    body = b"Exif\0\0" + head + struct.pack(order + "IH", 8, 2) + entries + struct.pack(order + "I", 0)
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def with_segment(data, segment):
    return data[:2] + segment + data[2:]


def pil_rgb(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    return np.asarray(image.convert("RGB"))


def over_white(data):
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return np.asarray(white)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def pack_rows(samples, depth):
    """[H,W,C] integers to filtered PNG rows; the filter goes round all five kinds."""
    h, w, c = samples.shape
    if depth == 16:
        rows = [np.asarray(row, ">u2").tobytes() for row in samples]
    elif depth == 8:
        rows = [np.asarray(row, np.uint8).tobytes() for row in samples]
    else:
        bits = np.unpackbits(np.asarray(samples, np.uint8).reshape(h, w * c, 1), axis=2)[:, :, 8 - depth:]
        rows = [np.packbits(row.reshape(-1)).tobytes() for row in bits]
    unit = max(1, depth * c // 8)
    out, before = b"", bytes(len(rows[0]) if rows else 0)
    for y, row in enumerate(rows):
        kind = y % 5
        left = bytes(unit) + row[:-unit] if len(row) > unit else bytes(len(row))
        corner = bytes(unit) + before[:-unit] if len(row) > unit else bytes(len(row))
        coded = bytearray()
        for value, a, b, d in zip(row, left, before, corner):
            guess = a + b - d
            near = min((abs(guess - a), 0, a), (abs(guess - b), 1, b), (abs(guess - d), 2, d))[2]
            coded.append((value - (0, a, b, (a + b) // 2, near)[kind]) & 255)
        out += bytes([kind]) + bytes(coded)
        before = row
    return out


def png(samples, depth, colour, interlaced=False, before_data=(), idat=1 << 20):
    h, w, _ = samples.shape
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        parts = [samples[y::dy, x::dx] for y, x, dy, dx in passes]
        rows = b"".join(pack_rows(p, depth) for p in parts if p.shape[0] and p.shape[1])
    else:
        rows = pack_rows(samples, depth)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlaced))
    for extra in before_data:
        data += extra
    packed = zlib.compress(rows, 9)
    for at in range(0, len(packed), idat):
        data += chunk(b"IDAT", packed[at:at + idat])
    return data + chunk(b"IEND", b"")


def jpeg_cases():
    a, small = scene(33, 45), scene(19, 26, 1)
    yield "jpeg 4:4:4", jpeg(a, quality=90, subsampling=0)
    yield "jpeg 4:2:2", jpeg(a, quality=80, subsampling=1)
    yield "jpeg 4:2:0", jpeg(a, quality=75, subsampling=2)
    yield "jpeg 4:4:0", turbojpeg(a, 4)
    yield "jpeg 4:1:1", turbojpeg(a, 5)
    yield "jpeg quality 5", jpeg(a, quality=5)
    yield "jpeg quality 100", jpeg(small, quality=100, subsampling=0)
    yield "jpeg progressive", jpeg(a, progressive=True)
    yield "jpeg progressive grey", jpeg(a, "L", progressive=True)
    yield "jpeg optimised", jpeg(a, optimize=True)
    yield "jpeg restarts", jpeg(a, restart_marker_blocks=2)
    yield "jpeg grey", jpeg(a, "L")
    yield "jpeg rgb", jpeg(a, keep_rgb=True)
    cmyk = jpeg(a, "CMYK", quality=90)
    yield "jpeg cmyk", cmyk
    yield "jpeg cmyk progressive", jpeg(a, "CMYK", progressive=True)
    place = cmyk.index(b"Adobe")
    yield "jpeg ycck", cmyk[:place + 11] + b"\2" + cmyk[place + 12:]
    yield "jpeg cmyk without adobe", cmyk[:place - 4] + cmyk[place + 12:]
    yield "jpeg 1x1", jpeg(scene(1, 1))
    yield "jpeg 1 wide", jpeg(scene(40, 1))
    yield "jpeg 1 high", jpeg(scene(1, 40))
    yield "jpeg comment and profile", jpeg(small, comment=b"hello" * 40, icc_profile=b"x" * 70000)
    yield "jpeg bytes after the end", jpeg(small) + b"trailing bytes" * 9
    for orientation in range(1, 9):
        yield f"jpeg exif {orientation}", with_segment(jpeg(small), exif_segment(orientation))
    yield "jpeg exif 6 big-endian", with_segment(jpeg(small), exif_segment(6, ">"))
    yield "jpeg exif 8 as a long", with_segment(jpeg(small), exif_segment(8, "<", 4))
    yield "jpeg exif 5 grey", with_segment(jpeg(small, "L"), exif_segment(5))
    yield "jpeg exif 7 cmyk", with_segment(jpeg(small, "CMYK"), exif_segment(7))
    yield "jpeg exif 6 progressive", with_segment(jpeg(small, progressive=True), exif_segment(6))
    yield "jpeg exif 9", with_segment(jpeg(small), exif_segment(9))
    yield "jpeg exif 0", with_segment(jpeg(small), exif_segment(0))


def odd_exif_cases():
    """Notes about orientation that make no sense leave the picture as it is."""
    plain = jpeg(scene(19, 26, 1))
    good = exif_segment(6)
    for name, body in {
        "cut in the header": good[4:14],
        "cut in the directory": good[4:24],
        "directory outside": good[4:14] + struct.pack("<I", 0x7FFFFFF0) + good[18:],
        "wrong byte order mark": good[4:10] + b"XX" + good[12:],
        "two values": exif_segment(6, count=2)[4:],
        "as text": exif_segment(6, kind=2)[4:],
        "empty": b"Exif\0\0",
    }.items():
        yield f"jpeg odd exif: {name}", with_segment(plain, b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body), plain


def png_cases():
    a = scene(21, 30)
    grey = a[:, :, :1]
    rng = np.random.default_rng(3)
    alpha = rng.choice([0, 1, 64, 127, 128, 200, 254, 255], a.shape[:2] + (1,)).astype(np.uint8)
    palette = rng.integers(0, 256, (256, 3), np.uint8)
    for interlaced in (False, True):
        tail = " interlaced" if interlaced else ""
        for depth in (1, 2, 4, 8):
            samples = grey >> (8 - depth)
            yield f"png grey {depth} bit" + tail, png(samples, depth, 0, interlaced), pil_rgb
            plte = chunk(b"PLTE", palette[:1 << depth].tobytes())
            yield f"png palette {depth} bit" + tail, png(samples, depth, 3, interlaced, [plte]), pil_rgb
            trns = chunk(b"tRNS", bytes([0, 99, 255][:1 << depth]))
            yield f"png palette {depth} bit with alpha" + tail, png(samples, depth, 3, interlaced, [plte, trns]), over_white
        yield "png rgb" + tail, png(a, 8, 2, interlaced), pil_rgb
        yield "png rgba" + tail, png(np.concatenate([a, alpha], -1), 8, 6, interlaced), over_white
        yield "png grey alpha" + tail, png(np.concatenate([grey, alpha], -1), 8, 4, interlaced), over_white
        wide = a.astype(np.uint16) * 256 + rng.integers(0, 256, a.shape, np.uint16)
        wide_alpha = alpha.astype(np.uint16) * 256 + rng.integers(0, 256, alpha.shape, np.uint16)
        yield "png rgb 16 bit" + tail, png(wide, 16, 2, interlaced), pil_rgb
        yield "png rgba 16 bit" + tail, png(np.concatenate([wide, wide_alpha], -1), 16, 6, interlaced), over_white
        yield "png grey alpha 16 bit" + tail, png(np.concatenate([wide[:, :, :1], wide_alpha], -1), 16, 4, interlaced), (
            lambda _, g=grey, al=alpha: over_white(png(np.concatenate([g, al], -1), 8, 4)))
        yield "png grey 16 bit" + tail, png(wide[:, :, :1], 16, 0, interlaced), lambda _: np.repeat(grey, 3, 2)
    key = a.reshape(-1, 3)[100]
    yield "png rgb with a transparent colour", png(a, 8, 2, False, [chunk(b"tRNS", struct.pack(">HHH", *map(int, key)))]), over_white
    level = int(grey[5, 5, 0]) >> 4
    yield "png grey 4 bit with a transparent level", png(grey >> 4, 4, 0, False, [chunk(b"tRNS", struct.pack(">H", level))]), (
        lambda _: np.repeat(np.where(grey >> 4 == level, 255, (grey >> 4) * 17), 3, 2).astype(np.uint8))
    yield "png in many pieces", png(a, 8, 2, False, idat=100), pil_rgb
    extras = [chunk(b"gAMA", struct.pack(">I", 100000)), chunk(b"sRGB", b"\0"), chunk(b"tEXt", b"Title\0x"),
              chunk(b"zTXt", b"Big\0\0" + zlib.compress(b"a" * 100000)), chunk(b"prVt", b"unknown")]
    yield "png with gamma, text and an unknown chunk", png(a, 8, 2, False, extras), pil_rgb
    yield "png 1x1", png(a[:1, :1], 8, 2), pil_rgb
    for n in range(2, 6):
        yield f"png {n}x{n} interlaced", png(a[:n, :n], 8, 2, True), pil_rgb


def ppm_cases():
    a = scene(9, 14)
    grey = a[:, :, 0]

    def text(values):
        return b" ".join(b"%d" % v for v in values.reshape(-1))

    yield "ppm P6", b"P6\n14 9\n255\n" + a.tobytes()
    yield "ppm P6 with comments", b"P6 # one\n# two\n 14\t9 #three\n255\n" + a.tobytes()
    yield "ppm P5", b"P5 14 9 255 " + grey.tobytes()
    yield "ppm P5 first sample is white space", b"P5 14 9 255\n" + b"\n #" + grey.tobytes()[3:]
    yield "ppm P3", b"P3\n14 9\n255\n" + text(a) + b"\n"
    yield "ppm P2", b"P2\n14 9\n255\n" + text(grey)
    yield "ppm P2 with comments", b"P2 14 9 255 #a\n" + text(grey[:3]) + b"\n# 1 2 3\n" + text(grey[3:]) + b"\n"
    for top in (1, 7, 100, 254):
        yield f"ppm P6 up to {top}", b"P6 14 9 %d\n" % top + (a.astype(int) * top // 255).astype(np.uint8).tobytes()
        yield f"ppm P5 up to {top}", b"P5 14 9 %d\n" % top + (grey.astype(int) * top // 255).astype(np.uint8).tobytes()
    for top in (256, 1023, 65535):
        values = a.astype(np.int64) * top // 255
        yield f"ppm P6 up to {top}", b"P6 14 9 %d\n" % top + values.astype(">u2").tobytes()
        yield f"ppm P3 up to {top}", b"P3 14 9 %d\n" % top + text(values)
    values = grey.astype(np.int64) * 1000 // 255
    yield "ppm P5 up to 1000", b"P5 14 9 1000\n" + values.astype(">u2").tobytes()
    yield "ppm P2 up to 1000", b"P2 14 9 1000\n" + text(values)


def ppm_pixels(name, data):
    """PIL, but for grey over 255, which it keeps as 32-bit and clips; there its rule for colour."""
    if name in ("ppm P5 up to 1000", "ppm P2 up to 1000"):
        samples = scene(9, 14)[:, :, 0].astype(np.int64) * 1000 // 255
        return np.repeat(np.array([[round(v / 1000 * 255) for v in row] for row in samples], np.uint8)[..., None], 3, 2)
    return pil_rgb(data)


def main(path):
    cases = [(name, data, pil_rgb(data)) for name, data in jpeg_cases()]
    cases += [(name, data, pil_rgb(plain)) for name, data, plain in odd_exif_cases()]
    cases += [(name, data, pixels(data)) for name, data, pixels in png_cases()]
    cases += [(name, data, ppm_pixels(name, data)) for name, data in ppm_cases()]
    with open(path, "wb") as out:
        for name, data, pixels in cases:
            h, w, c = pixels.shape
            assert c == 3 and pixels.dtype == np.uint8
            out.write(struct.pack("<I", len(name)) + name.encode())
            out.write(struct.pack("<I", len(data)) + data)
            out.write(struct.pack("<II", h, w) + pixels.tobytes())


def photos(folder):
    for path in sorted(pathlib.Path(folder).rglob("*.jpg")):
        print(path.relative_to(folder), format(zlib.crc32(np.asarray(Image.open(path).convert("RGB"))), "08x"))


if __name__ == "__main__":
    main(sys.argv[1])
    if len(sys.argv) > 2:
        photos(sys.argv[2])
