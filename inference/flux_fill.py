"""FLUX.1 Fill with an in-context LoRA: fills the person's half of a canvas beside the garment.

Black Forest Labs, FLUX.1 Fill [dev], 2024, through diffusers' FluxFillPipeline; the canvas as in
xiaozaa's catvton-flux, after Chong et al., CatVTON, 2024. For research: neither may be sold with.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import pipelines, references
from .painter import Lora, PaintRequest, Progress, Setup, Spec

# One half of the canvas that the LoRA was trained on; steps and guidance of its example.
SPEC = Spec(pixels=768 * 1024, multiple=16, steps=30, guidance=30.0, references=1)
FAMILY = "FLUX.1"
LORA = "pytorch_lora_weights.safetensors"
# In the form that the LoRA was trained with: both pictures, then each.
PROMPT = (
    "The pair of images highlights a clothing and its styling on a model, high resolution; "
    "[IMAGE1] Detailed product shot of a {clothes}; "
    "[IMAGE2] The same {clothes} is worn by a model in a lifestyle setting."
)
CLOTHES = {"upper": "top", "lower": "bottom", "dress": "dress", "layered": "layered outfit"}


def load(paths: Mapping[str, Path], setup: Setup) -> "FluxFillPainter":
    """Loads the engine; see `Entry.module`.

    Raises:
        ValueError: The weights are pickles.
        RuntimeError: A folder is incomplete.
    """
    from diffusers import FluxFillPipeline

    given = paths["catvton-flux-lora"]
    pipeline = pipelines.read(FluxFillPipeline, paths["flux1-fill-dev"], setup)
    pipelines.settle(pipeline, setup)
    own = Lora(given if given.is_file() else given / LORA)
    return FluxFillPainter(pipeline, SPEC, FAMILY, (own,))


class FluxFillPainter(pipelines.PipelinePainter):
    """A painter of one garment onto one person."""

    def paint(self, request: PaintRequest, progress: Progress) -> list[np.ndarray]:
        """Paints one picture for each seed; see `Painter.paint`."""
        pipelines.require_fit(request, SPEC)
        if len(request.garments) != 1:
            raise ValueError(
                f"flux-fill needs exactly one garment, got {len(request.garments)}. Give one, or "
                "choose another engine."
            )
        height, width = request.image.shape[:2]
        garment = references.beside(request.garments[0], (width, height))
        masks = [np.zeros((height, width), bool), request.mask > 0]
        guidance = SPEC.guidance if request.guidance is None else request.guidance
        with _one_context(self.pipeline.transformer):
            painted = self.paint_each(
                request,
                request.steps or SPEC.steps,
                progress,
                prompt=prompt(request.region, request.prompt),
                image=references.picture(np.hstack([garment, request.image])),
                mask_image=references.picture(np.hstack(masks)),
                width=2 * width,
                height=height,
                guidance_scale=guidance,
            )
        return [np.ascontiguousarray(one[:, width:]) for one in painted]


def prompt(region: str, words: str) -> str:
    """Returns what the engine is told.

    Args:
        region: Of `parsing.REGIONS`, or anything else for any garment.
        words: The user's, added as they are.
    """
    told = PROMPT.format(clothes=CLOTHES.get(region, "clothing"))
    return f"{told} {words.strip()}".strip()


def _one_context(transformer: Any) -> Any:
    """Returns the context that a cache of blocks asks for; this pipeline opens none itself."""
    if transformer.is_cache_enabled:
        return transformer.cache_context("cond")
    return contextlib.nullcontext()
