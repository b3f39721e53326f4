"""The node that runs its workflow with every setting of a grid, and lays the pictures out."""

import time
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from . import feedback, onward, tensors

CELL = "dressform_sweep"  # in a queued run's extra data: which cell of which sweep it is
NODE_TYPE = "DressformSweep"
GRID = "Try On.engine = warp | sdxl-union"


class Sweep(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id=NODE_TYPE,
            display_name="Sweep Settings",
            category="dressform/quality",
            description=(
                "Runs the workflow once for each combination of base models, LoRAs and other "
                "settings, a queued run each. Gives a labelled contact sheet, and a suite with "
                "variants that dressform compare judges."
            ),
            search_aliases=["xy plot", "grid", "xyz", "compare models", "parameter", "lora test"],
            inputs=[
                io.Image.Input(
                    "image",
                    lazy=True,
                    tooltip="What the workflow makes; runs once for each cell of the grid.",
                ),
                io.String.Input(
                    "grid",
                    default=GRID,
                    multiline=True,
                    tooltip="On each line: Node.input = value | value. Node is a title; several "
                    "inputs that change together are parted by commas.",
                ),
                io.String.Input(
                    "name",
                    default="sweep",
                    tooltip="Of the folder inside output/sweeps. Run again to make what is missing "
                    "there.",
                ),
                io.String.Input(
                    "seed_input",
                    default="",
                    tooltip="Node.input that takes the seed, such as Try On.seed; empty leaves it.",
                ),
                io.String.Input(
                    "seeds",
                    default="1, 2",
                    tooltip="Seeds that every variant gets, parted by commas; two or more for a "
                    "comparison.",
                ),
                io.String.Input(
                    "photo_input",
                    default="",
                    tooltip="Node.input that takes the photo, such as Mannequin photo.image; empty "
                    "leaves it.",
                ),
                io.String.Input(
                    "scenes",
                    default="",
                    tooltip="Folder of photos inside ComfyUI's input folder; empty takes the photo "
                    "that is chosen now.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="image", tooltip="The picture of this run, one cell of the grid."
                ),
                io.Image.Output(
                    display_name="sheet", tooltip="All pictures under their labels, at the end."
                ),
                io.String.Output(
                    display_name="variants",
                    tooltip="The sweep as JSON: every variant with settings, workflow and folder.",
                ),
                io.String.Output(
                    display_name="suite",
                    tooltip="Path of the suite for dressform compare; empty without a photo.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_):
        return time.time_ns()  # each run is another cell

    @classmethod
    def check_lazy_status(cls, **inputs) -> list[str]:
        """The first run only plans; the picture is asked for by the runs that it queues."""
        return ["image"] if inputs.get("image") is None and _cell(cls) else []

    @classmethod
    async def execute(
        cls,
        grid: str,
        name: str,
        seed_input: str,
        seeds: str,
        photo_input: str,
        scenes: str,
        image: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        from . import sweep_plan

        cell = _cell(cls)
        if cell is not None and image is not None:
            return _keep(cls, sweep_plan.load(Path(cell["folder"])), cell, image)
        if cls.hidden is None or not cls.hidden.prompt:
            raise RuntimeError(
                "a sweep must be run by ComfyUI's queue, got a call without a workflow. "
                "Press Run in the editor, or post the workflow to /prompt."
            )
        order = sweep_plan.Order(grid, name, seed_input, seeds, photo_input, scenes)
        plan = sweep_plan.make(order, cls.hidden.prompt, cls.hidden.unique_id)
        missing = sweep_plan.missing(plan)
        prompts = [sweep_plan.prompt_of(plan, cell) for cell in missing]
        for one, prompt in zip(missing, prompts, strict=True):
            await _require_valid(prompt, one)
        if missing and not _queued(cls, plan, missing, prompts):
            raise RuntimeError(
                "a sweep must be run by ComfyUI's queue, got no queue. Press Run in the editor."
            )
        text = (
            f"{len(missing)} runs are queued, one for each picture."
            if missing
            else "Every picture is there: choose another name to make them again."
        )
        nothing = ExecutionBlocker(None)  # in silence: the queued runs go on from here
        sheet = nothing if missing else tensors.from_pictures([sweep_plan.sheet(plan)])
        return io.NodeOutput(
            nothing,
            sheet,
            sweep_plan.text(plan),
            sweep_plan.suite_path(plan),
            ui={**feedback.sentences(cls, [text]), "spared": [0, 1] if missing else [0]},
        )


def _cell(node: type[io.ComfyNode]) -> dict[str, Any] | None:
    told = onward.told(onward.running(1)).get(CELL) or {}
    own = node.hidden is not None and told.get("node") == node.hidden.unique_id
    return told if own else None


def _keep(node, plan, cell: dict[str, Any], image: torch.Tensor) -> io.NodeOutput:
    from . import sweep_plan

    [picture] = tensors.to_pictures(image[:1], "image")
    prompt = node.hidden.prompt if node.hidden else {}
    place = sweep_plan.save(plan, sweep_plan.Cell(*cell["cell"]), picture, prompt)
    left = len(sweep_plan.missing(plan))
    is_end = bool(cell["last"]) or not left
    nothing = ExecutionBlocker(None)  # told when the sweep began, and once more at its end
    sheet = tensors.from_pictures([sweep_plan.sheet(plan)]) if is_end else nothing
    text = f"{place}; {left} pictures are left." if left else f"{place}; the sweep is complete."
    return io.NodeOutput(
        image,
        sheet,
        sweep_plan.text(plan) if is_end else nothing,
        sweep_plan.suite_path(plan) if is_end else nothing,
        ui={
            **feedback.preview(node, sheet if is_end else image, [text]),  # type: ignore[arg-type]
            "spared": [] if is_end else [1, 2, 3],
        },
    )


def _queued(node, plan, cells: list, prompts: list[dict[str, Any]]) -> bool:
    now = onward.running(1)
    told = [
        {
            "node": node.hidden.unique_id,
            "folder": str(plan.folder),
            "cell": list(cell),
            "last": place == len(cells) - 1,
        }
        for place, cell in enumerate(cells)
    ]
    # The drawing of the editor has the settings before the sweep: pictures would lie about theirs.
    extras = [{CELL: one, "extra_pnginfo": {}} for one in told]
    return all(
        onward.queue(now, prompt, extra) for prompt, extra in zip(prompts, extras, strict=True)
    )


async def _require_valid(prompt: dict[str, Any], cell) -> None:
    """Has ComfyUI check a cell before anything is queued: a wrong name costs no half a sweep."""
    import sys

    module = sys.modules.get("execution")
    if module is None:  # outside of a server
        return
    is_valid, error, _, faults = await module.validate_prompt("sweep", prompt, None)
    if is_valid and not faults:
        return
    told = [
        f"{fault['message']}: {fault['details']}"
        for of_node in faults.values()
        for fault in of_node.get("errors", ())
    ] or [str((error or {}).get("message", "unknown"))]
    raise ValueError(
        f"every variant must be one that ComfyUI can run, got for {cell.variant}: {told[0]}. "
        "Correct that value in grid."
    )
