"""What of a workflow leaves this computer: its nodes, and the files that they load."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from . import photo_files
from .photo_files import Refused

MAX_NODES = 2_000  # the server takes no more
# Inputs that are files of the user's, as the server knows them.
FILES = {
    ("LoadImage", "image"),
    ("LoadImageMask", "image"),
    ("LoadLatent", "latent"),
    ("LoadAudio", "audio"),
    ("LoadVideo", "file"),
    ("Load3D", "model_file"),
    ("Load3DAdvanced", "model_file"),
    ("Load3DAnimation", "model_file"),
}
UPLOADS = ("image_upload", "audio_upload", "video_upload", "file_upload")
# They read or write folders of this computer, or would run hosted again.
LOCAL = ("DressformLoadFolder", "DressformHostedTryOn", "DressformHostedWorkflow")
# A place of an asset that is not uploaded yet, for a quote.
LATER = "to-be-uploaded"


class Place(NamedTuple):
    """An input of a node."""

    node: str
    input: str


class Local(NamedTuple):
    """What a workflow needs of this computer.

    Attributes:
        files: By the place of the input that names it.
        missing: Names of files that are not there, by the place.
        refused: Classes that can only run here.
    """

    files: dict[Place, photo_files.File]
    missing: dict[Place, str]
    refused: tuple[str, ...]


def clean(graph: Any) -> dict[str, dict]:
    """Returns a workflow in API form with nothing in it but what is run; titles stay here.

    Raises:
        Refused: it is none, or empty.
    """
    nodes = graph if isinstance(graph, dict) else {}
    good = 0 < len(nodes) <= MAX_NODES and all(
        isinstance(one, dict)
        and isinstance(one.get("class_type"), str)
        and isinstance(one.get("inputs", {}), dict)
        for one in nodes.values()
    )
    if not good:
        raise Refused(
            400,
            "bad-workflow",
            f"workflow must have 1 to {MAX_NODES} nodes in the API form, got something else. Open "
            "a workflow that can run.",
        )
    return {
        str(id_): {"class_type": one["class_type"], "inputs": dict(one.get("inputs", {}))}
        for id_, one in nodes.items()
    }


def titles(graph: Mapping[str, Any]) -> dict[str, str]:
    """Returns what the user calls the nodes, for this computer's own screen."""
    return {
        str(id_): str((one.get("_meta") or {}).get("title") or one["class_type"])[:200]
        for id_, one in graph.items()
    }


def local(
    graph: Mapping[str, dict],
    find: Callable[[dict], photo_files.File] = photo_files.find,
) -> Local:
    """Finds the files that a workflow loads from this computer's folders."""
    files, missing = {}, {}
    for id_, node in graph.items():
        for name in uploads(node["class_type"]):
            value = node["inputs"].get(name)
            if not isinstance(value, str):
                continue  # linked, or an asset already
            folder, _, file = value.rpartition("/")
            try:
                found = find({"filename": file or value, "subfolder": folder, "type": "input"})
                files[Place(id_, name)] = found
            except Refused:
                missing[Place(id_, name)] = value
    refused = sorted({one["class_type"] for one in graph.values()} & set(LOCAL))
    return Local(files, missing, tuple(refused))


def uploads(class_type: str) -> set[str]:
    """Returns the inputs of a class that name a file of the user's."""
    known = {name for one, name in FILES if one == class_type}
    module = sys.modules.get("nodes")  # ComfyUI's own; importing it would find this package
    found = getattr(module, "NODE_CLASS_MAPPINGS", {}).get(class_type)
    if found is None:
        return known
    try:
        inputs = found.INPUT_TYPES()
    except Exception:  # a stranger's pack: its own inputs are then not known
        return known
    for kind in ("required", "optional"):
        for name, spec in (inputs.get(kind) or {}).items():
            options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
            if any(options.get(flag) for flag in UPLOADS):
                known.add(name)
    return known


def bound(graph: Mapping[str, dict], assets: Mapping[Place, str]) -> dict[str, dict]:
    """Returns a workflow with assets in place of files."""
    made = {id_: {**one, "inputs": dict(one["inputs"])} for id_, one in graph.items()}
    for place, asset in assets.items():
        made[place.node]["inputs"][place.input] = asset_input(asset)
    return made


def asset_input(asset: str) -> dict[str, Any]:
    """Returns what an input is that names an asset of the server."""
    return {"__type": "core/ASSET", "info": {"id": asset}}
