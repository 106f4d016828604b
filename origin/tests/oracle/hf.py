"""Tiny seeded models of every variant, made, saved and run by Hugging Face transformers, for `cargo xtask parity`.

    python origin/tests/oracle/hf.py DIRECTORY

Writes a directory for each variant: `config.json` and `model.safetensors` as transformers saves them, and `expected.json`,
which `origin/examples/parity.rs` compares with: a prompt, the logits after some of its tokens, also with everything rounded
to 8 bits, and greedy answers.
"""

import json
import pathlib
import sys

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging

# Beyond 2,048, across the boundaries at which the origin cuts prompts and stores keys.
POSITIONS = [0, 1, 63, 64, 255, 256, 511, 1023, 2047, 2048, 2399]
ANSWER = 64

BASE = dict(
    vocab_size=512,
    hidden_size=256,
    intermediate_size=512,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=4096,
    rms_norm_eps=1e-6,
)
ROPE = dict(rope_type="default", rope_theta=1e6)
YARN = dict(rope_type="yarn", rope_theta=1e6, factor=4.0, original_max_position_embeddings=1024)
VARIANTS = {
    "Qwen1.5": (Qwen2Config, Qwen2ForCausalLM, dict(num_key_value_heads=4, tie_word_embeddings=False, rope_parameters=ROPE)),
    "Qwen2.5": (Qwen2Config, Qwen2ForCausalLM, dict(tie_word_embeddings=False, rope_parameters=ROPE)),
    "Qwen2.5 tied": (Qwen2Config, Qwen2ForCausalLM, dict(tie_word_embeddings=True, rope_parameters=ROPE)),
    "Qwen2.5 YaRN": (Qwen2Config, Qwen2ForCausalLM, dict(tie_word_embeddings=True, rope_parameters=YARN)),
    "Qwen3": (Qwen3Config, Qwen3ForCausalLM, dict(head_dim=128, tie_word_embeddings=False, rope_parameters=ROPE)),
    "Qwen3 tied": (Qwen3Config, Qwen3ForCausalLM, dict(head_dim=128, tie_word_embeddings=True, rope_parameters=ROPE)),
    "Qwen3 bias": (Qwen3Config, Qwen3ForCausalLM, dict(head_dim=64, attention_bias=True, tie_word_embeddings=True, rope_parameters=ROPE)),
    "Qwen3 ungrouped": (Qwen3Config, Qwen3ForCausalLM, dict(head_dim=64, num_key_value_heads=4, tie_word_embeddings=False, rope_parameters=ROPE)),
    "Qwen3 YaRN": (Qwen3Config, Qwen3ForCausalLM, dict(head_dim=128, tie_word_embeddings=True, rope_parameters=YARN)),
}


def make(config_class, model_class, options):
    """A model whose biases, norms and matrices are all random: nothing is 0 or 1 by which a mistake could hide."""
    torch.manual_seed(7)
    model = model_class(config_class(**{**BASE, **options})).float().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("norm.weight"):
                weight.uniform_(0.8, 1.2)
            elif name.endswith("bias"):
                weight.uniform_(-0.5, 0.5)
            elif "embed_tokens" in name and not model.config.tie_word_embeddings:
                # Beside what the layers add as large as a trained one's; where it writes the logits too, the model
                # would only repeat itself.
                weight.normal_(0, 0.3)
            elif "embed_tokens" in name or "lm_head" in name:
                weight.normal_(0, 0.1)
            else:
                weight.normal_(0, 0.05)
    return model


def expected(model):
    generator = torch.Generator().manual_seed(11)
    prompt = torch.randint(BASE["vocab_size"], (1, max(POSITIONS) + 1), generator=generator)
    with torch.no_grad():
        logits = model(prompt).logits[0]
        answers = []
        for length in (20, 2_030):
            whole = model.generate(
                prompt[:, :length],
                attention_mask=torch.ones(1, length, dtype=torch.long),
                do_sample=False,
                min_new_tokens=ANSWER,
                max_new_tokens=ANSWER,
                eos_token_id=None,
                pad_token_id=0,
            )
            answers.append(dict(prompt=length, tokens=whole[0, length:].tolist()))
    return dict(
        prompt=prompt[0].tolist(),
        logits={str(position): logits[position].tolist() for position in POSITIONS},
        answers=answers,
    )


def rounded(numbers, scale_type):
    """Numbers as Q8_0 keeps them: 32 share a scale of this type, the largest of them is 127 times it."""
    blocks = numbers.reshape(*numbers.shape[:-1], -1, 32)
    scale = blocks.abs().amax(-1, keepdim=True) / 127
    whole = torch.where(scale > 0, blocks / scale, 0).round()
    return (whole * scale.to(scale_type).float()).reshape(numbers.shape)


def in_8_bits(model, prompt):
    """The logits when transformers computes with matrices in Q8_0 and rounds what they are multiplied by, as engines do
    that multiply bytes: what an engine in Q8_0 has in common with this is right, whatever rounding itself costs."""
    seen = set()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (torch.nn.Linear, torch.nn.Embedding)) and module.weight.data_ptr() not in seen:
                seen.add(module.weight.data_ptr())
                module.weight.copy_(rounded(module.weight, torch.float16))
            if isinstance(module, torch.nn.Linear):
                module.register_forward_pre_hook(lambda _, inputs: (rounded(inputs[0], torch.float32),))
        return model(torch.tensor([prompt])).logits[0]


def main():
    logging.disable_progress_bar()
    home = pathlib.Path(sys.argv[1])
    for name, (config_class, model_class, options) in VARIANTS.items():
        directory = home / name
        model = make(config_class, model_class, options)
        model.save_pretrained(directory)
        wanted = expected(model)
        logits = in_8_bits(model, wanted["prompt"])
        wanted["in_8_bits"] = {str(position): logits[position].tolist() for position in POSITIONS}
        (directory / "expected.json").write_text(json.dumps(wanted))
        print(name, flush=True)


if __name__ == "__main__":
    main()
