"""One engine in a process of its own, painting on demand: as this pack does it, or bare.

For bench/engines.py. "ours" is the engine's own module, "forgetful" the same without the memory of
inference/recall.py, "bare" the pipeline of diffusers with a user's own calls. All three stand on
random networks of the same sizes and get the same pictures and words.
"""

import contextlib
import ctypes
import gc
import itertools
import math
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import checkpoints
import numpy as np
import sizes

OURS, FORGETFUL, BARE = "ours", "forgetful", "bare"
BUILDERS = {
    "flux2-klein": "flux2",
    "qwen-edit": "qwen",
    "sdxl-union": "sdxl",
    "catvton": "sd15",
    "flux-fill": "flux",
}
# Engines whose pipeline is made in memory; the others are small enough for files.
IN_MEMORY = ("flux2-klein", "qwen-edit", "flux-fill")
# Crop on a processor: height and width, multiples of every engine's cells.
STEADY_SIZE = 384, 256
KIB = 1024
# glibc's malloc.h. Large blocks go back to the system at once, so that the peak is what is in use
# and not what the allocator happens to hold.
M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES = -3, 2**16


class Job(NamedTuple):
    """What a worker works on.

    Attributes:
        who: OURS, FORGETFUL or BARE.
        engine: A name in `engine.ENGINES`.
        setup: A `painter.Setup`.
        folder: With the weights of engines not in IN_MEMORY; may be written to.
        full: Whether the networks are as large as the published ones.
        steps: For each picture.
    """

    who: str
    engine: str
    setup: Any
    folder: Path
    full: bool
    steps: int


class Painting(NamedTuple):
    """What one picture cost.

    Attributes:
        steps: Seconds from the end of each step to the end of the next.
        whole: Seconds of the whole picture.
        peak: Bytes at the highest; None where the system does not tell.
    """

    steps: list[float]
    whole: float
    peak: int | None


Mark = Callable[[], None]
Paint = Callable[[Any, Mark], Any]


def work(job: Job, channel: Any) -> None:
    """Makes the engine and paints a person for every number received, until None is."""
    import torch

    cuda = job.setup.device != "cpu"
    if not cuda:
        torch.set_num_threads(1)
        _return_large_blocks()
    floor = 0 if cuda else _anonymous("RssAnon")
    paint = prepare(job)
    while (person := channel.recv()) is not None:
        channel.send(_timed(paint, request(job, person), cuda, floor))


def _timed(paint: Paint, asked: Any, cuda: bool, floor: int | None) -> Painting:
    import torch

    def now() -> float:
        if not cuda:
            return time.process_time()  # other programs on the machine do not count
        torch.cuda.synchronize()
        return time.perf_counter()

    marks: list[float] = []
    gc.collect()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    else:
        _forget_peak()
    began = now()
    paint(asked, lambda: marks.append(now()))
    whole = now() - began
    if cuda:
        peak = torch.cuda.max_memory_allocated()
    else:
        highest = _anonymous("VmHWM")
        peak = None if highest is None or floor is None else highest - floor
    return Painting([b - a for a, b in itertools.pairwise(marks)], whole, peak)


def _anonymous(name: str) -> int | None:
    """Returns bytes of this process's own memory, without files mapped into it; Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    told = {key: value for key, _, value in (line.partition(":") for line in lines)}
    kept = 0 if name == "RssAnon" else int(told["RssFile"].split()[0])
    return (int(told[name].split()[0]) - kept) * KIB


def _return_large_blocks() -> None:
    with contextlib.suppress(OSError, AttributeError):  # another system's library
        ctypes.CDLL("libc.so.6").mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)


def _forget_peak() -> None:
    if sys.platform.startswith("linux"):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def write(engine: str, folder: Path, full: bool) -> None:
    """Writes the weights of an engine that is not in IN_MEMORY."""
    builder, parts = checkpoints.builder(BUILDERS[engine]), _sizes(engine, full)
    if engine == "sdxl-union":
        builder.write_base(folder / "sdxl-base", parts)
        builder.write_controlnet(folder / "controlnet-union-sdxl-promax", parts)
    else:
        builder.write(folder, parts)


def request(job: Job, person: int) -> Any:
    """Returns what to paint: a person by number in the one garment."""
    from dressform.inference import engine as engines
    from dressform.inference.painter import PaintRequest

    height, width = _size(job)
    draw = np.random.default_rng(person)
    mask = np.zeros((height, width), np.float32)
    mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 1
    mannequin = engines.MANNEQUIN_TO_MODEL in engines.entry(job.engine).tasks
    sdxl = job.engine == "sdxl-union"
    return PaintRequest(
        image=draw.integers(0, 256, (height, width, 3), np.uint8),
        mask=mask,
        garments=(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8),),
        skeleton=draw.integers(0, 256, (height, width, 3), np.uint8) if sdxl else None,
        task=engines.TASKS[1] if mannequin else engines.TRY_ON,
        prompt="linen, daylight",
        seeds=(person,),
        steps=job.steps,
        region="upper",
    )


def _size(job: Job) -> tuple[int, int]:
    from dressform.inference import engine as engines

    if not job.full:
        return STEADY_SIZE
    pixels = engines.module(job.engine).SPEC.pixels
    return (1024, 768) if pixels == 1024 * 768 else (math.isqrt(pixels), math.isqrt(pixels))


def prepare(job: Job) -> Paint:
    """Returns what paints a request and calls a mark after every step."""
    from dressform.inference import engine as engines
    from dressform.inference import pipelines

    made = _made(job)
    paths, read = _files(job, made), pipelines.read

    def given(kind: Any, folder: Path, setup: Any, **parts: Any) -> Any:
        if made is None:
            return read(kind, folder, setup, **parts)
        distilled = {k: v for k, v in made.config.items() if k == "is_distilled"}
        return kind(**{**made.components, **parts}, **distilled)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(pipelines, "read", given))
        if job.who == BARE:
            return _bare(job, made, paths)
        if job.who == FORGETFUL:
            stack.enter_context(mock.patch.object(pipelines, "Recall", _Plain))
        painter = engines.module(job.engine).load(paths, job.setup)

    def paint(asked: Any, mark: Mark) -> Any:
        return painter.paint(asked, lambda done, total: mark())

    return paint


class _Plain:
    """Stands for `recall.Recall` and remembers nothing."""

    def __init__(self, function: Callable[..., Any], kept: int):
        self._function = function

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._function(*args, **options)

    def forget(self) -> None:
        pass


def _made(job: Job) -> Any:
    """Returns a pipeline of random networks, None where the engine's weights are files."""
    import torch

    if job.engine not in IN_MEMORY:
        return None
    builder, before = checkpoints.builder(BUILDERS[job.engine]), torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, job.setup.dtype))
    try:
        with torch.device(job.setup.device):  # where billions of numbers are drawn in seconds
            made = builder.pipeline(job.folder, _sizes(job.engine, job.full))
    finally:
        torch.set_default_dtype(before)
    return made.to("cpu") if job.setup.offload != "none" else made


def _sizes(engine: str, full: bool) -> Mapping[str, Any]:
    return (sizes.FULL if full else sizes.STEADY)[engine]


def _files(job: Job, made: Any) -> dict[str, Path]:
    """Returns the paths that the engine's `load` wants; those in memory are not looked at."""
    from dressform.inference import engine as engines

    paths = {key: job.folder / key for key in engines.entry(job.engine).weights}
    if job.engine == "flux-fill":
        import tiny_lora

        lora = job.folder / f"{job.who}.safetensors"
        tiny_lora.write(lora, made.transformer.to("cpu"), component="transformer")
        made.transformer.to(job.setup.device)
        paths["catvton-flux-lora"] = lora
    return paths


def _bare(job: Job, made: Any, paths: Mapping[str, Path]) -> Paint:
    """Returns what paints with diffusers alone, as its manual says."""
    import torch

    pipeline, options = BARE_PIPELINES[job.engine](job, made, paths)
    _lay(pipeline, job.setup)

    def paint(asked: Any, mark: Mark) -> Any:
        def after(pipeline: Any, step: int, time: Any, held: dict) -> dict:
            mark()
            return held

        return pipeline(
            num_inference_steps=asked.steps,
            generator=torch.Generator("cpu").manual_seed(asked.seeds[0]),
            callback_on_step_end=after,
            **options(asked),
        ).images[0]

    return paint


def _lay(pipeline: Any, setup: Any) -> None:
    """Lays a pipeline into memory by diffusers' own switches."""
    import torch

    pipeline.set_progress_bar_config(disable=True)
    denoiser = pipeline.transformer if hasattr(pipeline, "transformer") else pipeline.unet
    if setup.quantization == "fp8":
        denoiser.enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn, compute_dtype=getattr(torch, setup.dtype)
        )
    if setup.vae_tiling:
        pipeline.vae.enable_tiling()
    device = torch.device(setup.device)
    if setup.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif setup.offload == "group":
        pipeline.enable_group_offload(
            onload_device=device, offload_type="leaf_level", use_stream=True
        )
    else:
        pipeline.to(device)


def _bare_klein(job: Job, made: Any, paths: Mapping[str, Path]) -> tuple[Any, Callable]:
    from diffusers import Flux2KleinInpaintPipeline
    from dressform.inference import flux2_klein, prompts, references

    def options(asked: Any) -> dict:
        cells = references.whole_cells(asked.mask, flux2_klein.SPEC.multiple)
        shown = references.shown(asked)
        return {
            "prompt": prompts.compose(asked.task, asked.region, asked.prompt, shown),
            "image": references.picture(asked.image),
            "mask_image": references.picture(cells),
            "image_reference": references.picture(asked.garments[0]),
            "strength": 1.0,
            "guidance_scale": 1.0,
        }

    return Flux2KleinInpaintPipeline(**made.components, is_distilled=True), options


def _bare_qwen(job: Job, made: Any, paths: Mapping[str, Path]) -> tuple[Any, Callable]:
    from diffusers import QwenImageEditPlusPipeline
    from dressform.inference import prompts, qwen_edit, references

    def options(asked: Any) -> dict:
        shown = references.shown(asked)
        words = prompts.compose(asked.task, asked.region, asked.prompt, shown, name="Picture")
        height, width = asked.image.shape[:2]
        # As a user has it who asks for what the pipeline looks at.
        size = qwen_edit._painted_size(width, height)
        return {
            "prompt": words,
            "negative_prompt": qwen_edit.NOTHING,
            "true_cfg_scale": qwen_edit.SPEC.guidance,
            "image": [references.picture(one) for one in (asked.image, *asked.garments)],
            "width": size[0],
            "height": size[1],
        }

    return QwenImageEditPlusPipeline(**made.components), options


def _bare_sdxl(job: Job, made: Any, paths: Mapping[str, Path]) -> tuple[Any, Callable]:
    import torch
    from diffusers import StableDiffusionXLControlNetUnionInpaintPipeline as Pipeline
    from dressform.inference import references, sdxl_union

    pipeline = Pipeline.from_pretrained(
        paths["sdxl-base"],
        # diffusers cannot read xinsir's names of the files.
        controlnet=sdxl_union._controlnet(paths["controlnet-union-sdxl-promax"], job.setup),
        add_watermarker=False,
        dtype=getattr(torch, job.setup.dtype),
        local_files_only=True,
    )

    def options(asked: Any) -> dict:
        return {
            "prompt": asked.prompt,
            "image": references.picture(asked.image),
            "mask_image": references.picture(np.uint8(255 * asked.mask)),
            "control_image": [references.picture(asked.skeleton)],
            "control_mode": [sdxl_union.OPENPOSE],
            "height": asked.image.shape[0],
            "width": asked.image.shape[1],
            "strength": 1.0,
            "guidance_scale": sdxl_union.SPEC.guidance,
        }

    return pipeline, options


def _bare_catvton(job: Job, made: Any, paths: Mapping[str, Path]) -> tuple[Any, Callable]:
    """The inpainting pipeline on CatVTON's network and canvas: diffusers has no CatVTON."""
    import torch
    from dressform.inference import catvton, references

    on_cpu = job.setup._replace(device="cpu", offload="none", quantization="none")
    pipeline = catvton.load(paths, on_cpu).pipeline
    for part in (pipeline.vae, pipeline):  # what the painter has put over them
        for name in ("encode", "encode_prompt"):
            vars(part).pop(name, None)
    # Read by nobody: the cross-attentions hand on what they get.
    words = torch.zeros(1, 1, 8, dtype=getattr(torch, job.setup.dtype))

    def options(asked: Any) -> dict:
        height, width = asked.image.shape[:2]
        garment = references.beside(asked.garments[0], (width, height))
        return {
            "prompt_embeds": words,
            "negative_prompt_embeds": words,
            "image": references.picture(np.vstack([asked.image, garment])),
            "mask_image": references.picture(np.vstack([asked.mask > 0, garment[..., 0] < 0])),
            "height": 2 * height,
            "width": width,
            "guidance_scale": catvton.SPEC.guidance,
            "eta": catvton.ETA,
        }

    return pipeline, options


def _bare_fill(job: Job, made: Any, paths: Mapping[str, Path]) -> tuple[Any, Callable]:
    from diffusers import FluxFillPipeline
    from dressform.inference import flux_fill, references

    pipeline = FluxFillPipeline(**made.components)
    pipeline.load_lora_weights(paths["catvton-flux-lora"])

    def options(asked: Any) -> dict:
        height, width = asked.image.shape[:2]
        garment = references.beside(asked.garments[0], (width, height))
        return {
            "prompt": flux_fill.prompt(asked.region, asked.prompt),
            "image": references.picture(np.hstack([garment, asked.image])),
            "mask_image": references.picture(np.hstack([garment[..., 0] < 0, asked.mask > 0])),
            "width": 2 * width,
            "height": height,
            "guidance_scale": flux_fill.SPEC.guidance,
        }

    return pipeline, options


BARE_PIPELINES = {
    "flux2-klein": _bare_klein,
    "qwen-edit": _bare_qwen,
    "sdxl-union": _bare_sdxl,
    "catvton": _bare_catvton,
    "flux-fill": _bare_fill,
}
