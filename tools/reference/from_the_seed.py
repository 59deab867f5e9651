#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/lab/from-the-seed-to-here.md: from the preset `seed` to what ships, one change a row, measured on made-up scenes.

    from_the_seed.py --clip DIR [--refined DIR] --work DIR [--seeds 1,2,3] [--steps 400] [--rows seed,temperature,...]
                     [--scenes 2000] [--unseen 100] [--list] [--page docs/lab/from-the-seed-to-here.md] [--kept FILE]
                     [--stages demo/pictures/party.png]

Runs build/lexmask and reads its JSON; needs Python alone.  {seed} in --clip and --refined stands for the seed, for
CLIPs that were trained with different ones.  A row is the one before it with one change; rows that change what is
trained are trained anew, the others evaluate the adapters of the last row that was.  Everything that is finished is
kept (a training in --work, figures in --kept) and is not done again unless what it was made of changed, the CLIP
included; a training that was stopped goes on.  The page is written anew from what there is after each row, so it can be read at any time.
--stages draws what each part of --stages-model says of a picture, into a folder beside the page.
"""
import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
PROGRAM = os.path.join(ROOT, "build", "lexmask")

# The sentences that the small CLIP was trained with (train/jobs/painted/pretrain_open.c).
SENTENCES = [
    "a photo of {}", "{}", "a photo of a {}", "an emoji of {}", "a picture of {}", "a picture of a {}", "{} emoji", "the {}",
    "a drawing of {}", "a small picture of {}", "a cropped photo of {}", "an image of a {}", "a photo of the {}",
]

# Widths and numbers of regions of `small`: the seed's are for a CLIP eight times as wide.
NARROW = {"pyramid.channels": 64, "box_head.width": 256, "rpn.after": 300, "score2.top": 300}

# key, what the page calls it, what changes (`--x` is an option of `lexmask train`, `first` a training of smaller pictures before
# the other: shares of the updates that each has), KIND, what the page says of it.
# "trained": adapters are trained anew; "kept": the last ones trained, with other settings; "aside": the same, and the next row
# goes on from the one before this.
ROWS = [
    ("seed", "the seed", {"picture.size": 64, "anchors.sizes": [8, 16, 32, 64, 128], **NARROW,
                          "training.lr": 5e-4, "training.batch": 8, "training.flip": False}, "trained",
     "ViT cut after the embeddings, 8x8 patches of a picture as large as the CLIP's own, cosines as they are, equal weights, cosine loss, AdamW"),
    ("temperature", "temperature", {"score1.scale": 50, "score2.scale": 75, "limits.score": 0.05}, "kept",
     "cosines times 50 and 75 before the softmax, which is what makes a threshold (0.05) possible"),
    ("fusion", "fusion weights", {"fusion.alpha": 0.8, "fusion.beta": 0.9}, "kept",
     "score 2 counts 0.8 for base names and 0.9 for novel ones, not 0.5 for all"),
    ("updates", "updates", {"--optimizer": "muon", "--regions": 128, "training.lr": 6e-3, "training.batch": 4, "training.warmup": 50}, "trained",
     "Muon and a rate of 6e-3 in place of AdamW and 5e-4, 4 pictures of 128 regions in place of 8 of 512: a fraction of the time"),
    ("loss", "loss", {"training.loss": "softmax", "score1.learned": True, "training.background": 0.6}, "trained",
     "cross-entropy over all names and the background, not the cosine of true boxes alone"),
    ("background", "background", {"background.kind": "learned", "background.text": ""}, "trained",
     "a vector that is learned, not a sentence"),
    ("pyramid", "feature pyramid", {
        "pyramid.kind": "vit4", "pyramid.taps": [2, 3, 4, 5], "pyramid.strides": [2, 4, 8, 16], "pyramid.norm": "group",
        "box_head.convs": 2, "box_head.fcs": 1, "mask_head.convs": 2}, "trained",
     "four blocks of the tower, not one map resampled four times; group norm; two convolutions in box and mask head"),
    ("resolution", "resolution", {"picture.size": 256, "anchors.sizes": [16, 32, 64, 128, 256]}, "trained",
     "pictures of 256 pixels, 32x32 patches"),
    ("own", "score 2: own positions", {"score2.positions": "own"}, "aside",
     "`embed`, with the positions that the CLIP was trained with"),
    ("maskcls", "score 2: maskcls", {"score2.mode": "maskcls"}, "aside", "a class token a box, in one pass over the picture"),
    ("dense", "score 2: dense", {"score2.mode": "dense"}, "aside", "the last block's values, pooled: nothing but the pooling"),
    ("crop", "score 2: crop", {"score2.mode": "crop", "score2.top": 100, "score2.context": 1}, "kept",
     "CLIP on pieces of the picture, the 100 best boxes"),
    ("context", "crops' context", {"score2.context": 1.15}, "kept", "the square around a box is 1.15 times as large"),
    ("wide", "more context", {"score2.context": 1.4}, "aside", "1.4 times"),
    ("prompts", "prompt ensemble", {"prompts": SENTENCES}, "aside", "the mean of the thirteen sentences of the CLIP's training, not one"),
    ("windows", "windows", {"tower.window": 8, "tower.positions": "window"}, "trained",
     "the tower attends within 8x8 patches, with the CLIP's own positions: each window is a picture of the size that it was trained on"),
    ("stem", "the picture itself", {"pyramid.kind": "stem", "pyramid.strides": [4, 8, 16, 32]}, "trained",
     "trained convolutions of the picture beside the tower's maps, levels from half a patch on, not a quarter"),
    ("jitter", "larger pictures, scaled", {"picture.size": 384, "training.jitter": [0.7, 1.7]}, "trained",
     "384 pixels, scaled by 0.7 to 1.7 while training"),
    ("blocks", "residual blocks", {"pyramid.blocks": 2}, "trained", "two of them on each of the two coarsest maps: both ends of a large thing at one place"),
    ("head", "a box in context", {"box_head.context": 1.5, "box_head.rounds": 2}, "trained",
     "the box head sees half a box around a box, looks again at where it moved it, and names it by both looks; its boxes of one "
     "thing come closer together, and take each other's places among the hundred until the row **no doubles**"),
    ("first", "smaller pictures first", {"first": {"size": 256, "updates": 1.4, "then": 1 / 3, "rate": 0.5}}, "trained",
     "in the same time: 1.4 times as many updates of 256 pixels, then a third as many of 384 at half the rate"),
    ("doubles", "no doubles", {"rpn.after": 1000, "score2.nms": 0.6}, "kept",
     "1,000 proposals, and what overlaps a better box by more than 0.6 gets no second score"),
    ("parts", "no parts", {"limits.inside": 0.8}, "kept", "a box of which more than 0.8 lies within a better one of its name goes"),
    ("fade", "doubles fade", {"limits.soft": 0.3, "limits.nms": 0.6}, "kept",
     "a box that overlaps a better one of its name by more than 0.3 loses that share of its score, and goes at 0.6, not 0.5"),
    ("objectness", "objectness", {"fusion.objectness": 0.6}, "kept", "a score is multiplied with the RPN's to the power of 0.6"),
    ("look", "looked at with 512", {"picture.size": 512}, "kept", "pixels, when it is used; 384 when it is trained"),
    ("refined", "refined CLIP, dense", {"clip": "refined", "picture.size": 384, "score2.mode": "dense", "score2.top": 300}, "trained",
     "the CLIP after `lexmask refine`, score 2 in one pass"),
    ("refined-crop", "refined CLIP, crop", {"score2.mode": "crop", "score2.top": 100}, "kept", "the same adapters"),
]

FIGURES = [  # key, head of the column
    ("AP", "box AP"), ("AP50_base", "AP50 base"), ("AP50_novel", "AP50 novel"), ("AP50", "AP50 all"), ("mask_AP", "mask AP"),
    ("rpn_AR100", "RPN AR@100"), ("box_AR100", "box AR@100"), ("accuracy", "named right"), ("accuracy_novel", "novel named right"),
    ("macro_f1", "macro F1"), ("seconds", "s a picture"),
]


def run(words, **more):
    return subprocess.run([str(w) for w in words], check=True, **more)


def asked(words):
    """The JSON that a command prints."""
    return json.loads(run(words, stdout=subprocess.PIPE).stdout)


def write(path, text):
    with open(path + ".part", "w", encoding="utf8") as file:
        file.write(text)
    os.replace(path + ".part", path)


def read(path):
    with open(path, encoding="utf8") as file:
        return json.load(file)


def scenes(a, name, seed, count, pool):
    folder = os.path.join(a.work, f"{name}-{count}")
    if not os.path.exists(os.path.join(folder, "annotations.json")):
        run([PROGRAM, "scenes", "--out", folder, "--seed", seed, "--count", count, "--pool", pool, *a.scene_options])
    return folder


def seed_preset(a, clip):
    """The preset's config.json, as a training of one update writes it."""
    one, folder = scenes(a, "one", 5, 1, "all"), os.path.join(a.work, "preset")
    if not os.path.exists(os.path.join(folder, "config.json")):
        run([PROGRAM, "train", "-q", "--preset", "seed", "--clip", clip, "--data", f"{one}/annotations.json", "--pictures", f"{one}/images",
             "--out", folder, "--steps", 1, "--batch", 1])
    return read(os.path.join(folder, "config.json"))


def file_hash(clip):
    digest = hashlib.sha256()
    with open(os.path.join(clip, "model.safetensors"), "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def change(recipe, changes, clips):
    """-> the recipe (config.json and options of `lexmask train`) with the changes of a row."""
    recipe = json.loads(json.dumps(recipe))
    for key, value in changes.items():
        if key.startswith("--"):
            recipe["options"][key] = value
            continue
        if key == "first":
            recipe["first"] = value
            continue
        if key == "clip":
            recipe["config"]["clip"].update(path=clips[value], sha256=file_hash(clips[value]))
            continue
        at = recipe["config"]
        *groups, last = key.split(".")
        for group in groups:
            at = at[group]
        assert last in at, f"no setting {key}"
        at[last] = value
    return recipe


def digest(*parts):
    """Of recipes and settings: not where a CLIP lies, but its hash."""
    plain = json.loads(json.dumps(parts))
    for recipe in plain:
        if isinstance(recipe, dict):
            recipe["config"]["clip"]["path"] = ""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def write_config(folder, config, steps):
    config = json.loads(json.dumps(config))
    config["training"] |= {"steps": steps, "warmup": warmup(config, steps)}
    write(os.path.join(folder, "config.json"), json.dumps(config, indent=1))


def warmup(config, steps):
    return min(config["training"]["warmup"], steps // 8)


def updates_before(a, first):
    return round(first["updates"] * a.steps)


def updates_after(a, first):
    return round(first["then"] * a.steps)


def learn(a, seed, begin, out, data, steps, options):
    """Goes on where it was stopped."""
    words = [PROGRAM, "train", "--model", begin, "--out", out, "--data", f"{data}/annotations.json", "--pictures", f"{data}/images",
             "--base", f"{data}/base.txt", "--steps", steps, "--seed", seed, *options, *a.train_options]
    if os.path.exists(os.path.join(out, "checkpoint.safetensors")):
        words.append("--resume")
    run(words)


def train(a, row, seed, recipe, data):
    """-> the run's folder."""
    of_seed = os.path.join(a.work, f"seed{seed}")
    out, begin = os.path.join(of_seed, f"train-{row}"), os.path.join(of_seed, f"begin-{row}")
    done, what = os.path.join(out, "done.json"), digest(recipe, a.steps, a.scenes, a.scene_options, a.train_options)
    if os.path.exists(done) and read(done) == what:
        return out
    if os.path.exists(done):
        sys.exit(f"{out}: was made of other settings; remove it to train it anew")
    config, options = recipe["config"], [w for pair in recipe["options"].items() for w in pair]
    steps, first = a.steps, recipe.get("first")
    os.makedirs(begin, exist_ok=True)
    write_config(begin, config, steps)
    if first:
        smaller, steps = os.path.join(of_seed, f"first-{row}"), updates_after(a, first)
        learn(a, seed, begin, smaller, data, updates_before(a, first), [*options, "--size", first["size"]])
        begin = smaller
        options += ["--size", config["picture"]["size"], "--lr", first["rate"] * config["training"]["lr"], "--warmup", warmup(config, steps)]
    learn(a, seed, begin, out, data, steps, options)
    write(done, json.dumps(what))
    return out


def model_of(a, row, seed, config, trained):
    """A folder with the row's configuration and the adapters that there are."""
    folder = os.path.join(a.work, f"seed{seed}", f"row-{row}")
    os.makedirs(folder, exist_ok=True)
    adapters = os.path.join(folder, "adapters.safetensors")
    if os.path.lexists(adapters):
        os.remove(adapters)
    os.symlink(os.path.abspath(os.path.join(trained, "adapters.safetensors")), adapters)
    write_config(folder, config | {"base_names": read(os.path.join(trained, "config.json"))["base_names"]}, a.steps)
    return folder


def measure(a, model, unseen):
    truth, results = ["--gt", f"{unseen}/annotations.json"], os.path.join(model, "results.json")
    looks, base = ["--model", model, "--pictures", f"{unseen}/images"], ["--base", f"{unseen}/base.txt"]
    named = asked([PROGRAM, "report", *truth, *looks, *base, "--json", *a.run_options])  # also fills the cache of texts
    start = time.monotonic()
    boxes = asked([PROGRAM, "eval", *truth, *looks, *base, "--recall", "--json", "--results-out", results, *a.run_options])
    seconds = (time.monotonic() - start) / len(read(f"{unseen}/annotations.json")["images"])
    masks = asked([PROGRAM, "eval", *truth, "--results", results, "--type", "segm", "--json"])
    os.remove(results)
    return {
        "AP": boxes["stats"][0], "AP50": boxes["stats"][1], "AP50_base": boxes["split"]["AP50"]["base"],
        "AP50_novel": boxes["split"]["AP50"]["novel"], "mask_AP": masks["stats"][0], "rpn_AR100": boxes["proposals"]["AR@100"],
        "box_AR100": boxes["recall"]["AR@100"], "accuracy": named["accuracy"], "accuracy_novel": named["split"]["novel"]["accuracy"],
        "macro_f1": named["macro avg"]["f1-score"], "seconds": seconds,
    }


def settings(a):
    """Figures of other settings do not come into the same table."""
    return f"{a.steps} updates, {a.scenes} scenes, {a.unseen} unseen"


def everything_kept(a):
    return read(a.kept) if os.path.exists(a.kept) else {}


def kept(a):
    """{seed: {row: {made_of, figures}}}: all that was measured with these settings, in a file beside the page, on whatever machine."""
    return everything_kept(a).get(settings(a), {})


def keep(a, seed, key, entry):
    everything = everything_kept(a)
    everything.setdefault(settings(a), {}).setdefault(str(seed), {})[key] = entry
    write(a.kept, json.dumps(everything, indent=1) + "\n")
    if a.page:
        write(a.page, page(a))


def one_seed(a, seed, wanted, train_data, unseen):
    os.makedirs(os.path.join(a.work, f"seed{seed}"), exist_ok=True)
    clips = {"plain": os.path.abspath(a.clip.format(seed=seed)), "refined": a.refined and os.path.abspath(a.refined.format(seed=seed))}
    recipe = change({"config": seed_preset(a, clips["plain"]), "options": {}}, {"clip": "plain"}, clips)
    owner, trained = None, None  # the last row that is trained, and its recipe: it is trained when a row that is wanted needs it
    for key, _, changes, kind, _ in ROWS:
        if changes.get("clip") == "refined" and not clips["refined"]:
            break
        changed = change(recipe, changes, clips)
        if kind != "aside":
            recipe = changed
        if kind == "trained":
            owner, trained = (key, recipe), None
        what = digest(changed, owner[1], a.steps, a.scenes, a.unseen, a.scene_options, a.train_options, a.run_options)
        if key not in wanted or kept(a).get(str(seed), {}).get(key, {}).get("made_of") == what:
            continue
        print(f"== seed {seed}, {key}", flush=True)
        trained = trained or train(a, owner[0], seed, owner[1], train_data)
        keep(a, seed, key, {"made_of": what, "figures": measure(a, model_of(a, key, seed, changed["config"], trained), unseen)})


def stages(a):
    run([PROGRAM, "detect", a.stages, "--model", a.stages_model, "--names-file", a.stages_names, "--stages", stages_folder(a), "-q"])


def stages_folder(a):
    return os.path.join(os.path.dirname(os.path.abspath(a.page)), "stages")


def stages_text(a):
    """The pictures that there are."""
    captions = [("proposals", "What the RPN proposes: the 100 best boxes"), ("score1", "What score 1 alone names"),
                ("score2", "What score 2 alone names"), ("fused", "What both name together")]
    found = sorted(os.listdir(stages_folder(a))) if os.path.isdir(stages_folder(a)) else []
    lines = [f"![{text}](stages/{file})\n\n{text}.\n" for end, text in captions for file in found if file.endswith(f"_{end}.png")]
    return "## Stage by stage\n\n" + "\n".join(lines) + "\n" if lines else ""


def cell(values):
    if not values:
        return ""
    mean = sum(values) / len(values)
    spread = f" ±{statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean:.3f}{spread}"


def brings(rows, before):
    """Box AP beside the row that was changed, of each seed that has both: the least and the most."""
    more = [rows[seed]["AP"] - before[seed]["AP"] for seed in rows if seed in before]
    ends = dict.fromkeys(f"{round(end, 3) + 0.0:+.3f}" for end in (min(more), max(more))) if more else ()  # + 0.0: no -0.000
    return " to ".join(ends)


def table(a):
    heads = [head for _, head in FIGURES]
    heads.insert(1, "AP it brings")
    lines = ["| change | trained | " + " | ".join(heads) + " |", "|---|---|" + "---|" * len(heads)]
    measured, first, before = kept(a), None, {}
    for key, title, changes, kind, _ in ROWS:
        first = changes.get("first", first)
        rows = {seed: measured[seed][key]["figures"] for seed in map(str, a.seeds) if key in measured.get(seed, {})}
        if not rows:
            continue
        updates = " + ".join(map(str, [a.steps] if not first else [updates_before(a, first), updates_after(a, first)]))
        updates = f"{updates} updates" if kind == "trained" else ""
        seeds = "" if len(rows) == len(a.seeds) else f" ({len(rows)} of {len(a.seeds)} seeds)"
        aside = "*aside:* " if kind == "aside" else ""
        cells = [cell([r[name] for r in rows.values()]) for name, _ in FIGURES]
        cells.insert(1, brings(rows, before))
        lines.append(f"| {aside}{title}{seeds} | {updates} | " + " | ".join(cells) + " |")
        before = before if kind == "aside" else rows
    return "\n".join(lines)


PAGE = """# From the seed to here

The design that this project began with (preset `seed`) named almost nothing: box AP 0.0025 on COCO. This page takes it to
what ships, one change a row, on [pictures of which everything is known](../scenes.md), with the small CLIP in place of
ViT-B/32. Each row is the one above it with one more change; a row *aside* is left again by the next.

{table}

Made by `tools/reference/from_the_seed.py --seeds {seeds} --steps {steps} --scenes {scenes} --unseen {unseen}`: adapters learn on {scenes} scenes of base
names, figures are of {unseen} scenes that nothing was trained on, with all 1,377 names asked for at once.{spread} A row
without updates evaluates the adapters of the last row above it that has some, with other settings. These are short
trainings, for comparing rows; the model that ships was trained longer ([its card](../../demo/model/README.md)). Seconds a picture are wall
clock of `lexmask eval`, on a machine that may have had other work. All digits are in [a file beside this page]({kept}), which
other seeds join when they are measured.

## The rows

{rows}

There is no row for **class-agnostic heads**: boxes and masks of an F-VLM are class-agnostic here from the first row on, and
the code does not offer the other. Heads with one output a name could not box names that they were not trained on.

Widths of pyramid and heads are those of `small` from the first row on, since the seed's are for a CLIP of 768 channels; its picture is as
large as the CLIP's own (64 pixels, 8x8 patches; ViT-B/32 has 7x7 of 224 pixels).

{stages}## What carries

Three things, and the seed has none of them: pieces of the picture for score 2, since that is what its CLIP was trained on; a
map that is fine enough for the smallest thing; and that the boxes which are looked at twice are of different things. Before
the map is fine enough nothing brings a name, the loss and the background included: there is no box for it to be right in.
Beside them each of three seeds shows that box AP is brought by the picture itself, a box in context (which costs AP50 until its
doubles go), smaller pictures first and 512 pixels; by little, but always, by **no parts** and **doubles fade**. Wider crops
cost it, and so do larger pictures, while their masks gain. Windows, residual blocks, 1.15 of context, more sentences and
objectness move figures here by no more than so short a training may by chance;
[longer comparisons](training.md#the-model-that-ships) are what they were taken for.

## For someone with a real CLIP

- **temperature**: cosines of CLIP differ by hundredths, so that without a factor the softmax over many names is flat and
  no threshold is right. It costs nothing.
- **fusion weights**: the trained embedding knows base names, CLIP itself knows all: that is what two weights are for.
  `lexmask eval --sweep` finds those of one's own data without running the model again.
- **loss, background**: the cosine of true boxes alone never says what a box is not; a background that is learned needs a loss
  that sees it.
- **updates**: not a setting of the model, but what lets a short training say anything.
- **smaller pictures first**: an update of 256 pixels costs two thirds of one of 384, and most of what is learned does not need the rest.
- **feature pyramid, resolution, the picture itself, larger pictures, residual blocks, a box in context**: where boxes are
  found at all. Look at AR@100 of RPN and box head before you look at names: a name cannot be better than its box. 8x8
  patches of a whole picture are what ViT-B/32 has.
- **windows**: what is proposed gets better where the tower sees pieces as large as its own training's; names do not, here.
- **score 2**: what CLIP was trained on is what it can be asked. The small one saw crops of 64 pixels, so pieces of the picture
  are its home, and one pass over the picture is not, until it is refined; a CLIP of photos is no different in kind.
- **context, prompts, doubles, parts, fading, objectness, 512 pixels**: settings of evaluation alone, cheap to try. Of a hundred boxes
  with a second score most are doubles of a few things unless those go first.

## Where this world is not photos

There is no domain gap: the CLIP saw the same drawings, painted by the same program. Names are clean, and one each. Novel
names were in the CLIP's training, as they are with a real CLIP, but not in the detector's. Things are never seen from
behind. So differences between rows say what a setting does when all else goes well; the size of the figures says nothing of
photos.
"""


def page(a):
    rows = "\n".join(f"- **{title}**: {note}." for _, title, _, _, note in ROWS)
    spread = f" Mean and standard deviation of {len(a.seeds)} seeds; what a row brings: the least and the most of them." if len(a.seeds) > 1 else " One seed."
    return PAGE.format(table=table(a), seeds=",".join(map(str, a.seeds)), steps=a.steps, scenes=a.scenes, unseen=a.unseen, spread=spread,
                       rows=rows, stages=stages_text(a),
                       kept=os.path.basename(a.kept))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--clip", help="Hugging Face folder of the small CLIP")
    p.add_argument("--refined", help="the same after `lexmask refine`; without it there are no rows of it")
    p.add_argument("--work")
    p.add_argument("--seeds", default="1,2,3")
    p.add_argument("--steps", type=int, default=400, help="updates of each training")
    p.add_argument("--rows", default="all", help="keys of --list, separated by commas")
    p.add_argument("--scenes", type=int, default=2000)
    p.add_argument("--unseen", type=int, default=100)
    p.add_argument("--scene-options", default="", help="more words for `lexmask scenes`")
    p.add_argument("--train-options", default="", help="more words for `lexmask train`")
    p.add_argument("--run-options", default="", help="more words for `lexmask eval` and `report` of a model")
    p.add_argument("--page", default=os.path.join(ROOT, "docs", "lab", "from-the-seed-to-here.md"))
    p.add_argument("--kept", help="all figures as JSON; default: PAGE with .json for .md")
    p.add_argument("--stages", help="a picture")
    p.add_argument("--stages-model", default=os.path.join(ROOT, "demo", "model"))
    p.add_argument("--stages-names", default=os.path.join(ROOT, "demo", "names.txt"))
    p.add_argument("--list", action="store_true", help="the rows, and which are trained")
    a = p.parse_args()
    if a.list:
        for key, title, _, kind, note in ROWS:
            print(f"{key:13} {kind:8} {title}: {note}")
        return 0
    if not a.clip or not a.work:
        p.error("--clip and --work are needed")
    a.seeds = [int(s) for s in a.seeds.split(",")]
    a.kept = a.kept or os.path.splitext(a.page)[0] + ".json"
    for name in "scene_options", "train_options", "run_options":
        setattr(a, name, getattr(a, name).split())
    keys = [row[0] for row in ROWS]
    wanted = keys if a.rows == "all" else a.rows.split(",")
    unknown = [w for w in wanted if w not in keys]
    if unknown:
        p.error(f"no row {unknown[0]}; --list shows them")
    os.makedirs(a.work, exist_ok=True)
    train_data = scenes(a, "scenes", 1, a.scenes, "base")
    unseen = scenes(a, "unseen", 77001, a.unseen, "all")
    for seed in a.seeds:
        one_seed(a, seed, wanted, train_data, unseen)
    if a.page and a.stages:
        stages(a)
    if a.page:
        write(a.page, page(a))
    print(table(a))
    return 0


if __name__ == "__main__":
    sys.exit(main())
