"""Brings one file of the hub onto the disk, from where an earlier process was interrupted.

The hub's own library sends the requests and goes on by itself while its process lives. What it had
when the process ended it throws away (since 2.0 a partial file belongs to one process), which for
weights is up to ten gigabytes; so the partial file is ours.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from .weights import File

PARTIAL = ".part"
# Of a commit, in the name of a partial file: another commit's file is not gone on with.
COMMIT_LETTERS = 12


def receive(source: str, revision: str, file: File, folder: Path) -> None:
    """Fetches a file that is not there yet.

    Args:
        source: Repository on the hub.
        revision: Commit there.
        file: With its size where it is known.
        folder: Where it comes to lie, at its path.

    Raises:
        OSError: the disk is full or not writable, or the hub did not send the whole file.
        Exception: of the hub's library, where the hub refuses.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{revision[:COMMIT_LETTERS]}{PARTIAL}")
    if file.size_bytes is not None and _size(partial) > file.size_bytes:
        partial.unlink()
    with partial.open("ab") as writer:
        http_get(
            hf_hub_url(source, file.path, revision=revision),
            writer,
            resume_size=_size(partial),
            headers=build_hf_headers(),
            expected_size=file.size_bytes,
            displayed_filename=file.path,
        )
    partial.replace(target)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Waits until no other process fetches into a folder; two would write into the same file.

    The file that is locked lies beside the folder and stays: who waits for it needs it.
    """
    from huggingface_hub.utils import WeakFileLock

    with WeakFileLock(folder.with_name(f".{folder.name}.lock")):
        yield


def forget(folder: Path) -> None:
    """Removes what interrupted transfers left in a folder."""
    for partial in folder.rglob(f"*{PARTIAL}"):
        partial.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
