"""Weights on this machine's disk: those of accounts by their hash, the longest unused go first."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from . import weights
from .protocol import Model, WorkerError

MIN_FREE_BYTES = 2 << 30  # stays free on the disk, for outputs and everybody else
MAX_TOLD = 200  # weights in one call
PARTIAL = ".partial"

# Fetches a URL into a function that takes the bytes.
Fetch = Callable[[str, Callable[[bytes], object], int], Awaitable[None]]


class Local(NamedTuple):
    """A file of weights of the operator's, as ComfyUI names it."""

    folder: str
    name: str
    path: Path

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size


class Cache:
    """A folder of safetensors files named by their SHA-256, of limited size."""

    def __init__(self, folder: Path, limit_bytes: int):
        self._folder = folder
        self._limit_bytes = limit_bytes
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"*{PARTIAL}"):
            left.unlink()

    def held(self) -> dict[str, int]:
        """Returns the bytes of every file that is there, by hash, the longest unused first."""
        found = [(path, path.stat()) for path in self._folder.glob(f"*{weights.SUFFIX}")]
        found.sort(key=lambda one: one[1].st_mtime_ns)
        return {path.stem: stat.st_size for path, stat in found}

    def resident(self, loaded: Iterable[str]) -> list[str]:
        """Returns what is told of weights here: those in memory, then the last used on disk."""
        disk = reversed(self.held())
        return list(dict.fromkeys([*sorted(loaded), *disk]))[:MAX_TOLD]

    async def bring(self, models: Iterable[Model], fetch: Fetch) -> dict[str, Path]:
        """Returns where all these models are, by hash; fetches what is missing.

        Raises:
            WorkerError: they do not fit, or the server sent something else.
            WorkflowError: one of them is no safetensors file.
            OSError: the disk is full.
        """
        wanted = {model.sha256: model for model in models}
        missing = [model for key, model in wanted.items() if key not in self.held()]
        self._make_room(sum(model.bytes for model in missing), keep=frozenset(wanted))
        for model in missing:
            await self._fetch(model, fetch)
        for key in wanted:
            os.utime(self._path(key))
        return {key: self._path(key) for key in wanted}

    def _path(self, key: str) -> Path:
        return self._folder / (key + weights.SUFFIX)

    def _make_room(self, needed_bytes: int, keep: frozenset[str]) -> None:
        held = self.held()
        kept_bytes = sum(size for key, size in held.items() if key in keep)
        if kept_bytes + needed_bytes > self._limit_bytes:
            raise WorkerError(
                "model_cache",
                f"the weights of a run must fit into {self._limit_bytes} bytes, got "
                f"{kept_bytes + needed_bytes}. Raise --model-cache-gb.",
            )
        over_bytes = sum(held.values()) + needed_bytes - self._limit_bytes
        free_bytes = shutil.disk_usage(self._folder).free
        over_bytes = max(over_bytes, needed_bytes + MIN_FREE_BYTES - free_bytes)
        for key, size in held.items():
            if needed_bytes == 0 or over_bytes <= 0:
                return
            if key not in keep:
                self._path(key).unlink()
                over_bytes -= size

    async def _fetch(self, model: Model, fetch: Fetch) -> None:
        partial = self._folder / (model.sha256 + PARTIAL)
        seen = hashlib.sha256()
        try:
            with partial.open("wb") as file:

                def take(chunk: bytes) -> None:
                    seen.update(chunk)
                    file.write(chunk)

                await fetch(model.url, take, model.bytes)
            if partial.stat().st_size != model.bytes or seen.hexdigest() != model.sha256:
                raise WorkerError(
                    "download",
                    f"weights must be those of SHA-256 {model.sha256[:12]}, got others. Report it.",
                )
            weights.scan(partial)
            partial.chmod(0o444)
            partial.replace(self._path(model.sha256))
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def local(folder: Path | None) -> list[Local]:
    """Lists the operator's safetensors files; pickles are as good as not there."""
    if folder is None or not folder.is_dir():
        return []
    found = []
    for kind in sorted(one for one in folder.iterdir() if one.is_dir()):
        for path in sorted(kind.rglob(f"*{weights.SUFFIX}")):
            if path.is_file():
                found.append(Local(kind.name, path.relative_to(kind).as_posix(), path.resolve()))
    return found


def show(path: Path, place: Path) -> None:
    """Makes a file seen at another place, without a copy where the system lets it be.

    A second name for the same file comes first: who sees the place need not see where it came from.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    for way in (os.link, os.symlink):
        with contextlib.suppress(OSError, NotImplementedError):
            way(path, place)
            return
    shutil.copyfile(path, place)
