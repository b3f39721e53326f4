"""How large the random networks of bench/engines.py are, by engine and part.

STEADY is for a processor: a step takes a tenth of a second or more, so that it can be timed. FULL
are the sizes of the published weights; nothing is downloaded for them.
"""

from collections.abc import Mapping
from typing import Any

Parts = Mapping[str, Mapping[str, Any]]

# The stages of Stable Diffusion's and FLUX's autoencoders.
STAGES = (128, 256, 512, 512)
# The real vocabularies; the tokenizers of the tests know fewer words, the rest is never looked up.
CLIP_WORDS, QWEN_WORDS, T5_WORDS = 49408, 151936, 32128

STEADY: Mapping[str, Parts] = {
    "flux2-klein": {
        "transformer": {
            "num_layers": 2,
            "num_single_layers": 2,
            "num_attention_heads": 12,
        },
        "vae": {"block_out_channels": (16, 16, 32, 32)},
    },
    "qwen-edit": {"transformer": {"num_layers": 2, "num_attention_heads": 4}},
    "sdxl-union": {
        "unet": {"block_out_channels": (32, 64, 64), "attention_head_dim": (2, 4, 4)},
        "controlnet": {"num_trans_channel": 32, "num_proj_channel": 32},
        "vae": {"block_out_channels": (16, 16, 32, 32)},
    },
    "catvton": {
        "unet": {"block_out_channels": (32, 64, 64, 64)},
        "vae": {"block_out_channels": (16, 16, 32, 32)},
    },
    "flux-fill": {
        "transformer": {"num_layers": 2, "num_single_layers": 2, "num_attention_heads": 12},
        "vae": {"block_out_channels": (16, 16, 32, 32)},
    },
}

# CLIP ViT-L/14's text half, which SDXL and FLUX.1 read: openai/clip-vit-large-patch14/config.json.
CLIP_L = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
    "vocab_size": CLIP_WORDS,
}

FULL: Mapping[str, Parts] = {
    # black-forest-labs/FLUX.2-klein-4B: {transformer,vae,text_encoder}/config.json; the encoder
    # is Qwen/Qwen3-4B.
    "flux2-klein": {
        "transformer": {
            "in_channels": 128,
            "num_layers": 5,
            "num_single_layers": 20,
            "attention_head_dim": 128,
            "num_attention_heads": 24,
            "joint_attention_dim": 7680,
            "timestep_guidance_channels": 256,
            "axes_dims_rope": (32, 32, 32, 32),
        },
        "vae": {
            "block_out_channels": STAGES,
            "layers_per_block": 2,
            "latent_channels": 32,
            "norm_num_groups": 32,
        },
        "text_encoder": {
            "hidden_size": 2560,
            "intermediate_size": 9728,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": QWEN_WORDS,
            "tie_word_embeddings": True,
        },
    },
    # Qwen/Qwen-Image-Edit-2511: {transformer,vae}/config.json, which are the defaults of diffusers'
    # classes; the text encoder is Qwen/Qwen2.5-VL-7B-Instruct.
    "qwen-edit": {
        "transformer": {
            "in_channels": 64,
            "out_channels": 16,
            "num_layers": 60,
            "attention_head_dim": 128,
            "num_attention_heads": 24,
            "joint_attention_dim": 3584,
            "axes_dims_rope": (16, 56, 56),
        },
        "vae": {
            "base_dim": 96,
            "z_dim": 16,
            "dim_mult": [1, 2, 4, 4],
            "num_res_blocks": 2,
            "temperal_downsample": [False, True, True],
            "latents_mean": [0.0] * 16,
            "latents_std": [1.0] * 16,
        },
        "text": {
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152064,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [16, 24, 24],
            },
        },
        "vision": {
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
            "fullatt_block_indexes": [7, 15, 23, 31],
        },
    },
    # stabilityai/stable-diffusion-xl-base-1.0: {unet,vae,text_encoder,text_encoder_2}/config.json;
    # xinsir/controlnet-union-sdxl-1.0: config_promax.json.
    "sdxl-union": {
        "unet": {
            "block_out_channels": (320, 640, 1280),
            "layers_per_block": 2,
            "norm_num_groups": 32,
            "cross_attention_dim": 2048,
            "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20),
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
        "controlnet": {
            "conditioning_embedding_out_channels": (16, 32, 96, 256),
            "num_trans_channel": 320,
            "num_trans_head": 8,
            "num_proj_channel": 320,
        },
        "vae": {"block_out_channels": STAGES, "layers_per_block": 2, "norm_num_groups": 32},
        "text_encoder": CLIP_L,
        "text_encoder_2": {
            "hidden_size": 1280,
            "intermediate_size": 5120,
            "num_hidden_layers": 32,
            "num_attention_heads": 20,
            "projection_dim": 1280,
            "vocab_size": CLIP_WORDS,
        },
    },
    # stable-diffusion-v1-5/stable-diffusion-inpainting: {unet,vae}/config.json; CatVTON's attention
    # has the shapes of its self-attentions.
    "catvton": {
        "unet": {
            "block_out_channels": (320, 640, 1280, 1280),
            "layers_per_block": 2,
            "norm_num_groups": 32,
            "cross_attention_dim": 768,
            "attention_head_dim": 8,
        },
        "vae": {"block_out_channels": STAGES, "layers_per_block": 2, "norm_num_groups": 32},
    },
    # black-forest-labs/FLUX.1-Fill-dev: {transformer,vae,text_encoder_2}/config.json; the second
    # text encoder is google/t5-v1_1-xxl.
    "flux-fill": {
        "transformer": {
            "in_channels": 384,
            "out_channels": 64,
            "num_layers": 19,
            "num_single_layers": 38,
            "attention_head_dim": 128,
            "num_attention_heads": 24,
            "joint_attention_dim": 4096,
            "pooled_projection_dim": 768,
            "axes_dims_rope": (16, 56, 56),
        },
        "vae": {
            "block_out_channels": STAGES,
            "layers_per_block": 2,
            "latent_channels": 16,
            "norm_num_groups": 32,
        },
        "text_encoder": CLIP_L,
        "text_encoder_2": {
            "d_model": 4096,
            "d_ff": 10240,
            "d_kv": 64,
            "num_heads": 64,
            "num_layers": 24,
            "feed_forward_proj": "gated-gelu",
            "vocab_size": T5_WORDS,
        },
    },
}
