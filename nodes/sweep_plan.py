"""The folder of a sweep: its plan, its pictures, and what is still missing."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import folder_paths
import numpy as np

from ..imaging import files, pictures
from ..imaging.products import naming, places, saving
from ..quality import contact_sheet, sweep
from ..quality.sweep import Axis, Variant

FOLDER = "sweeps"  # inside ComfyUI's output folder
PLAN, BASE, SUITE = "sweep.json", "base.json", "suite.toml"
RESULT = "Result"  # title of the node that saves the picture in a variant's workflow
MOST_ROWS = 12  # of the contact sheet
KEPT = ("class_type", "inputs", "_meta")  # of a node in API format


class Order(NamedTuple):
    """What the node's widgets say."""

    grid: str
    name: str
    seed_input: str
    seeds: str
    photo_input: str
    scenes: str


class Cell(NamedTuple):
    """One picture of a sweep; scene and seed as they name its file."""

    variant: str
    scene: str
    seed: str


class Plan(NamedTuple):
    """A sweep that is being made.

    Attributes:
        folder: Of the sweep.
        axes: Of the grid.
        variants: All of them.
        seeds: Empty where the workflow's own seed stays.
        scenes: Photos by id, as `photo_input` takes them; one empty where the photo stays.
        order: Of the node.
        base: The workflow as it was run.
    """

    folder: Path
    axes: tuple[Axis, ...]
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    scenes: Mapping[str, str]
    order: Order
    base: Mapping[str, Any]


def make(order: Order, prompt: Mapping[str, Any], node: str) -> Plan:
    """Plans a sweep, and writes plan, suite and workflows where they are not there yet.

    Args:
        order: Of the node.
        prompt: The workflow that is being executed.
        node: Id of the sweep node in it.

    Raises:
        ValueError: grid, names or numbers are wrong, or there are too many runs.
    """
    axes = sweep.read(order.grid)
    found = sweep.variants(axes)
    seeds = _seeds(order)
    scenes = _scenes(order, prompt)
    count = len(found) * len(scenes) * max(1, len(seeds))
    if count > sweep.MOST_RUNS:
        raise ValueError(
            f"a sweep may have {sweep.MOST_RUNS} runs, got {count} ({len(found)} variants, "
            f"{len(scenes)} photos, {max(1, len(seeds))} seeds). Take fewer of one of them."
        )
    for one in found:
        sweep.apply(prompt, one.settings)  # says what is wrong before anything is written
    folder = places.writable(f"{FOLDER}/{order.name}", Path(folder_paths.get_output_directory()))
    # While it executes ComfyUI writes more into the nodes, such as their fingerprints.
    base = {key: {k: node[k] for k in KEPT if k in node} for key, node in prompt.items()}
    plan = Plan(folder, axes, found, seeds, scenes, order, base)
    plan = plan._replace(folder=_own_folder(plan))
    if not (plan.folder / PLAN).is_file():
        _write(plan, node)
    return plan


def load(folder: Path) -> Plan:
    """Reads the plan that a queued run belongs to."""
    kept = json.loads((folder / BASE).read_text(encoding="utf-8"))
    order = Order(*kept["order"])
    axes = sweep.read(order.grid)
    return Plan(
        folder,
        axes,
        sweep.variants(axes),
        tuple(kept["seeds"]),
        kept["scenes"],
        order,
        kept["prompt"],
    )


def missing(plan: Plan) -> list[Cell]:
    """Returns the cells that have no picture yet, variant by variant."""
    return [cell for cell in _cells(plan) if not _path(plan, cell).is_file()]


def prompt_of(plan: Plan, cell: Cell) -> dict[str, Any]:
    """Returns the workflow of one cell."""
    return sweep.apply(plan.base, _settings(plan, cell))


def save(plan: Plan, cell: Cell, picture: np.ndarray, prompt: Mapping[str, Any]) -> str:
    """Writes the picture of a cell with its workflow inside; returns its place in the sweep."""
    path = _path(plan, cell)
    places.require_within(path, Path(folder_paths.get_output_directory()))
    saving.write(path, picture, texts={"prompt": json.dumps(prompt)} if prompt else {})
    return path.relative_to(plan.folder).as_posix()


def sheet(plan: Plan) -> np.ndarray:
    """Draws the contact sheet of the pictures that are there, saves and returns it.

    Two axes of one photo and seed make a table of their values; else every variant is a column,
    every photo and seed a row.
    """
    rows = [(scene, seed) for scene in plan.scenes for seed in plan.seeds or ("",)][:MOST_ROWS]
    drawn: dict[tuple[int, int], np.ndarray] = {}
    if len(rows) == 1 and len(plan.axes) == 2:
        across = len(plan.axes[1].values)
        names = sweep.called(plan.axes)
        sides, tops = (_labels(axis, names) for axis in plan.axes)
        at = {one.id: divmod(place, across) for place, one in enumerate(plan.variants)}
    else:
        tops = [one.label for one in plan.variants]
        sides = [
            " ".join(filter(None, (scene, f"seed {s}" if s != "" else ""))) for scene, s in rows
        ]
        sides = sides if len(rows) > 1 else [""]
        at = {one.id: (0, place) for place, one in enumerate(plan.variants)}
    for row, (scene, seed) in enumerate(rows):
        for one in plan.variants:
            path = _path(plan, Cell(one.id, scene, str(seed)))
            if path.is_file():
                drawn[at[one.id][0] + row, at[one.id][1]] = pictures.open_picture(path)
    made = contact_sheet.draw(drawn, sides, tops)
    saving.write(plan.folder / "sheet.png", made)
    return made


def text(plan: Plan) -> str:
    """Returns the sweep as JSON."""
    return (plan.folder / PLAN).read_text(encoding="utf-8")


def suite_path(plan: Plan) -> str:
    """Returns where the suite is; empty where the sweep has no photo of its own."""
    path = plan.folder / SUITE
    return str(path) if path.is_file() else ""


def _cells(plan: Plan) -> list[Cell]:
    return [
        Cell(one.id, scene, str(seed))
        for one in plan.variants
        for scene in plan.scenes
        for seed in plan.seeds or ("",)
    ]


def _path(plan: Plan, cell: Cell) -> Path:
    """As `dressform compare` looks for pictures: a folder for each scene, a file for each seed."""
    return (
        plan.folder
        / "pictures"
        / cell.variant
        / (cell.scene or "picture")
        / (f"{cell.seed or 0}.png")
    )


def _settings(plan: Plan, cell: Cell) -> dict[str, str]:
    [one] = [one for one in plan.variants if one.id == cell.variant]
    settings = dict(one.settings)
    if cell.seed:
        settings[plan.order.seed_input] = cell.seed
    if plan.scenes.get(cell.scene):
        settings[plan.order.photo_input] = plan.scenes[cell.scene]
    return settings


def _seeds(order: Order) -> tuple[int, ...]:
    if not order.seed_input.strip():
        return ()
    parts = [part.strip() for part in order.seeds.replace(";", ",").split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts) or len(set(parts)) != len(parts):
        raise ValueError(
            f"seeds must be different whole numbers parted by commas, got {order.seeds!r}. "
            "Write for example 1, 2."
        )
    return tuple(map(int, parts))


def _scenes(order: Order, prompt: Mapping[str, Any]) -> dict[str, str]:
    if not order.photo_input.strip():
        if order.scenes.strip():
            raise ValueError(
                "photo_input is required where scenes is given, got nothing. "
                "Write the title of the node that loads the photo, such as Photo.image."
            )
        return {"": ""}
    node, key = sweep.find(prompt, order.photo_input)
    if not order.scenes.strip():
        chosen = str(prompt[node]["inputs"][key])
        return {naming.safe(Path(chosen).stem): chosen}
    base = Path(folder_paths.get_input_directory())
    folder = places.readable(order.scenes, base, [base], "Put the photos into it.")
    photos = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in pictures.SUFFIXES]
    if not photos:
        raise ValueError(f"scenes must hold photos, got none in {order.scenes!r}. Add some.")
    taken: dict[str, str] = {}
    for photo in photos:
        name = naming.free(naming.safe(photo.stem), [one.casefold() for one in taken])
        taken[name] = photo.relative_to(base).as_posix()
    return taken


def _own_folder(plan: Plan) -> Path:
    """A sweep of something else under the same name is left alone."""
    number, folder, digest = 1, plan.folder, _digest(plan)
    while (folder / BASE).is_file():
        kept = json.loads((folder / BASE).read_text(encoding="utf-8"))
        if kept.get("sha256") == digest:
            break
        number += 1
        folder = plan.folder.with_name(f"{plan.folder.name}-{number}")
    return folder


def _digest(plan: Plan) -> str:
    told = [plan.base, plan.order, plan.seeds, dict(plan.scenes)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _write(plan: Plan, node: str) -> None:
    plan.folder.mkdir(parents=True, exist_ok=True)
    named = {scene: photo for scene, photo in plan.scenes.items() if scene}
    for one in plan.variants:
        alone = _alone(sweep.apply(plan.base, one.settings), node)
        _json(plan.folder / "variants" / f"{one.id}.json", alone)
    if named:
        order = plan.order
        inputs = {"photo": order.photo_input, "seed": order.seed_input, "result": RESULT}
        base = Path(folder_paths.get_input_directory())
        photos = {
            scene: Path(os.path.relpath(base / photo, plan.folder)).as_posix()
            for scene, photo in named.items()
        }
        made = sweep.suite(plan.order.name, plan.seeds or (1,), photos, inputs)
        with files.whole(plan.folder / SUITE) as partial:
            partial.write_text(made, encoding="utf-8")
    kept = {
        "sha256": _digest(plan),
        "order": list(plan.order),
        "seeds": list(plan.seeds),
        "scenes": dict(plan.scenes),
        "prompt": plan.base,
    }
    _json(plan.folder / BASE, kept)
    # Last: where it is, everything else is.
    told = sweep.document(plan.order.name, plan.axes, plan.variants, plan.seeds, list(named))
    _json(plan.folder / PLAN, told)


def _alone(prompt: dict[str, Any], node: str) -> dict[str, Any]:
    """The workflow with a plain Save Image in the place of the sweep, and nothing behind it."""
    link = prompt[node]["inputs"].get("image")
    dropped = {node}
    while behind := {
        key
        for key, one in prompt.items()
        if key not in dropped
        and any(isinstance(v, list) and v and v[0] in dropped for v in one["inputs"].values())
    }:
        dropped |= behind
    kept = {key: one for key, one in prompt.items() if key not in dropped}
    kept[node] = {
        "class_type": "SaveImage",
        "inputs": {"images": link, "filename_prefix": "sweep"},
        "_meta": {"title": RESULT},
    }
    return kept


def _labels(axis: Axis, names: Mapping[str, str]) -> list[str]:
    return [
        ", ".join(
            f"{names[target]} {sweep.short(value)}"
            for target, value in zip(axis.targets, values, strict=True)
        )
        for values in axis.values
    ]


def _json(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as partial:
        partial.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
