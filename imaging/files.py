"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields the path to write to; it becomes `path` when the block ends without an error.

    A reader sees the old file or the new one, and a full disk or a stop leaves no half of one.
    The suffix is kept, since it tells writers of pictures the format.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
