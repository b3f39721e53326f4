"""FLUX.2 klein: repaints the mask while it looks at the garment, the person and the pose.

Black Forest Labs, FLUX.2 [klein], 2026; through diffusers' Flux2KleinInpaintPipeline.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import pipelines, prompts, references
from .painter import PaintRequest, Progress, Setup, Spec

# Steps and guidance as the model card has them for the distilled weights. The pipeline makes a
# picture of more than a megapixel smaller; rounded up to whole cells this is not more.
SPEC = Spec(pixels=1008 * 1008, multiple=16, steps=4, guidance=1.0, references=3)
# The same of the weights that are not distilled.
BASE_STEPS, BASE_GUIDANCE = 50, 4.0
FAMILY = "FLUX.2 klein"
# A garment at the resolution of the crop, a person at half of it: a face needs fewer pixels than a
# print, and every pixel costs time at every step.
GARMENT_PIXELS, PERSON_PIXELS = 1024 * 1024, 512 * 1024


def load(paths: Mapping[str, Path], setup: Setup) -> "Flux2KleinPainter":
    """Loads the engine; see `Entry.module`.

    Raises:
        ValueError: The weights are pickles.
        RuntimeError: The folder is incomplete.
    """
    pipeline = pipelines.read(_pipeline_class(), paths["flux2-klein-4b"], setup)
    pipelines.settle(pipeline, setup)
    spec = SPEC
    if not pipeline.config.is_distilled:
        spec = SPEC._replace(steps=BASE_STEPS, guidance=BASE_GUIDANCE)
    return Flux2KleinPainter(pipeline, spec, FAMILY)


class Flux2KleinPainter(pipelines.PipelinePainter):
    """A painter that keeps the latents outside of the mask."""

    def paint(self, request: PaintRequest, progress: Progress) -> list[np.ndarray]:
        """Paints one picture for each seed; see `Painter.paint`."""
        pipelines.require_fit(request, self.spec)
        height, width = request.image.shape[:2]
        pictures = references.shown(request)
        guidance = self.spec.guidance if request.guidance is None else request.guidance
        self.pipeline.seen = [_tensor(self.pipeline, one) for one in _sized(pictures)]
        try:
            painted = self.paint_each(
                request,
                request.steps or self.spec.steps,
                progress,
                prompt=prompts.compose(request.task, request.region, request.prompt, pictures),
                image=references.picture(request.image),
                mask_image=references.picture(references.whole_cells(request.mask, SPEC.multiple)),
                strength=1.0,  # below it the old garment shines through
                guidance_scale=1.0 if self.pipeline.config.is_distilled else guidance,
            )
        finally:
            self.pipeline.seen = []
        return [references.resized(one, (width, height)) for one in painted]


def _sized(pictures: Mapping[str, list[np.ndarray]]) -> list[np.ndarray]:
    areas = {references.GARMENT: GARMENT_PIXELS, references.PERSON: PERSON_PIXELS}
    return [
        references.fitted(one, area=areas.get(what, SPEC.pixels), multiple=SPEC.multiple)
        for what, found in pictures.items()
        for one in found
    ]


def _tensor(pipeline: Any, pixels: np.ndarray) -> Any:
    return pipeline.image_processor.preprocess(references.picture(pixels), *pixels.shape[:2])


def _pipeline_class() -> Any:
    from diffusers import Flux2KleinInpaintPipeline

    class LookingPipeline(Flux2KleinInpaintPipeline):
        """Looks at pictures of any sizes, and at another crop than the one whose latents it keeps.

        The argument `image_reference` cuts all pictures to the size of the first; each at its own
        size is how Flux2KleinPipeline, and so the training, has them.
        """

        seen: Any = ()

        def prepare_image_latents(self, images: list, *rest: Any) -> Any:
            return super().prepare_image_latents(list(self.seen) or images, *rest)

    return LookingPipeline
