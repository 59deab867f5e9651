# SPDX-License-Identifier: Apache-2.0
"""F-VLM in PyTorch, as models/fvlm/fvlm.h has it: the same parameter names, the same detections.

    model = Fvlm.open("MODEL_DIR")             config.json, adapters.safetensors and the CLIP it names
    model = Fvlm(config, clip)                 a new one; config as in docs/model-config.md
    found = model.detect(picture, text)        picture: PIL; text: [T or T+1, D] unit rows

    fvlm.py MODEL_DIR PICTURE... --embeddings text.npy      prints what it finds

Trainable parts are ordinary modules (model.adapters()); the CLIP is frozen. Everything runs in the
type of the parameters (model.double() for float64). Forward stages, for training:

    maps = model.frozen(x)                     x [N,3,S,S] -> dictionary of features, no gradient
    levels = model.levels(maps["maps"], x)     five maps
    logits, deltas = model.rpn.head(levels)    lists, [N,A,h,w] and [N,4A,h,w]
    boxes, scores = model.propose(logits, deltas, n, limits, height, width)
    deltas, embedding = model.box(model.box_regions(levels, boxes, image))
    cosines = model.classify(text, embedding)
    mask_logits = model.mask(model.regions(levels, boxes, image, size))
"""

import argparse
import hashlib
import json
import math
import os
import re

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.ops import FeaturePyramidNetwork, batched_nms, box_iou, clip_boxes_to_image, nms, roi_align
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

GROUPS, EPS = 32, 1e-5
REGION_BATCH = 256


# ---- CLIP --------------------------------------------------------------------------------------

HF_NAMES = [
    (r"^vision_model\.embeddings\.class_embedding$", "visual.class_embedding"),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", "visual.positional_embedding"),
    (r"^vision_model\.embeddings\.patch_embedding\.weight$", "visual.conv1.weight"),
    (r"^vision_model\.pre_layrnorm\.", "visual.ln_pre."),
    (r"^vision_model\.post_layernorm\.", "visual.ln_post."),
    (r"^vision_model\.encoder\.layers\.", "visual.transformer.resblocks."),
    (r"\.layer_norm1\.", ".ln_1."),
    (r"\.layer_norm2\.", ".ln_2."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
    (r"\.self_attn\.", ".attn."),
]


def weights_file(path):
    """The file that a CLIP's weights are read from."""
    if os.path.isdir(path):
        for name in ("model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin"):
            if os.path.exists(os.path.join(path, name)):
                return os.path.join(path, name)
    return path


def file_hash(path):
    digest = hashlib.sha256()
    with open(weights_file(path), "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def openai_names(state):
    """The image tower's tensors under OpenAI's names, in float32."""
    out, parts = {}, {}
    for name, tensor in state.items():
        if name == "visual_projection.weight":
            out["visual.proj"] = tensor.T
            continue
        for pattern, ours in HF_NAMES:
            name = re.sub(pattern, ours, name)
        apart = re.match(r"(visual\..*\.attn)\.([qkv])_proj\.(weight|bias)$", name)
        if apart and "attnpool" not in name:
            parts.setdefault(f"{apart[1]}.in_proj_{apart[3]}", {})[apart[2]] = tensor
        elif name.startswith("visual."):
            out[name] = tensor
    for name, part in parts.items():
        out[name] = torch.cat([part[k] for k in "qkv"])
    return {k: v.float() if v.is_floating_point() else v for k, v in out.items()}


class Clip(nn.Module):
    """A frozen image tower. heads, activation, mean, std: what the tensors do not tell."""

    def __init__(self, path, heads=0, activation="auto"):
        super().__init__()
        file = weights_file(path)
        if file.endswith(".safetensors"):
            state = load_file(file)
        else:
            try:
                state = torch.jit.load(file, map_location="cpu").state_dict()
            except RuntimeError:
                state = torch.load(file, map_location="cpu", weights_only=True)
        self.w = openai_names(state)
        self.is_vit = "visual.class_embedding" in self.w
        side = self.w["visual.positional_embedding" if self.is_vit else "visual.attnpool.positional_embedding"]
        self.grid = math.isqrt(side.shape[0] - 1)
        self.patch = self.w["visual.conv1.weight"].shape[2] if self.is_vit else 32
        self.width = self.w["visual.conv1.weight"].shape[0] if self.is_vit else self.w["visual.layer1.0.conv1.weight"].shape[0]
        self.size = self.grid * self.patch
        self.mean, self.std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
        config = os.path.join(path, "config.json")
        if os.path.isdir(path) and os.path.exists(config):
            vision = json.load(open(config, encoding="utf8"))["vision_config"]
            heads = heads or vision["num_attention_heads"]
            activation = vision["hidden_act"] if activation == "auto" else activation
        self.crop_from = lambda more: round(more / 2)  # torchvision's centre crop
        preprocessor = os.path.join(path, "preprocessor_config.json")
        if os.path.exists(preprocessor):
            self.crop_from = lambda more: more // 2  # transformers'
            p = json.load(open(preprocessor, encoding="utf8"))
            self.mean, self.std = p["image_mean"], p["image_std"]
        channels = self.width if self.is_vit else 32 * self.width
        self.heads = heads or channels // 64
        self.activation = "quick_gelu" if activation == "auto" else activation
        if self.is_vit:
            self.dim = self.w["visual.proj"].shape[1]
            self.layers = sum(1 for n in self.w if re.match(r"visual\.transformer\.resblocks\.\d+\.ln_1\.weight", n))
        else:
            from open_clip.modified_resnet import ModifiedResNet
            blocks = [sum(1 for n in self.w if re.match(rf"visual\.layer{i}\.\d+\.bn1\.weight", n)) for i in range(1, 5)]
            self.dim = self.w["visual.attnpool.c_proj.weight"].shape[0]
            self.resnet = ModifiedResNet(blocks, self.dim, self.heads, self.size, self.width).eval()
            self.resnet.load_state_dict({n[7:]: t for n, t in self.w.items() if n.startswith("visual.")}, strict=False)
        for p in self.parameters():
            p.requires_grad_(False)

    def g(self, name):
        return self.w["visual." + name]

    @property
    def dtype(self):
        return self.g("conv1.weight").dtype

    def _apply(self, fn, recurse=True):  # .double()
        self.w = {name: fn(tensor) for name, tensor in self.w.items()}
        return super()._apply(fn, recurse)

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.g(name + ".weight"), self.g(name + ".bias"), EPS)

    def act(self, x):
        if self.activation == "quick_gelu":
            return x * torch.sigmoid(1.702 * x)
        return F.gelu(x, approximate="tanh" if self.activation in ("gelu_tanh", "gelu_pytorch_tanh") else "none")

    def mlp(self, x, b):
        h = self.act(F.linear(x, self.g(b + ".mlp.c_fc.weight"), self.g(b + ".mlp.c_fc.bias")))
        return F.linear(h, self.g(b + ".mlp.c_proj.weight"), self.g(b + ".mlp.c_proj.bias"))

    def qkv(self, x, b):
        return F.linear(x, self.g(b + ".attn.in_proj_weight"), self.g(b + ".attn.in_proj_bias")).chunk(3, -1)

    def attend(self, q, k, v, mask=None):
        n, lq, c = q.shape
        q, k, v = (t.reshape(n, -1, self.heads, c // self.heads).transpose(1, 2) for t in (q, k, v))
        a = q @ k.transpose(-1, -2) * (c // self.heads) ** -0.5
        if mask is not None:
            a = a.masked_fill(~mask[:, None], float("-inf"))
        return (a.softmax(-1) @ v).transpose(1, 2).reshape(n, lq, c)

    def out(self, x, b):
        return F.linear(x, self.g(b + ".attn.out_proj.weight"), self.g(b + ".attn.out_proj.bias"))

    def block(self, x, i):
        b = f"transformer.resblocks.{i}"
        x = x + self.out(self.attend(*self.qkv(self.norm(x, b + ".ln_1"), b)), b)
        return x + self.mlp(self.norm(x, b + ".ln_2"), b)

    def value_path(self, x, i):
        b = f"transformer.resblocks.{i}"
        x = x + self.out(self.qkv(self.norm(x, b + ".ln_1"), b)[2], b)
        return x + self.mlp(self.norm(x, b + ".ln_2"), b)

    def project(self, x):
        return self.norm(x, "ln_post") @ self.g("proj")

    def positions(self, rows, columns):
        """[1+rows*columns,C]: the class token's, then the grid's, stretched."""
        p = self.g("positional_embedding")
        if (rows, columns) == (self.grid, self.grid):
            return p
        cells = p[1:].reshape(1, self.grid, self.grid, -1).permute(0, 3, 1, 2)
        cells = F.interpolate(cells, size=(rows, columns), mode="bicubic", align_corners=False)
        return torch.cat([p[:1], cells.permute(0, 2, 3, 1).reshape(rows * columns, -1)])

    def patches(self, x):
        """[N,3,H,W] -> [N,h,w,C]"""
        return F.conv2d(x, self.g("conv1.weight"), stride=self.patch).permute(0, 2, 3, 1)

    def encode(self, x):
        """[N,3,S,S] -> [N,D], not normalised."""
        if not self.is_vit:
            return self.resnet(x)
        p = self.patches(x)
        t = torch.cat([self.g("class_embedding").expand(len(p), 1, -1), p.flatten(1, 2)], 1) + self.positions(self.grid, self.grid)
        return self.encode_tokens(self.norm(t, "ln_pre"))

    def encode_tokens(self, t):
        for i in range(self.layers):
            t = self.block(t, i)
        return self.project(t[:, 0])

    def resnet_maps(self, x):
        r, out = self.resnet, []
        x = r.stem(x)
        for layer in (r.layer1, r.layer2, r.layer3, r.layer4):
            x = layer(x)
            out.append(x)
        return out

    def crop_input(self, picture, edges):
        """CLIP's preprocessing by Pillow of the rectangle x0,y0,x1,y1."""
        piece = picture.crop(tuple(edges))
        w, h = piece.size
        short = min(w, h)
        size = (self.size, int(self.size * h / short)) if w <= h else (int(self.size * w / short), self.size)
        piece = piece.resize(size, Image.BICUBIC)
        left, top = (self.crop_from(side - self.size) for side in size)
        return self.normalise(piece.crop((left, top, left + self.size, top + self.size)))

    def normalise(self, picture):
        x = torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1).float() / 255
        return (x - torch.tensor(self.mean).view(3, 1, 1)) / torch.tensor(self.std).view(3, 1, 1)


# ---- trainable parts ---------------------------------------------------------------------------


def norm_of(kind):
    return {"none": None, "batch": nn.BatchNorm2d, "group": lambda c: nn.GroupNorm(GROUPS, c)}[kind]


def unit(cin, cout, size, kind, act=True, stride=1):
    """Convolution, norm, ReLU: parameters 0.weight, and 0.bias or those of 1."""
    norm = norm_of(kind)
    parts = [nn.Conv2d(cin, cout, size, stride, padding=size // 2, bias=norm is None)]
    parts += [norm(cout)] if norm else []
    parts += [nn.ReLU()] if act else []
    return nn.Sequential(*parts)


class Pyramid(nn.Module):
    """What comes before the FPN; for `simple` all of it."""

    def __init__(self, config, channels):
        super().__init__()
        p = config["pyramid"]
        self.kind, self.strides, self.size = p["kind"], p["strides"], config["picture"]["size"]
        width, kind = p["channels"], p["norm"]
        if self.kind in ("vit4", "simple"):
            c = channels[0]
            half, quarter = (c // 2, c // 4) if self.kind == "simple" else (c, c)
            norm = norm_of(kind)
            # The norm keeps its place and its number where there is none.
            self.fpn1 = nn.Sequential(nn.ConvTranspose2d(c, half, 2, 2), norm(half) if norm else nn.Identity(), nn.GELU(), nn.ConvTranspose2d(half, quarter, 2, 2))
            self.fpn2 = nn.Sequential(nn.ConvTranspose2d(c, half, 2, 2))
        if self.kind == "simple":
            self.lateral = nn.ModuleList(unit(i, width, 1, kind, False) for i in (c // 4, c // 2, c, c))
            self.output = nn.ModuleList(unit(width, width, 3, kind, False) for _ in range(4))
        if self.kind == "stem":
            convs = int(math.log2(self.strides[3]))
            self.stem = nn.ModuleList(unit(3 if i == 0 else width, width, 3, kind, stride=2) for i in range(convs))
            self.side = nn.ModuleList(nn.Conv2d(width, c, 1) for c in channels)
            self.fpn2 = nn.Sequential(nn.ConvTranspose2d(channels[0], channels[0], 2, 2))
            self.blocks = config["pyramid"].get("blocks", 0)
            wide = [c for c in channels[2:] for _ in range(self.blocks)]
            self.block = nn.ModuleList(nn.ModuleList([unit(c, c, 3, kind), unit(c, c, 3, kind, False)]) for c in wide)
        if self.kind == "single":
            self.adapter = nn.ModuleList(unit(channels[0], width, 1, kind) for _ in range(4))

    def forward(self, maps, x):
        if self.kind == "resnet":
            return maps
        if self.kind == "stem":
            seen = [x]
            for conv in self.stem:
                seen.append(conv(seen[-1]))
            half = lambda m: F.max_pool2d(m, 2, 2, ceil_mode=True)
            y = [self.fpn2(maps[0]), maps[1], half(maps[2]), half(half(maps[3]))]
            y = [m + side(s) for m, side, s in zip(y, self.side, seen[-4:])]
            for i, (first, second) in enumerate(self.block):
                map_ = 2 + i // self.blocks
                y[map_] = F.relu(second(first(y[map_])) + y[map_])
            return y
        if self.kind == "single":
            return [a(F.interpolate(maps[0], size=(int(self.size / s),) * 2, mode="bilinear", align_corners=False)) for a, s in zip(self.adapter, self.strides)]
        maps = maps * 4 if self.kind == "simple" else maps
        y = [self.fpn1(maps[0]), self.fpn2(maps[1]), maps[2], F.max_pool2d(maps[3], 2, 2, ceil_mode=True)]
        if self.kind == "simple":
            y = [o(l(m)) for m, l, o in zip(y, self.lateral, self.output)]
            y.append(F.max_pool2d(y[-1], 1, 2, 0))
        return y


class RpnHead(nn.Module):
    def __init__(self, width, convs, anchors):
        super().__init__()
        self.conv = nn.ModuleList(unit(width, width, 3, "none") for _ in range(convs))
        self.cls_logits = nn.Conv2d(width, anchors, 1)
        self.bbox_pred = nn.Conv2d(width, 4 * anchors, 1)

    def forward(self, levels):
        logits, deltas = [], []
        for x in levels:
            for conv in self.conv:
                x = conv(x)
            logits.append(self.cls_logits(x))
            deltas.append(self.bbox_pred(x))
        return logits, deltas


class BoxHead(nn.Module):
    def __init__(self, config):
        super().__init__()
        b, width = config["box_head"], config["pyramid"]["channels"]
        self.conv = nn.ModuleList(unit(width, width, 3, config["pyramid"]["norm"]) for _ in range(b["convs"]))
        sizes = [width * b["size"] ** 2] + [b["width"]] * b["fcs"]
        self.fc = nn.ModuleList(nn.Linear(i, o) for i, o in zip(sizes, sizes[1:]))

    def forward(self, x):
        for conv in self.conv:
            x = conv(x)
        x = x.flatten(1)
        for fc in self.fc:
            x = F.relu(fc(x))
        return x


class Fvlm(nn.Module):
    def __init__(self, config, clip):
        super().__init__()
        self.config, self._clip = config, [clip]  # in a list: no submodule, never trained or saved
        p = config["pyramid"]
        channels = [clip.width] * 4 if clip.is_vit else [clip.width * 4 << i for i in range(4)]
        width = p["channels"]
        self.pyramid = Pyramid(config, channels)
        if p["kind"] != "simple":
            inputs = [width] * 4 if p["kind"] == "single" else channels
            self.fpn = FeaturePyramidNetwork(inputs, width, LastLevelMaxPool(), norm_layer=norm_of(p["norm"]))
        self.rpn = nn.Module()
        self.rpn.head = RpnHead(width, config["rpn"]["convs"], len(config["anchors"]["ratios"]))
        self.box_head = BoxHead(config)
        self.box_predictor = nn.Module()
        self.box_predictor.bbox_pred = nn.Linear(config["box_head"]["width"], 4)
        self.box_predictor.embedding = nn.Linear(config["box_head"]["width"], clip.dim, bias=False)
        learned_background, learned_scale = config["background"]["kind"] == "learned", config["score1"]["learned"]
        if learned_background or learned_scale:
            self.classifier = nn.Module()
        if learned_background:
            self.classifier.background = nn.Parameter(torch.randn(clip.dim) * 0.02)
        if learned_scale:
            self.classifier.logit_scale = nn.Parameter(torch.tensor(math.log(config["score1"]["scale"])))
        self.mask_head = nn.ModuleList(unit(width, width, 3, p["norm"]) for _ in range(config["mask_head"]["convs"]))
        self.mask_predictor = nn.Module()
        self.mask_predictor.conv5_mask = nn.ConvTranspose2d(width, width, 2, 2)
        self.mask_predictor.mask_fcn_logits = nn.Conv2d(width, 1, 1)
        self.eval()

    @classmethod
    def open(cls, folder):
        with open(os.path.join(folder, "config.json"), encoding="utf8") as file:
            config = json.load(file)
        where = os.path.join(folder, config["clip"]["path"])
        assert file_hash(where) == config["clip"]["sha256"], f"{where}: another CLIP"
        model = cls(config, Clip(where, config["clip"]["heads"], config["clip"]["activation"]))
        state = {k: v.float() for k, v in load_file(os.path.join(folder, "adapters.safetensors")).items()}
        missing, unexpected = model.load_state_dict(state, strict=False)
        missing = [m for m in missing if not m.endswith("num_batches_tracked")]
        assert not missing and not unexpected, (missing, unexpected)
        return model

    def in_double(self):
        """Tower and adapters; pictures are still resized and normalised in float32."""
        self.clip.double()
        return self.double()

    def save(self, folder, half=False):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "config.json"), "w", encoding="utf8") as file:
            json.dump(self.config, file, indent=1)
            file.write("\n")
        state = {k: (v.half() if half else v).contiguous() for k, v in self.state_dict().items() if not k.endswith("num_batches_tracked")}
        save_file(state, os.path.join(folder, "adapters.safetensors"))

    @property
    def clip(self):
        return self._clip[0]

    def adapters(self):
        return list(self.parameters())

    # ---- the tower -----------------------------------------------------------------------------

    def tokens_of(self, patches):
        """Sequences [N*windows,1+L,C] after the first norm, and the way back to a map."""
        clip, tower = self.clip, self.config["tower"]
        n, h, w, c = patches.shape
        window = tower["window"]
        row = clip.g("class_embedding").expand(1, 1, -1)
        if not window:
            t = torch.cat([row.expand(n, -1, -1), patches.flatten(1, 2)], 1) + clip.positions(h, w)
            return clip.norm(t, "ln_pre"), lambda t: t[:, 1:].reshape(n, h, w, c)
        cells = patches
        if tower["positions"] == "scene":
            cells = patches + clip.positions(h, w)[1:].reshape(h, w, c)
        cells = cells.reshape(n, h // window, window, w // window, window, c).transpose(2, 3).reshape(-1, window * window, c)
        if tower["positions"] == "scene":
            t = torch.cat([(row + clip.g("positional_embedding")[:1]).expand(len(cells), -1, -1), cells], 1)
        else:
            t = torch.cat([row.expand(len(cells), -1, -1), cells], 1) + clip.positions(window, window)

        def back(t):
            t = t[:, 1:].reshape(n, h // window, w // window, window, window, c)
            return t.transpose(2, 3).reshape(n, h, w, c)

        return clip.norm(t, "ln_pre"), back

    @torch.no_grad()
    def frozen(self, x):
        """Everything that any mode needs."""
        clip = self.clip
        if not clip.is_vit:
            return {"maps": clip.resnet_maps(x)}
        taps = self.config["pyramid"]["taps"]
        patches = clip.patches(x)
        n, h, w, c = patches.shape
        maps = {-1: patches + clip.positions(h, w)[1:].reshape(h, w, c)}
        tokens, back = self.tokens_of(patches)
        t = tokens
        for i in range(clip.layers - 1):
            t = clip.block(t, i)
            maps[i] = back(t)
        last = clip.value_path(back(t), clip.layers - 1)
        maps[clip.layers - 1] = last
        dense = F.normalize(clip.project(last), dim=-1)
        return {"maps": [maps[i].permute(0, 3, 1, 2) for i in taps], "patches": patches, "tokens": tokens, "dense": dense}

    def levels(self, maps, x):
        y = self.pyramid(maps, x)
        if self.config["pyramid"]["kind"] == "simple":
            return y
        return list(self.fpn({str(i): m for i, m in enumerate(y)}).values())

    # ---- the detector --------------------------------------------------------------------------

    def strides(self):
        s = self.config["pyramid"]["strides"]
        return s + [2 * s[-1]]

    def anchors(self, level, h, w):
        """[h*w*A,4], around the middle of each cell, in the order row, column, ratio."""
        size, stride = self.config["anchors"]["sizes"][level], self.strides()[level]
        tall = torch.tensor(self.config["anchors"]["ratios"], dtype=torch.float32).sqrt()
        wide = 1 / tall
        cell = torch.stack([-wide * size, -tall * size, wide * size, tall * size], 1) / 2
        y = ((torch.arange(h, dtype=torch.float64) + 0.5) * stride).float()
        x = ((torch.arange(w, dtype=torch.float64) + 0.5) * stride).float()
        y, x = torch.meshgrid(y, x, indexing="ij")
        return (torch.stack([x, y, x, y], -1)[:, :, None] + cell).reshape(-1, 4)

    @staticmethod
    def decode(deltas, boxes, weights):
        w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        x, y = boxes[:, 0] + 0.5 * w, boxes[:, 1] + 0.5 * h
        dx, dy, dw, dh = (deltas / torch.tensor(weights, dtype=deltas.dtype)).unbind(1)
        limit = math.log(1000.0 / 16)
        dw, dh = dw.clamp(max=limit), dh.clamp(max=limit)
        x, y, w, h = dx * w + x, dy * h + y, dw.exp() * w, dh.exp() * h
        return torch.stack([x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h], 1)

    @torch.no_grad()
    def propose(self, logits, deltas, n, limits, height, width):
        """limits: before, after, nms. Boxes and scores of picture n, best first."""
        boxes, scores, levels = [], [], []
        for i, (o, d) in enumerate(zip(logits, deltas)):
            a, h, w = o.shape[1:]
            o = o[n].permute(1, 2, 0).flatten()
            d = d[n].reshape(a, 4, h, w).permute(2, 3, 0, 1).reshape(-1, 4)
            best = torch.sort(o, descending=True, stable=True).indices[: limits["before"]]
            boxes.append(self.decode(d[best], self.anchors(i, h, w)[best], [1.0] * 4))
            scores.append(o[best])
            levels.append(torch.full((len(best),), i))
        boxes, scores, levels = torch.cat(boxes), torch.cat(scores).sigmoid(), torch.cat(levels)
        boxes = clip_boxes_to_image(boxes, (height, width))
        keep = ((boxes[:, 2] - boxes[:, 0] >= 1e-3) & (boxes[:, 3] - boxes[:, 1] >= 1e-3)).nonzero()[:, 0]
        boxes, scores, levels = boxes[keep], scores[keep], levels[keep]
        keep = torch.cat([(levels == i).nonzero()[:, 0][nms(boxes[levels == i], scores[levels == i], limits["nms"])] for i in range(len(logits))])
        keep = keep[torch.sort(scores[keep], descending=True, stable=True).indices][: limits["after"]]
        return boxes[keep], scores[keep]

    def regions(self, levels, boxes, image, size):
        """RoIAlign from the level on which a region is 14 to 28 places large; image: int64 [R]."""
        strides = self.config["pyramid"]["strides"]
        side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).float().sqrt()
        which = torch.floor(torch.log2(side / (14 * strides[0])) + 1e-6).clamp(0, 3)
        out = levels[0].new_zeros(len(boxes), levels[0].shape[1], size, size)
        rois = torch.cat([image[:, None].to(levels[0].dtype), boxes.to(levels[0].dtype)], 1)
        for i in range(4):
            at = (which == i).nonzero()[:, 0]
            if len(at):
                out = out.index_put((at,), roi_align(levels[i], rois[at], size, 1 / strides[i], 2, True))
        return out

    def box_regions(self, levels, boxes, image):
        """What the box head sees: a box with what surrounds it."""
        head = self.config["box_head"]
        margin = (head.get("context", 1) - 1) / 2 * (boxes[:, 2:] - boxes[:, :2])
        return self.regions(levels, torch.cat([boxes[:, :2] - margin, boxes[:, 2:] + margin], 1), image, head["size"])

    def box(self, regions):
        row = self.box_head(regions)
        return self.box_predictor.bbox_pred(row), self.box_predictor.embedding(row)

    @torch.no_grad()
    def moved(self, levels, boxes, frame):
        """Where the box head moves the regions of one picture, and their embeddings."""
        found = []
        for i in range(0, len(boxes), REGION_BATCH):
            some = boxes[i:i + REGION_BATCH]
            found.append(self.box(self.box_regions(levels, some, torch.zeros(len(some), dtype=torch.int64))))
        d, e = (torch.cat([f[k] for f in found]) for k in range(2))
        boxes = clip_boxes_to_image(self.decode(d, boxes, [10.0, 10.0, 5.0, 5.0]), (frame["net_height"], frame["net_width"]))
        return boxes, e

    def matched(self, text, unit):
        """Products with the rows of text and, where it is learned, the background."""
        rows = text.to(unit.dtype)
        if self.config["background"]["kind"] == "learned":
            rows = torch.cat([rows, F.normalize(self.classifier.background, dim=0)[None]])
        return unit @ rows.T

    def classify(self, text, embedding):
        return self.matched(text, F.normalize(embedding, dim=-1))

    def scale1(self):
        return self.classifier.logit_scale.exp() if self.config["score1"]["learned"] else self.config["score1"]["scale"]

    def mask(self, regions):
        for conv in self.mask_head:
            regions = conv(regions)
        return self.mask_predictor.mask_fcn_logits(F.relu(self.mask_predictor.conv5_mask(regions)))

    # ---- score 2 -------------------------------------------------------------------------------

    @staticmethod
    def pooled(map_, boxes, size, stride):
        """map_ [1,C,h,w]: adaptive samples, aligned."""
        return roi_align(map_, [boxes], size, 1 / stride, 0, True)

    @torch.no_grad()
    def score2(self, mode, maps, boxes, picture=None, frame=None, positions=None):
        """Unit embeddings of boxes [R,4] in network coordinates."""
        if len(boxes) == 0:
            return torch.zeros(0, self.clip.dim)
        return F.normalize(getattr(self, "_" + mode)(maps, boxes, picture, frame, positions), dim=-1)

    def _crop(self, maps, boxes, picture, frame, positions):
        context = self.config["score2"]["context"]
        scale = torch.tensor([np.float32(frame["width"]) / np.float32(frame["net_width"]), np.float32(frame["height"]) / np.float32(frame["net_height"])] * 2)
        b = (boxes * scale).double().numpy()
        mid, half = (b[:, :2] + b[:, 2:]) / 2, context * (b[:, 2:] - b[:, :2]).max(1, keepdims=True) / 2
        e = np.rint(np.concatenate([mid - half, mid + half], 1))
        for low, high, limit in ((0, 2, picture.width), (1, 3, picture.height)):
            e[:, low] = np.clip(e[:, low], 0, limit - 1)
            e[:, high] = np.minimum(np.maximum(e[:, high], e[:, low] + 1), limit)
        out = []
        for i in range(0, len(e), 64):
            x = torch.stack([self.clip.crop_input(picture, row) for row in e[i:i + 64].astype(int).tolist()])
            out.append(self.clip.encode(x.to(self.clip.dtype)))
        return torch.cat(out)

    def _embed(self, maps, boxes, picture, frame, positions):
        clip = self.clip
        own = (positions or self.config["score2"]["positions"]) == "own"
        patches = maps["patches"]
        n, h, w, c = patches.shape
        if not own:
            patches = patches + clip.positions(h, w)[1:].reshape(h, w, c)
        p, g, out = clip.g("positional_embedding"), clip.grid, []
        for i in range(0, len(boxes), 32):
            r = self.pooled(patches.permute(0, 3, 1, 2), boxes[i:i + 32], g, clip.patch).flatten(2).transpose(1, 2)
            row = clip.g("class_embedding").expand(len(r), 1, -1)
            t = torch.cat([row, r], 1) + p if own else torch.cat([row + p[:1], r], 1)
            out.append(clip.encode_tokens(clip.norm(t, "ln_pre")))
        return torch.cat(out)

    def _dense(self, maps, boxes, picture, frame, positions):
        return self.pooled(maps["dense"].permute(0, 3, 1, 2), boxes, 1, self.clip.patch).flatten(1)

    def _maskcls(self, maps, boxes, picture, frame, positions):
        clip = self.clip
        side = self.config["picture"]["size"] // clip.patch
        mask = torch.zeros(len(boxes), side, side, dtype=torch.bool)

        def span(low, high):
            first, last = math.ceil(low / clip.patch - 0.5), math.floor(high / clip.patch - 0.5)
            if first > last:
                first = last = math.floor((low + high) / (2 * clip.patch))
            return min(max(first, 0), side - 1), max(min(last, side - 1), 0)

        for m, (x0, y0, x1, y1) in zip(mask, boxes.double().tolist()):
            (left, right), (top, bottom) = span(x0, x1), span(y0, y1)
            m[top:bottom + 1, left:right + 1] = True
        mask = torch.cat([torch.ones(len(boxes), 1, dtype=torch.bool), mask.flatten(1)], 1)[None]
        t = maps["tokens"]
        q = t[:, :1].expand(1, len(boxes), -1)
        for i in range(clip.layers):
            b = f"transformer.resblocks.{i}"
            _, k, v = clip.qkv(clip.norm(t, b + ".ln_1"), b)
            own, _, _ = clip.qkv(clip.norm(q, b + ".ln_1"), b)
            q = q + clip.out(clip.attend(own, k, v, mask), b)
            q = q + clip.mlp(clip.norm(q, b + ".ln_2"), b)
            t = clip.block(t, i)
        return clip.project(q[0])

    def _attnpool(self, maps, boxes, picture, frame, positions):
        pool, out = self.clip.resnet.attnpool, []
        for i in range(0, len(boxes), 64):
            out.append(pool(self.pooled(maps["maps"][3], boxes[i:i + 64], self.clip.grid, 32)))
        return torch.cat(out)

    # ---- the whole -----------------------------------------------------------------------------

    def frame(self, height, width):
        side, longer, shorter = self.config["picture"]["size"], max(height, width), min(height, width)
        small = max(1, (2 * shorter * side + longer) // (2 * longer))
        h, w = (side, small) if height > width else (small, side)
        return dict(height=height, width=width, net_height=h, net_width=w)

    def input(self, picture, frame):
        side = self.config["picture"]["size"]
        x = torch.zeros(1, 3, side, side)
        small = picture.resize((frame["net_width"], frame["net_height"]), Image.BILINEAR)
        x[0, :, : frame["net_height"], : frame["net_width"]] = self.clip.normalise(small)
        return x

    def fuse(self, p1, p2, objectness, names, base, alpha, beta):
        f, y = self.config["fusion"], p1.double()
        w = torch.tensor([alpha if b else beta for b in base], dtype=torch.float64)
        y = y.clone()
        if p2 is not None:
            y[:, :names] = p1[:, :names].double() ** (1 - w) * p2[:, :names].double() ** w
        y = y.float().double()
        if f["renormalise"]:
            y = y / y.sum(1, keepdim=True)
        if f["objectness"] > 0:
            y[:, :names] *= objectness.double()[:, None] ** f["objectness"]
        return y.float()

    @staticmethod
    def choose(boxes, scores, names, limits):
        """Indices of the answer, best first, and all scores, of which those of its doubles have faded."""
        soft, inside, out = limits.get("soft", 1), limits.get("inside", 1), []
        left, scores = batched_nms(boxes, scores.to(boxes.dtype), names, limits["nms"]).tolist(), scores.clone()
        while left and len(out) < limits["top"]:
            i = max(left, key=lambda k: (float(scores[k]), -k))
            if not float(scores[i]) > limits["score"]:
                break
            left.remove(i)
            a, b = boxes[i].double(), boxes[out].double()
            share = (torch.minimum(a[2:], b[:, 2:]) - torch.maximum(a[:2], b[:, :2])).clamp(min=0).prod(1) / (a[2:] - a[:2]).prod()
            if ((share > inside) & (names[out] == names[i])).any():
                continue
            out.append(i)
            iou = box_iou(boxes[i : i + 1], boxes[left])[0]
            fades = (iou.double() > soft) & (names[left] == names[i])
            scores[left] = torch.where(fades, scores[left] * (1 - iou).to(scores.dtype), scores[left])
        return torch.tensor(out, dtype=torch.int64), scores

    @torch.no_grad()
    def detect(self, picture, text, base=None, mode=None, alpha=None, beta=None, everything=False):
        """text: unit rows, one a name and, where the background is a text, its own last."""
        c = self.config
        mode = mode or c["score2"]["mode"]
        names = len(text) - (c["background"]["kind"] == "text")
        base = base or [False] * names
        alpha, beta = c["fusion"]["alpha"] if alpha is None else alpha, c["fusion"]["beta"] if beta is None else beta
        frame = self.frame(picture.height, picture.width)
        x, text = self.input(picture, frame).to(self.clip.dtype), text.to(self.clip.dtype)
        maps = self.frozen(x)
        levels = self.levels(maps["maps"], x)
        logits, deltas = self.rpn.head(levels)
        rois, objectness = self.propose(logits, deltas, 0, c["rpn"], frame["net_height"], frame["net_width"])
        boxes, looks = rois, []
        for _ in range(c["box_head"].get("rounds", 1)):
            boxes, e = self.moved(levels, boxes, frame)
            looks.append(F.normalize(e, dim=-1))
        p1 = (self.scale1() * self.matched(text, torch.stack(looks).mean(0))).softmax(-1)
        most, overlap = len(boxes) if mode == "none" else c["score2"]["top"], c["score2"].get("nms", 1)
        if len(boxes) > most or overlap < 1:
            worth = (1 - p1[:, -1]) * objectness ** c["fusion"]["objectness"] if p1.shape[1] > names else objectness
            best = (nms(boxes, worth, overlap) if overlap < 1 else torch.sort(worth, descending=True, stable=True).indices)[:most]
            rois, boxes, objectness, p1 = rois[best], boxes[best], objectness[best], p1[best]
        p2 = None
        if mode != "none":
            unit = self.score2(mode, maps, boxes, picture, frame)
            p2 = F.pad((c["score2"]["scale"] * unit @ text.T).softmax(-1), (0, p1.shape[1] - len(text)))
        fused = self.fuse(p1, p2, objectness, names, base, alpha, beta)
        sound = (boxes[:, 2] - boxes[:, 0] >= 1e-2) & (boxes[:, 3] - boxes[:, 1] >= 1e-2)
        row, name = ((fused[:, :names] > c["limits"]["score"]) & sound[:, None]).nonzero().unbind(1)
        scores = fused[row, name]
        if len(scores) > 50000:
            best = torch.sort(scores, descending=True, stable=True).indices[:50000]
            row, name, scores = row[best], name[best], scores[best]
        keep, scores = self.choose(boxes[row], scores, name, c["limits"])
        row, name, scores = row[keep], name[keep], scores[keep]
        masks = []
        for i in range(0, len(row), REGION_BATCH):
            some = boxes[row[i:i + REGION_BATCH]]
            masks.append(self.mask(self.regions(levels, some, torch.zeros(len(some), dtype=torch.int64), c["mask_head"]["size"]))[:, 0].sigmoid())
        side = 2 * c["mask_head"]["size"]
        back = torch.tensor([frame["width"] / frame["net_width"], frame["height"] / frame["net_height"]] * 2, dtype=torch.float32)
        out = dict(boxes=boxes[row] * back, scores=scores, names=name, objectness=objectness[row], score1=p1[row, name],
                   score2=p2[row, name] if p2 is not None else torch.zeros(len(row)), masks=torch.cat(masks) if masks else torch.zeros(0, side, side))
        if everything:
            out |= dict(frame=frame, x=x, maps=maps, levels=levels, logits=logits, deltas=deltas, proposals=rois, refined=boxes,
                        all_objectness=objectness, p1=p1, p2=p2, fused=fused)
        return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("pictures", nargs="+")
    p.add_argument("--embeddings", required=True, help=".npy [T or T+1, D]: names and, where it is a text, the background")
    p.add_argument("--mode", choices=("none", "crop", "embed", "dense", "maskcls", "attnpool"))
    a = p.parse_args()
    model = Fvlm.open(a.model)
    text = F.normalize(torch.from_numpy(np.load(a.embeddings)).float(), dim=-1)
    for path in a.pictures:
        found = model.detect(Image.open(path).convert("RGB"), text, mode=a.mode)
        print(f"{path}: {len(found['scores'])} found")
        for s, n, b in zip(found["scores"], found["names"], found["boxes"].tolist()):
            print(f"  {float(s):.4f} name {int(n)} " + " ".join(f"{v:.1f}" for v in b))


if __name__ == "__main__":
    main()
