"""A Qwen-Image-Edit of a few kilobytes with random weights, in the layout of the real one."""

from pathlib import Path

import tiny_text
import torch
from tiny_text import TINY, Sizes, sized

# Two doublings more than the real autoencoder would have: the pipeline paints and looks at a
# megapixel whatever is asked, and that must be few tokens here.
DOWNSAMPLINGS = 4
LATENT_CHANNELS = 4
TEXT_WIDTH = 16
PATCH = 14


def write(folder: Path) -> dict[str, Path]:
    """Writes everything the engine takes into a folder for each id of weights.json, by id."""
    return {"qwen-image-edit-2511": write_base(folder / "qwen-image-edit-2511")}


def write_base(folder: Path) -> Path:
    """Writes what is used of Qwen/Qwen-Image-Edit-2511."""
    pipeline(folder).save_pretrained(folder, safe_serialization=True)
    return folder


def pipeline(folder: Path, sizes: Sizes = TINY):
    """Returns the pipeline; only its tokenizer is written into the folder."""
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImageEditPlusPipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import Qwen2VLProcessor

    tokenizer = tiny_text.qwen(folder / "tokenizer")
    torch.manual_seed(0)
    transformer = QwenImageTransformer2DModel(
        **sized(
            "transformer",
            sizes,
            patch_size=2,
            in_channels=LATENT_CHANNELS * 4,
            out_channels=LATENT_CHANNELS,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=1,
            joint_attention_dim=TEXT_WIDTH,
            axes_dims_rope=(4, 6, 6),
        )
    )
    vae = AutoencoderKLQwenImage(
        **sized(
            "vae",
            sizes,
            base_dim=4,
            z_dim=LATENT_CHANNELS,
            dim_mult=[1] * (DOWNSAMPLINGS + 1),
            num_res_blocks=0,
            temperal_downsample=[False] * DOWNSAMPLINGS,
            latents_mean=[0.0] * LATENT_CHANNELS,
            latents_std=[1.0] * LATENT_CHANNELS,
        )
    )
    encoder = _text_encoder(tokenizer, sizes)
    return QwenImageEditPlusPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True,
            base_shift=0.5,
            max_shift=0.9,
            max_image_seq_len=8192,
            shift_terminal=0.02,
        ),
        vae=vae.eval(),
        text_encoder=encoder.eval(),
        tokenizer=tokenizer,
        processor=Qwen2VLProcessor(*_sight(tokenizer), chat_template=tiny_text.QWEN_TEMPLATE),
        transformer=transformer.eval(),
    )


def _sight(tokenizer):
    from transformers import Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    seen = {"patch_size": PATCH, "merge_size": 2, "temporal_patch_size": 2}
    return Qwen2VLImageProcessor(**seen), tokenizer, Qwen2VLVideoProcessor(**seen)


def _text_encoder(tokenizer, sizes: Sizes):
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<|{word}|>")
        for name, word in (
            ("image", "image_pad"),
            ("video", "video_pad"),
            ("vision_start", "vision_start"),
            ("vision_end", "vision_end"),
        )
    }
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config=sized(
                "text",
                sizes,
                hidden_size=TEXT_WIDTH,
                intermediate_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
                vocab_size=tiny_text.QWEN_WORDS,
                max_position_embeddings=4096,
                bos_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                rope_parameters={
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "mrope_section": [1, 1, 2],
                },
            ),
            vision_config=sized(
                "vision",
                sizes,
                depth=1,
                hidden_size=16,
                intermediate_size=16,
                num_heads=2,
                out_hidden_size=TEXT_WIDTH,
                patch_size=PATCH,
                fullatt_block_indexes=[0],
            ),
            **ids,
        )
    )
