"""A FLUX.1-Fill of a few kilobytes with random weights, in the layout of the real one."""

from pathlib import Path

import tiny_lora
import tiny_text
import torch
from tiny_text import TINY, Sizes, sized

LATENT_CHANNELS = 4
# The mask goes in as pixels of a latent cell (8 x 8), packed like the latents (2 x 2).
MASK_CHANNELS = 64
CLIP_WIDTH = 16
T5_WIDTH = 32
T5_LENGTH = 512
LORA = "pytorch_lora_weights.safetensors"


def write(folder: Path) -> dict[str, Path]:
    """Writes everything the engine takes into a folder for each id of weights.json, by id."""
    base = write_base(folder / "flux1-fill-dev")
    return {
        "flux1-fill-dev": base,
        "catvton-flux-lora": write_lora(folder / "catvton-flux-lora", base),
    }


def write_base(folder: Path) -> Path:
    """Writes what is used of black-forest-labs/FLUX.1-Fill-dev."""
    pipeline(folder).save_pretrained(folder, safe_serialization=True)
    return folder


def pipeline(folder: Path, sizes: Sizes = TINY):
    """Returns the pipeline; only its tokenizers are written into the folder."""
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        FluxFillPipeline,
        FluxTransformer2DModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        **sized(
            "transformer",
            sizes,
            patch_size=1,
            in_channels=2 * LATENT_CHANNELS * 4 + MASK_CHANNELS * 4,
            out_channels=LATENT_CHANNELS * 4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=T5_WIDTH,
            pooled_projection_dim=CLIP_WIDTH,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        )
    )
    vae = AutoencoderKL(
        **sized(
            "vae",
            sizes,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=LATENT_CHANNELS,
            norm_num_groups=2,
            use_quant_conv=False,
            use_post_quant_conv=False,
            scaling_factor=0.3611,
            shift_factor=0.1159,
        )
    )
    words = tiny_text.clip(folder / "tokenizer")
    clip = CLIPTextModel(
        CLIPTextConfig(
            **sized(
                "text_encoder",
                sizes,
                hidden_size=CLIP_WIDTH,
                intermediate_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                vocab_size=tiny_text.CLIP_WORDS,
                bos_token_id=words.bos_token_id,
                eos_token_id=words.eos_token_id,
                pad_token_id=words.pad_token_id,
            )
        )
    )
    t5 = T5EncoderModel(
        T5Config(
            **sized(
                "text_encoder_2",
                sizes,
                d_model=T5_WIDTH,
                d_ff=32,
                d_kv=8,
                num_heads=2,
                num_layers=2,
                vocab_size=tiny_text.T5_WORDS,
            )
        )
    )
    return FluxFillPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15
        ),
        vae=vae.eval(),
        text_encoder=clip.eval(),
        tokenizer=words,
        text_encoder_2=t5.eval(),
        tokenizer_2=tiny_text.t5(folder / "tokenizer_2", length=T5_LENGTH),
        transformer=transformer.eval(),
    )


def write_lora(folder: Path, base: Path) -> Path:
    """Writes xiaozaa/catvton-flux-lora-alpha for a base."""
    from diffusers import FluxTransformer2DModel

    folder.mkdir(parents=True)
    network = FluxTransformer2DModel.from_pretrained(base / "transformer", use_safetensors=True)
    tiny_lora.write(folder / LORA, network, component="transformer", seed=1)
    return folder
