#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares every stage of lexmask with its reference and prints docs/parity.md.

    python tools/reference/parity.py --program build/lexmask --work build/parity > docs/parity.md
    python tools/reference/parity.py --quick --sections tokens,resize

Sections: tokens, resize, tensors, tests, clip, detector, crop, bits, batch, formats. Each is measured here and now;
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
TESTS = ("test_onnx_nodes", "test_dumps", "test_clip", "test_detector")


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
    from PIL import Image

    import dump_clip
    import parity_clip

    rng = np.random.default_rng(5)
    clip, path = tiny_224(a), os.path.join(a.work, "resize.ppm")
    sizes = [tuple(int(v) for v in rng.integers(1, 1200, 2)) for _ in range(10 if a.quick else 60)] + [(1, 1), (224, 224), (2, 900), (1100, 3)]
    mean = np.array((0.48145466, 0.4578275, 0.40821073)).reshape(3, 1, 1)
    std = np.array((0.26862954, 0.26130258, 0.27577711)).reshape(3, 1, 1)
    bytes_off = floats_off = total = 0
    for i, (height, width) in enumerate(sizes):
        Image.fromarray(dump_clip.formula(height, width, i)).save(path)
        ours, theirs = seen_by_clip(a, clip, path), parity_clip.prepared([path], 224)[0].numpy()
        bytes_off += int((np.rint((ours * std + mean) * 255) != np.rint((theirs * std + mean) * 255)).sum())
        floats_off += int((ours != theirs).sum())
        total += ours.size
    return [row("CLIP's resize and centre crop", "Pillow, torchvision's transforms, same decoded pixels", "every byte equal",
                f"{len(sizes)} pictures, {total} values: {bytes_off} bytes differ; {floats_off} normalised float32 differ in any bit", bytes_off == 0)]


def tensors(a):
    import numpy as np

    clip, worst_mean, worst, count = tiny_224(a), 0.0, 0.0, 0
    for photo in sorted(glob.glob(os.path.join(a.shared, "clip_preprocess", "*.jpg"))):
        theirs = np.fromfile(photo[:-4] + ".f32", "<f4").reshape(3, 224, 224)
        off = np.abs(seen_by_clip(a, clip, photo).astype(np.float64) - theirs)
        worst_mean, worst, count = max(worst_mean, off.mean()), max(worst, off.max()), count + 1
    return [row("JPEG to CLIP's tensor", "the tensors of `clip_preprocess`", "mean ≤ 0.0016, max ≤ 0.05",
                f"{count} photographs: mean {worst_mean:.2g}, max {worst:.2g}", count and worst_mean <= 0.0016 and worst <= 0.05)]


# ---- layers ------------------------------------------------------------------------------------------------------


def tests(a):
    what = {
        "test_onnx_nodes": ("single operations", "ONNX's published node cases", "≤ 1e-5"),
        "test_dumps": ("every layer kind", "PyTorch's dumps (`tests/golden/ops`)", "≤ 1e-5 of the largest value"),
        "test_clip": ("CLIP's towers, every intermediate", "OpenCLIP and transformers", "≤ 1e-5 of the largest value"),
        "test_detector": ("ResNet-FPN, RPN, heads", "torchvision", "≤ 1e-5 of the largest value"),
    }
    rows = []
    for name in TESTS:
        program = os.path.join(os.path.dirname(a.program), "tests", name)
        text = read([program], check=False, cwd=ROOT)
        good, bad, skipped = (len(re.findall(p, text, re.M)) for p in (r"^\[       OK \]", r"^\[  FAILED  \] [A-Za-z_]", r"^\[  SKIPPED \] [A-Za-z_]"))
        measured = f"`{name}`: {good} passed, {bad // 2} failed" + (f", {skipped // 2} skipped" if skipped else "")
        rows.append(row(*what[name], measured, good and not bad and not skipped))
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
    text = read(command + ["--work", os.path.join(a.work, "detector")], check=False)
    rows = []
    for name in a.models.split(","):
        found = re.search(rf"^\| {name} \| (.*) \|$", text, re.M)
        if not found:
            raise RuntimeError(text[-600:])
        photos, count, span, alone, wrong, box, score, mask = (v.strip() for v in found[1].split("|"))
        good = int(count) and int(wrong) == 0 and int(alone) <= 0.005 * int(count) and float(box) <= 0.05 and float(score) <= 1e-4 and float(mask) >= 0.99
        label = {"small": "trained small Mask R-CNN"}.get(name, f"Mask R-CNN {name}, full size, random weights")
        rows.append(row(f"{label}, closed mode", "torchvision, float32", "the same detections; boxes ≤ 0.05 px, scores ≤ 1e-4, mask IoU ≥ 0.99",
                        f"{photos} photographs, {count} detections, scores {span}: {alone} unpaired, {wrong} of them not by a hair; boxes {box} px, scores {score}, mask IoU {mask}", good))
    return rows


def crop(a):
    import numpy as np

    import parity_named

    count = 5 if a.quick else a.scenes
    f = parity_named.compare(a.program, count, a.work)
    share, named = f["good"] / max(f["boxes"], 1), f["named"] / max(f["paired"], 1)
    offs = np.array(f["offs"] or [0.0])
    return [row("crop mode end to end, small pair, 1,377 names", "the same steps in PyTorch (`crop_reference.py`)",
                "≥ 99 % of boxes: IoU ≥ 0.9, same name, score ≤ 1e-3",
                f"{count} scenes, {f['boxes']} detections: {100 * share:.2f} %; of {f['paired']} paired, {100 * named:.2f} % have the same name; "
                f"scores of these: median {np.median(offs):.2g}, 99 % within {np.quantile(offs, 0.99):.2g}, max {f['score']:.2g}; boxes max {f['box']:.2g} px; "
                f"only in PyTorch {f['alone']} ({f['border']} within 1e-3 of the last score kept), only in lexmask {f['extra']}",
                f["boxes"] and share >= 0.99)]


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

SECTIONS = dict(tokens=tokens, resize=resize, tensors=tensors, tests=tests, clip=clip, detector=detector, crop=crop, bits=bits, batch=batch, formats=formats)

UNEQUAL = """## What cannot be equal, and why

- **The last bits of float32.** Sums are taken in another order than PyTorch's, whose order depends on its own libraries
  and the processor. Everything here is therefore a bar, not an equality, from the first convolution on. Within lexmask
  the order does not depend on the number of threads.
- **Decisions by a hair.** Suppression, top-k and score thresholds turn a difference in the last bits into a box that is
  there or not. For the detector, torchvision itself is asked again with its thresholds moved by 1e-4; only boxes for
  which its own answer then changes count as "by a hair", and they may be 0.5 % at most.
- **Crops.** The edges of a crop are whole pixels: a proposal that differs by 1e-5 at a half is cut one pixel wider, and
  CLIP sees another picture. End to end this moves a few scores by more than 1e-3 and, rarely, a name.
- **JPEG.** Decoders may differ by a grey level, so tensors that start from a JPEG file have a wider bar than those that
  start from pixels.
- **Text that ftfy would re-decode.** lexmask leaves out its repair of wrongly decoded text. Such strings are counted,
  and compared with ftfy's other steps.
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
            missed += [] if r["good"] else [f"- **{r['what']}** (against {r['against']}): bar {r['bar']}; measured: {r['measured']}"]
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
    p.add_argument("--models", default="v1,v2,small", help="of the detector section")
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
    kept = os.path.join(a.work, "results.json")
    results = {}
    if os.path.exists(kept):
        with open(kept, encoding="utf8") as file:
            results = json.load(file)
    for name in wanted:
        results[name] = measure(name, a)
        with open(kept, "w", encoding="utf8") as file:
            json.dump(results, file, ensure_ascii=False, indent=1)
    text, missed = page(results, a)
    print(text, end="")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
