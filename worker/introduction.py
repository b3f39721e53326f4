"""What a worker says of itself: device, environment, nodes, weights."""

import hashlib
import json
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .child import Child

ID = "id"  # of a worker, in its folder
CORE = "comfyui"  # the pack that ComfyUI's own nodes belong to
CUSTOM = "custom_nodes."
CODE = frozenset({".py", ".js", ".json", ".toml", ".onnx", ".safetensors"})
PASSED_OVER = frozenset({"tests", "docs", "bench", "training", "samples", "workflows", "out"})
# Words in a device's name that tell the maker and not the class.
_NOISE = re.compile(
    r"\b(nvidia|amd|intel|geforce|tesla|radeon|graphics|gpu|pcie|sxm\d?|hbm\d\w?)\b"
)
_DEVICE = re.compile(r"^cuda:\d+\s*|\s*:\s*\w+$")


class Pack(NamedTuple):
    """A node pack: the name in its pyproject.toml, version, and a digest of its code."""

    name: str
    version: str
    digest: str


def pack(folder: Path) -> Pack:
    """Describes the node pack in a folder."""
    name, version = folder.name, ""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        name, version = project["name"], project.get("version", "")
    except (OSError, KeyError, ValueError):
        pass  # many packs have none
    return Pack(name, version, _digest(folder))


def environment(system: Mapping[str, Any], packs: Iterable[Pack]) -> dict[str, Any]:
    """Returns versions and packs, with a digest that stands for all of them."""
    told = system.get("system") or {}
    described = {
        "comfyui": told.get("comfyui_version"),
        "python": str(told.get("python_version", "")).partition(" ")[0],
        "torch": told.get("pytorch_version"),
        "packs": [one._asdict() for one in sorted(packs)],
    }
    text = json.dumps(described, sort_keys=True).encode()
    return {**described, "digest": hashlib.sha256(text).hexdigest()}


def node_classes(schemas: Mapping[str, Any], packs: Mapping[str, str]) -> dict[str, str]:
    """Returns the pack that defines each class.

    Args:
        schemas: Of ComfyUI.
        packs: Names of packs by their folder.
    """
    found = {}
    for kind, schema in schemas.items():
        module = str(schema.get("python_module", ""))
        folder = module.removeprefix(CUSTOM) if module.startswith(CUSTOM) else ""
        found[kind] = packs.get(folder, folder) if folder else CORE
    return found


def own_name(data: Path, name: str) -> str:
    """Returns a name that no other worker has: with digits that are kept in the worker's folder.

    Machines may be called alike and share a key; the server tells workers apart by their names.
    """
    file = data / ID
    digits = file.read_text(encoding="utf-8") if file.is_file() else ""
    if not re.fullmatch(r"[0-9a-f]{6}", digits):
        digits = secrets.token_hex(3)
        file.write_text(digits, encoding="utf-8")
    return f"{name}-{digits}"


def device(system: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the name and memory of the first device; of a machine without a GPU, its own."""
    first = (system.get("devices") or [{}])[0]
    name = _DEVICE.sub("", str(first.get("name", "cpu")))
    return {"name": name, "vram_bytes": int(first.get("vram_total") or 0)}


def gpu_class(name: str) -> str:
    """Returns the class that a device's name stands for: NVIDIA H100 80GB HBM3 is h100-80gb."""
    words = _NOISE.sub(" ", name.lower()).split()
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\b(rtx|gtx|rx) ", r"\1", " ".join(words))).strip("-")


def hello(child: Child, packs: Iterable[Path], calibrated: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the body of /hello without the protocol's version.

    Args:
        child: A ComfyUI that runs.
        packs: The folders of its packs.
        calibrated: name, gpu_class, speed and calibrated_at.
    """
    described = {folder.resolve().name: pack(folder.resolve()) for folder in packs}
    names = {folder: one.name for folder, one in described.items()}
    return {
        **calibrated,
        "gpu": device(child.system),
        "environment": environment(child.system, described.values()),
        "node_classes": node_classes(child.schemas, names),
        "models": [
            {"folder": one.folder, "name": one.name, "sha256": None, "bytes": one.bytes}
            for one in child.weights
        ],
    }


def _digest(folder: Path) -> str:
    seen = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "__pycache__")) for part in parts)
        if hidden or parts[0] in PASSED_OVER or path.suffix not in CODE or not path.is_file():
            continue
        seen.update(path.relative_to(folder).as_posix().encode() + b"\0")
        seen.update(hashlib.sha256(path.read_bytes()).digest())
    return seen.hexdigest()
