"""SHA-256 of files, as the hub publishes it for everything large."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 2**22


def sha256(path: Path, advance: Callable[[int], object] = lambda count: None) -> str:
    """Returns the hash of a file in hexadecimal.

    Args:
        path: A file.
        advance: Called with the bytes of each piece that was read.
    """
    state = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            state.update(piece)
            advance(len(piece))
    return state.hexdigest()


def known(path: Path) -> str:
    """Returns the hash of a file, read once for as long as the file does not change."""
    seen = path.stat()
    return _known(path, seen.st_size, seen.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _known(path: Path, size_bytes: int, changed_ns: int) -> str:
    return sha256(path)
