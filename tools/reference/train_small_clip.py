#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the CLIP of the small pair from nothing on emoji crops and writes it as a Hugging Face folder.

    train_small_clip.py --stop 1600 --state one.pt --out /tmp/clip
    train_small_clip.py --start one.pt --steps 500 --warmup 20 --lr 1.2e-3 --drop-until 0.5 --batch 168 --empty 24 \\
        --seed 5 --out demo/pair/clip                       the committed weights (see demo/pair/README.md)
    train_small_clip.py --steps 50 --out /tmp/clip          a look whether the loss falls

The model is transformers' CLIPModel.  The loss is CLIP's with one addition that a small batch needs: the
pictures are also told from all names at once, with text embeddings that are encoded every --refresh steps.
(All of one age: where the batch's own were newer than the rest, both towers learned to drift together, which
lowers the loss and teaches nothing.)  Crops without an object belong to the
program's default background prompt.
"""
import argparse
import json
import math
import os
import time

import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

import small_bpe
from emoji_world import BACKGROUND_PROMPT, CropMaker

SIDE = 64
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
VOCABULARY = 2048
DEFAULT_PROMPT = "a photo of {}"
TEMPLATES = (
    "{}", "a photo of a {}", "an emoji of {}", "a picture of {}", "a picture of a {}", "{} emoji", "the {}",
    "a drawing of {}", "a small picture of {}", "a cropped photo of {}", "an image of a {}", "a photo of the {}",
)
EMPTY_TEXTS = (BACKGROUND_PROMPT, BACKGROUND_PROMPT, BACKGROUND_PROMPT, "background", "nothing", "a photo of nothing",
               "an empty background", "a photo of the background")


def new_model(vocab):
    common = dict(hidden_size=128, intermediate_size=512, num_attention_heads=4, hidden_act="gelu",
                  projection_dim=128, layer_norm_eps=1e-5)
    start, end = vocab[small_bpe.START], vocab[small_bpe.END]
    config = CLIPConfig(
        vision_config=dict(common, image_size=SIDE, patch_size=8, num_hidden_layers=6),
        text_config=dict(common, vocab_size=len(vocab), max_position_embeddings=small_bpe.CONTEXT, num_hidden_layers=3,
                         bos_token_id=start, eos_token_id=end, pad_token_id=end),
        projection_dim=128)
    return CLIPModel(config)


def run_layers(encoder, x, mask=None):
    """transformers' encoder, written out: its own attention is slow backwards in bfloat16 on a CPU."""
    n, length, width = x.shape
    for layer in encoder.layers:
        a = layer.self_attn
        parts = (a.q_proj, a.k_proj, a.v_proj)
        qkv = F.linear(layer.layer_norm1(x), torch.cat([m.weight for m in parts]), torch.cat([m.bias for m in parts]))
        q, k, v = qkv.view(n, length, 3, a.num_heads, a.head_dim).permute(2, 0, 3, 1, 4)
        s = (q * a.scale) @ k.transpose(2, 3)
        s = s if mask is None else s + mask.to(s.dtype)
        x = x + a.out_proj((s.softmax(-1).to(v.dtype) @ v).transpose(1, 2).reshape(n, length, width))
        x = x + layer.mlp(layer.layer_norm2(x))
    return x


def image_embeddings(model, pixels, keep=None):
    """Unit embeddings of normalised pixels; keep: how many of the patches to look at, a random choice."""
    vision = model.vision_model
    x = vision.embeddings(pixels)
    if keep:
        n, length, width = x.shape
        chosen = torch.rand(n, length - 1).argsort(1)[:, :keep] + 1
        x = torch.cat([x[:, :1], x.gather(1, chosen[:, :, None].expand(-1, -1, width))], 1)
    x = run_layers(vision.encoder, vision.pre_layrnorm(x))
    return F.normalize(model.visual_projection(vision.post_layernorm(x[:, 0])).float(), dim=-1)


class Texts:
    """Token ids of every name in every template, made once."""

    def __init__(self, names, tokenizer):
        self.names, self.end = len(names), tokenizer.eos_token_id
        templates = (DEFAULT_PROMPT,) + TEMPLATES
        rows = [t.format(n) for t in templates for n in names] + list(EMPTY_TEXTS)
        ids = tokenizer(rows, padding=True, truncation=True, max_length=small_bpe.CONTEXT, return_tensors="pt").input_ids
        self.longest = ids.shape[1]
        self.named = ids[:len(templates) * len(names)].view(len(templates), len(names), -1)
        self.empty = ids[len(templates) * len(names):]

    def batch(self, index):
        """One text for each name (two in five the default prompt) and, last, one for the background."""
        n = len(index)
        t = torch.randint(1, len(self.named), (n,))
        t[torch.rand(n) < 0.4] = 0
        rows = torch.cat([self.named[t, index], self.empty[torch.randint(0, len(self.empty), (1,))]])
        return self.cut(rows)

    def cut(self, rows):
        return rows[:, :int((rows == self.end).int().argmax(1).max()) + 1]


def text_embeddings(model, ids):
    """Unit embeddings; the mask is causal, so what follows the end token changes nothing."""
    text = model.text_model
    h = text.embeddings(input_ids=ids)
    length = h.shape[1]
    mask = torch.full((length, length), float("-inf")).triu(1)
    h = text.final_layer_norm(run_layers(text.encoder, h, mask))
    end = (ids == text.eos_token_id).int().argmax(1)
    return F.normalize(model.text_projection(h[torch.arange(len(ids)), end]).float(), dim=-1)


def optimizers(model, lr, decay):
    """Muon for the matrices inside the towers, AdamW for all else."""
    inner, outer = [], []
    for name, p in model.named_parameters():
        (inner if ".layers." in name and p.ndim == 2 else outer).append(p)
    return [torch.optim.Muon(inner, lr=lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(outer, lr=lr, weight_decay=decay, betas=(0.9, 0.98))]


def normalise(x):
    return (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


@torch.no_grad()
def all_names(model, texts):
    """Embeddings of every name in the default prompt and, last, of the background prompt."""
    rows = torch.cat([texts.named[0], texts.empty[:1]])
    return torch.cat([text_embeddings(model, texts.cut(r)) for r in rows.split(256)])


@torch.no_grad()
def quick_score(model, crops, texts, seed=7):
    """(top-1, top-5, empty crops that go to the background prompt, objects that do) on fresh crops."""
    model.eval()
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    every = torch.arange(texts.names)
    t = all_names(model, texts)
    s = torch.cat([image_embeddings(model, normalise(crops.crops(i))) for i in every.split(128)]) @ t.T
    top = s[:, :-1].topk(5, 1)[1] == every[:, None]
    lost = (s.argmax(1) == texts.names).float().mean()
    i = torch.randint(0, texts.names, (256,))
    e = image_embeddings(model, normalise(crops.crops(i, torch.ones(256, dtype=torch.bool)))) @ t.T
    torch.set_rng_state(state)
    model.train()
    return [float(v) for v in (top[:, 0].float().mean(), top.any(1).float().mean(), (e.argmax(1) == texts.names).float().mean(), lost)]


def save(model, folder):
    """config.json, model.safetensors in half precision and preprocessor_config.json."""
    from safetensors.torch import save_file

    os.makedirs(folder, exist_ok=True)
    state = {k: v.detach().half().contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}
    weights = os.path.join(folder, "model.safetensors")
    save_file(state, weights, metadata={"format": "pt"})
    os.chmod(weights, 0o644)
    towers = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act", "layer_norm_eps",
              "projection_dim", "attention_dropout")
    own = dict(text=("vocab_size", "max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id"),
               vision=("image_size", "patch_size", "num_channels"))
    config = dict(architectures=["CLIPModel"], model_type="clip", dtype="float16", projection_dim=model.config.projection_dim,
                  logit_scale_init_value=model.config.logit_scale_init_value)
    for which, keys in own.items():
        c = getattr(model.config, which + "_config")
        config[which + "_config"] = dict(model_type=f"clip_{which}_model", **{k: getattr(c, k) for k in keys + towers})
    processor = dict(image_processor_type="CLIPImageProcessor", do_resize=True, size=dict(shortest_edge=SIDE), resample=3,
                     do_center_crop=True, crop_size=dict(height=SIDE, width=SIDE), do_rescale=True, rescale_factor=1 / 255,
                     do_normalize=True, image_mean=MEAN, image_std=STD, do_convert_rgb=True)
    for name, what in (("config.json", config), ("preprocessor_config.json", processor)):
        with open(os.path.join(folder, name), "w", encoding="utf8") as f:
            f.write(json.dumps(what, indent=2) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--steps", type=int, default=2600)
    p.add_argument("--batch", type=int, default=160, help="crops a step, of which --empty hold no object")
    p.add_argument("--empty", type=int, default=16)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--decay", type=float, default=0.05)
    p.add_argument("--drop-until", type=float, default=0.65, help="part of the run that looks at half of the patches")
    p.add_argument("--refresh", type=int, default=20, help="steps between two encodings of all names")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--every", type=int, default=200, help="steps between two measurements")
    p.add_argument("--float32", action="store_true", help="no bfloat16 in the towers")
    p.add_argument("--warmup", type=int, default=200)
    p.add_argument("--stop", type=int, help="end after so many steps of the schedule (for a second run with --start)")
    p.add_argument("--start", help="continue from this state file with a schedule of its own, at full difficulty")
    p.add_argument("--state", help="keep the state here at each measurement")
    p.add_argument("--out", required=True)
    a = p.parse_args()
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    crops = CropMaker(SIDE)
    count = len(crops.names)
    corpus = crops.names + [t.replace("{}", "") for t in (DEFAULT_PROMPT,) + TEMPLATES for _ in range(20)] + list(EMPTY_TEXTS) * 20
    vocab = small_bpe.write(a.out, small_bpe.train(corpus, VOCABULARY))
    texts = Texts(crops.names, CLIPTokenizer.from_pretrained(a.out))
    model = new_model(vocab)
    if a.start:
        model.load_state_dict(torch.load(a.start))
    print(f"{count} names, {sum(q.numel() for q in model.parameters()) / 1e6:.2f} M parameters, vocabulary {len(vocab)}, longest text {texts.longest}", flush=True)
    opts = optimizers(model, a.lr, a.decay)
    order = torch.randperm(count)
    begin, shown = time.time(), a.batch - a.empty
    last = (a.stop or a.steps) - 1
    for it in range(last + 1):
        part = it / a.steps
        rate = a.lr * min(1, (it + 1) / a.warmup) * (0.5 * (1 + math.cos(math.pi * part)) + 0.005)
        for o in opts:
            for g in o.param_groups:
                g["lr"] = rate
        if len(order) < shown:
            order = torch.cat([order, torch.randperm(count)])
        index, order = order[:shown], order[shown:]
        y = torch.cat([index, torch.full((a.empty,), count)])
        shadow = torch.cat([index, torch.randint(0, count, (a.empty,))])
        easy = 0.0 if a.start else max(0.0, 0.7 - part * 4)
        x = normalise(crops.crops(shadow, y == count, easy))
        ids = texts.batch(index)
        with torch.autocast("cpu", torch.bfloat16, enabled=not a.float32):
            t = text_embeddings(model, ids)
            v = image_embeddings(model, x, 32 if part < a.drop_until else None)
        scale = model.logit_scale.exp()
        if it % a.refresh == 0:
            bank = all_names(model, texts)
        loss_all = F.cross_entropy(scale * v @ bank.T, y)
        s = scale * v @ t.T
        own = y[:, None] == torch.cat([index, torch.tensor([count])])[None]  # a name may be in a batch twice
        loss_v = (s.logsumexp(1) - s.masked_fill(~own, float("-inf")).logsumexp(1)).mean()
        loss_t = (s.logsumexp(0) - s.masked_fill(~own, float("-inf")).logsumexp(0)).mean()
        loss = (loss_v + loss_t) / 2 + loss_all
        for o in opts:
            o.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts:
            o.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100))
        if it % 25 == 24:
            print(f"{it + 1} loss {loss:.3f} all names {loss_all:.3f} pictures {loss_v:.3f} texts {loss_t:.3f} scale {scale:.1f} {time.time() - begin:.0f} s", flush=True)
        if it % a.every == a.every - 1 or it == last:
            top1, top5, empty, lost = quick_score(model, crops, texts)
            print(f"== {it + 1} top1 {top1:.3f} top5 {top5:.3f} empty right {empty:.3f} objects lost {lost:.3f} {time.time() - begin:.0f} s", flush=True)
            if a.state:
                torch.save(model.state_dict(), a.state)
    save(model, a.out)


if __name__ == "__main__":
    main()
