#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole steps of training beside PyTorch in the same run: alternating rounds, medians, the same batch and threads.

    bench_train.py --program build/lexmask --work DIR [--cases small,fvit-b16] [--rounds 3] [--threads 2]

A step is: the frozen CLIP over the pictures, pyramid, RPN, proposals, heads, losses, gradients, clipping, AdamW.
lexmask's time is what its own log says of a step, reading and augmenting the pictures included. PyTorch
(tools/reference/fvlm.py with the losses of train_reference.py, in the faster of its two memory formats) is spared
that, and is given the choice of anchors and regions that lexmask made, with their targets.

Memory is the peak of the process less what has to be there: for lexmask the CLIP, both towers, and four numbers for
each trained parameter (value, gradient, two moments); for PyTorch the process with its libraries and the model (the
image tower alone) before the first step, and three numbers.  Weights are random but for the small CLIP of demo/pair.
"""
import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
COCO = os.path.join(ROOT, "..", "shared", "data", "coco_mini")

CASES = {
    "small": dict(preset="small", clip=os.path.join(ROOT, "demo", "pair", "clip"), batch=8),
    "fvit-b16": dict(preset="fvit-b16", clip="b16.safetensors", batch=1),
    "fvlm-rn50": dict(preset="fvlm-rn50", clip="rn50.safetensors", batch=1),
    "fvit-l14": dict(preset="fvit-l14", clip="l14.safetensors", batch=1),
}


def make_clip(case, work):
    """Where the CLIP is; one with random weights is made at the first call."""
    name = CASES[case]["clip"]
    if os.path.isabs(name):
        return name
    path = os.path.join(work, name)
    if not os.path.exists(path):
        from parity_fvlm import MODELS, TEXT, clip_weights
        large = {"embed_dim": 768, "text_cfg": TEXT | {"width": 768, "heads": 12},
                 "vision_cfg": {"image_size": 224, "layers": 24, "width": 1024, "patch_size": 14}}
        key = name.split(".")[0]
        settings = large if key == "l14" else MODELS[key][0]
        settings["text_cfg"] = settings["text_cfg"] | {"layers": 12}  # a published shape: nothing has to be told
        clip_weights(settings, path)
    return path


def lexmask_words(a, case, out, steps, *more):
    c = CASES[case]
    clip = make_clip(case, a.work)
    words = [a.program, "train", "--preset", c["preset"], "--clip", clip, "--data", a.data, "--pictures", a.pictures, "--out", out,
             "--batch", str(c["batch"]), "--accumulate", "1", "--steps", str(steps), "--warmup", "1", "--threads", str(a.threads), *more]
    if not os.path.isdir(clip):
        words += ["--tokenizer", a.tokenizer]
    return words


def quiet(words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(" ".join(words) + "\n" + done.stderr)


def lexmask_round(a, case):
    """(seconds of a step, bytes of memory at the peak)"""
    out = os.path.join(a.work, case + "-run")
    shutil.rmtree(out, ignore_errors=True)
    if a.busy:
        return lexmask_busy(a, case, out)
    words = lexmask_words(a, case, out, a.steps, "--matmul", a.matmul)
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(" ".join(words) + "\n" + child.stderr.read())
    rows = [json.loads(line) for line in open(os.path.join(out, "log.jsonl"))]
    speed = [r["pictures_per_second"] for r in rows if "pictures_per_second" in r][1:]
    return CASES[case]["batch"] / statistics.median(speed), usage.ru_maxrss * 1024


def lexmask_busy(a, case, out):
    """The same by processor time: what more steps take more."""
    seconds, peak = [], 0
    for steps in (1, a.steps):
        shutil.rmtree(out, ignore_errors=True)
        child = subprocess.Popen(lexmask_words(a, case, out, steps, "--matmul", a.matmul), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        assert status == 0, status
        seconds.append(usage.ru_utime + usage.ru_stime)
        peak = max(peak, usage.ru_maxrss * 1024)
    return (seconds[1] - seconds[0]) / (a.steps - 1), peak


def torch_round(a, case):
    """The faster form's; each in a process of its own, since one keeps what another has freed."""
    found = []
    for form in a.forms.split(","):
        words = [sys.executable, os.path.abspath(__file__), "--child", case, "--work", a.work, "--threads", str(a.threads), "--forms", form, "--steps", str(a.steps), "--matmul", a.matmul] + ["--busy"] * a.busy
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        found.append(json.loads(done.stdout))
    return min(found)


def clip_bytes(path):
    """Of a CLIP's numbers as float32."""
    from safetensors import safe_open

    with safe_open(os.path.join(path, "model.safetensors") if os.path.isdir(path) else path, "pt") as file:
        return 4 * sum(math.prod(file.get_slice(k).get_shape()) for k in file.keys())


def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()


def child(a):
    """PyTorch's rounds, in a process of their own: prints [seconds of a step, bytes beyond the model, parameters]."""
    import torch
    from train_reference import forward, opened, read

    torch.set_num_threads(a.threads)
    clock = time.process_time if a.busy else time.perf_counter
    case = a.child
    step, _ = read(os.path.join(a.work, case + "-dump", "step-000000.safetensors"))
    step = {k: v for k, v in step.items() if not k.startswith(("value/", "grad/", "buffer/", "map."))}
    model = opened(os.path.join(a.work, case + "-given"))
    config, batch = model.config, CASES[case]["batch"]
    side, head = config["picture"]["size"], model.rpn.head.forward

    def with_proposals(levels):
        logits, deltas = head(levels)
        for n in range(batch):
            model.propose([t.detach() for t in logits], [t.detach() for t in deltas], n, config["rpn"], side, side)
        return logits, deltas

    model.rpn.head.forward = with_proposals
    count = sum(p.numel() for p in model.parameters())
    form = {"plain": torch.contiguous_format, "last": torch.channels_last}[a.forms]
    model.to(memory_format=form)
    x = torch.randn(batch, 3, side, side).contiguous(memory_format=form)
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=config["training"]["decay"])
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before, times = resident(), []
    for _ in range(a.steps):
        start = clock()
        adamw.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.matmul == "bf16"):
            maps = model.frozen(x)["maps"]
            given = step | {f"map.{i}": m.permute(0, 2, 3, 1) for i, m in enumerate(maps)} | {"picture": x.permute(0, 2, 3, 1)}
            loss = sum(forward(model, given, 1 / batch).values())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config["training"]["clip"])
        adamw.step()
        times.append(clock() - start)
    peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(json.dumps([statistics.median(times[1:]), peak - before - 12 * count, count]))


def one(a, case):
    """A row of the table."""
    if not a.alone and not os.path.isdir(os.path.join(a.work, case + "-dump")):  # what PyTorch starts from: the model before its first step, and what that step chose
        given, dump = (os.path.join(a.work, case + end) for end in ("-given", "-dump"))
        for folder in (given, dump):
            shutil.rmtree(folder, ignore_errors=True)
        quiet(lexmask_words(a, case, given, 2, "--stop-after", "1", "--dump", dump))
    ours, theirs = [], []
    for _ in range(a.rounds):
        ours.append(lexmask_round(a, case))
        if not a.alone:
            theirs.append(torch_round(a, case))
    name, seconds, peak = f"{case}, {CASES[case]['batch']}", *(statistics.median(r[i] for r in ours) for i in (0, 1))
    if a.alone:
        print(f"| {name} | {seconds:.2f} | | | {peak / 1e6:.0f} (whole process) | | |", flush=True)
        return
    parameters = theirs[0][2]
    beyond = peak - clip_bytes(make_clip(case, a.work)) - 16 * parameters
    them, memory = (statistics.median(r[i] for r in theirs) for i in (0, 1))
    print(f"| {name} | {seconds:.2f} | {them:.2f} | {them / seconds:.2f} | {beyond / 1e6:.0f} | {memory / 1e6:.0f} | {beyond / memory:.2f} |", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/lexmask")
    p.add_argument("--work", required=True)
    p.add_argument("--cases", default="small,fvit-b16")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--data", default=os.path.join(COCO, "annotations", "instances_train2017.json"))
    p.add_argument("--pictures", default=os.path.join(COCO, "train2017"))
    p.add_argument("--tokenizer", default=os.path.join(COCO, "..", "clip_tokenizer", "bpe_simple_vocab_16e6.txt.gz"))
    p.add_argument("--forms", default="plain,last", help="of PyTorch's memory; the faster one counts")
    p.add_argument("--steps", type=int, default=3, help="of a round; the first is not counted")
    p.add_argument("--busy", action="store_true", help="for a machine with other work: one thread, processor time")
    p.add_argument("--alone", action="store_true", help="lexmask alone")
    p.add_argument("--matmul", choices=("f32", "bf16"), default="f32", help="bf16: PyTorch under autocast")
    p.add_argument("--child", help=argparse.SUPPRESS)
    a = p.parse_args()
    a.work = os.path.abspath(a.work)
    if a.busy:
        a.threads = 1
    if a.child:
        return child(a)
    os.makedirs(a.work, exist_ok=True)
    print("| preset, batch | lexmask s a step | PyTorch | PyTorch / lexmask | lexmask MB | PyTorch | lexmask / PyTorch |\n|---|---|---|---|---|---|---|")
    for case in a.cases.split(","):
        one(a, case)


if __name__ == "__main__":
    main()
