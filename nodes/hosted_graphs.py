"""Workflows that nodes have run on a hosted server: one step, or a whole file by its name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import folder_paths

from .cloud_graph import Place, clean

# Beside ComfyUI's weights, where a shop keeps what all its workflows share.
FOLDER = "dressform/workflows"
SHIPPED = Path(__file__).parents[1] / "workflows" / "api"
MAX_BYTES = 1 << 20  # the server takes no more
MAX_TEXT = 20_000  # characters of one input; the server takes no more
LOADERS = ("LoadImage",)
RESULT, REPAINTED, WORN = "5", "7", "9"


def try_on(hints: str | None = None, **widgets: Any) -> tuple[dict[str, dict], dict[str, Place]]:
    """Returns the workflow of one try-on, and where its three pictures go.

    Raises:
        ValueError: the hints are longer than the server takes.
    """
    if hints is not None and len(hints) > MAX_TEXT:
        raise ValueError(
            f"hints must be at most {MAX_TEXT} characters for a hosted run, got {len(hints)}. Draw "
            "fewer strokes."
        )
    told = {**widgets, "person": ["1", 0], "garment": ["2", 0], "garment_mask": ["3", 0]}
    told |= {} if hints is None else {"hints": hints}
    graph = {
        "1": _node("LoadImage"),
        "2": _node("LoadImage"),
        "3": _node("LoadImageMask", channel="red"),
        "4": _node("DressformTryOn", **told, when_weights_missing="stop"),
        RESULT: _node("SaveImage", images=["4", 0], filename_prefix="try_on"),
        "6": _node("MaskToImage", mask=["4", 1]),
        REPAINTED: _node("SaveImage", images=["6", 0], filename_prefix="repainted"),
        "8": _node("MaskToImage", mask=["4", 2]),
        WORN: _node("SaveImage", images=["8", 0], filename_prefix="worn"),
    }
    places = {"person": Place("1", "image"), "garment": Place("2", "image")}
    return graph, places | {"garment_mask": Place("3", "image")}


def names() -> list[str]:
    """Returns the workflows that can be chosen: the shop's own first, then the shipped ones."""
    own = sorted(path.stem for path in _folder().glob("*.json"))
    shipped = sorted(path.stem for path in SHIPPED.glob("*.json") if _may_run(path))
    return list(dict.fromkeys([*own, *shipped]))


def load(name: str) -> dict[str, Any]:
    """Reads a workflow by its name.

    Raises:
        ValueError: there is none of that name, or it is no workflow in the API form.
    """
    # Of the listing, so that no name leads elsewhere.
    files = {path.stem: path for root in (SHIPPED, _folder()) for path in root.glob("*.json")}
    path = files.get(name)
    if path is None or path.stat().st_size > MAX_BYTES:
        raise ValueError(
            f"workflow must be the name of a file in models/{FOLDER}, got {name!r}. Save it there "
            "with Export (API), at most 1 MB."
        )
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        told = None
    if not isinstance(told, dict) or {"nodes", "links"} <= set(told):
        raise ValueError(
            f"{path.name} must be a workflow in the API form, got another. Open it in ComfyUI and "
            "save it with Export (API)."
        )
    return told


def loaders(graph: Mapping[str, dict]) -> list[Place]:
    """Returns the places of the pictures that a workflow loads, by the order of their nodes."""
    found = [id_ for id_, one in graph.items() if one["class_type"] in LOADERS]
    return [Place(id_, "image") for id_ in sorted(found, key=_order)]


def seeded(graph: Mapping[str, dict], seed: int) -> dict[str, dict]:
    """Returns a workflow with a seed in place of all of its own; below 0 they stay."""
    if seed < 0:
        return dict(graph)
    return {
        id_: {
            **one,
            "inputs": {
                name: seed if name in ("seed", "noise_seed") and isinstance(value, int) else value
                for name, value in one["inputs"].items()
            },
        }
        for id_, one in graph.items()
    }


def result(told: Mapping[str, Any], wanted: str, have: set[str]) -> str:
    """Returns the node whose pictures are the result.

    Args:
        told: The workflow with its titles.
        wanted: Id or title of a node; empty for the first that has pictures.
        have: Nodes that put out pictures.

    Raises:
        ValueError: none has, or not that one.
    """
    ordered = sorted(have, key=_order)
    titles = {id_: (told[id_].get("_meta") or {}).get("title") for id_ in ordered if id_ in told}
    fits = [id_ for id_ in ordered if not wanted or wanted in (id_, titles.get(id_))]
    if not fits:
        listed = ", ".join(f"{id_} ({titles.get(id_)})" for id_ in ordered) or "no node"
        raise ValueError(
            f"result_node must be the id or title of a node with pictures, got {wanted!r}. These "
            f"have some: {listed}."
        )
    return fits[0]


def graph_of(told: Mapping[str, Any]) -> dict[str, dict]:
    """Returns what of a read workflow is sent."""
    return clean(told)


def _node(class_type: str, /, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def _folder() -> Path:
    return Path(folder_paths.models_dir) / FOLDER


def _may_run(path: Path) -> bool:
    """Whether a shipped workflow has what a hosted run needs: a picture to load, no folder."""
    text = path.read_text(encoding="utf-8")
    local = ("DressformLoadFolder", "DressformHosted", "DressformSweep", "DressformCompare")
    return '"LoadImage"' in text and not any(one in text for one in local)


def _order(id_: str) -> tuple[int, str]:
    return (int(id_) if id_.isdecimal() else 1 << 30, id_)
