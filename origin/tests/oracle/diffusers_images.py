"""Shrunken models that draw, made, saved and run by diffusers, for `cargo xtask parity`.

    python origin/tests/oracle/diffusers_images.py DIRECTORY

Writes a directory for each variant: the parts as diffusers saves them, in the hub's layout (its tokenizer apart, which no
prompt goes through), and `expected.json`, which `origin/examples/parity_images.rs` compares with: tokens and noise; the text
features, the latents after each step and the pixels.
"""

import json
import pathlib
import sys

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from transformers import Qwen3Config, Qwen3Model
from transformers.utils import logging

TEXT = dict(
    vocab_size=1280, hidden_size=48, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
    head_dim=16, max_position_embeddings=1024, rms_norm_eps=1e-6, tie_word_embeddings=True,
    rope_parameters=dict(rope_type="default", rope_theta=1e6),
)  # fmt: skip
TRANSFORMER = dict(
    all_patch_size=(2,), all_f_patch_size=(1,), in_channels=8, dim=48, n_layers=3, n_refiner_layers=2, n_heads=3, n_kv_heads=3,
    norm_eps=1e-5, qk_norm=True, cap_feat_dim=48, rope_theta=256.0, t_scale=1000.0, axes_dims=[4, 6, 6], axes_lens=[600, 64, 64],
)  # fmt: skip
VAE = dict(
    latent_channels=8, layers_per_block=1, norm_num_groups=4, scaling_factor=0.3611, shift_factor=0.1159, sample_size=64,
    use_quant_conv=False, use_post_quant_conv=False,
)  # fmt: skip
# Tokens of the caption, height and width in pixels, steps, and what differs.
VARIANTS = {
    "31 tokens, square": (31, 16, 16, 8, {}),
    "32 tokens, wide": (32, 16, 32, 8, {}),
    "33 tokens, tall": (33, 36, 16, 8, {}),
    "an MLP of 85": (33, 24, 24, 4, dict(dim=32, n_heads=2, n_kv_heads=2)),
    "three sizes of maps": (40, 32, 64, 4, dict(blocks=(8, 16, 32))),
    "in BF16": (33, 24, 24, 8, dict(bf16=True)),
}


def filled(model):
    """Norms, biases and the tokens that pad are random too: nothing is 0 or 1 by which a mistake could hide."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("pad_token"):
                weight.normal_()
            elif weight.ndim == 1:
                weight.uniform_(0.8, 1.2) if "norm" in name and name.endswith("weight") else weight.uniform_(-0.1, 0.1)
            elif weight.ndim == 2 and "embed_tokens" not in name:
                weight.normal_(0, weight.shape[1] ** -0.5)
    return model.eval()


def make(directory, tokens, height, width, steps, options):
    options = dict(options)
    bf16, blocks = options.pop("bf16", False), options.pop("blocks", (8, 16))
    torch.manual_seed(7)
    text = filled(Qwen3Model(Qwen3Config(**TEXT)).float())
    transformer = filled(ZImageTransformer2DModel(**{**TRANSFORMER, **options}).float())
    kinds = dict(
        down_block_types=["DownEncoderBlock2D"] * len(blocks), up_block_types=["UpDecoderBlock2D"] * len(blocks)
    )
    vae = filled(AutoencoderKL(block_out_channels=blocks, **kinds, **VAE).float())
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=False)
    text.save_pretrained(directory / "text_encoder")
    transformer.save_pretrained(directory / "transformer", max_shard_size="300KB")
    vae.save_pretrained(directory / "vae")
    scheduler.save_pretrained(directory / "scheduler")
    parts = dict(
        scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"], text_encoder=["transformers", "Qwen3Model"],
        tokenizer=["transformers", "Qwen2Tokenizer"], transformer=["diffusers", "ZImageTransformer2DModel"],
        vae=["diffusers", "AutoencoderKL"],
    )  # fmt: skip
    (directory / "model_index.json").write_text(json.dumps({"_class_name": "ZImagePipeline", **parts}))
    pipeline = ZImagePipeline(scheduler=scheduler, vae=vae, text_encoder=text, tokenizer=None, transformer=transformer)
    pipeline.set_progress_bar_config(disable=True)
    if bf16:
        pipeline.to(torch.bfloat16)
    ids = torch.randint(TEXT["vocab_size"], (1, tokens))
    factor = 2 ** (len(blocks) - 1)
    noise = torch.randn(1, TRANSFORMER["in_channels"], height // factor, width // factor)
    after = []

    def keep(_, __, ___, values):
        after.append(values["latents"].float().flatten().tolist())
        return values

    with torch.no_grad():
        features = text(input_ids=ids, output_hidden_states=True).hidden_states[-2][0]
        picture = pipeline(
            prompt_embeds=[features], height=height, width=width, num_inference_steps=steps, guidance_scale=0.0,
            latents=noise.clone(), callback_on_step_end=keep, output_type="pil",
        ).images[0]  # fmt: skip
    return dict(
        ids=ids[0].tolist(), height=height, width=width, bf16=bf16, noise=noise.flatten().tolist(),
        features=features.float().flatten().tolist(), latents=after, pixels=list(picture.tobytes()),
    )  # fmt: skip


def main():
    logging.disable_progress_bar()
    home = pathlib.Path(sys.argv[1])
    for name, variant in VARIANTS.items():
        directory = home / name
        directory.mkdir(parents=True)
        (directory / "expected.json").write_text(json.dumps(make(directory, *variant)))
        print(name, flush=True)


if __name__ == "__main__":
    main()
