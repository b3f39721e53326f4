"""CatVTON: Stable Diffusion 1.5 inpainting that sees the garment below the person.

Method of Chong et al., CatVTON: Concatenation Is All You Need for Virtual Try-On with Diffusion
Models, 2024, written from the paper on diffusers' networks. For research: the weights are
CC BY-NC-SA 4.0.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import pipelines, references
from .painter import PaintRequest, Progress, Setup, Spec

# The size, steps and guidance of the paper; the UNet halves three times what the VAE left of 8.
SPEC = Spec(pixels=768 * 1024, multiple=64, steps=50, guidance=2.5, references=1)
FAMILY = "Stable Diffusion 1.5"
ATTENTION = Path("mix-48k-1024") / "attention" / "model.safetensors"
CELL = 8  # pixels of the photo along one side of a latent pixel
ETA = 1.0  # noise added anew at every step, as the weights are evaluated
HEIGHT = -2  # the dimension in which person and garment lie together
UPPER = 0  # half of the canvas that shows the person


class _Scene(NamedTuple):
    """What the network sees of a request at every step, as latents of the whole canvas.

    Attributes:
        mask: (1, 1, 2h, w), 1 is painted anew.
        seen: (2, 4, 2h, w), what is kept: once without the garment, once with it.
    """

    mask: Any
    seen: Any


def load(paths: Mapping[str, Path], setup: Setup) -> "CatVtonPainter":
    """Loads the engine; see `Entry.module`.

    Raises:
        RuntimeError: A folder is incomplete, or the attention is of another network.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline
    from diffusers import UNet2DConditionModel as UNet

    base, given = paths["sd15-inpainting"], paths["catvton"]
    unet = _read(UNet, base / "unet", setup)
    _attend_as_trained(unet, given if given.is_file() else given / ATTENTION)
    pipeline = StableDiffusionInpaintPipeline(
        vae=_read(AutoencoderKL, paths.get("sd-vae-ft-mse", base / "vae"), setup),
        text_encoder=None,
        tokenizer=None,
        unet=unet,
        scheduler=_scheduler(DDIMScheduler, base / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipelines.settle(pipeline, setup)
    return CatVtonPainter(pipeline, SPEC, FAMILY)


class CatVtonPainter(pipelines.PipelinePainter):
    """A painter of one garment onto one person; it reads no words."""

    def paint(self, request: PaintRequest, progress: Progress) -> list[np.ndarray]:
        """Paints one picture for each seed; see `Painter.paint`."""
        pipelines.require_fit(request, SPEC)
        if len(request.garments) != 1:
            raise ValueError(
                f"catvton needs exactly one garment, got {len(request.garments)}. Give one, or "
                "choose another engine."
            )
        steps = request.steps or SPEC.steps
        guidance = SPEC.guidance if request.guidance is None else request.guidance
        total = steps * len(request.seeds)
        painted = []
        for turn, seed in enumerate(request.seeds):

            def after(step: int, turn: int = turn) -> None:
                progress(turn * steps + step, total)

            try:
                painted.append(self._paint_one(request, seed, steps, guidance, after))
            finally:
                self.pipeline.maybe_free_model_hooks()
        return painted

    def _paint_one(
        self, request: PaintRequest, seed: int, steps: int, guidance: float, after: Any
    ) -> np.ndarray:
        import torch

        scheduler, unet = self.pipeline.scheduler, self.pipeline.unet
        with torch.no_grad():
            scene = self._scene(request)
            generator = torch.Generator("cpu").manual_seed(seed)
            # Float32 whatever the network computes in: the steps add small to large numbers.
            shape = (1, self.pipeline.vae.config.latent_channels, *scene.mask.shape[HEIGHT:])
            latents = torch.randn(shape, generator=generator).to(scene.mask.device)
            scheduler.set_timesteps(steps, device=latents.device)
            for step, time in enumerate(scheduler.timesteps, 1):
                noise = predict(unet, latents, time, scene.mask, scene.seen, guidance)
                latents = scheduler.step(
                    noise, time, latents, eta=ETA, generator=generator
                ).prev_sample
                after(step)
            return self._decoded(latents.chunk(2, HEIGHT)[UPPER])

    def _scene(self, request: PaintRequest) -> _Scene:
        import torch

        height, width = request.image.shape[:2]
        hidden = references.whole_cells(request.mask, CELL)
        person = self._encoded(_signed(request.image) * ~hidden[..., None])
        garment = self._encoded(_signed(references.beside(request.garments[0], (width, height))))
        cells = torch.from_numpy(np.float32(hidden[::CELL, ::CELL])).to(person)[None, None]
        without = torch.cat([person, torch.zeros_like(garment)], HEIGHT)
        return _Scene(
            mask=torch.cat([cells, torch.zeros_like(cells)], HEIGHT),
            seen=torch.cat([without, torch.cat([person, garment], HEIGHT)]),
        )

    def _encoded(self, pixels: np.ndarray) -> Any:
        """Returns the likeliest latents of (h, w, 3) in [-1, 1]."""
        import torch

        vae = self.pipeline.vae
        device, dtype = self.pipeline._execution_device, vae.dtype
        picture = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
        distribution = vae.encode(picture.to(device, dtype)).latent_dist
        return distribution.mode() * vae.config.scaling_factor

    def _decoded(self, latents: Any) -> np.ndarray:
        vae = self.pipeline.vae
        picture = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor).sample
        pixels = (picture[0].float().clamp(-1, 1) + 1) * 127.5
        return np.ascontiguousarray(pixels.round().byte().permute(1, 2, 0).cpu().numpy())


def predict(unet: Any, latents: Any, time: Any, mask: Any, seen: Any, guidance: float) -> Any:
    """Returns the noise in the latents, guided towards the garment.

    Args:
        unet: With CatVTON's attention.
        latents: (1, 4, 2h, w) float32, person above garment.
        time: Of the diffusion.
        mask: (1, 1, 2h, w), 1 is painted anew.
        seen: (2, 4, 2h, w), what is kept: once without the garment, once with it.
        guidance: Times the difference that the garment makes; 1 is the plain prediction.

    Returns:
        (1, 4, 2h, w) float32.
    """
    import torch

    canvas = torch.cat([latents.to(seen.dtype), mask], 1).expand(len(seen), -1, -1, -1)
    without, worn = unet(torch.cat([canvas, seen], 1), time, encoder_hidden_states=None).sample
    without, worn = without[None].float(), worn[None].float()
    return without + guidance * (worn - without)


class _Passed:
    """Cross-attention that hands on what it gets: there are no words to look at."""

    def __call__(
        self,
        attention: Any,
        hidden_states: Any,
        encoder_hidden_states: Any = None,
        attention_mask: Any = None,
        temb: Any = None,
    ) -> Any:
        return hidden_states


def _attend_as_trained(unet: Any, file: Path) -> None:
    """Puts CatVTON's weights into the self-attentions and passes by the cross-attentions.

    The file numbers the attentions in the order of the network's modules, with gaps.
    """
    groups = _groups(file)
    own = [module for name, module in unet.named_modules() if name.endswith("attn1")]
    if len(groups) != len(own):
        raise RuntimeError(
            f"{file} must hold {len(own)} attentions, got {len(groups)}. Fetch the whole folder "
            "again."
        )
    for attention, number in zip(own, sorted(groups), strict=True):
        try:
            attention.load_state_dict(groups[number])
        except RuntimeError as error:
            raise RuntimeError(
                f"{file} must hold the attention of Stable Diffusion 1.5, got other weights at "
                f"{number}: {str(error).splitlines()[-1].strip()} Fetch the whole folder again."
            ) from error
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            module.set_processor(_Passed())


def _groups(file: Path) -> dict[int, dict[str, Any]]:
    """Returns the weights of every attention by its number."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    groups: dict[int, dict[str, Any]] = {}
    try:
        for key, value in load_file(file).items():
            number, _, name = key.partition(".")
            groups.setdefault(int(number), {})[name] = value
    except (OSError, ValueError, SafetensorError) as error:
        raise RuntimeError(
            f"{file} must hold CatVTON's attention, got: {error} Fetch the whole folder again."
        ) from error
    return groups


def _read(kind: Any, folder: Path, setup: Setup) -> Any:
    import torch

    files = list(folder.glob("*.safetensors"))
    halved = bool(files) and all(".fp16." in file.name for file in files)
    try:
        return kind.from_pretrained(
            folder,
            torch_dtype=getattr(torch, setup.dtype),
            variant="fp16" if halved else None,
            local_files_only=True,
            use_safetensors=True,
        ).eval()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeError(
            f"{folder} must hold a network's config.json and safetensors, got: "
            f"{str(error).splitlines()[0]} Fetch the whole folder again."
        ) from error


def _scheduler(kind: Any, folder: Path) -> Any:
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise RuntimeError(
            f"{folder} must hold scheduler_config.json, got: {str(error).splitlines()[0]} "
            "Fetch the whole folder again."
        ) from error


def _signed(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 127.5 - 1
