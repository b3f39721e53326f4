"""The photos in a folder, in the order in which a person counts."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from .. import pictures
from . import places

# Pictures that need another program first; telling is kinder than leaving them out in silence.
UNSUPPORTED = frozenset(
    {".heic", ".heif", ".avif", ".psd", ".svg", ".pdf", ".ai", ".eps", ".dng", ".cr2", ".cr3"}
    | {".nef", ".arw", ".raf", ".orf", ".rw2"}
)
MAX_DEPTH = 16  # folders within folders; a shop has two or three
MAX_FILES = 100_000
ESCAPES = "It is a link out of the folders that may be read. Copy the photos into the folder."


class Photo(NamedTuple):
    """A file that may be a photo.

    Attributes:
        file: Path below the folder, with slashes.
        path: Where it lies.
        size_bytes, modified_ns: As the file system says; equal means unchanged.
        reason: Why it is skipped; empty where it is not.
    """

    file: str
    path: Path
    size_bytes: int = 0
    modified_ns: int = 0
    reason: str = ""


def photos(
    folder: Path,
    *,
    subfolders: bool = True,
    roots: Sequence[Path] = (),
    without: Sequence[Path] = (),
) -> list[Photo]:
    """Lists the picture files of a folder in natural order: 2 before 10.

    Hidden files and files of other kinds are left out. A link counts as what it leads to, where
    that lies in `roots`; each folder is entered once, so a loop of links ends.

    Args:
        folder: To look into.
        subfolders: Whether to look into the folders within.
        roots: What links may lead to; empty is the folder itself.
        without: Folders that are not entered, such as the one the results go to.

    Raises:
        OSError: The folder cannot be read.
        ValueError: It has no photos, or more than MAX_FILES.
    """
    allowed = roots or [folder]
    entered = {os.path.realpath(path) for path in without}
    found: list[Photo] = []
    waiting = [(folder, "", 0)]
    while waiting:
        place, prefix, depth = waiting.pop()
        real = os.path.realpath(place)
        if real in entered:
            continue
        entered.add(real)
        try:
            entries = _entries(place)
        except OSError as error:
            if place == folder:
                raise OSError(
                    f"folder must be readable, got {folder.name!r}: {error.strerror}. Correct its "
                    "rights."
                ) from error
            reason = f"The folder cannot be read: {error.strerror}. Correct its rights."
            found.append(Photo(prefix, place, reason=reason))
            continue
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.is_symlink() and not places.is_within(Path(entry.path), allowed):
                found.append(Photo(name, Path(entry.path), reason=ESCAPES))
            elif _is_folder(entry):
                if subfolders and depth < MAX_DEPTH:
                    waiting.append((Path(entry.path), f"{name}/", depth + 1))
            else:
                found += _photo(entry, name)
        _require_bounded(found, folder)
    if not found:
        kinds = " ".join(sorted(pictures.SUFFIXES))
        raise ValueError(
            f"folder must have photos, got {folder.name!r} without any. "
            f"Put picture files into it ({kinds})."
        )
    return sorted(found, key=lambda photo: natural(photo.file))


def natural(text: str) -> list[tuple[int, int, str]]:
    """Returns a sort key by which numbers count as numbers and case does not matter."""
    parts = re.split(r"([0-9]+)", text.casefold())
    key = [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]
    return [*key, (-1, 0, text)]


def _entries(place: Path) -> list[os.DirEntry]:
    with os.scandir(place) as entries:
        return [entry for entry in entries if not entry.name.startswith((".", "~$"))]


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _photo(entry: os.DirEntry, name: str) -> Iterable[Photo]:
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in UNSUPPORTED:
        reason = f"Files of the kind {suffix} are not read. Save it as JPEG, PNG, TIFF or WebP."
        yield Photo(name, Path(entry.path), reason=reason)
    elif suffix in pictures.SUFFIXES:
        try:
            if not entry.is_file():
                return  # a pipe or a device would wait for ever
            state = entry.stat()
        except OSError as error:
            reason = f"The file cannot be read: {error.strerror}. Correct its rights or its link."
            yield Photo(name, Path(entry.path), reason=reason)
            return
        yield Photo(name, Path(entry.path), state.st_size, state.st_mtime_ns)


def _require_bounded(found: Sequence[Photo], folder: Path) -> None:
    if len(found) > MAX_FILES:
        raise ValueError(
            f"folder must have at most {MAX_FILES} photos, got more in {folder.name!r}. "
            "Name one of its sub-folders."
        )
