"""The weights that engines need: what they are, where they lie, and what is missing."""

import functools
import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

MANIFEST = Path(__file__).parent / "weights.json"
PACK = Path(__file__).parents[1]
FOLDER_VARIABLE = "DRESSFORM_WEIGHTS"
DEFAULT_FOLDER = Path("~/.cache/dressform/weights")
# Left in a folder while files are on their way; what holds it is not ready to load.
UNFINISHED = ".unfinished"


class File(NamedTuple):
    """A file of some weights.

    Attributes:
        path: Relative to the weights' folder, with slashes.
        sha256: In hexadecimal; None where nobody has stated it.
        size_bytes: None where nobody has stated it.
    """

    path: str
    sha256: str | None = None
    size_bytes: int | None = None


class Entry(NamedTuple):
    """Weights that can be fetched.

    Attributes:
        id: As the user names it.
        name: As its makers name it.
        purpose: What it is for.
        source: Repository on the hub.
        revision: Commit there; None takes the newest.
        licence: Its name.
        licence_source: URL where it was read.
        licence_read: What was read there.
        commercial: Whether results may be sold; "unverified" counts as no.
        gated: Whether the hub wants an account that has accepted the licence.
        min_vram_gb: Of the device, with everything in bf16 that is offered to save memory.
        verified: Whether every file's size and hash are stated.
        files: What is needed; patterns where `verified` is not.
        single: Whether engines take the one file and not its folder.
    """

    id: str
    name: str
    purpose: str
    source: str
    revision: str | None
    licence: str
    licence_source: str
    licence_read: str
    commercial: bool | str
    gated: bool
    min_vram_gb: int
    verified: bool
    files: tuple[File, ...]
    single: bool

    @property
    def sellable(self) -> bool:
        """Whether it is known that results may be sold."""
        return self.commercial is True


@functools.cache
def entries() -> dict[str, Entry]:
    """Returns what weights.json lists, by id."""
    listed = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return {key: _entry(key, told) for key, told in listed.items()}


def entry(key: str) -> Entry:
    """Returns the weights of an id.

    Raises:
        ValueError: there are none.
    """
    if key not in entries():
        raise ValueError(
            f"weights must be one of {', '.join(entries())}, got {key!r}. Run: "
            "dressform weights list"
        )
    return entries()[key]


def folders() -> list[Path]:
    """Returns where weights lie outside ComfyUI, the place for new ones first."""
    told = os.environ.get(FOLDER_VARIABLE)
    return [Path(told or DEFAULT_FOLDER).expanduser()]


def find(key: str, places: Iterable[Path]) -> Path | None:
    """Returns what an engine loads, a folder or a file; None where it is missing or incomplete.

    Args:
        key: An id of weights.json.
        places: Folders that hold one folder for each id.
    """
    wanted = entry(key)
    for place in places:
        folder = Path(place) / key
        if folder.is_dir() and not absent(wanted, folder):
            return folder / wanted.files[0].path if wanted.single else folder
    return None


def missing(key: str, places: Iterable[Path]) -> str | None:
    """Returns the sentence for the user where weights are missing, else None."""
    places = [Path(place) for place in places]
    if find(key, places) is not None:
        return None
    wanted = entry(key)
    begun = next((place / key for place in places if (place / key).is_dir()), None)
    state = f"no folder {places[0] / key}" if begun is None else f"an incomplete {begun}"
    return (
        f"weights of {wanted.name} are required, got {state}. "
        f"Run: {_command(key, places[0])} (licence: {wanted.licence})"
    )


def absent(wanted: Entry, folder: Path) -> list[str]:
    """Returns what a folder lacks to be loaded, by name; nothing is read but indexes."""
    if (folder / UNFINISHED).exists():
        return [UNFINISHED]
    lacking = [file.path for file in wanted.files if not (folder / file.path).is_file()]
    if not wanted.files or lacking:
        lacking = _lacking_parts(folder)
    return lacking


def _lacking_parts(folder: Path) -> list[str]:
    """What a folder in diffusers' layout names and does not hold; weights may be cut otherwise."""
    index = folder / "model_index.json"
    if not index.is_file():
        return ["model_index.json"]
    parts = [
        name
        for name, kind in json.loads(index.read_text(encoding="utf-8")).items()
        if isinstance(kind, list) and kind[0] is not None and not (folder / name).is_dir()
    ]
    for listing in folder.glob("*/*.safetensors.index.json"):
        named = set(json.loads(listing.read_text(encoding="utf-8"))["weight_map"].values())
        parts += [
            str(PurePosixPath(listing.parent.name) / name)
            for name in sorted(named)
            if not (listing.parent / name).is_file()
        ]
    return parts


def _command(key: str, place: Path) -> str:
    to = "" if place == folders()[0] else f' --to "{place}"'
    command = f"dressform weights get {key}{to}"
    if shutil.which("dressform") is None:
        command += f' (after: "{sys.executable}" -m pip install --no-deps -e "{PACK}")'
    return command


def _entry(key: str, told: dict[str, Any]) -> Entry:
    files = tuple(
        File(one["path"], one.get("sha256"), one.get("bytes")) for one in told.get("files", ())
    )
    return Entry(
        id=key,
        name=told["name"],
        purpose=told["purpose"],
        source=told["source"],
        revision=told["revision"],
        licence=told["licence"],
        licence_source=told["licence_source"],
        licence_read=told.get("licence_read", ""),
        commercial=told["commercial"],
        gated=told.get("gated", False),
        min_vram_gb=told["min_vram_gb"],
        verified=told["verified"],
        files=files,
        single=told.get("single", False),
    )
