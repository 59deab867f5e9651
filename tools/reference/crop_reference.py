#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The crop mode of `lexmask detect` in PyTorch, step by step, on the small pair.

    crop_reference.py FOLDER --names-file names.txt --json out.json      proposals, names and detections
    crop_reference.py --measure 100                                      COCO figures of each crop shape

1. torchvision's detector runs up to its proposals (at most --proposals, best objectness first).
2. Each proposal, brought to the picture's own coordinates as torchvision does it, is cut out of the original
   picture.  tight: its edges rounded half to even.  square: the square around its centre with side
   context * max(width, height), then rounded.  Either is clipped to the picture and at least one pixel a side.
3. CLIP's preprocessing by Pillow (bicubic with antialias, shorter side to the model's, centre crop from the floor
   of half the difference, as transformers does), the image tower in float32.
4. Softmax over names and background of exp(logit_scale) * cosine.  The best entry names the proposal; those that
   the background wins are dropped.  The score is p^(1-w) o^w of that probability and the region's objectness o, w
   being --objectness; with 0 it is the probability alone.  o is the box head's (1 - background) where it is
   class-agnostic, else the RPN's (--objectness-of).
5. Boxes: the box head's regression for its best foreground class (labels from 1), clipped.  Boxes of a side
   under 0.01 and scores not above --score are dropped, NMS runs for each name, in the network's coordinates,
   --top detections stay, best first.  Masks: the mask head on these boxes, the same class, pasted as torchvision
   does, cut above 0.5.

The JSON holds for each picture: proposals and detections' boxes in picture coordinates (x0,y0,x1,y1), the crops'
integer edges, for each proposal both objectnesses, index of its name (-1 is the background), probability and score.
"""
import argparse
import contextlib
import io
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

import small_pair
from emoji_world import BACKGROUND_PROMPT, annotations, load_glyphs, scene

PAIR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demo", "pair")


class Pair:
    """Both models and the embeddings of a list of names (last row: the background prompt)."""

    def __init__(self, detector, clip, names, prompt="a photo of {}", background=BACKGROUND_PROMPT):
        if detector:
            self.detector, self.settings = small_pair.load_detector(detector)
        self.clip, self.tokenizer, self.processor = small_pair.load_clip(clip)
        self.side = self.processor.crop_size["height"]
        self.mean, self.std = (torch.tensor(v).view(3, 1, 1) for v in (self.processor.image_mean, self.processor.image_std))
        self.names = names
        self.scale = float(self.clip.logit_scale.detach().exp())
        self.texts = self.embed_texts([prompt.format(n) for n in names] + ([] if background == "none" else [background]))

    @torch.no_grad()
    def embed_texts(self, rows):
        out = []
        for i in range(0, len(rows), 256):
            t = self.tokenizer(rows[i:i + 256], padding=True, truncation=True, return_tensors="pt")
            h = self.clip.text_model(input_ids=t.input_ids).pooler_output
            out.append(F.normalize(self.clip.text_projection(h), dim=-1))
        return torch.cat(out)

    def preprocess(self, crop):
        """PIL picture -> float32 [3,side,side]."""
        w, h = crop.size
        short = min(w, h)
        size = (self.side, int(self.side * h / short)) if w <= h else (int(self.side * w / short), self.side)
        crop = crop.resize(size, Image.BICUBIC)
        left, top = ((side - self.side) // 2 for side in size)
        a = np.asarray(crop.crop((left, top, left + self.side, top + self.side)).convert("RGB"))
        return (torch.from_numpy(a.copy()).permute(2, 0, 1).float() / 255 - self.mean) / self.std

    @torch.no_grad()
    def embed_crops(self, picture, edges, batch=64):
        """Unit embeddings of the rectangles (integer x0,y0,x1,y1) of a PIL picture."""
        out = []
        for i in range(0, len(edges), batch):
            x = torch.stack([self.preprocess(picture.crop(tuple(e))) for e in edges[i:i + batch]])
            h = self.clip.vision_model(pixel_values=x).pooler_output
            out.append(F.normalize(self.clip.visual_projection(h), dim=-1))
        return torch.cat(out) if out else torch.zeros(0, self.texts.shape[1])

    def probabilities(self, embeddings):
        return (self.scale * embeddings @ self.texts.T).softmax(-1)

    @torch.no_grad()
    def propose(self, picture, top=None):
        """Everything of the detector that does not depend on names, in a dictionary."""
        d = self.detector
        original = (picture.height, picture.width)
        x = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255
        images, _ = d.transform([x])
        maps = d.backbone(images.tensors)
        levels = list(maps.values())
        objectness, deltas = d.rpn.head(levels)
        anchors = d.rpn.anchor_generator(images, levels)
        counts = [o[0].numel() for o in objectness]
        objectness, deltas = concat_box_prediction_layers(objectness, deltas)
        boxes = d.rpn.box_coder.decode(deltas, anchors).view(1, -1, 4)
        boxes, scores = d.rpn.filter_proposals(boxes, objectness, images.image_sizes, counts)
        boxes, scores = boxes[0][:top], scores[0][:top]
        r = d.roi_heads
        logits, deltas = r.box_predictor(r.box_head(r.box_roi_pool(maps, [boxes], images.image_sizes)))
        regressed = r.box_coder.decode(deltas, [boxes])
        regressed = clip_boxes_to_image(regressed, images.image_sizes[0])
        labels = logits[:, 1:].argmax(1) + 1
        refined = regressed[torch.arange(len(labels)), labels]
        head = 1 - logits.double().softmax(1)[:, 0]
        return dict(maps=maps, sizes=images.image_sizes, original=original, proposals=boxes, rpn=scores, head=head.float(),
                    agnostic=logits.shape[1] == 2, refined=refined, labels=labels, picture_proposals=resize_boxes(boxes, images.image_sizes[0], original))

    def name(self, picture, found, shape="square", context=1.15):
        """Crops of the proposals of `found`, the index of each one's name (-1: background) and its probability."""
        edges = crop_edges(found["picture_proposals"], picture.width, picture.height, shape, context)
        best, name = self.probabilities(self.embed_crops(picture, edges)).max(1)
        return dict(crops=edges, name=torch.where(name < len(self.names), name, -1), probability=best)

    @torch.no_grad()
    def detect(self, found, named, score=0.05, nms=0.5, top=100, masks=True, weight=0.5, source="auto"):
        """The detections among named proposals; see the page's top."""
        best, name = named["probability"], named["name"]
        objectness = found["head"] if source == "head" or (source == "auto" and found["agnostic"]) else found["rpn"]
        fused = (best.double() ** (1 - weight) * objectness.double() ** weight).float() if weight > 0 else best
        keep = ((name >= 0) & (fused > score)).nonzero()[:, 0]
        keep = keep[remove_small_boxes(found["refined"][keep], 1e-2)]
        keep = keep[batched_nms(found["refined"][keep], fused[keep], name[keep], nms)][:top]
        boxes = found["refined"][keep]
        out = dict(named, score=fused, kept=keep, boxes=resize_boxes(boxes, found["sizes"][0], found["original"]))
        if masks:
            r = self.detector.roi_heads
            out["masks"] = torch.zeros(0, *found["original"], dtype=torch.bool)
            if len(keep):
                logits = r.mask_predictor(r.mask_head(r.mask_roi_pool(found["maps"], [boxes], found["sizes"])))
                m = logits[torch.arange(len(keep)), found["labels"][keep]].sigmoid()[:, None]
                out["masks"] = paste_masks_in_image(m, out["boxes"], found["original"])[:, 0] > 0.5
        return out


def crop_edges(boxes, width, height, shape, context):
    """Integer crop rectangles of float32 boxes."""
    b = boxes.numpy().astype(np.float64)
    if shape == "square":
        mid = (b[:, :2] + b[:, 2:]) / 2
        half = context * (b[:, 2:] - b[:, :2]).max(1, keepdims=True) / 2
        b = np.concatenate([mid - half, mid + half], 1)
    e = np.rint(b)
    for low, high, limit in ((0, 2, width), (1, 3, height)):
        e[:, low] = np.clip(e[:, low], 0, limit - 1)
        e[:, high] = np.minimum(np.maximum(e[:, high], e[:, low] + 1), limit)
    return e.astype(int).tolist()


def encode(mask):
    from pycocotools import mask as rle

    r = rle.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))
    return dict(size=r["size"], counts=r["counts"].decode())


def coco_figures(truth, results, kind="bbox"):
    """pycocotools' twelve figures."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = truth
        gt.createIndex()
        drop = "segmentation" if kind == "bbox" else "bbox"
        e = COCOeval(gt, gt.loadRes([{k: v for k, v in r.items() if k != drop} for r in results]), kind)
        present = {a["category_id"] for a in truth["annotations"]}
        e.params.catIds = sorted(present)
        e.evaluate()
        e.accumulate()
        e.summarize()
    return e.stats


def measure(a):
    """COCO figures of named detections over all names, for each crop shape, without and with objectness, on unseen scenes."""
    pair = Pair(a.detector, a.clip, load_glyphs()[0], a.prompt, a.background)
    scenes = [scene((a.seed, i)) for i in range(a.measure)]
    truth = annotations(scenes)
    pictures = [Image.fromarray(s["picture"]) for s in scenes]
    found = [pair.propose(p, a.proposals) for p in pictures]
    print(f"{a.measure} scenes, {len(truth['annotations'])} objects, {np.mean([len(f['proposals']) for f in found]):.0f} proposals a picture")
    weights = (0.0, a.objectness)
    for shape, context in (("tight", 1.0), ("square", 1.0), ("square", 1.15), ("square", 1.3)):
        rows, hits, total = {w: [] for w in weights}, 0, 0
        for i, (p, f, s) in enumerate(zip(pictures, found, scenes)):
            named = pair.name(p, f, shape, context)
            for w in weights:
                d = pair.detect(f, named, a.score, a.nms, a.top, weight=w, source=a.objectness_of)
                for k, box, m in zip(d["kept"].tolist(), d["boxes"].tolist(), d["masks"]):
                    rows[w].append(dict(image_id=i + 1, category_id=int(d["name"][k]) + 1, score=float(d["score"][k]), segmentation=encode(m),
                                        bbox=[box[0], box[1], box[2] - box[0], box[3] - box[1]]))
            edges = crop_edges(torch.from_numpy(s["boxes"]), p.width, p.height, shape, context)
            best = pair.probabilities(pair.embed_crops(p, edges))[:, :len(pair.names)].argmax(1).numpy()
            hits, total = hits + int((best == s["names"]).sum()), total + len(best)
        for w in weights:
            b, m = coco_figures(truth, rows[w]), coco_figures(truth, rows[w], "segm")
            print(f"{shape:6} {context:4.2f} objectness {w}  box AP {b[0]:.3f} AP50 {b[1]:.3f} AR@100 {b[8]:.3f}  mask AP {m[0]:.3f} AP50 {m[1]:.3f}  "
                  f"true boxes named right {hits / total:.3f}", flush=True)


def dump(a):
    """The JSON that the C program is compared with."""
    if a.names_file:
        with open(a.names_file, encoding="utf8") as f:
            names = [n.strip() for n in f if n.strip() and not n.startswith("#")]
    else:
        names = load_glyphs()[0]
    pair = Pair(a.detector, a.clip, names, a.prompt, a.background)
    files = []
    for p in a.pictures:
        files += sorted(os.path.join(p, f) for f in os.listdir(p) if f.lower().endswith((".png", ".jpg", ".jpeg"))) if os.path.isdir(p) else [p]
    out = dict(names=names, prompt=a.prompt, background=a.background, crop_shape=a.crop_shape, crop_context=a.crop_context, objectness=a.objectness, objectness_of=a.objectness_of,
               score=a.score, nms=a.nms, top=a.top, pictures=[])
    for file in files:
        picture = Image.open(file).convert("RGB")
        found = pair.propose(picture, a.proposals)
        d = pair.detect(found, pair.name(picture, found, a.crop_shape, a.crop_context), a.score, a.nms, a.top,
                        weight=a.objectness, source=a.objectness_of)
        detections = [dict(proposal=k, name=int(d["name"][k]), label=names[int(d["name"][k])], score=float(d["score"][k]), box=box, mask=encode(m))
                      for k, box, m in zip(d["kept"].tolist(), d["boxes"].tolist(), d["masks"])]
        out["pictures"].append(dict(
            file=os.path.basename(file), width=picture.width, height=picture.height, proposals=found["picture_proposals"].tolist(),
            network_proposals=found["proposals"].tolist(), rpn_objectness=found["rpn"].tolist(), head_objectness=found["head"].tolist(), crops=d["crops"],
            name=d["name"].tolist(), probability=d["probability"].tolist(), score=d["score"].tolist(), detections=detections))
        if not a.quiet:
            print(f"{file}: {len(d['crops'])} proposals")
            for t in detections:
                print(f"  {t['score']:.3f} {t['label']:28} " + " ".join(f"{v:.1f}" for v in t["box"]))
    if a.json:
        with open(a.json, "w", encoding="utf8") as f:
            json.dump(out, f, ensure_ascii=False)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("pictures", nargs="*", help="pictures or folders of them")
    p.add_argument("--detector", default=os.path.join(PAIR, "detector.safetensors"))
    p.add_argument("--clip", default=os.path.join(PAIR, "clip"))
    p.add_argument("--names-file", help="one name a line; without it all names of the emoji world")
    p.add_argument("--prompt", default="a photo of {}")
    p.add_argument("--background", default=BACKGROUND_PROMPT, help="'none' turns it off")
    p.add_argument("--crop-shape", choices=("tight", "square"), default="square")
    p.add_argument("--crop-context", type=float, default=1.15)
    p.add_argument("--proposals", type=int, help="at most so many; without it the detector's own number")
    p.add_argument("--objectness", type=float, default=0.5, metavar="W")
    p.add_argument("--objectness-of", choices=("auto", "head", "rpn"), default="auto")
    p.add_argument("--score", type=float, default=0.05)
    p.add_argument("--nms", type=float, default=0.5)
    p.add_argument("--top", type=int, default=100)
    p.add_argument("--json")
    p.add_argument("--measure", type=int, help="COCO figures on so many fresh scenes instead")
    p.add_argument("--seed", type=int, default=4711, help="of the scenes that --measure makes")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("-q", "--quiet", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    if a.measure:
        measure(a)
    else:
        dump(a)


if __name__ == "__main__":
    main()
