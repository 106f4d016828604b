"""A second opinion: Qwen2 and Qwen3 in numpy, in float64, one token after another, written from the papers' formulas.

Writes the goldens that `origin/tests/api/models/parity.rs` reads:

    python3 origin/tests/oracle/forward.py > origin/tests/oracle/forward.json

It shares nothing with the origin but the recipe by which both make up the weights: SplitMix64, tensor by tensor in the
order of `tensors`, each number uniform in [-1, 1) in steps of 2^-23, times a scale, plus 1 for norms. Needs numpy alone.
"""

import json
import sys

import numpy as np

MASK = (1 << 64) - 1
POSITIONS = [0, 1, 63, 255, 256, 257, 511, 512, 1023, 2047, 2099]

BASE = dict(vocab=96, hidden=64, intermediate=96, layers=2, heads=4, kv_heads=2, head_dim=16, theta=1e6, eps=1e-6)
VARIANTS = {
    # Qwen1.5 and Qwen2.5: biases, heads of hidden / heads, untied.
    "qwen2": dict(BASE, family="qwen2", tied=False),
    "qwen2-tied": dict(BASE, family="qwen2", tied=True, theta=1e4),
    # Qwen1.5 has as many key heads as query heads.
    "qwen2-ungrouped": dict(BASE, family="qwen2", tied=True, kv_heads=4),
    # Qwen3: norms on heads that are wider than hidden / heads, tied.
    "qwen3": dict(BASE, family="qwen3", tied=True, head_dim=32),
    "qwen3-untied": dict(BASE, family="qwen3", tied=False, head_dim=32),
    "qwen3-bias": dict(BASE, family="qwen3", tied=True, bias=True),
    "qwen3-yarn": dict(BASE, family="qwen3", tied=True, head_dim=32, yarn=dict(factor=4.0, original=512)),
    # Qwen2.5 beyond its context: a stretch and an original context other than the one above, and heads half as wide, so
    # that the borders of the stretched pairs lie elsewhere.
    "qwen2-yarn": dict(BASE, family="qwen2", tied=False, theta=1e4, yarn=dict(factor=2.5, original=700)),
}


def splitmix(seed, count):
    """`count` outputs of SplitMix64 (Steele, Lea, Flood 2014) for this seed."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def uniform(seed, count):
    return (splitmix(seed, count) >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1.0


def tensors(shape):
    """Name, size, scale and offset of every tensor, in the order in which they are made."""
    hidden, query, key = shape["hidden"], shape["heads"] * shape["head_dim"], shape["kv_heads"] * shape["head_dim"]
    yield "model.embed_tokens.weight", (shape["vocab"], hidden), 1.0, 0.0
    if not shape["tied"]:
        yield "lm_head.weight", (shape["vocab"], hidden), 0.3, 0.0
    yield "model.norm.weight", (hidden,), 0.2, 1.0
    for layer in range(shape["layers"]):
        at = f"model.layers.{layer}."
        for part, rows, columns in [
            ("self_attn.q_proj", query, hidden),
            ("self_attn.k_proj", key, hidden),
            ("self_attn.v_proj", key, hidden),
            ("self_attn.o_proj", hidden, query),
            ("mlp.gate_proj", shape["intermediate"], hidden),
            ("mlp.up_proj", shape["intermediate"], hidden),
            ("mlp.down_proj", hidden, shape["intermediate"]),
        ]:
            yield at + part + ".weight", (rows, columns), 0.25, 0.0
            biased = shape["family"] == "qwen2" and part[-6:] in ("q_proj", "k_proj", "v_proj")
            if biased or (shape.get("bias") and part.startswith("self_attn")):
                yield at + part + ".bias", (rows,), 0.5, 0.0
        if shape["family"] == "qwen3":
            yield at + "self_attn.q_norm.weight", (shape["head_dim"],), 0.2, 1.0
            yield at + "self_attn.k_norm.weight", (shape["head_dim"],), 0.2, 1.0
        yield at + "input_layernorm.weight", (hidden,), 0.2, 1.0
        yield at + "post_attention_layernorm.weight", (hidden,), 0.2, 1.0


def weights(shape):
    made = {}
    for number, (name, size, scale, offset) in enumerate(tensors(shape)):
        values = offset + scale * uniform(number + 1, int(np.prod(size)))
        # Both sides compute with the F32 number that a file would hold.
        made[name] = values.astype(np.float32).astype(np.float64).reshape(size)
    return made


def frequencies(shape):
    """The angle per position of each pair, and the factor of cosines and sines."""
    width = shape["head_dim"]
    pair = np.arange(width // 2)
    plain = shape["theta"] ** (-2.0 * pair / width)
    if "yarn" not in shape:
        return plain, 1.0
    factor, original = shape["yarn"]["factor"], shape["yarn"]["original"]

    def dimension(turns):
        return width * np.log(original / (turns * 2 * np.pi)) / (2 * np.log(shape["theta"]))

    low, high = max(np.floor(dimension(32)), 0), min(np.ceil(dimension(1)), width - 1)
    stretched = np.clip((pair - low) / max(high - low, 0.001), 0, 1)
    return plain * (1 - stretched) + plain / factor * stretched, 0.1 * np.log(factor) + 1.0


class Network:
    def __init__(self, shape):
        self.shape, self.weights = shape, weights(shape)
        self.frequencies, self.scale = frequencies(shape)
        self.memory = [([], []) for _ in range(shape["layers"])]

    def norm(self, values, name):
        mean = np.mean(values * values, axis=-1, keepdims=True)
        return values / np.sqrt(mean + self.shape["eps"]) * self.weights[name]

    def linear(self, values, name):
        return self.weights[name + ".weight"] @ values + self.weights.get(name + ".bias", 0.0)

    def turn(self, heads, position):
        half = heads.shape[-1] // 2
        cosine, sine = np.cos(position * self.frequencies) * self.scale, np.sin(position * self.frequencies) * self.scale
        left, right = heads[..., :half], heads[..., half:]
        return np.concatenate([left * cosine - right * sine, right * cosine + left * sine], axis=-1)

    def step(self, token, position):
        """The logits after this token."""
        shape = self.shape
        hidden = self.weights["model.embed_tokens.weight"][token]
        for layer, (keys, values) in enumerate(self.memory):
            at = f"model.layers.{layer}."
            inner = self.norm(hidden, at + "input_layernorm.weight")
            query = self.linear(inner, at + "self_attn.q_proj").reshape(shape["heads"], -1)
            key = self.linear(inner, at + "self_attn.k_proj").reshape(shape["kv_heads"], -1)
            value = self.linear(inner, at + "self_attn.v_proj").reshape(shape["kv_heads"], -1)
            if shape["family"] == "qwen3":
                query = self.norm(query, at + "self_attn.q_norm.weight")
                key = self.norm(key, at + "self_attn.k_norm.weight")
            keys.append(self.turn(key, position))
            values.append(value)
            query = self.turn(query, position)
            group = shape["heads"] // shape["kv_heads"]
            all_keys, all_values = np.stack(keys, axis=1), np.stack(values, axis=1)
            seen = []
            for head in range(shape["heads"]):
                scores = all_keys[head // group] @ query[head] / np.sqrt(shape["head_dim"])
                scores = np.exp(scores - scores.max())
                seen.append(scores / scores.sum() @ all_values[head // group])
            hidden = hidden + self.linear(np.concatenate(seen), at + "self_attn.o_proj")
            inner = self.norm(hidden, at + "post_attention_layernorm.weight")
            gate, up = self.linear(inner, at + "mlp.gate_proj"), self.linear(inner, at + "mlp.up_proj")
            hidden = hidden + self.linear(gate / (1 + np.exp(-gate)) * up, at + "mlp.down_proj")
        head = "model.embed_tokens" if shape["tied"] else "lm_head"
        return self.linear(self.norm(hidden, "model.norm.weight"), head)


def prompt(count, vocab):
    return [int(number % np.uint64(vocab)) for number in splitmix(0, count)]


def golden(shape):
    network = Network(shape)
    logits = {}
    for position, token in enumerate(prompt(max(POSITIONS) + 1, shape["vocab"])):
        values = network.step(token, position)
        if position in POSITIONS:
            logits[str(position)] = [round(float(value), 7) for value in values]
    network = Network(shape)
    tokens, greedy = prompt(20, shape["vocab"]), []
    for position in range(20 + 63):
        values = network.step((tokens + greedy)[position], position)
        if position >= 19:
            greedy.append(int(np.argmax(values)))
    return dict(shape=shape, logits=logits, greedy=greedy)


if __name__ == "__main__":
    parts = [f"{json.dumps(name)}: {json.dumps(golden(shape))}" for name, shape in VARIANTS.items()]
    sys.stdout.write("{\n" + ",\n".join(parts) + "\n}\n")
