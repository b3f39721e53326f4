"""The engines by name, and the interface of those that work on whole photos."""

from importlib import import_module
from types import ModuleType
from typing import NamedTuple, Protocol

import numpy as np

from ..imaging.parsing import Parsing
from ..imaging.pose import Pose
from ..imaging.strokes import StrokeDocument
from .painter import TASKS, Progress

TRY_ON, MANNEQUIN_TO_MODEL = TASKS


class Entry(NamedTuple):
    """What is known of an engine before it is imported.

    Attributes:
        module: Of this package, imported when the engine is asked for. One of family "warp" has
            `make() -> Engine`, any other `SPEC` and `load(paths, setup) -> Painter`.
        weights: Ids in weights.json without which it cannot run.
        tasks: Those of TASKS that it can do.
        family: What its LoRAs are made for; "warp" has no network.
        optional: Ids of weights that it uses where they are installed.
    """

    module: str
    weights: tuple[str, ...]
    tasks: tuple[str, ...]
    family: str
    optional: tuple[str, ...] = ()


ENGINES = {
    "warp": Entry("warp", (), TASKS, "warp"),
    "flux2-klein": Entry("flux2_klein", ("flux2-klein-4b",), TASKS, "flux2"),
    "qwen-edit": Entry(
        "qwen_edit",
        ("qwen-image-edit-2511",),
        TASKS,
        "qwen-image",
        optional=("qwen-image-edit-lightning",),
    ),
    "sdxl-union": Entry(
        "sdxl_union",
        ("sdxl-base", "controlnet-union-sdxl-promax"),
        (MANNEQUIN_TO_MODEL,),
        "sdxl",
        optional=("sdxl-vae-fp16-fix", "ip-adapter-sdxl"),
    ),
    "catvton": Entry(
        "catvton", ("sd15-inpainting", "catvton"), (TRY_ON,), "sd15", optional=("sd-vae-ft-mse",)
    ),
    "flux-fill": Entry("flux_fill", ("flux1-fill-dev", "catvton-flux-lora"), (TRY_ON,), "flux1"),
}


class TryOnRequest(NamedTuple):
    """One person and one garment.

    Attributes:
        person: (H, W, 3) uint8 sRGB.
        garment: (h, w, 3) uint8 sRGB.
        garment_mask: (h, w) bool.
        person_pose: In pixels of `person`.
        garment_pose: In pixels of `garment`.
        person_parsing: Parsing of `person`; None where unknown.
        garment_parsing: Parsing of `garment`; None where unknown.
        repaint_mask: (H, W) bool; the only place that may change. None leaves it to the engine.
        hints: Strokes for the person's photo, for engines that take them.
        region: One of `parsing.REGIONS`.
        by_outline: Whether the person's outline may correct where `person_pose` puts the garment;
            not where a user gave a pose of their own.
    """

    person: np.ndarray
    garment: np.ndarray
    garment_mask: np.ndarray
    person_pose: Pose
    garment_pose: Pose
    person_parsing: Parsing | None = None
    garment_parsing: Parsing | None = None
    repaint_mask: np.ndarray | None = None
    hints: StrokeDocument | None = None
    region: str = "upper"
    by_outline: bool = True


class TryOnResult(NamedTuple):
    """The person in the garment.

    Attributes:
        image: (H, W, 3) uint8 sRGB, of the person's size.
        repainted: (H, W) float32 in [0, 1]; pixels of 0 equal the person's bit for bit.
        garment: (H, W) float32 in [0, 1], opacity of the garment in the picture.
        warnings: Sentences for the user.
    """

    image: np.ndarray
    repainted: np.ndarray
    garment: np.ndarray
    warnings: tuple[str, ...] = ()


class Engine(Protocol):
    """What a try-on engine must offer."""

    def run(self, request: TryOnRequest, progress: Progress) -> TryOnResult:
        """Paints the garment onto the person."""
        ...


def names(task: str) -> list[str]:
    """Returns the engines that can do one of TASKS, the one without weights first."""
    return [name for name, entry in ENGINES.items() if task in entry.tasks]


def entry(name: str) -> Entry:
    """Returns the entry of an engine.

    Raises:
        ValueError: There is no engine of this name.
    """
    if name not in ENGINES:
        raise ValueError(
            f"engine must be one of {', '.join(ENGINES)}, got {name!r}. Choose one of these."
        )
    return ENGINES[name]


def module(name: str) -> ModuleType:
    """Imports the module of an engine; see `Entry.module` for what it holds."""
    return import_module(f".{entry(name).module}", __package__)


def load(name: str) -> Engine:
    """Imports and makes an engine that needs no weights.

    Raises:
        ValueError: There is no such engine.
    """
    if entry(name).family != "warp":
        raise ValueError(
            f"an engine without weights is required here, got {name!r}. Call painting.dress."
        )
    return module(name).make()
