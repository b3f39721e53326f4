"""Stable Diffusion XL with union ControlNet and IP-Adapter: real layout, random weights, tiny."""

import json
from pathlib import Path

from tiny_text import TINY, Sizes, sized

WIDTH = 16  # of the text encoders and the image encoder
TOKENS = 77
LATENT_CHANNELS = 4
# As in xinsir's repository, where the promax weights lie beside the first ones.
PROMAX_NAMES = ("config_promax.json", "diffusion_pytorch_model_promax.safetensors")
UNET = {
    "in_channels": LATENT_CHANNELS,
    "block_out_channels": (8, 16, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "cross_attention_dim": 2 * WIDTH,
    "transformer_layers_per_block": (1, 1, 2),
    "attention_head_dim": (1, 2, 2),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + WIDTH,
}


def write(folder: Path) -> dict[str, Path]:
    """Writes everything the engine takes into a folder for each id of weights.json, by id."""
    writers = {
        "sdxl-base": write_base,
        "sdxl-vae-fp16-fix": write_vae,
        "controlnet-union-sdxl-promax": write_controlnet,
        "ip-adapter-sdxl": write_ip_adapter,
    }
    return {name: writer(folder / name) for name, writer in writers.items()}


def write_base(folder: Path, sizes: Sizes = TINY) -> Path:
    """Writes stabilityai/stable-diffusion-xl-base-1.0."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    text = {
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": WIDTH,
        "vocab_size": 514,
        "max_position_embeddings": TOKENS,
        "bos_token_id": 512,
        "eos_token_id": 513,
    }
    StableDiffusionXLPipeline(
        vae=vae(sizes, scaling_factor=0.13025, force_upcast=True),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(**sized("text_encoder", sizes, **text, hidden_act="quick_gelu"))
        ).eval(),
        text_encoder_2=CLIPTextModelWithProjection(
            CLIPTextConfig(**sized("text_encoder_2", sizes, **text))
        ).eval(),
        tokenizer=clip_tokenizer(folder / "tokenizer"),
        tokenizer_2=clip_tokenizer(folder / "tokenizer_2"),
        unet=UNet2DConditionModel(
            **sized("unet", sizes, **UNET),
            sample_size=128,
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        ).eval(),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            interpolation_type="linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    ).save_pretrained(folder, safe_serialization=True)
    for name in ("tokenizer", "tokenizer_2"):  # the real one has no tokenizer.json
        (folder / name / "tokenizer.json").unlink()
        clip_tokenizer(folder / name)
    return folder


def write_vae(folder: Path) -> Path:
    """Writes madebyollin/sdxl-vae-fp16-fix."""
    import torch

    torch.manual_seed(1)
    vae(scaling_factor=0.13025, force_upcast=False).save_pretrained(folder)
    return folder


def write_controlnet(
    folder: Path, sizes: Sizes = TINY, *, names: tuple[str, str] = PROMAX_NAMES
) -> Path:
    """Writes xinsir/controlnet-union-sdxl-1.0, its promax weights only.

    Args:
        folder: Made where it is not there.
        sizes: Of "controlnet", and of "unet" where it says nothing else.
        names: Of the configuration and of the weights.
    """
    import torch
    from diffusers import ControlNetUnionModel

    torch.manual_seed(2)
    net = ControlNetUnionModel(
        **sized(
            "controlnet",
            sizes,
            **sized("unet", sizes, **UNET),
            conditioning_embedding_out_channels=(4, 4, 8, 8),
            num_control_type=8,
            num_trans_channel=8,
            num_trans_head=2,
            num_proj_channel=8,
        )
    ).eval()
    randomize_zeros(net)
    net.save_pretrained(folder)
    (folder / "config.json").rename(folder / names[0])
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / names[1])
    return folder


def write_ip_adapter(folder: Path) -> Path:
    """Writes the part of h94/IP-Adapter that looks at patches of the picture, with its encoder."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(3)
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            projection_dim=WIDTH,
            image_size=28,
            patch_size=14,
        )
    ).eval().save_pretrained(folder / "models" / "image_encoder")
    unet = UNet2DConditionModel(
        **UNET, up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")
    )
    weights = {f"image_proj.{key}": value for key, value in _resampler().items()}
    for index, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            width = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
            for which in ("k", "v"):
                key = f"ip_adapter.{index}.to_{which}_ip.weight"
                weights[key] = torch.randn(width, 2 * WIDTH) / WIDTH**0.5
    (folder / "sdxl_models").mkdir(parents=True)
    save_file(weights, folder / "sdxl_models" / "ip-adapter-plus_sdxl_vit-h.safetensors")
    return folder


def _resampler():
    import torch

    inner, heads_width = 8, 64  # a head is 64 wide whatever the size
    out = 2 * WIDTH

    def linear(rows, columns):
        return torch.randn(rows, columns) / columns**0.5

    weights = {
        "latents": torch.randn(1, 4, inner),
        "proj_in.weight": linear(inner, WIDTH),
        "proj_in.bias": torch.zeros(inner),
        "proj_out.weight": linear(out, inner),
        "proj_out.bias": torch.zeros(out),
        "norm_out.weight": torch.ones(out),
        "norm_out.bias": torch.zeros(out),
    }
    for layer in range(4):
        at = f"layers.{layer}"
        for norm in ("0.norm1", "0.norm2", "1.0"):
            weights[f"{at}.{norm}.weight"] = torch.ones(inner)
            weights[f"{at}.{norm}.bias"] = torch.zeros(inner)
        weights[f"{at}.0.to_q.weight"] = linear(heads_width, inner)
        weights[f"{at}.0.to_kv.weight"] = linear(2 * heads_width, inner)
        weights[f"{at}.0.to_out.weight"] = linear(inner, heads_width)
        weights[f"{at}.1.1.weight"] = linear(4 * inner, inner)
        weights[f"{at}.1.3.weight"] = linear(inner, 4 * inner)
    return weights


def vae(sizes: Sizes = TINY, *, scaling_factor: float, force_upcast: bool):
    """Makes an autoencoder with the real one's factor of 8."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        **sized(
            "vae",
            sizes,
            block_out_channels=(4, 4, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=LATENT_CHANNELS,
            norm_num_groups=2,
            scaling_factor=scaling_factor,
            force_upcast=force_upcast,
        )
    ).eval()


def clip_tokenizer(folder: Path):
    """Writes a CLIP tokenizer whose words are single bytes, and returns it."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    special = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return CLIPTokenizer.from_pretrained(folder)


def randomize_zeros(network) -> None:
    """Fills what starts at zero, so that an untrained network has an effect."""
    import torch

    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1 and not parameter.any():
                parameter.normal_(std=0.1)
