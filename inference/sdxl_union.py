"""SDXL with union ControlNet: paints a body to skeleton and strokes around a garment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import pipelines
from .painter import PaintRequest, Progress, Setup, Spec

# Steps and guidance as diffusers' and the ControlNet's own examples have them.
SPEC = Spec(pixels=1024 * 1024, multiple=32, steps=30, guidance=5.0, references=2)
FAMILY = "SDXL"
# Indices of the promax weights' control types, as xinsir6/ControlNetPlus lists them.
OPENPOSE, SCRIBBLE, REPAINT = 0, 2, 7
# In xinsir's repository the promax weights lie beside the first ones, under these names.
PROMAX = ("config_promax.json", "diffusion_pytorch_model_promax.safetensors")
IP_ADAPTERS = (
    ("ip-adapter-plus_sdxl_vit-h.safetensors", "models/image_encoder"),
    ("ip-adapter_sdxl_vit-h.safetensors", "models/image_encoder"),
    ("ip-adapter_sdxl.safetensors", "sdxl_models/image_encoder"),
)
# Leaves the words their say; IP-Adapter's authors advise 0.5 beside a prompt.
IP_SCALE = 0.5
PROMPT = "photo of a fashion model wearing the garment, studio light, natural skin, full detail"


def load(paths: Mapping[str, Path], setup: Setup) -> "SdxlUnionPainter":
    """Loads the engine; see `Entry.module`.

    Raises:
        RuntimeError: A folder is incomplete.
    """
    import torch
    from diffusers import AutoencoderKL
    from diffusers import StableDiffusionXLControlNetUnionInpaintPipeline as Pipeline

    parts = {"controlnet": _controlnet(paths["controlnet-union-sdxl-promax"], setup)}
    if vae := paths.get("sdxl-vae-fp16-fix"):
        parts["vae"] = AutoencoderKL.from_pretrained(
            vae,
            torch_dtype=getattr(torch, setup.dtype),
            local_files_only=True,
            use_safetensors=True,
        )
    pipeline = pipelines.read(Pipeline, paths["sdxl-base"], setup, add_watermarker=False, **parts)
    adapter = paths.get("ip-adapter-sdxl")
    if adapter is not None:
        _look_at_pictures(pipeline, adapter, setup)
    pipelines.settle(pipeline, setup)
    return SdxlUnionPainter(pipeline, adapter is not None)


class SdxlUnionPainter(pipelines.PipelinePainter):
    """A painter of bodies and backgrounds."""

    def __init__(self, pipeline: Any, sees_references: bool):
        super().__init__(pipeline, SPEC, FAMILY)
        self._sees_references = sees_references

    def paint(self, request: PaintRequest, progress: Progress) -> list[np.ndarray]:
        """Paints one picture for each seed; see `Painter.paint`."""
        pipelines.require_fit(request, SPEC)
        guidance = SPEC.guidance if request.guidance is None else request.guidance
        images, modes = _controls(request)
        return self.paint_each(
            request,
            request.steps or SPEC.steps,
            progress,
            prompt=request.prompt or PROMPT,
            negative_prompt=request.negative_prompt or None,
            image=_picture(request.image),
            mask_image=_picture(np.rint(request.mask * 255).astype(np.uint8)),
            control_image=images,
            control_mode=modes,
            height=request.image.shape[0],
            width=request.image.shape[1],
            strength=1.0,  # below it the pipeline takes fewer steps, and the mannequin shows
            guidance_scale=guidance,
            **self._references(request),
        )

    def _references(self, request: PaintRequest) -> dict[str, Any]:
        if not self._sees_references:
            return {}
        seen = [*request.garments, *([] if request.person is None else [request.person])]
        self.pipeline.set_ip_adapter_scale(IP_SCALE if seen else 0.0)
        blank = np.zeros((8, 8, 3), np.uint8)  # the network wants a picture even at a scale of 0
        return {"ip_adapter_image": [[_picture(image) for image in seen or [blank]]]}


def _controls(request: PaintRequest) -> tuple[list[Any], list[int]]:
    """Returns control pictures and their types; without hints what is to be repainted is one."""
    found = []
    if request.skeleton is not None:
        found.append((_picture(request.skeleton), OPENPOSE))
    if request.scribble is not None:
        found.append((_picture(np.repeat(request.scribble[..., None], 3, axis=2)), SCRIBBLE))
    if not found:
        kept = np.where(request.mask[..., None] > 0, np.uint8(0), request.image)
        found.append((_picture(kept), REPAINT))
    return [image for image, _ in found], [mode for _, mode in found]


def _controlnet(folder: Path, setup: Setup) -> Any:
    import json

    import torch
    from diffusers import ControlNetUnionModel
    from safetensors.torch import load_file

    dtype = getattr(torch, setup.dtype)
    if not (folder / PROMAX[0]).is_file():
        return ControlNetUnionModel.from_pretrained(
            folder, torch_dtype=dtype, local_files_only=True, use_safetensors=True
        )
    config = json.loads((folder / PROMAX[0]).read_text(encoding="utf-8"))
    network = ControlNetUnionModel.from_config(config)
    weights = {name: value.to(dtype) for name, value in load_file(folder / PROMAX[1]).items()}
    network.load_state_dict(weights, assign=True)
    return network.eval()


def _look_at_pictures(pipeline: Any, folder: Path, setup: Setup) -> None:
    import torch
    from transformers import CLIPVisionModelWithProjection

    for name, encoder in IP_ADAPTERS:
        if (folder / "sdxl_models" / name).is_file():
            network = CLIPVisionModelWithProjection.from_pretrained(
                folder / encoder,
                dtype=getattr(torch, setup.dtype),
                local_files_only=True,
                use_safetensors=True,
            )
            pipeline.register_modules(image_encoder=network)
            pipeline.load_ip_adapter(
                str(folder), subfolder="sdxl_models", weight_name=name, local_files_only=True
            )
            return
    raise RuntimeError(
        f"{folder} must hold one of {', '.join(name for name, _ in IP_ADAPTERS)} in sdxl_models, "
        "got none. Fetch the whole folder again."
    )


def _picture(pixels: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(pixels)
