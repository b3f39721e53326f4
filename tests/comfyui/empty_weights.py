"""Writes weights of the right shape that hold nothing but zeros: a program, run by test_hints.py.

    python empty_weights.py COMFYUI_TREE CHECKPOINT CONTROLNET

A real SDXL has 7 GB. This is the smallest checkpoint that ComfyUI's own loaders recognise: an
SD 1.5 with two levels, its text encoder, and the tiny autoencoder. The files are sparse, they take
no space on the disk.
"""

import json
import struct
import sys
from pathlib import Path

FLOAT16_BYTES = 2
LEVELS = {
    "model_channels": 320,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 1],
    "transformer_depth": [1, 0],
    "transformer_depth_middle": 1,
    "num_heads": 8,
    "context_dim": 768,
    "use_spatial_transformer": True,
    "in_channels": 4,
    "image_size": 32,
}


def write(path, shapes):
    """Writes a safetensors file of zeros."""
    header, place = {}, 0
    for name, shape in shapes.items():
        size = FLOAT16_BYTES
        for side in shape:
            size *= side
        header[name] = {
            "dtype": "F16",
            "shape": list(shape),
            "data_offsets": [place, place + size],
        }
        place += size
    text = json.dumps(header).encode()
    with Path(path).open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(file.tell() + place)


def shapes(module, prefix):
    return {prefix + name: tuple(value.shape) for name, value in module.state_dict().items()}


def main(tree, checkpoint, controlnet):
    sys.path.insert(0, tree)
    sys.argv = sys.argv[:1]  # ComfyUI reads the arguments when it is imported
    import torch
    from comfy.cli_args import args

    args.cpu = True
    import comfy.ops
    import comfy.sd1_clip
    from comfy.cldm.cldm import ControlNet
    from comfy.clip_model import CLIPTextModel
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.taesd.taesd import TAESD

    config = Path(comfy.sd1_clip.__file__).with_name("sd1_clip_config.json")
    made = {"operations": comfy.ops.disable_weight_init, "device": "meta"}
    with torch.device("meta"):
        unet = UNetModel(out_channels=4, transformer_depth_output=[1, 1, 0, 0], **LEVELS, **made)
        control = ControlNet(hint_channels=3, **LEVELS, **made)
        text = CLIPTextModel(json.loads(config.read_text()), dtype=torch.float16, **made)
        images = TAESD()
    write(
        checkpoint,
        shapes(unet, "model.diffusion_model.")
        | shapes(text, "cond_stage_model.transformer.")
        | {k: v for k, v in shapes(images, "first_stage_model.").items() if len(v) > 0},
    )
    write(controlnet, shapes(control, "control_model."))


if __name__ == "__main__":
    main(*sys.argv[1:])
