"""A second opinion on vectors: what the networks of `forward.py` have seen by the last token, brought to length 1.

Writes the goldens that `origin/tests/api/models/embedding.rs` reads:

    python3 origin/tests/oracle/embeddings.py > origin/tests/oracle/embeddings.json
"""

import json
import sys

import numpy as np
from forward import VARIANTS, Network, prompt

LENGTHS = [1, 2, 17, 64, 65, 300]
NAMES = ["qwen3", "qwen3-untied", "qwen3-bias", "qwen2"]


class Seen(Network):
    """Ends before the head."""

    def linear(self, values, name):
        return values if name in ("model.embed_tokens", "lm_head") else super().linear(values, name)


def vectors(shape):
    # Each text begins elsewhere, so that no two begin alike.
    tokens, found = prompt(400, shape["vocab"]), {}
    for number, length in enumerate(LENGTHS):
        network = Seen(shape)
        text = tokens[number : number + length]
        for position, token in enumerate(text):
            values = network.step(token, position)
        found[str(length)] = [round(float(value), 8) for value in values / np.sqrt(values @ values)]
    return dict(shape=shape, vectors=found)


if __name__ == "__main__":
    parts = [f"{json.dumps(name)}: {json.dumps(vectors(VARIANTS[name]))}" for name in NAMES]
    sys.stdout.write("{\n" + ",\n".join(parts) + "\n}\n")
