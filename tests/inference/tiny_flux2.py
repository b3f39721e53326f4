"""A FLUX.2-klein of a few kilobytes with random weights, in the layout of the real one."""

from pathlib import Path

import tiny_text
import torch
from tiny_text import TINY, Sizes, sized

# Three of the 27 hidden states that the pipeline reads, side by side.
TEXT_WIDTH = 16
LATENT_CHANNELS = 4


def write(folder: Path) -> dict[str, Path]:
    """Writes everything the engine takes into a folder for each id of weights.json, by id."""
    return {"flux2-klein-4b": write_base(folder / "flux2-klein-4b")}


def write_base(folder: Path, *, is_distilled: bool = True) -> Path:
    """Writes what is used of black-forest-labs/FLUX.2-klein-4B.

    Args:
        folder: Made where it is not there.
        is_distilled: As klein is; its base is not.
    """
    pipeline(folder, is_distilled=is_distilled).save_pretrained(folder, safe_serialization=True)
    return folder


def pipeline(folder: Path, sizes: Sizes = TINY, *, is_distilled: bool = True):
    """Returns the pipeline; only its tokenizer is written into the folder."""
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinPipeline,
        Flux2Transformer2DModel,
    )
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    transformer = Flux2Transformer2DModel(
        **sized(
            "transformer",
            sizes,
            patch_size=1,
            in_channels=LATENT_CHANNELS * 4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=3 * TEXT_WIDTH,
            timestep_guidance_channels=32,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        )
    )
    vae = AutoencoderKLFlux2(
        **sized(
            "vae",
            sizes,
            block_out_channels=(8, 8, 8, 8),
            layers_per_block=1,
            latent_channels=LATENT_CHANNELS,
            norm_num_groups=2,
        )
    )
    encoder = Qwen3ForCausalLM(
        Qwen3Config(
            **sized(
                "text_encoder",
                sizes,
                hidden_size=TEXT_WIDTH,
                intermediate_size=16,
                num_hidden_layers=28,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                vocab_size=tiny_text.QWEN_WORDS,
                max_position_embeddings=512,
                tie_word_embeddings=False,
            )
        )
    )
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15
        ),
        vae=vae.eval(),
        text_encoder=encoder.eval(),
        tokenizer=tiny_text.qwen(folder / "tokenizer"),
        transformer=transformer.eval(),
        is_distilled=is_distilled,
    )
