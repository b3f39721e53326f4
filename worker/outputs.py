"""What a run put out: plain files below its own folders, and nothing that a link leads to."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from blake3 import blake3

from .protocol import WorkerError, WorkflowError

KINDS = ("output", "temp")
MAX_FILES = 2000
MAX_BYTES = 512 << 20  # of one file, as the server has it
MAX_TOTAL_BYTES = 8 << 30
CHUNK_BYTES = 1 << 20
# ComfyUI goes on while its files are read and could put a link, or a pipe, in the place of one.
FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class File(NamedTuple):
    """A file that a node put out.

    Attributes:
        node: Its id.
        name: With its folder below the output folder, by slashes.
        type: output or temp.
        path: On this machine.
        root: The folder that it must lie in.
        bytes: Its size.
    """

    node: str
    name: str
    type: str
    path: Path
    root: Path
    bytes: int

    @property
    def told(self) -> dict[str, str]:
        """What the server is told of it."""
        return {"node": self.node, "name": self.name, "type": self.type}

    def open(self) -> BinaryIO:
        """Opens it as it is now, without a link on the way.

        Raises:
            WorkerError: it is gone, or a link was put in its place.
        """
        try:
            return self._opened() if os.open in os.supports_dir_fd else self.path.open("rb")
        except OSError as error:
            raise _lost(self.node, error) from error

    def _opened(self) -> BinaryIO:
        *folders, name = self.path.relative_to(self.root).parts
        at = os.open(self.root, os.O_RDONLY | FOLDER)
        try:
            for folder in folders:
                below = os.open(folder, os.O_RDONLY | FOLDER, dir_fd=at)
                os.close(at)
                at = below
            return open(os.open(name, os.O_RDONLY | PLAIN, dir_fd=at), "rb")
        finally:
            os.close(at)


def gather(history: dict[str, Any], base: Path) -> list[File]:
    """Lists the files of a history entry, each once.

    What a cached node shows was wiped with the run that made it: ComfyUI tells of it again.

    Args:
        history: What ComfyUI keeps of the run.
        base: Holds the folders `output` and `temp`.

    Raises:
        WorkflowError: a node told of a file elsewhere, or of far too much.
        WorkerError: a file is gone or empty: the disk may be full.
    """
    found: dict[tuple[str, Path], File] = {}
    total_bytes = 0
    for node, entry in _entries(history):
        kind = str(entry.get("type") or "output")
        if kind == "input":  # a node shows what it was given
            continue
        name = "/".join(str(entry[key]) for key in ("subfolder", "filename") if entry.get(key))
        name = name.replace("\\", "/")
        path, size_bytes = _plain(base, kind, name, node)
        if size_bytes > MAX_BYTES:
            raise WorkflowError(
                "output_size",
                f"an output must have {MAX_BYTES} bytes at most, got {size_bytes}. Make it smaller "
                "or shorter.",
                node,
            )
        total_bytes += size_bytes
        found[node, path] = File(node, name, kind, path, base / kind, size_bytes)
        if len(found) > MAX_FILES or total_bytes > MAX_TOTAL_BYTES:
            raise WorkflowError(
                "output_size",
                f"a run may put out {MAX_FILES} files and {MAX_TOTAL_BYTES} bytes, got more. "
                "Split it.",
                node,
            )
    return list(found.values())


def digest(file: File) -> str:
    """Returns the BLAKE3 of a file."""
    seen = blake3()
    with file.open() as stream:
        while chunk := stream.read(CHUNK_BYTES):
            seen.update(chunk)
    return seen.hexdigest()


def _entries(history: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    cached = _cached(history)
    for node, ui in (history.get("outputs") or {}).items():
        for entries in ui.values() if isinstance(ui, dict) and str(node) not in cached else ():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict) and entry.get("filename"):
                    yield str(node), entry


def _cached(history: dict[str, Any]) -> set[str]:
    messages = (history.get("status") or {}).get("messages", ())
    told = [data.get("nodes", ()) for kind, data in messages if kind == "execution_cached"]
    return {str(node) for nodes in told for node in nodes}


def _plain(base: Path, kind: str, name: str, node: str) -> tuple[Path, int]:
    root = base / kind
    path = root / os.path.normpath(name)
    inside = (
        kind in KINDS
        and "\0" not in name
        and Path(os.path.normpath(path)).is_relative_to(root)
        and not root.is_symlink()
        and path.resolve() == root.resolve() / os.path.normpath(name)
    )
    if not inside:
        raise WorkflowError(
            "output_place",
            f"every output must lie in the run's own folder, got {kind}: {name!a:.80}. Choose a "
            "plain name in the node that saves it.",
            node,
        )
    try:
        told = path.lstat()
    except OSError as error:
        raise _lost(node, error) from error
    if not stat.S_ISREG(told.st_mode) or not told.st_size:
        raise WorkerError(
            "output_lost", f"an output of node {node} must be a file with content, got none."
        )
    return path, told.st_size


def _lost(node: str, error: OSError) -> WorkerError:
    return WorkerError(
        "output_lost", f"an output of node {node} must be there, got {error.strerror}."
    )
