"""Qwen-Image-Edit: edits the crop while it looks at the garment, the person and the pose.

Wu et al., Qwen-Image Technical Report, 2025; through diffusers' QwenImageEditPlusPipeline.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import pipelines, prompts, references
from .painter import Lora, PaintRequest, Progress, Setup, Spec

# Steps and guidance as the model card has them.
SPEC = Spec(pixels=1024 * 1024, multiple=32, steps=40, guidance=4.0, references=3)
FAMILY = "Qwen-Image"
# Guidance needs something to lead away from; a space is what the model card gives.
NOTHING = " "
LIGHTNING = "qwen-image-edit-lightning"
# Lightning's authors trained on times shifted by 3 whatever the size, without guidance.
LIGHTNING_SHIFT = math.log(3)
LIGHTNING_GUIDANCE, LIGHTNING_STEPS = 1.0, 4


def load(paths: Mapping[str, Path], setup: Setup) -> "QwenEditPainter":
    """Loads the engine, with the Lightning LoRA where its path is given; see `Entry.module`.

    Raises:
        ValueError: The weights are pickles.
        RuntimeError: A folder is incomplete.
    """
    spec, own, parts = SPEC, (), {}
    if LIGHTNING in paths:
        file = _file(paths[LIGHTNING])
        own = (Lora(file),)
        named = re.search(r"(\d+)steps", file.name)
        steps = int(named[1]) if named else LIGHTNING_STEPS
        spec = SPEC._replace(steps=steps, guidance=LIGHTNING_GUIDANCE)
        parts["scheduler"] = _lightning_scheduler()
    pipeline = pipelines.read(_pipeline_class(), paths["qwen-image-edit-2511"], setup, **parts)
    pipelines.settle(pipeline, setup)
    return QwenEditPainter(pipeline, spec, FAMILY, own)


class QwenEditPainter(pipelines.PipelinePainter):
    """A painter that keeps the latents outside of the mask.

    The pipeline itself has no mask and moves the picture by some pixels; that shows at the edge of
    what is pasted back. So after every step the latents outside are the crop's own, with the noise
    of that step, as diffusers' inpainting pipelines do it.
    """

    def paint(self, request: PaintRequest, progress: Progress) -> list[np.ndarray]:
        """Paints one picture for each seed; see `Painter.paint`."""
        pipelines.require_fit(request, self.spec)
        steps = request.steps or self.spec.steps
        if steps < 2 and self.pipeline.scheduler.config.shift_terminal:
            # The scheduler stretches its times to end at a given one: with a single time, 0 / 0.
            raise ValueError(
                f"steps must be at least 2 for qwen-edit, got {steps}. Use 0 for the engine's own."
            )
        height, width = request.image.shape[:2]
        size = _painted_size(width, height)
        pictures = references.shown(request)
        prompt = prompts.compose(
            request.task, request.region, request.prompt, pictures, name="Picture"
        )
        guidance = self.spec.guidance if request.guidance is None else request.guidance
        without = {"negative_prompt": request.negative_prompt or NOTHING} if guidance > 1 else {}
        keep = _Keep(
            self.pipeline,
            references.resized(request.image, size),
            references.resized((request.mask > 0).astype(np.float32), size),
        )
        painted = self.paint_each(
            request,
            steps,
            progress,
            image=[
                references.picture(
                    references.resized(one, size) if what == references.CROP else one
                )
                for what, found in pictures.items()
                for one in found
            ],
            prompt=prompt,
            true_cfg_scale=guidance,
            width=size[0],
            height=size[1],
            callback_on_step_end=keep,
            **without,
        )
        return [references.resized(one, (width, height)) for one in painted]


class _Keep:
    """Puts the crop's own latents where nothing shall be painted, after every step.

    Args:
        pipeline: From `_pipeline_class`.
        image: (h, w, 3) uint8, the crop as it is painted.
        mask: (h, w) float32; above 0 is painted.
    """

    def __init__(self, pipeline: Any, image: np.ndarray, mask: np.ndarray):
        import torch

        cell = 2 * pipeline.vae_scale_factor  # latents are packed two by two
        cells = references.whole_cells(mask, cell)[::cell, ::cell]
        self._painted = torch.from_numpy(cells.reshape(1, -1, 1))
        self._image = image
        self._latents: Any = None

    def __call__(self, pipeline: Any, step: int, time: Any, held: dict) -> dict:
        """Changes the latents that a step left; see `callback_on_step_end`."""
        import torch

        latents = held["latents"]
        if self._latents is None:
            self._latents = pipeline.packed(self._image, latents)
        kept = self._latents
        if step + 1 < pipeline.num_timesteps:
            following = pipeline.scheduler.timesteps[step + 1 : step + 2]
            kept = pipeline.scheduler.scale_noise(kept, following, pipeline.noise)
        painted = self._painted.to(latents.device)
        return {**held, "latents": torch.where(painted, latents, kept.to(latents.dtype))}


def _painted_size(width: int, height: int) -> tuple[int, int]:
    """Returns the size at which the pipeline will see the crop.

    Seen and painted at two sizes, the picture comes out zoomed or moved.
    """
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as edit_plus

    return edit_plus.calculate_dimensions(edit_plus.VAE_IMAGE_SIZE, width / height)


def _file(path: Path) -> Path:
    found = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    if len(found) != 1:
        raise RuntimeError(
            f"{path} must hold one .safetensors file, got {len(found)}. Leave the Lightning LoRA "
            "of Qwen-Image-Edit-2511 there alone."
        )
    return found[0]


def _lightning_scheduler() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(
        base_shift=LIGHTNING_SHIFT,
        max_shift=LIGHTNING_SHIFT,
        max_image_seq_len=8192,
        use_dynamic_shifting=True,
    )


def _pipeline_class() -> Any:
    from diffusers import QwenImageEditPlusPipeline

    class KeepingPipeline(QwenImageEditPlusPipeline):
        """Remembers the noise that it starts from, for whoever keeps latents as they are."""

        noise: Any = None

        def prepare_latents(self, *args: Any, **options: Any) -> Any:
            latents, seen = super().prepare_latents(*args, **options)
            self.noise = latents
            return latents, seen

        def packed(self, pixels: np.ndarray, like: Any) -> Any:
            """Returns the latents of a picture, packed and typed like other latents."""
            size = pixels.shape[:2]
            tensor = self.image_processor.preprocess(references.picture(pixels), *size)
            tensor = tensor.unsqueeze(2).to(like.device, like.dtype)
            latents = self._encode_vae_image(tensor, None)
            _, channels, _, height, width = latents.shape
            return self._pack_latents(latents, 1, channels, height, width)

    return KeepingPipeline
