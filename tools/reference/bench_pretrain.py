#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`lexmask bench pretrain` beside PyTorch in the same run: whole updates of the same CLIP, alternating, medians.

    bench_pretrain.py --program build/lexmask [--rounds 3] [--threads 2] [--matmul bf16]

The model is transformers' CLIPModel with one product for queries, keys and values and scaled_dot_product_attention,
which is the fastest of what PyTorch offers here in float32. An update is forward, loss (both directions and the bank),
backward, gradient norm and fused AdamW. Prints seconds of wall and of processor time: on a machine that others use
too, the second is the one to compare. With --matmul bf16 lexmask multiplies in bfloat16 and PyTorch runs forward and
loss under autocast.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPModel

PICTURES, WORDS, NAMES, KEPT = 128, 12, 1377, 32


def new_model():
    common = dict(hidden_size=128, intermediate_size=512, num_attention_heads=4, hidden_act="gelu", projection_dim=128)
    return CLIPModel(CLIPConfig(
        vision_config=dict(common, image_size=64, patch_size=8, num_hidden_layers=6),
        text_config=dict(common, vocab_size=2048, max_position_embeddings=32, num_hidden_layers=3), projection_dim=128))


def run_layers(encoder, x, causal):
    n, length, width = x.shape
    for layer in encoder.layers:
        a = layer.self_attn
        parts = (a.q_proj, a.k_proj, a.v_proj)
        qkv = F.linear(layer.layer_norm1(x), torch.cat([m.weight for m in parts]), torch.cat([m.bias for m in parts]))
        q, k, v = qkv.view(n, length, 3, a.num_heads, a.head_dim).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        x = x + a.out_proj(y.transpose(1, 2).reshape(n, length, width))
        x = x + layer.mlp(layer.layer_norm2(x))
    return x


def picture_rows(model, pixels, keep):
    vision = model.vision_model
    x = vision.embeddings(pixels)
    if keep is not None:
        x = torch.cat([x[:, :1], x.gather(1, (keep + 1)[:, :, None].expand(-1, -1, x.shape[2]))], 1)
    x = run_layers(vision.encoder, vision.pre_layrnorm(x), False)
    return F.normalize(model.visual_projection(vision.post_layernorm(x[:, 0])), dim=-1)


def text_rows(model, ids):
    text = model.text_model
    h = text.final_layer_norm(run_layers(text.encoder, text.embeddings(input_ids=ids), True))
    return F.normalize(model.text_projection(h[:, -1]), dim=-1)


class Theirs:
    def __init__(self, bf16):
        self.bf16 = bf16
        self.model = new_model()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-4, weight_decay=0.1, fused=True)
        self.pixels = torch.randn(PICTURES, 3, 64, 64)
        self.keep = torch.stack([torch.arange(KEPT) * 2 + i % 2 for i in range(PICTURES)])
        self.ids = torch.randint(0, 2046, (PICTURES, WORDS))
        self.bank = F.normalize(torch.randn(NAMES, 128), dim=-1)
        self.y = torch.arange(PICTURES)

    def loss(self, half):
        v, t = picture_rows(self.model, self.pixels, self.keep if half else None), text_rows(self.model, self.ids)
        scale = self.model.logit_scale.exp()
        s = scale * v @ t.T
        return (F.cross_entropy(s, self.y) + F.cross_entropy(s.T, self.y)) / 2 + F.cross_entropy(scale * v @ self.bank.T, self.y)

    def update(self, half):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            loss = self.loss(half)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def measure(self):
        out = {}
        for name, half in (("all patches", False), ("half of the patches", True)):
            self.update(half)
            wall, busy = [], []
            for _ in range(5):
                start, used = time.perf_counter(), time.process_time()
                self.update(half)
                wall.append(time.perf_counter() - start)
                busy.append(time.process_time() - used)
            out[name] = (1e3 * statistics.median(wall), 1e3 * statistics.median(busy))
        return out


def ours(program, threads, matmul):
    words = [program, "bench", "pretrain", "--json", "--threads", str(threads), "--matmul", matmul]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return {r["update"]: (r["ms"], r["busy_ms"]) for r in json.loads(text)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/lexmask")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--matmul", choices=("f32", "bf16"), default="f32")
    a = p.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    theirs, us, them = Theirs(a.matmul == "bf16"), [], []
    for _ in range(a.rounds):
        us.append(ours(a.program, a.threads, a.matmul))
        them.append(theirs.measure())
    print(f"PyTorch {torch.__version__}, {a.threads} threads, {a.rounds} rounds, updates of {PICTURES} pictures\n")
    print("| update | lexmask ms | PyTorch ms | PyTorch / lexmask | lexmask busy ms | PyTorch busy ms | PyTorch / lexmask |\n|---|---|---|---|---|---|---|")
    for name in us[0]:
        x, y = ([statistics.median(r[name][i] for r in side) for i in range(2)] for side in (us, them))
        print(f"| {name} | {x[0]:.0f} | {y[0]:.0f} | {y[0] / x[0]:.2f} | {x[1]:.0f} | {y[1]:.0f} | {y[1] / x[1]:.2f} |")


if __name__ == "__main__":
    main()
