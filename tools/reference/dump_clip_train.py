#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One step of a small CLIP by transformers and PyTorch's autograd in float64, for tests/test_clip_train.c.

    python tools/reference/dump_clip_train.py tests/golden/clip/train

config.json and model.safetensors are the model; case.safetensors holds pictures (channels-last), texts, the
patches that are looked at, and for each case the three terms of the loss and the gradient of every parameter
under its own name: "whole." looks at all patches, "bank." at those of `keep`, with the third term.
"""
import json
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel

VOCABULARY, CONTEXT, PICTURES, NAMES = 40, 9, 6, 7


def new_model():
    common = dict(hidden_act="gelu", projection_dim=12, layer_norm_eps=1e-5)
    config = CLIPConfig(
        vision_config=dict(common, image_size=16, patch_size=4, hidden_size=18, intermediate_size=72, num_hidden_layers=2, num_attention_heads=3),
        text_config=dict(common, vocab_size=VOCABULARY, max_position_embeddings=CONTEXT, hidden_size=12, intermediate_size=48,
                         num_hidden_layers=2, num_attention_heads=2, bos_token_id=VOCABULARY - 2, eos_token_id=VOCABULARY - 1,
                         pad_token_id=VOCABULARY - 1),
        projection_dim=12)
    torch.manual_seed(5)
    model = CLIPModel._from_config(config, attn_implementation="sdpa")  # the eager form has its softmax in float32
    with torch.no_grad():
        for p in model.parameters():  # away from zeros and ones, in numbers that float32 holds
            p.copy_((p + 0.1 * torch.randn_like(p)).float())
    return model


def picture_rows(model, pixels, keep=None):
    vision = model.vision_model
    x = vision.embeddings(pixels)
    if keep is not None:
        x = torch.cat([x[:, :1], x.gather(1, (keep.long() + 1)[:, :, None].expand(-1, -1, x.shape[2]))], 1)
    x = vision.encoder(inputs_embeds=vision.pre_layrnorm(x)).last_hidden_state
    return F.normalize(model.visual_projection(vision.post_layernorm(x[:, 0])), dim=-1)


def text_rows(model, ids):
    return F.normalize(model.text_projection(model.text_model(input_ids=ids.long()).pooler_output), dim=-1)


def terms(model, v, t, picture_names, text_names, bank):
    scale = model.logit_scale.exp()
    s = scale * v @ t.T
    wrong = picture_names[:, None] != text_names[None]
    loss_v = (s.logsumexp(1) - s.masked_fill(wrong, float("-inf")).logsumexp(1)).mean() / 2
    loss_t = (s.logsumexp(0) - s.masked_fill(wrong, float("-inf")).logsumexp(0)).mean() / 2
    loss_b = torch.zeros(()) if bank is None else F.cross_entropy(scale * v @ bank.T, picture_names.long())
    return torch.stack([loss_v, loss_t, loss_b])


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    model = new_model()
    save_file({k: v.detach().float().contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}, folder / "model.safetensors", metadata={"format": "pt"})
    c = json.loads(model.config.to_json_string(use_diff=False))
    keep_keys = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act", "layer_norm_eps", "projection_dim")
    small = {"model_type": "clip", "projection_dim": 12,
             "text_config": {k: c["text_config"][k] for k in keep_keys + ("vocab_size", "max_position_embeddings", "bos_token_id", "eos_token_id")},
             "vision_config": {k: c["vision_config"][k] for k in keep_keys + ("image_size", "patch_size")}}
    (folder / "config.json").write_text(json.dumps(small, indent=2) + "\n")
    model = model.double()
    g = torch.Generator().manual_seed(6)
    pixels = torch.randn(PICTURES, 3, 16, 16, generator=g).float()
    text_names = torch.tensor([3, 0, 5, 2, 6], dtype=torch.int32)
    picture_names = torch.tensor([0, 3, 0, 5, 2, 6], dtype=torch.int32)
    lengths = torch.tensor([4, 9, 6, 3, 7])
    ids = torch.full((5, CONTEXT), VOCABULARY - 1, dtype=torch.int32)
    for i, n in enumerate(lengths):
        ids[i, 0] = VOCABULARY - 2
        ids[i, 1:n - 1] = torch.randint(0, VOCABULARY - 2, (int(n) - 2,), generator=g)
    keep = torch.stack([torch.randperm(16, generator=g)[:5] for _ in range(PICTURES)]).int()
    bank = F.normalize(torch.randn(NAMES, 12, generator=g), dim=-1).float()
    out = {"pixels": pixels.permute(0, 2, 3, 1), "ids": ids, "place": (lengths - 1).int(), "picture_names": picture_names, "text_names": text_names,
           "keep": keep, "bank": bank}
    for case, kept, b in (("whole", None, None), ("bank", keep, bank.double())):
        model.zero_grad()
        loss = terms(model, picture_rows(model, pixels.double(), kept), text_rows(model, ids), picture_names, text_names, b)
        loss.sum().backward()
        out[f"{case}.loss"] = loss.detach()
        for name, p in model.named_parameters():
            out[f"{case}.{name}"] = p.grad.clone()
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "case.safetensors")


if __name__ == "__main__":
    main()
