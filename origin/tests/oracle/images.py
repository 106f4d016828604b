"""A second opinion: Z-Image in numpy, in float64: text encoder, transformer, schedule, decoder, written from what the reference
computes (Tongyi-MAI/Z-Image `src/zimage/`, diffusers 0.42.1 `transformer_z_image.py` and `autoencoder_kl.py`).

Writes the goldens that `origin/tests/api/models/images/` reads:

    python3 origin/tests/oracle/images.py > origin/tests/oracle/images.json

It shares nothing with the origin but the recipe by which both make up the weights (`z_image/checkpoint/made_up.rs`). Needs
numpy alone.
"""

import json
import sys

import numpy as np

from forward import uniform

TEXT = dict(vocab=1280, hidden=32, inner=48, layers=3, heads=2, kv_heads=1, head=16, theta=1e6, eps=1e-6)
SMALL = dict(
    text=TEXT,
    dit=dict(patch=2, channels=4, dim=32, layers=2, refiners=1, heads=2, eps=1e-5, theta=256.0, scale=1000.0, axes=[4, 6, 6]),
    vae=dict(latent=4, blocks=[8, 16], layers=1, groups=4, scaling=0.3611, shift=0.1159),
    shift=3.0,
)
# Heads of which no axis is as wide as another, more of all layers, three sizes of maps, another shift.
DEEP = dict(
    text=dict(TEXT, layers=2, heads=4, kv_heads=2),
    dit=dict(patch=2, channels=3, dim=42, layers=3, refiners=2, heads=3, eps=1e-6, theta=100.0, scale=500.0, axes=[2, 4, 8]),
    vae=dict(latent=3, blocks=[6, 6, 12], layers=2, groups=3, scaling=0.7, shift=-0.2),
    shift=1.5,
)
# Captions around one group of 32 rows; pictures of 16, 32 and 36 patches, square and oblong.
CASES = {
    "square, 31 tokens": dict(model="small", tokens=31, height=16, width=16, steps=8),
    "wide, 32 tokens": dict(model="small", tokens=32, height=16, width=32, steps=2),
    "tall, 33 tokens": dict(model="small", tokens=33, height=36, width=16, steps=3),
    "square, 33 tokens, in BF16": dict(model="small", tokens=33, height=24, width=24, steps=4, bf16=True),
    "deep, 5 tokens": dict(model="deep", tokens=5, height=32, width=40, steps=2),
}
MODELS = dict(small=SMALL, deep=DEEP)


def rounded(values):
    """To BF16, ties to even, as numbers of float64."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(np.float64)


def made_up(entries, first, bf16):
    made = {}
    for number, (name, size) in enumerate(entries):
        norm = len(size) == 1 and name.endswith(".weight")
        if len(size) == 1:
            scale = 0.1 if name.endswith(".bias") else 0.2
        else:
            scale = 1.0 if size[0] == 1 else np.sqrt(3 / np.prod(size[1:]))
        values = (norm + scale * uniform(first + number + 1, int(np.prod(size)))).astype(np.float32).astype(np.float64)
        if bf16 and len(size) == 2 and size[0] > 1 and not name.startswith("t_embedder"):
            values = rounded(values)
        made[name] = values.reshape(size)
    return made


def text_entries(s):
    q, k, h = s["heads"] * s["head"], s["kv_heads"] * s["head"], s["hidden"]
    yield "embed_tokens.weight", (s["vocab"], h)
    yield "norm.weight", (h,)
    for layer in range(s["layers"]):
        for name, size in [
            ("self_attn.q_proj", (q, h)), ("self_attn.k_proj", (k, h)), ("self_attn.v_proj", (k, h)),
            ("self_attn.o_proj", (h, q)), ("self_attn.q_norm", (s["head"],)), ("self_attn.k_norm", (s["head"],)),
            ("mlp.gate_proj", (s["inner"], h)), ("mlp.up_proj", (s["inner"], h)), ("mlp.down_proj", (h, s["inner"])),
            ("input_layernorm", (h,)), ("post_attention_layernorm", (h,)),
        ]:  # fmt: skip
            yield f"layers.{layer}.{name}.weight", size


def dit_entries(s):
    dim, ada, patch, inner = s["dim"], min(s["dim"], 256), s["patch"] ** 2 * s["channels"], int(s["dim"] / 3 * 8)
    for name, size in [
        ("all_x_embedder.2-1", (dim, patch)), ("all_final_layer.2-1.linear", (patch, dim)),
        ("all_final_layer.2-1.adaLN_modulation.1", (dim, ada)), ("t_embedder.mlp.0", (1024, 256)), ("t_embedder.mlp.2", (ada, 1024)),
    ]:  # fmt: skip
        yield name + ".weight", size
        yield name + ".bias", size[:1]
    yield "cap_embedder.0.weight", (s["caption"],)
    yield "cap_embedder.1.weight", (dim, s["caption"])
    yield "cap_embedder.1.bias", (dim,)
    yield "x_pad_token", (1, dim)
    yield "cap_pad_token", (1, dim)
    for room, count in [("noise_refiner", s["refiners"]), ("context_refiner", s["refiners"]), ("layers", s["layers"])]:
        for at in [f"{room}.{number}." for number in range(count)]:
            for part in ["to_q", "to_k", "to_v", "to_out.0"]:
                yield f"{at}attention.{part}.weight", (dim, dim)
            for part in ["norm_q", "norm_k"]:
                yield f"{at}attention.{part}.weight", (dim // s["heads"],)
            for part, size in [("w1", (inner, dim)), ("w2", (dim, inner)), ("w3", (inner, dim))]:
                yield f"{at}feed_forward.{part}.weight", size
            for part in ["attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"]:
                yield f"{at}{part}.weight", (dim,)
            if room != "context_refiner":
                yield at + "adaLN_modulation.0.weight", (4 * dim, ada)
                yield at + "adaLN_modulation.0.bias", (4 * dim,)


def vae_entries(s):
    def pair(name, size):
        yield name + ".weight", size
        yield name + ".bias", size[:1]

    def residual(name, a, b):
        yield from pair(name + ".norm1", (a,))
        yield from pair(name + ".conv1", (b, a, 3, 3))
        yield from pair(name + ".norm2", (b,))
        yield from pair(name + ".conv2", (b, b, 3, 3))
        if a != b:
            yield from pair(name + ".conv_shortcut", (b, a, 1, 1))

    wide = s["blocks"][-1]
    yield from pair("decoder.conv_in", (wide, s["latent"], 3, 3))
    for number in range(2):
        yield from residual(f"decoder.mid_block.resnets.{number}", wide, wide)
    yield from pair("decoder.mid_block.attentions.0.group_norm", (wide,))
    for part in ["to_q", "to_k", "to_v", "to_out.0"]:
        yield from pair(f"decoder.mid_block.attentions.0.{part}", (wide, wide))
    before = wide
    for block, channels in enumerate(reversed(s["blocks"])):
        for number in range(s["layers"] + 1):
            yield from residual(f"decoder.up_blocks.{block}.resnets.{number}", before, channels)
            before = channels
        if block + 1 < len(s["blocks"]):
            yield from pair(f"decoder.up_blocks.{block}.upsamplers.0.conv", (before, before, 3, 3))
    yield from pair("decoder.conv_norm_out", (before,))
    yield from pair("decoder.conv_out", (3, before, 3, 3))


def rms(x, weight, eps):
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + eps) * weight


def silu(x):
    return x / (1 + np.exp(-x))


def attention(q, k, v, mask=0.0):
    """Heads, rows, width."""
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]) + mask
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True) @ v


class Weights:
    def __init__(self, made):
        self.made = made

    def __getitem__(self, name):
        return self.made[name]

    def linear(self, x, name):
        return x @ self.made[name + ".weight"].T + self.made.get(name + ".bias", 0.0)


def features(w, s, tokens):
    """The hidden states before the last layer, unnormed: transformers' `hidden_states[-2]`."""
    x, rows, head = w["embed_tokens.weight"][tokens], len(tokens), s["head"]
    angles = np.outer(np.arange(rows), s["theta"] ** (-2.0 * np.arange(head // 2) / head))
    cos, sin = np.cos(angles), np.sin(angles)

    def turn(x):
        left, right = x[..., : head // 2], x[..., head // 2 :]
        return np.concatenate([left * cos - right * sin, right * cos + left * sin], -1)

    for at in [f"layers.{layer}." for layer in range(s["layers"] - 1)]:
        inner = rms(x, w[at + "input_layernorm.weight"], s["eps"])
        q, k, v = (
            w.linear(inner, f"{at}self_attn.{part}_proj").reshape(rows, -1, head).transpose(1, 0, 2) for part in "qkv"
        )
        q = turn(rms(q, w[at + "self_attn.q_norm.weight"], s["eps"]))
        k = turn(rms(k, w[at + "self_attn.k_norm.weight"], s["eps"]))
        k, v = (np.repeat(part, s["heads"] // s["kv_heads"], 0) for part in (k, v))
        seen = attention(q, k, v, np.where(np.tri(rows) > 0, 0.0, -np.inf))
        x = x + w.linear(seen.transpose(1, 0, 2).reshape(rows, -1), at + "self_attn.o_proj")
        inner = rms(x, w[at + "post_attention_layernorm.weight"], s["eps"])
        inner = silu(w.linear(inner, at + "mlp.gate_proj")) * w.linear(inner, at + "mlp.up_proj")
        x = x + w.linear(inner, at + "mlp.down_proj")
    return x


def angles(s, positions):
    parts = []
    for axis, width in enumerate(s["axes"]):
        parts.append(np.outer(positions[:, axis], s["theta"] ** (-2.0 * np.arange(width // 2) / width)))
    return np.exp(1j * np.concatenate(parts, 1))


def block(w, s, at, x, turned, time):
    rows, head = len(x), s["dim"] // s["heads"]
    parts = [0.0] * 4 if time is None else np.split(w.linear(time, at + "adaLN_modulation.0"), 4)
    scales = [1 + parts[0], 1 + parts[2]]
    gates = [1.0, 1.0] if time is None else [np.tanh(parts[1]), np.tanh(parts[3])]
    inner = rms(x, w[at + "attention_norm1.weight"], s["eps"]) * scales[0]
    heads = []
    for part in "qkv":
        heads.append(w.linear(inner, f"{at}attention.to_{part}").reshape(rows, s["heads"], head).transpose(1, 0, 2))
        if part != "v":
            pairs = rms(heads[-1], w[f"{at}attention.norm_{part}.weight"], 1e-5).reshape(s["heads"], rows, head // 2, 2)
            pairs = (pairs[..., 0] + 1j * pairs[..., 1]) * turned
            heads[-1] = np.stack([pairs.real, pairs.imag], -1).reshape(s["heads"], rows, head)
    seen = w.linear(attention(*heads).transpose(1, 0, 2).reshape(rows, -1), at + "attention.to_out.0")
    x = x + gates[0] * rms(seen, w[at + "attention_norm2.weight"], s["eps"])
    inner = rms(x, w[at + "ffn_norm1.weight"], s["eps"]) * scales[1]
    inner = silu(w.linear(inner, at + "feed_forward.w1")) * w.linear(inner, at + "feed_forward.w3")
    return x + gates[1] * rms(w.linear(inner, at + "feed_forward.w2"), w[at + "ffn_norm2.weight"], s["eps"])


def padded(x, token):
    return np.concatenate([x, np.repeat(token, -len(x) % 32, 0)])


def transformer(w, s, latents, time, caption):
    channels, height, width = latents.shape
    waves = time * s["scale"] * np.exp(-np.log(10000) * np.arange(128) / 128)
    t = w.linear(silu(w.linear(np.concatenate([np.cos(waves), np.sin(waves)]), "t_embedder.mlp.0")), "t_embedder.mlp.2")
    down, across = height // 2, width // 2
    patches = latents.reshape(channels, down, 2, across, 2).transpose(1, 3, 2, 4, 0).reshape(down * across, -1)
    x = padded(w.linear(patches, "all_x_embedder.2-1"), w["x_pad_token"])
    caption = w.linear(rms(caption, w["cap_embedder.0.weight"], s["eps"]), "cap_embedder.1")
    caption = padded(caption, w["cap_pad_token"])
    of_caption = np.array([[1 + row, 0, 0] for row in range(len(caption))])
    frame = 1 + len(caption)
    of_image = np.zeros((len(x), 3))
    of_image[: down * across] = [[frame, y, x] for y in range(down) for x in range(across)]
    for number in range(s["refiners"]):
        x = block(w, s, f"noise_refiner.{number}.", x, angles(s, of_image), t)
    for number in range(s["refiners"]):
        caption = block(w, s, f"context_refiner.{number}.", caption, angles(s, of_caption), None)
    x, turned = np.concatenate([x, caption]), angles(s, np.concatenate([of_image, of_caption]))
    for number in range(s["layers"]):
        x = block(w, s, f"layers.{number}.", x, turned, t)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    x = x * (1 + w.linear(silu(t), "all_final_layer.2-1.adaLN_modulation.1"))
    x = w.linear(x, "all_final_layer.2-1.linear")[: down * across]
    return x.reshape(down, across, 2, 2, channels).transpose(4, 0, 2, 1, 3).reshape(channels, height, width)


def decode(w, s, latents):
    """Channels, rows, columns."""

    def conv(x, name):
        weight, edge = w[name + ".weight"], w[name + ".weight"].shape[-1] // 2
        room = np.pad(x, ((0, 0), (edge, edge), (edge, edge)))
        windows = np.lib.stride_tricks.sliding_window_view(room, weight.shape[2:], (1, 2))
        return np.einsum("chwij,ocij->ohw", windows, weight) + w[name + ".bias"][:, None, None]

    def norm(x, name):
        groups = x.reshape(s["groups"], -1)
        groups = (groups - groups.mean(1, keepdims=True)) / np.sqrt(groups.var(1, keepdims=True) + 1e-6)
        return groups.reshape(x.shape) * w[name + ".weight"][:, None, None] + w[name + ".bias"][:, None, None]

    def residual(x, name):
        inner = conv(silu(norm(x, name + ".norm1")), name + ".conv1")
        inner = conv(silu(norm(inner, name + ".norm2")), name + ".conv2")
        return inner + (conv(x, name + ".conv_shortcut") if name + ".conv_shortcut.weight" in w.made else x)

    x = conv(latents / s["scaling"] + s["shift"], "decoder.conv_in")
    x = residual(x, "decoder.mid_block.resnets.0")
    at = "decoder.mid_block.attentions.0"
    rows = norm(x, at + ".group_norm").reshape(len(x), -1).T
    seen = attention(*(w.linear(rows, f"{at}.to_{part}")[None] for part in "qkv"))[0]
    x = x + w.linear(seen, at + ".to_out.0").T.reshape(x.shape)
    x = residual(x, "decoder.mid_block.resnets.1")
    for number in range(len(s["blocks"])):
        for layer in range(s["layers"] + 1):
            x = residual(x, f"decoder.up_blocks.{number}.resnets.{layer}")
        if number + 1 < len(s["blocks"]):
            x = conv(x.repeat(2, 1).repeat(2, 2), f"decoder.up_blocks.{number}.upsamplers.0.conv")
    return conv(silu(norm(x, "decoder.conv_norm_out")), "decoder.conv_out")


def numbers(values):
    return [round(float(value), 6) for value in np.ravel(values)]


def golden(number, case):
    model = MODELS[case["model"]]
    dit, bf16 = dict(model["dit"], caption=model["text"]["hidden"]), case.get("bf16", False)
    w = Weights(made_up(text_entries(model["text"]), 1000, bf16))
    tokens = np.abs(uniform(8000 + number, case["tokens"]) * model["text"]["vocab"]).astype(int)
    caption = features(w, model["text"], tokens)
    w, vae = Weights(made_up(dit_entries(dit), 2000, bf16)), Weights(made_up(vae_entries(model["vae"]), 3000, False))
    factor = 2 ** (len(model["vae"]["blocks"]) - 1)
    shape = (dit["channels"], case["height"] // factor, case["width"] // factor)
    latents = 1.7 * uniform(9000 + number, int(np.prod(shape))).reshape(shape)
    left = 1 - np.arange(case["steps"] + 1) / case["steps"]
    sigmas = model["shift"] * left / (1 + (model["shift"] - 1) * left)
    first, after = None, []
    for sigma, following in zip(sigmas, sigmas[1:]):
        answer = transformer(w, dit, latents, 1 - sigma, caption)
        first = answer if first is None else first
        latents = latents + (following - sigma) * -answer
        after.append(numbers(latents))
    image = np.clip(decode(vae, model["vae"], latents) / 2 + 0.5, 0, 1)
    pixels = np.rint(image * 255).astype(int).transpose(1, 2, 0)
    return dict(
        case, number=number, ids=tokens.tolist(), features=numbers(caption), answer=numbers(first), latents=after,
        pixels=pixels.ravel().tolist(),
    )  # fmt: skip


if __name__ == "__main__":
    cases = [f"{json.dumps(name)}: {json.dumps(golden(number, case))}" for number, (name, case) in enumerate(CASES.items())]
    sys.stdout.write("{\n" + ",\n".join(cases) + "\n}\n")
