"""Stable Diffusion 1.5 inpainting with CatVTON's attention: real layout, random weights, tiny."""

from pathlib import Path

from tiny_text import TINY, Sizes, sized

LATENT_CHANNELS = 4
# CatVTON keeps a list of every module whose name has attn1: the attention itself, to_q, to_k,
# to_v, to_out and its two layers, the processor.
MODULES_PER_ATTENTION = 8
ATTENTION = Path("mix-48k-1024") / "attention" / "model.safetensors"
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def write(folder: Path, sizes: Sizes = TINY) -> dict[str, Path]:
    """Writes everything the engine takes into a folder for each id of weights.json, by id."""
    base = write_base(folder / "sd15-inpainting", sizes)
    return {
        "sd15-inpainting": base,
        "sd-vae-ft-mse": write_vae(folder / "sd-vae-ft-mse", sizes),
        "catvton": write_attention(folder / "catvton", base),
    }


def write_base(folder: Path, sizes: Sizes = TINY) -> Path:
    """Writes what is used of stable-diffusion-v1-5/stable-diffusion-inpainting."""
    import torch
    from diffusers import DDIMScheduler

    unet(sizes).save_pretrained(folder / "unet")
    torch.manual_seed(1)
    vae(sizes).save_pretrained(folder / "vae")
    DDIMScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
    return folder


def write_vae(folder: Path, sizes: Sizes = TINY) -> Path:
    """Writes stabilityai/sd-vae-ft-mse."""
    import torch

    torch.manual_seed(2)
    vae(sizes).save_pretrained(folder)
    return folder


def write_attention(folder: Path, base: Path) -> Path:
    """Writes the self-attention weights of zhengchong/CatVTON for a base."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    torch.manual_seed(3)
    net = UNet2DConditionModel.from_pretrained(base / "unet", use_safetensors=True)
    weights = {}
    for index, attention in enumerate(self_attentions(net)):
        for key, value in attention.state_dict().items():
            weights[f"{index * MODULES_PER_ATTENTION}.{key}"] = torch.randn_like(value) * 0.2
    path = folder / ATTENTION
    path.parent.mkdir(parents=True)
    save_file(weights, path)
    return folder


def self_attentions(net) -> list:
    """Returns the self-attentions of a UNet in the order of its modules."""
    return [module for name, module in net.named_modules() if name.endswith("attn1")]


def unet(sizes: Sizes = TINY):
    """Makes a UNet that takes latents, mask and masked latents."""
    import torch
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(
        **sized(
            "unet",
            sizes,
            sample_size=64,
            in_channels=2 * LATENT_CHANNELS + 1,
            out_channels=LATENT_CHANNELS,
            block_out_channels=(8, 16, 16, 16),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
            attention_head_dim=2,
        )
    ).eval()


def vae(sizes: Sizes = TINY):
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
            scaling_factor=0.18215,
        )
    ).eval()
