"""The weights that engines need: what they are, where they lie, and what is missing."""

import functools
import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from . import memory

MANIFEST = Path(__file__).parent / "weights.json"
PACK = Path(__file__).resolve().parents[1]  # not the link in a ComfyUI that may be gone soon
FOLDER_VARIABLE = "DRESSFORM_WEIGHTS"
DEFAULT_FOLDER = Path("~/.cache/dressform/weights")
# Left in a folder while files are on their way; what holds it is not ready to load.
UNFINISHED = ".unfinished"
# What holds weights, and nothing that could hold a program.
WEIGHTS_SUFFIX = ".safetensors"


class File(NamedTuple):
    """A file of some weights.

    Attributes:
        path: Relative to the weights' folder, with slashes.
        sha256: In hexadecimal; None where nobody was found to state it.
        size_bytes: None where nobody was found to state it.
    """

    path: str
    sha256: str | None = None
    size_bytes: int | None = None


class Entry(NamedTuple):
    """Weights that can be fetched.

    Attributes:
        id: As the user names them.
        name: As their makers name them.
        purpose: The engine, and what for.
        source: Repository on the hub.
        revision: Commit there; None takes the newest.
        licence: Its name.
        licence_source: URL where it was read.
        licence_read: What was read there.
        commercial: Whether results may be sold; "unverified" counts as no.
        gated: Whether the hub wants an account that has accepted the licence.
        lora: Whether they change other weights; engines then take the file, not its folder.
        min_vram_gb: Of the device, with all that saves memory.
        about_bytes: The whole size where not every file's is stated, else None.
        verified: Whether every file's size and hash are stated.
        files: All that is needed.
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
    lora: bool
    min_vram_gb: int
    about_bytes: int | None
    verified: bool
    files: tuple[File, ...]

    @property
    def sellable(self) -> bool:
        """Whether it is known that results may be sold."""
        return self.commercial is True

    @property
    def size_bytes(self) -> int:
        """Of all files; what is not stated counts as nothing, or as `about_bytes` says."""
        return self.about_bytes or sum(file.size_bytes or 0 for file in self.files)


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
    """Returns what an engine loads: a folder, or the file of a LoRA; None where any is missing.

    Args:
        key: An id of weights.json.
        places: Folders that hold one folder for each id.
    """
    wanted = entry(key)
    for place in places:
        folder = Path(place) / key
        if folder.is_dir() and not lacking(wanted, folder):
            return next(folder.glob(f"*{WEIGHTS_SUFFIX}")) if wanted.lora else folder
    return None


def missing(key: str, places: Iterable[Path]) -> str | None:
    """Returns the sentence for the user where weights are missing, else None.

    Args:
        key: An id of weights.json.
        places: As `find` takes them, at least one; the first is the place for new ones.
    """
    places = [Path(place) for place in places]
    if find(key, places) is not None:
        return None
    wanted = entry(key)
    begun = next((place / key for place in places if (place / key).is_dir()), None)
    if begun is None:
        state = f"no folder {places[0] / key}"
    else:
        state = f"{begun}, where {lacking(wanted, begun)[0]} is missing"
        if (begun / UNFINISHED).exists():
            state = f"{begun}, where the download is not finished"
    return (
        f"weights of {wanted.name} are required, got {state}. Licence: {wanted.licence}. "
        f"Run: {_command(key, places[0])}"
    )


def lacking(wanted: Entry, folder: Path) -> list[str]:
    """Returns what a folder lacks to be loaded; nothing is read but the indexes of shards.

    The files need not be those that weights.json lists: weights saved anew, in other shards or
    another precision, are as good, and so is a GGUF file of the transformer. What counts is that
    every network is there and whole.

    Args:
        wanted: Some weights.
        folder: Theirs.
    """
    if (folder / UNFINISHED).exists():
        return [UNFINISHED]
    listed = {Path(file.path).parent for file in wanted.files if file.path.endswith(WEIGHTS_SUFFIX)}
    return sorted(gap for part in listed for gap in _gaps(folder, part))


def _gaps(folder: Path, part: Path) -> list[str]:
    """What the folder of one network lacks."""
    held = {file.name for file in (folder / part).glob(f"*{WEIGHTS_SUFFIX}")}
    if not held and part.name == memory.DENOISERS[0] and memory.gguf_files(folder):
        return []
    if not held:
        return [(part / f"*{WEIGHTS_SUFFIX}").as_posix()]
    if any("-of-" not in name for name in held):
        return []
    indexes = list((folder / part).glob(f"*{WEIGHTS_SUFFIX}.index.json"))
    try:
        shards = {name for index in indexes for name in _shards(index)}
    except (ValueError, KeyError, AttributeError):
        shards = set()  # the index was cut off, or is none
    named = shards or {f"*{WEIGHTS_SUFFIX}.index.json"}
    return sorted((part / name).as_posix() for name in named - held)


def _shards(index: Path) -> set[str]:
    return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())


def _command(key: str, place: Path) -> str:
    to = "" if place == folders()[0] else f' --to "{place}"'
    command = f"dressform weights get {key}{to}"
    if shutil.which("dressform") is None:
        command += f' (after: "{sys.executable}" -m pip install --no-deps -e "{PACK}")'
    return command


def _entry(key: str, told: dict[str, Any]) -> Entry:
    files = tuple(File(one["path"], one["sha256"], one["bytes"]) for one in told.pop("files"))
    told = {"gated": False, "lora": False, "about_bytes": None, **told}
    return Entry(id=key, files=files, **told)
