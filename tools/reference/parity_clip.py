# SPDX-License-Identifier: Apache-2.0
"""Full-size CLIPs with random weights, and file formats and batches: parts of parity.py, which see."""
import gc
import glob
import os
import subprocess

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import transforms
from transformers import CLIPConfig, CLIPModel

import clip_forms
import clip_tokenizer
import dump_clip

TEXTS = [
    "a photo of a cat", "two remote controls on a pink sofa", "", "a random photo with no specific object", "Ελληνικά, 日本語 & emoji 🍕",
    "a very long sentence " * 30,
]
MODELS = {"ViT-B-32": "B/32", "ViT-B-16": "B/16", "ViT-L-14": "L/14", "RN50": "RN50", "RN50x4": "RN50x4"}


def settings_of(name):
    s = open_clip.get_model_config(name)
    if "patch_size" in s["vision_cfg"] and not isinstance(s["vision_cfg"]["layers"], list):
        s["vision_cfg"].setdefault("head_width", 64)
    return dict(embed_dim=s["embed_dim"], vision_cfg=s["vision_cfg"], text_cfg=s["text_cfg"], quick_gelu=True)


def embed(program, clip, out, *more):
    subprocess.run([program, "embed", "--clip", clip, "--out", out, *more], check=True, stdout=subprocess.DEVNULL)
    return np.load(out)


def prepared(pictures, size):
    done = transforms.Compose([
        transforms.Resize(size, interpolation=transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(size), transforms.ToTensor(),
        transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ])
    return torch.stack([done(Image.open(p).convert("RGB")) for p in pictures])


def token_rows(vocabulary, texts, length):
    tokenizer, rows = clip_tokenizer.Tokenizer(vocabulary), torch.zeros(len(texts), length, dtype=torch.int64)
    for row, text in zip(rows, texts):
        ids = tokenizer.encode(text)
        if len(ids) > length:
            ids = ids[:length - 1] + ids[-1:]
        row[:len(ids)] = torch.tensor(ids)
    return rows


def unit(value):
    value = value if torch.is_tensor(value) else value.pooler_output
    return torch.nn.functional.normalize(value, dim=-1).numpy()


def differences(ours, theirs):
    """Largest difference, lowest cosine of a row with its own, highest cosine of two rows of theirs."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    own = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return np.abs(a - b).max(), own.min(), (b @ b.T - 2 * np.eye(len(b))).max()


@torch.no_grad()
def full_size(name, program, vocabulary, pictures, work, seed=0):
    """{reference: (max difference, lowest cosine, how alike two different rows are)} of pictures and texts together."""
    settings = settings_of(name)
    model = dump_clip.build(settings, torch.Generator().manual_seed(seed))
    archive = os.path.join(work, f"{name}.pt")
    state = dump_clip.stored(model)
    clip_forms.write_torchscript(state, settings, archive)
    x, ids = prepared(pictures, settings["vision_cfg"]["image_size"]), token_rows(vocabulary, TEXTS, settings["text_cfg"]["context_length"])
    theirs = {"open_clip": (unit(model.encode_image(x)), unit(model.encode_text(ids)))}
    if not isinstance(settings["vision_cfg"]["layers"], list):
        del model
        other = CLIPModel(CLIPConfig(**clip_forms.huggingface_config(settings))).eval()
        other.load_state_dict({k: t.float() for k, t in clip_forms.huggingface(state).items()}, strict=False)
        theirs["transformers"] = (unit(other.get_image_features(pixel_values=x)), unit(other.get_text_features(input_ids=ids)))
        del other
    del state
    model = None
    gc.collect()
    try:
        images = embed(program, archive, os.path.join(work, "i.npy"), "--tokenizer", vocabulary, "--pictures", *pictures)
        texts = embed(program, archive, os.path.join(work, "t.npy"), "--tokenizer", vocabulary, "--texts", *TEXTS)
    finally:
        os.remove(archive)
    out = {}
    for against, (a, b) in theirs.items():
        i, t = differences(images, a), differences(texts, b)
        out[against] = (max(i[0], t[0]), min(i[1], t[1]), max(i[2], t[2]))
    return out


def small_clip(work, size=32):
    """A little ViT in every form of file: [(what, path)], the first is Hugging Face's safetensors."""
    settings = dict(dump_clip.SETTINGS["forms"])
    settings["vision_cfg"] = dict(settings["vision_cfg"], image_size=size, head_width=8)
    settings["text_cfg"] = dict(settings["text_cfg"], vocab_size=49408, context_length=77)
    settings["quick_gelu"] = True
    with torch.no_grad():
        state = dump_clip.stored(dump_clip.build(settings, torch.Generator().manual_seed(3)))
    folder = os.path.join(work, f"small{size}")
    clip_forms.write_huggingface(state, settings, f"{folder}/huggingface")
    clip_forms.write_huggingface(state, settings, f"{folder}/huggingface_bin", binary=True)
    clip_forms.write_openclip(state, settings, f"{folder}/openclip")
    clip_forms.write_openclip(state, settings, f"{folder}/openclip_text", text_tower_apart=True)
    clip_forms.write_torchscript(state, settings, f"{folder}/openai.pt")
    clip_forms.write_state(state, f"{folder}/state.pt")
    torch.save(state, f"{folder}/older.pt", _use_new_zipfile_serialization=False)
    save_file({k: v.contiguous() for k, v in state.items()}, f"{folder}/openai.safetensors")
    told = ("--heads", "2", "--text-heads", "4", "--activation", "quick_gelu")
    return [(kind, f"{folder}/{kind}", told) for kind in
            ("huggingface", "huggingface_bin", "openclip", "openclip_text", "openai.pt", "state.pt", "older.pt", "openai.safetensors")]


def square(source, out):
    picture = Image.open(source).convert("RGB")
    side = min(picture.size)
    picture.crop((0, 0, side, side)).save(out)
    return out


def same_bits_clip(program, vocabulary, pictures, work):
    """Forms whose embeddings differ in a bit from the first's, and how many forms there are.  Of square pictures:
    of others, a Hugging Face folder's centre crop may begin a pixel earlier."""
    first, other = None, []
    pictures = [square(p, os.path.join(work, f"square{i}.ppm")) for i, p in enumerate(pictures)]
    forms = small_clip(work)
    for kind, path, told in forms:
        got = [embed(program, path, os.path.join(work, "f.npy"), "--tokenizer", vocabulary, *told, *rest).tobytes()
               for rest in (("--pictures", *pictures), ("--texts", *TEXTS))]
        first = first or got
        other += [kind] if got != first else []
    return other, len(forms)


def photos_or_scenes(photos, work, count):
    files = sorted(glob.glob(os.path.join(work, photos, "*.ppm")))[:count]
    if files:
        return files
    from emoji_world import scene

    out = []
    for i in range(count):
        path = os.path.join(work, f"scene{i}.ppm")
        Image.fromarray(scene((7, i))["picture"]).save(path)
        out.append(path)
    return out
