"""What all engines on diffusers share: files to a pipeline, into memory, seeds to pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import loras as lora_stacks
from . import memory
from .painter import Lora, PaintRequest, Progress, Setup, Spec
from .recall import Recall

# Files of Python objects, which can run code when they are opened.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack")
# Mean change of the first block's output, relative to the step before, below which the rest of a
# step is skipped. ParaAttention, who described it, gives 0.08 for FLUX.1 as hardly visible; the
# picture of a seed changes nevertheless, fine texture first.
CACHE_THRESHOLD = 0.08
# Denoisers whose blocks can be skipped. Not FLUX.2's: diffusers 0.42 hands the pair that its first
# kind of block returns to the second kind, which has one (hooks/first_block_cache.py, TypeError).
CACHEABLE = ("FluxTransformer2DModel", "QwenImageTransformer2DModel")
# Encoded pictures and texts to keep: of a request with all its references, and of the one before.
PICTURES_KEPT, TEXTS_KEPT = 12, 4


def read(kind: Any, folder: Path, setup: Setup, **parts: Any) -> Any:
    """Loads a pipeline from a folder as `save_pretrained` writes it; nothing is fetched or run.

    Args:
        kind: A pipeline class of diffusers.
        folder: With model_index.json, configurations, tokenizers and safetensors files.
        setup: For its dtype, and for its quantization: with "gguf", and where there is nothing
            else, the transformer is a *.gguf file in the folder or in its folder transformer/.
        parts: Networks that are loaded already, by name.

    Raises:
        ValueError: The weights are pickles.
        RuntimeError: The folder is incomplete.
    """
    import torch

    _require_complete(folder, parts)
    dtype = getattr(torch, setup.dtype)
    options: dict[str, Any] = {} if _has_plain(folder) else {"variant": "fp16"}
    if "transformer" not in parts and (quantized := _gguf(folder, setup)) is not None:
        parts["transformer"] = quantized
    try:
        return kind.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, **options, **parts
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeError(
            f"{folder} must hold all files of the weights, got: {str(error).splitlines()[0]} "
            "Fetch the whole folder again."
        ) from error


def _require_complete(folder: Path, parts: Mapping[str, Any]) -> None:
    index = folder / "model_index.json"
    if not index.is_file():
        raise RuntimeError(
            f"{folder} must hold model_index.json, got none. Fetch the whole folder again."
        )
    for name, kind in json.loads(index.read_text(encoding="utf-8")).items():
        if name in parts or not isinstance(kind, list) or kind[0] is None:
            continue
        files = sorted((folder / name).glob("*"))
        if not files:  # transformers would make up an empty tokenizer
            raise RuntimeError(
                f"{folder} must hold {name}, got none. Fetch the whole folder again."
            )
        pickles = [file for file in files if file.suffix in PICKLES]
        if pickles and not any(file.suffix == ".safetensors" for file in files):
            raise ValueError(
                f"weights must be safetensors files, got {name}/{pickles[0].name} in {folder}. "
                "Fetch the safetensors: a pickle can run code when it is opened."
            )


def _has_plain(folder: Path) -> bool:
    """Returns whether there are weights but those that are named for their 16 bits."""
    files = list(folder.glob("*/*.safetensors"))
    return not files or any(".fp16." not in file.name for file in files)


def _gguf(folder: Path, setup: Setup) -> Any:
    """Returns the transformer of a GGUF file, None where another is to be taken."""
    import diffusers
    import torch

    found = memory.gguf_files(folder)
    plain = any((folder / "transformer").glob("*.safetensors"))
    if setup.quantization != "gguf" and (plain or not found):
        return None
    if len(found) != 1:
        raise RuntimeError(
            f"{folder} must hold one .gguf file of the transformer, got {len(found)}. "
            "Leave one there, or choose another precision."
        )
    if not memory.reads_gguf():
        raise RuntimeError(
            f"the package gguf must be installed to read {found[0].name}, got none. Run: "
            "pip install gguf"
        )
    dtype = getattr(torch, setup.dtype)
    named = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
    return getattr(diffusers, named["_class_name"]).from_single_file(
        str(found[0]),
        config=str(folder),
        subfolder="transformer",
        quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=dtype),
        dtype=dtype,
        local_files_only=True,
    )


def settle(pipeline: Any, setup: Setup) -> None:
    """Lays a loaded pipeline into memory.

    `speed="cached"` is FirstBlockCache for the denoisers in CACHEABLE, "exact" for any other. It
    costs likeness: a step whose first block changed little takes over the rest from
    the step before, so that fine texture, small print and logos come out softer or other than with
    "exact". With 4 to 8 steps hardly any step is alike enough to be skipped.

    Raises:
        ValueError: There is no such attention backend.
        RuntimeError: The attention backend is not installed.
    """
    import torch

    pipeline.set_progress_bar_config(disable=True)
    denoiser = denoising_network(pipeline)
    device = torch.device(setup.device)
    if setup.quantization == "fp8" and not getattr(denoiser, "is_quantized", False):
        denoiser.enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn, compute_dtype=getattr(torch, setup.dtype)
        )
        for layer in denoiser.modules():
            # Read by peft, which would store LoRAs in 8 bits too and then compute in them.
            layer.compute_dtype = getattr(torch, setup.dtype)
    if setup.vae_tiling:
        pipeline.vae.enable_tiling()
    if setup.attention != "auto":
        _attend(denoiser, setup.attention)
    if setup.speed == "cached" and type(denoiser).__name__ in CACHEABLE:
        from diffusers import FirstBlockCacheConfig

        denoiser.enable_cache(FirstBlockCacheConfig(threshold=CACHE_THRESHOLD))
    # Networks that live on the CPU have nowhere to go, and diffusers fails when it moves them back.
    if setup.offload == "model" and device.type != "cpu":
        pipeline.enable_model_cpu_offload(device=device)
    elif setup.offload == "group":
        pipeline.enable_group_offload(
            onload_device=device, offload_type="leaf_level", use_stream=device.type == "cuda"
        )
    else:
        pipeline.to(device)


def _attend(denoiser: Any, backend: str) -> None:
    try:
        denoiser.set_attention_backend(backend)
    except (ImportError, RuntimeError) as error:
        raise RuntimeError(
            f"attention {backend} needs a package that is not installed: {error} "
            "Install it, or choose auto."
        ) from error


def denoising_network(pipeline: Any) -> Any:
    """Returns the network that works at every step."""
    return pipeline.transformer if hasattr(pipeline, "transformer") else pipeline.unet


def require_fit(request: PaintRequest, spec: Spec) -> None:
    """Checks a request.

    Raises:
        ValueError: The sizes do not fit the engine, or there are too many references.
    """
    height, width = request.image.shape[:2]
    if height % spec.multiple or width % spec.multiple or not height * width:
        raise ValueError(
            f"a crop must have sides that are multiples of {spec.multiple}, got {width}x{height}. "
            "Cut it with crop.plan."
        )
    if request.mask.shape != (height, width):
        raise ValueError(
            f"a mask must be of the crop's size {width}x{height}, got "
            f"{'x'.join(map(str, request.mask.shape[::-1]))}. Cut it as the crop was cut."
        )
    asked = len(request.garments) + (request.person is not None)
    if asked > spec.references:
        raise ValueError(
            f"the engine looks at {spec.references} reference pictures at most, got {asked}. "
            "Give fewer."
        )


class PipelinePainter:
    """A painter on one diffusers pipeline; engines add `paint`.

    Args:
        pipeline: Loaded and settled.
        spec: Of the engine.
        family: What its LoRAs are made for, as the user reads it.
        own: LoRAs of the engine itself.
    """

    def __init__(self, pipeline: Any, spec: Spec, family: str, own: Sequence[Lora] = ()):
        self.spec = spec
        self.pipeline = pipeline
        self._stack = lora_stacks.Stack(pipeline, family, own)
        self._loras: tuple[Lora, ...] = ()
        self._texts = Recall(pipeline.encode_prompt, TEXTS_KEPT)
        pipeline.encode_prompt = self._texts
        pipeline.vae.encode = Recall(pipeline.vae.encode, PICTURES_KEPT)

    def set_loras(self, loras: Sequence[Lora]) -> None:
        """Replaces the LoRAs in force; the base weights stay where they are."""
        self._stack.set(loras)
        if tuple(loras) != self._loras:
            self._texts.forget()  # a LoRA may change the text encoder
        self._loras = tuple(loras)

    def modules(self) -> Mapping[str, Any]:
        """Returns the networks by name."""
        import torch

        return {
            name: part
            for name, part in self.pipeline.components.items()
            if isinstance(part, torch.nn.Module)
        }

    def close(self) -> None:
        """Frees the pipeline; the painter cannot paint any more."""
        import gc

        import torch

        self.pipeline.remove_all_hooks()
        del self.pipeline, self._stack, self._texts
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def paint_each(
        self, request: PaintRequest, steps: int, progress: Progress, **options: Any
    ) -> list[np.ndarray]:
        """Calls the pipeline once for each seed; see `Painter.paint`.

        Args:
            request: For its seeds.
            steps: That the pipeline takes, no fewer and no more.
            progress: Called after every step.
            options: Of the pipeline's call; its `callback_on_step_end` may change the latents.
        """
        import torch

        total = steps * len(request.seeds)
        change = options.pop("callback_on_step_end", None)
        painted = []
        for turn, seed in enumerate(request.seeds):

            def after(pipeline: Any, step: int, time: Any, held: dict, turn: int = turn) -> dict:
                progress(turn * steps + step + 1, total)
                return held if change is None else change(pipeline, step, time, held)

            try:
                image = self.pipeline(
                    num_inference_steps=steps,
                    generator=torch.Generator("cpu").manual_seed(seed),
                    callback_on_step_end=after,
                    **options,
                ).images[0]
            except BaseException:
                # What the pipeline does itself at its end: networks off the device, no memory of
                # the steps before.
                self.pipeline.maybe_free_model_hooks()
                raise
            painted.append(np.asarray(image))
        return painted
