#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares every stage of lexmask with its reference and prints docs/parity.md.

    python tools/reference/parity.py --program build/lexmask --work build/parity > docs/parity.md
    python tools/reference/parity.py --quick --sections tokens,resize

Sections: tokens, resize, tensors, input, tests, clip, detector, crop, bits, batch, formats. Each is measured here and now;
--work keeps what each measured, and a section that is left out is printed from there, marked with how it was measured.
Progress goes to standard error. Exit code 1: something misses its bar. --photos and --vocabulary tell where real
photographs and OpenAI's vocabulary are.

Needs torch, torchvision, transformers, open_clip, ftfy, Pillow and pycocotools, and built tests (make tests).
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TESTS = {  # what, against, bar
    "test_text_clean": ("cleaning of text: every character of Unicode 14", "Python's", "equal"),
    "test_image": ("decoding of pictures", "Pillow", "every byte equal, but for what is listed below"),
    "test_onnx_nodes": ("single operations, every processor level", "ONNX's published node cases", "≤ 1e-5"),
    "test_dumps": ("every kind of layer", "PyTorch, torchvision and Pillow ([dumps.md](dumps.md))", "≤ 1e-5 of the largest value"),
    "test_clip": ("a small ViT, ModifiedResNet and text tower, every intermediate", "OpenCLIP and transformers", "≤ 1e-5 of the largest value"),
    "test_detector": ("small ResNet-FPN, RPN and heads, every intermediate", "torchvision", "≤ 1e-5 of the largest value"),
    "test_crop": ("crop mode on the demo's pictures, the same boxes fed to both, and end to end", "the same steps in PyTorch",
                  "same names for ≥ 99.9 %, scores ≤ 1e-3; end to end ≥ 99 % of boxes"),
    "test_rle": ("run-length masks", "pycocotools", "every byte equal"),
    "test_cocoeval": ("COCO's figures", "COCO's own published ones, pycocotools", "≤ 1e-12"),
}


def row(what, against, bar, measured, good):
    return dict(what=what, against=against, bar=bar, measured=measured, good=bool(good))


def read(command, check=True, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} …: exit code {done.returncode}: {done.stdout[-600:]}")
    return done.stdout


# ---- text and pictures -------------------------------------------------------------------------------------------


def tokens(a):
    count = 5000 if a.quick else 100000
    text = read([sys.executable, f"{HERE}/check_tokens.py", a.vocabulary, "--program", a.program, "--count", str(count)], check=False)
    last = text.strip().splitlines()[-1]
    found = re.search(r"(\d+) differ$", last)
    rows = [row(f"tokens, {count} random strings in all scripts", "CLIP's tokenizer in Python with ftfy", "equal", last, found and found[1] == "0")]
    vectors = os.path.join(os.path.dirname(a.vocabulary), "token_vectors.json")
    if os.path.exists(vectors):
        with open(vectors, encoding="utf8") as file:
            cases = json.load(file)["vectors"]
        lines = read([a.program, "tokenize", "--tokenizer", a.vocabulary, "--", *(c["text"] for c in cases)]).splitlines()
        bad = sum(json.loads(line)["ids"] != c["ids"] for line, c in zip(lines, cases)) + abs(len(lines) - len(cases))
        rows.append(row("tokens, published vectors", "`clip_tokenizer/token_vectors.json`", "equal", f"{len(cases)} texts, {bad} differ", bad == 0))
    return rows


def tiny_224(a):
    """A CLIP whose only point is that it takes pictures of 224 x 224."""
    import parity_clip

    return parity_clip.small_clip(a.work, size=224)[0][1]


def seen_by_clip(a, clip, picture):
    import numpy as np

    out = os.path.join(a.work, "seen.npy")
    read([a.program, "preprocess", picture, "--for", "clip", "--clip", clip, "--out", out])
    return np.load(out)


def resize(a):
    import numpy as np
    import PIL
    from PIL import Image

    import dump_clip
    import parity_clip

    rng = np.random.default_rng(5)
    clip, path = tiny_224(a), os.path.join(a.work, "resize.ppm")
    sizes = [tuple(int(v) for v in rng.integers(1, 1200, 2)) for _ in range(10 if a.quick else 60)] + [(1, 1), (224, 224), (2, 900), (1100, 3)]
    mean = np.array((0.48145466, 0.4578275, 0.40821073)).reshape(3, 1, 1)
    std = np.array((0.26862954, 0.26130258, 0.27577711)).reshape(3, 1, 1)
    bad = bytes_off = floats_off = total = most = 0
    for i, (height, width) in enumerate(sizes):
        Image.fromarray(dump_clip.formula(height, width, i)).save(path)
        ours, theirs = seen_by_clip(a, clip, path), parity_clip.prepared([path], 224)[0].numpy()
        off = np.abs(np.rint((ours * std + mean) * 255) - np.rint((theirs * std + mean) * 255))
        bad, bytes_off, most, total = bad + bool(off.any()), bytes_off + int((off > 0).sum()), max(most, int(off.max())), total + off.size
        floats_off += int((ours != theirs).sum())
    measured = f"{len(sizes)} pictures, {total} values: {bytes_off} bytes differ, {floats_off} normalised float32 differ in any bit"
    return [row("CLIP's resize and centre crop, same decoded pixels", f"Pillow {PIL.__version__}, torchvision's transforms", "every byte equal",
                measured + (f" (in {bad} pictures, by {most} levels at most)" if bad else ""), bytes_off == 0)]


def tensors(a):
    import numpy as np

    clip, worst_mean, worst, count = tiny_224(a), 0.0, 0.0, 0
    for photo in sorted(glob.glob(os.path.join(a.shared, "clip_preprocess", "*.jpg"))):
        theirs = np.fromfile(photo[:-4] + ".f32", "<f4").reshape(3, 224, 224)
        off = np.abs(seen_by_clip(a, clip, photo).astype(np.float64) - theirs)
        worst_mean, worst, count = max(worst_mean, off.mean()), max(worst, off.max()), count + 1
    return [row("JPEG to CLIP's tensor", "the tensors of `clip_preprocess`", "mean ≤ 0.0016, max ≤ 0.05",
                f"{count} photographs: mean {worst_mean:.2g}, max {worst:.2g}", count and worst_mean <= 0.0016 and worst <= 0.05)]


def detector_input(a):
    import numpy as np
    import torch
    from PIL import Image
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    transform = GeneralizedRCNNTransform(800, 1333, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    rng, worst, where = np.random.default_rng(6), 0.0, None
    sizes = [(480, 640), (640, 427), (427, 640), (800, 1333), (97, 61)][:2 if a.quick else 5]
    path, out = os.path.join(a.work, "noise.ppm"), os.path.join(a.work, "seen.npy")
    for height, width in sizes:
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        read([a.program, "preprocess", path, "--for", "detector", "--out", out])
        images, _ = transform([torch.from_numpy(pixels).permute(2, 0, 1).float() / 255])
        ours, (h, w) = np.load(out), images.image_sizes[0]
        theirs = images.tensors[0, :, :h, :w].numpy()
        if ours[:, :h, :w].shape != theirs.shape:
            raise RuntimeError(f"{ours.shape} instead of {theirs.shape} for {height} x {width}")
        off = float(np.abs(ours[:, :h, :w] - theirs).max() / np.abs(theirs).max())
        if not off <= worst:
            worst, where = off, (width, height)
    return [row("the detector's resize and normalise, noise at real sizes", "torchvision's GeneralizedRCNNTransform", "≤ 1e-5 of the largest value",
                f"{len(sizes)} pictures: {worst:.2g}" + (f" (at {where[0]} x {where[1]})" if where else ""), worst <= 1e-5)]


# ---- layers ------------------------------------------------------------------------------------------------------


def tests(a):
    rows = []
    for name, what in TESTS.items():
        program = os.path.join(os.path.dirname(a.program), "tests", name)
        text = read([program], check=False, cwd=ROOT)
        good, bad, skipped = (len(re.findall(p, text, re.M)) for p in (r"^\[       OK \]", r"^\[  FAILED  \] [A-Za-z_]", r"^\[  SKIPPED \] [A-Za-z_]"))
        told = " ".join(line.rstrip(".:") for line in text.splitlines() if line.startswith(("tests/golden/crop", "skipped")) or "node cases agree" in line)
        measured = f"`{name}`: {good} passed, {bad // 2} failed" + (f", {skipped // 2} skipped" if skipped else "") + (f"; {told}" if told else "")
        rows.append(row(*what, measured, good and not bad and not skipped))
    return rows


# ---- models ------------------------------------------------------------------------------------------------------


def pictures_for(a, count):
    import parity_clip
    import parity_detector

    if os.path.isdir(a.photos):
        parity_detector.photographs(a.photos, count, a.work)
    return parity_clip.photos_or_scenes("photos", a.work, count)


def clip(a):
    import parity_clip

    rows = []
    for name, label in parity_clip.MODELS.items():
        if a.quick and name not in ("ViT-B-32", "RN50"):
            continue
        for against, (off, cosine, alike) in parity_clip.full_size(name, a.program, a.vocabulary, pictures_for(a, 3), a.work).items():
            rows.append(row(f"CLIP {label}, full size, random weights, OpenAI's archive", f"{against}, float32", "unit embeddings ≤ 2e-5, cosine ≥ 0.999999",
                            f"{off:.2g}, 1 − cosine {max(1 - cosine, 0):.1g} (two different rows: cosine up to {alike:.3f})",
                            off <= 2e-5 and cosine >= 0.999999))
            note(rows[-1]["what"], rows[-1]["measured"])
    return rows


def detector(a):
    count = 2 if a.quick else a.count
    command = [sys.executable, f"{HERE}/parity_detector.py", "--photos", a.photos, "--count", str(count), "--lexmask", a.program, "--models", a.models]
    text = read(command + ["--work", os.path.join(a.work, "detector"), "--double", str(min(3, count))], check=False)
    rows = detector_rows(text, a.models)
    measured = {r["what"] for r in rows}  # models that are left out stay as they were measured
    return rows + [r for r in keep(a).get("detector", dict(rows=[]))["rows"] if r["what"] not in measured]


def detector_rows(text, models):
    """What parity_detector.py printed; it judges by the whole figures, of which it prints a few digits."""
    rows = []
    for name in models.split(","):
        found = re.search(rf"^\| {name} \| (.*) \|$", text, re.M)
        if not found:
            raise RuntimeError(text[-600:])
        photos, count, span, alone, wrong, moved, box, score, mask, verdict = (v.strip() for v in found[1].split("|"))
        double = re.search(rf"^{name} beside double on (\d+) photos: (.*)$", text, re.M)
        whose = f"; beside double precision, on the {double[1]} photographs that differ most (largest differences: {double[2]})" if double else ""
        own = re.search(rf"^{name} without oneDNN on (\d+) photos: (.*)$", text, re.M)
        whose += f"; {own[1]} photographs are over the bar of boxes or scores: with PyTorch's own convolutions, not oneDNN's, torchvision's float32 answers for them are within {own[2]} of lexmask's" if own else ""
        label = {"small": "trained small Mask R-CNN"}.get(name, f"Mask R-CNN {name}, full size, random weights")
        rows.append(row(f"{label}, closed mode", "torchvision, float32", "the same detections; boxes ≤ 0.05 px, scores ≤ 1e-4, mask IoU ≥ 0.99",
                        f"{photos} photographs, {count} detections, scores {span}: {alone} unpaired, {wrong} of them not by a hair; boxes {box} px, scores {score}, mask IoU {mask} but for {moved} that lie a pixel otherwise by a hair{whose}", verdict == "holds"))
    return rows


def crop(a):
    import numpy as np

    import parity_named

    count = 5 if a.quick else a.scenes
    figures, changed = parity_named.compare(a.program, count, a.work)
    rows = []
    for kind, against, bar in (("ftfy", "the same steps in PyTorch (`crop_reference.py`), sentences cleaned by ftfy as OpenAI's tokenizer does", 0.99),
                               ("plain", f"the same with transformers' tokenizer as it is, which does not: {changed} names have other tokens", None)):
        f = figures[kind]
        share, named, offs = f["good"] / max(f["boxes"], 1), f["named"] / max(f["paired"], 1), np.array(f["offs"] or [0.0])
        rows.append(row("crop mode end to end, `lexmask detect`, small pair, 1,377 names", against, "≥ 99 % of boxes: IoU ≥ 0.9, same name, score ≤ 1e-3" if bar else "none: other sentences, for comparison",
                        f"{count} scenes, {f['boxes']} detections: {100 * share:.2f} %; of {f['paired']} paired, {100 * named:.2f} % have the same name; "
                        f"scores of these: median {np.median(offs):.2g}, 99 % within {np.quantile(offs, 0.99):.2g}, max {f['score']:.2g}; boxes max {f['box']:.2g} px; "
                        f"only in PyTorch {f['alone']} ({f['border']} within 1e-3 of the last score kept), only in lexmask {f['extra']}",
                        f["boxes"] and share >= (bar or 0)))
    return rows + same_boxes(a)


def same_boxes(a):
    """The C test on fresh dumps, which feeds PyTorch's proposals to both."""
    import parity_named

    count, test = 5 if a.quick else a.scenes, os.path.join(os.path.dirname(a.program), "tests", "test_crop")
    work = os.path.join(a.work, f"same_boxes{count}")
    parity_named.dump_scenes(count, work)
    text = read([test], check=False, cwd=ROOT, env=dict(os.environ, LEXMASK_CROP_DUMPS=work))
    found = re.search(r"same_boxes\S*, \w+: ((\d+) pictures, (\d+) given boxes, (\d+) named otherwise, scores within (\S+); "
                      r"end to end (\d+) boxes, (\d+) lost.*)", text)
    if not found:
        raise RuntimeError(text[-600:])
    boxes, otherwise, off, ends, lost = int(found[3]), int(found[4]), float(found[5]), int(found[6]), int(found[7])
    good = boxes and otherwise <= 0.001 * boxes and off <= 1e-3 and lost <= 0.01 * ends
    return [row("crop mode, the same boxes fed to both, small pair, 1,377 names", "the same steps in PyTorch, sentences cleaned by ftfy",
                "same names for ≥ 99.9 %, scores ≤ 1e-3; end to end ≥ 99 % of boxes", found[1], good)]


# ---- the program beside itself -----------------------------------------------------------------------------------


def detect_bytes(a, *more):
    out = os.path.join(a.work, "same.json")
    picture = os.path.join(ROOT, "demo", "pictures", "party.png")
    names = os.path.join(ROOT, "demo", "names.txt")
    read([a.program, "detect", picture, "--model", os.path.join(ROOT, "demo", "pair"), "--names-file", names, "--json", out, "-q", *more])
    with open(out, "rb") as file:
        return file.read()


def bits(a):
    runs = {n: detect_bytes(a, "--threads", n) for n in ("1", "2", "7")}
    runs["7 again"] = detect_bytes(a, "--threads", "7")
    other = [n for n, value in runs.items() if value != runs["1"]]
    return [row("1, 2 and 7 threads; two runs (demo picture, JSON with masks)", "each other", "the same bits",
                f"{json.loads(runs['1']).__len__()} detections; " + (f"different: {', '.join(other)}" if other else "the same bytes"), not other)]


def batch(a):
    import numpy as np

    import parity_clip

    files, pair = pictures_for(a, 9), os.path.join(ROOT, "demo", "pair", "clip")
    one, nine = (parity_clip.embed(a.program, pair, os.path.join(a.work, "b.npy"), "--batch", n, "--pictures", *files) for n in ("1", "9"))
    off = float(np.abs(one - nine).max())
    return [row("CLIP, batch 1 and batch 9", "each other", "≤ 1e-6", f"{len(files)} pictures: {'the same bits' if off == 0 else f'{off:.2g}'}", off <= 1e-6)]


def formats(a):
    import torch
    from safetensors.torch import load_file, save_file

    import parity_clip

    other, count = parity_clip.same_bits_clip(a.program, a.vocabulary, pictures_for(a, 2), a.work)
    rows = [row("CLIP in Hugging Face's (safetensors, bin), OpenCLIP's (two), OpenAI's TorchScript, torch zip, older pickle, plain safetensors", "each other",
                "the same bits", f"{count} forms, " + (f"different: {', '.join(other)}" if other else "the same bits"), not other)]
    source = os.path.join(ROOT, "demo", "pair", "detector.safetensors")
    # Without the settings that the file's metadata tells, which the other forms cannot hold.
    state, files = load_file(source), [os.path.join(a.work, "plain.safetensors")]
    save_file(state, files[0])
    for name, zipped in (("zip.pth", True), ("older.pth", False)):
        files.append(os.path.join(a.work, name))
        torch.save(state, files[-1], _use_new_zipfile_serialization=zipped)
    got = []
    for file in files:
        out = os.path.join(a.work, "format.json")
        read([a.program, "detect", os.path.join(ROOT, "demo", "pictures", "party.png"), "--mode", "closed", "--detector", file, "--json", out, "-q"])
        with open(out, "rb") as opened:
            got.append(opened.read())
    rows.append(row("Mask R-CNN in safetensors, torch zip, older pickle", "each other", "the same bits",
                    f"{len(json.loads(got[0]))} detections; {'the same bytes' if len(set(got)) == 1 else 'different'}", len(set(got)) == 1))
    return rows


# ---- the page ----------------------------------------------------------------------------------------------------

SECTIONS = dict(tokens=tokens, resize=resize, tensors=tensors, input=detector_input, tests=tests, clip=clip, detector=detector, crop=crop, bits=bits, batch=batch, formats=formats)

UNEQUAL = """## What cannot be equal, and why

- **The last bits of float32.** Sums are taken in another order than PyTorch's, whose order depends on its own libraries
  and the processor. Everything here is therefore a bar, not an equality, from the first convolution on. Within lexmask
  the order does not depend on the number of threads.
- **PyTorch beside itself.** Bilinear resize of a picture of three channels rounds the centres of its samples twice where
  PyTorch has several threads and once where it has one; over 640 columns of noise its own two answers are 5e-5 of the largest
  value apart. lexmask rounds as PyTorch does with several threads, whatever its own number of threads.
- **PyTorch beside its own double.** Where a row of the detector differs most, PyTorch's Mask R-CNN is run again in double
  precision, behind its resize in float32, and the row says how far both float32 programs are from that. A difference between
  the two can be the error of either; a row that misses its bar is listed with whose it is.
- **PyTorch beside itself, without oneDNN.** Its convolutions come from oneDNN unless that is turned off, and those are the coarser:
  on a machine with AVX2, on the photograph where v1's scores differed most, it was 1.9e-4 from double precision with them and
  6e-5 without: more than the bar of 1e-4, which that row therefore missed there. Photographs over a bar are compared with
  that answer too.
- **Decisions by a hair.** Suppression, top-k and score thresholds turn a difference in the last bits into a box that is
  there or not. For the detector, torchvision itself is asked again with its thresholds moved by 1e-4, and with noise in
  its logits that moves scores by less than that (two boxes whose scores are 1e-7 apart suppress each other in either order);
  only boxes for which its own answer then changes count as "by a hair", and they may be 0.5 % at most.
- **Masks by a hair.** torchvision truncates a box, widened by the mask's border, to whole pixels before it pastes the mask.
  Where an edge is as near to a whole pixel as the two boxes differ (1e-5 to 1e-4 pixels), the mask lies one pixel otherwise.
  These are counted with the others, within the same 0.5 %; so are masks of a few pixels of which one has a probability within
  1e-4 of the threshold.
- **Crops.** The edges of a crop are whole pixels: a proposal that differs by 1e-5 at a half is cut one pixel wider, and
  CLIP sees another picture: a score may move by much more than 1e-3, and a name may change. The rows "crop" say how often.
- **Centre crops.** Of a Hugging Face folder the crop begins at the floor of half the difference, as transformers' does;
  of other files of CLIP at the rounded half, as torchvision's. The two differ by one pixel where that half is 1.5, 3.5, …
- **Pillow before 13.** It resized across, then down, each pass rounded to bytes. Pillow 13 goes down first where the height
  shrinks by more than twice as many pixels as the width (python-pillow/Pillow pull request 9549), and so does lexmask: bytes of
  tall pictures differ from those of Pillow 12 by some levels, as those of Pillow 13 do.
- **Pictures.** Transparent PNGs are composed over white, where Pillow's `convert("RGB")` drops the alpha; 16-bit grey takes
  the upper byte, where Pillow clips.
- **Suppression by class.** torchvision shifts the boxes of different classes apart before it suppresses them, which rounds;
  here groups never meet. Two boxes whose overlap is within 1e-4 of the limit may differ.
- **JPEG.** Decoders may differ by a grey level, so tensors that start from a JPEG file have a wider bar than those that
  start from pixels.
- **Text that ftfy would re-decode.** lexmask leaves out its repair of wrongly decoded text. Such strings are counted,
  and compared with ftfy's other steps.
- **Curly quotes with Hugging Face's CLIPs.** lexmask cleans sentences as OpenAI's tokenizer does for every CLIP: ftfy makes
  “ ” and ’ straight. transformers' tokenizer leaves them, so a name like "woman’s hat" has other tokens there. With straight
  quotes both agree; that is the difference between the two rows of crop mode end to end.
- **Random weights** say nothing about quality, only about arithmetic. No published checkpoint was used for this page;
  `lexmask verify` holds known answers for one.
"""


def note(*what):
    print(*what, file=sys.stderr, flush=True)


def machine(program):
    processor = re.search(r"^processor\s+(.*)$", read([program, "--version"]), re.M)
    import torch
    import torchvision
    import transformers

    return (f"Machine: {os.cpu_count()} processor cores, kernels of level `{processor[1] if processor else 'unknown'}`; PyTorch {torch.__version__}, "
            f"torchvision {torchvision.__version__}, transformers {transformers.__version__}.")


def measure(name, a):
    note(f"== {name}")
    start = time.time()
    try:
        rows = SECTIONS[name](a)
    except Exception as fault:  # a page that says so is better than none
        traceback.print_exc()
        words = " ".join(str(fault).split())[:200].replace("|", "/")
        rows = [row(name, "–", "–", f"could not be measured: {words}", False)]
    for r in rows:
        note(("   " if r["good"] else "!! ") + f"{r['what']}: {r['measured']}")
    note(f"   {time.time() - start:.0f} s")
    return dict(rows=rows, quick=a.quick)


def keep(a, more=()):
    """All that was ever measured in this folder; read again each time, since sections may run side by side."""
    path, results = os.path.join(a.work, "results.json"), {}
    if os.path.exists(path):
        with open(path, encoding="utf8") as file:
            results = json.load(file)
    if more:
        results.update(more)
        with open(path, "w", encoding="utf8") as file:
            json.dump(results, file, ensure_ascii=False, indent=1)
    return results


def whose_error(r):
    """What is said of a missed row of the detector whose differences are PyTorch's own distance from double precision."""
    found = re.search(r"lexmask (\S+) px, ([^;]+); torchvision (\S+) px, ([^)]+)\)", r["measured"])
    if r["good"] or not found:
        return ""
    box, score, their_box, their_score = (float(v) for v in found.groups())
    mine = box <= 0.05 and score <= 1e-4 and box < their_box and score < their_score
    return "PyTorch's own error: lexmask is nearer to double precision, and within the bar of it" if mine else ""


def page(results, a):
    lines = ["# Parity", "", "Every stage of lexmask beside its reference. This page is written by", "", "```sh",
             "python tools/reference/parity.py --program build/lexmask --work build/parity > docs/parity.md", "```", "",
             "and one section of it is measured again with `--sections NAME` (`--quick`: fewer pictures).", "", machine(a.program), "",
             "| section | what | against | bar | measured | |", "|---|---|---|---|---|---|"]
    missed, lacking = [], [n for n in SECTIONS if n not in results]
    for name in SECTIONS:
        for r in results.get(name, dict(rows=[]))["rows"]:
            quick = " (`--quick`)" if results[name]["quick"] else ""
            lines.append(f"| {name}{quick} | {r['what']} | {r['against']} | {r['bar']} | {r['measured']} | {'holds' if r['good'] else '**missed**'} |")
            why = f". {whose_error(r)}" if whose_error(r) else ""
            missed += [] if r["good"] else [f"- **{r['what']}** (against {r['against']}): bar {r['bar']}; measured: {r['measured']}{why}."]
    lines += ["", "## What misses its bar", "", *(missed or ["Nothing that was measured."])]
    if lacking:
        lines += ["", f"Not measured for this page: {', '.join(lacking)}."]
    return "\n".join(lines) + "\n\n" + UNEQUAL, bool(missed)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/lexmask")
    p.add_argument("--work", default="build/parity")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--sections", default=",".join(SECTIONS), help="measure these; others come from --work where it has them")
    p.add_argument("--shared", default="../shared/data", help="folder of reference data")
    p.add_argument("--photos", help="folder of photographs; default: SHARED/coco_mini/val2017")
    p.add_argument("--vocabulary", help="default: SHARED/clip_tokenizer/bpe_simple_vocab_16e6.txt.gz")
    p.add_argument("--count", type=int, default=50, help="photographs for the detector")
    p.add_argument("--models", default="v1,v2,small", help="of the detector section; rows of others are kept")
    p.add_argument("--scenes", type=int, default=100, help="for the crop section")
    p.add_argument("--threads", type=int, default=2, help="of PyTorch")
    a = p.parse_args()
    a.program, a.work = os.path.abspath(a.program), os.path.abspath(a.work)
    a.photos = a.photos or os.path.join(a.shared, "coco_mini", "val2017")
    a.vocabulary = a.vocabulary or os.path.join(a.shared, "clip_tokenizer", "bpe_simple_vocab_16e6.txt.gz")
    wanted = [n for n in a.sections.split(",") if n]
    if unknown := set(wanted) - set(SECTIONS):
        p.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    os.makedirs(a.work, exist_ok=True)
    import torch

    torch.set_num_threads(a.threads)
    for name in wanted:
        keep(a, {name: measure(name, a)})
    text, missed = page(keep(a), a)
    print(text, end="")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
