"""What became of each photo, kept so that no end of a process can harm it.

The journal is a file to which lines are only ever added, each a whole row as JSON; the last row of
a photo counts, and a line that a power cut has torn is passed over. `manifest.csv` is written anew
from it for people, and may be lost, opened in a spreadsheet, or edited without harm.
"""

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import manifest
from .manifest import Row

FOLDER = ".dressform"  # hidden, beside the pictures
FILE = "journal.jsonl"
POLL_S = 0.05
LOCK_TIMEOUT_S = 60.0  # it is held for well under a second; a network disk may hang
_TAKEN = frozenset({errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK})


class Key(NamedTuple):
    """Which photo: the folder as the user named it, and the file below it."""

    folder: str
    file: str


class Journal:
    """The rows of one output folder, while its lock is held.

    Attributes:
        rows: The last row of each photo; do not change it, call `write`.
        notice: A sentence for the user where manifest.csv could not be written.
    """

    def __init__(self, out: Path):
        self._out = out
        self._path = out / FOLDER / FILE
        self._changed = False
        self.rows = _read(self._path)
        self.notice = ""

    def write(self, *rows: Row) -> None:
        """Adds rows; they are on the disk when this returns.

        Raises:
            OSError: The disk is full or read-only; what stood there is unharmed.
        """
        lines = "".join(json.dumps(row._asdict()) + "\n" for row in rows)
        with _told(self._out), self._path.open("ab+") as file:
            end = file.seek(0, os.SEEK_END)
            torn = end > 0 and _last_byte(file) != b"\n"
            try:
                file.write((("\n" if torn else "") + lines).encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(end)
                raise
        for row in rows:
            self.rows[Key(row.folder, row.file)] = row
        self._changed = self._changed or bool(rows)

    def close(self) -> None:
        """Writes manifest.csv if a row has changed since it was opened."""
        if self._changed:
            self.notice = manifest.write(self._out / manifest.FILE, list(self.rows.values()))


@contextlib.contextmanager
def opened(out: Path) -> Iterator[Journal]:
    """Holds the journal of an output folder; another process waits meanwhile.

    Args:
        out: The folder that takes the pictures; it is made.

    Raises:
        OSError: It cannot be made or written.
        RuntimeError: Another process holds it for longer than LOCK_TIMEOUT_S.
    """
    with contextlib.ExitStack() as stack:
        with _told(out):
            (out / FOLDER).mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((out / FOLDER / "lock").open("ab"))
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while not _lock(file.fileno()):
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"the list of what is done in {out} must be free, got one that another "
                    f"program holds for {LOCK_TIMEOUT_S:.0f} s. End the other ComfyUI, then run "
                    "it again."
                )
            time.sleep(POLL_S)
        journal = Journal(out)
        yield journal
        journal.close()


@contextlib.contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{out} must take the list of what is done, got: {error.strerror or error}. Free some "
            "space or correct the folder's rights, then run it again."
        ) from error


def _read(path: Path) -> dict[Key, Row]:
    rows: dict[Key, Row] = {}
    if not path.exists():
        return rows
    with path.open("rb") as lines:
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, RecursionError):
                row = _row(json.loads(line))
                rows[Key(row.folder, row.file)] = row
    return rows


def _row(record: dict[str, Any]) -> Row:
    """Takes what it knows of a row of any version.

    Raises:
        TypeError: It is no row.
    """
    known = {name: record[name] for name in Row._fields if name in record}
    for name, value in known.items():
        if not _is_like(value, Row._field_defaults.get(name, "")):
            raise TypeError(name)
    row = Row(**known)
    return row._replace(warnings=tuple(row.warnings), outputs=tuple(row.outputs))


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    return isinstance(value, (int, float) if isinstance(default, float) else type(default))


def _last_byte(file: Any) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)


def _lock(file: int) -> bool:
    """Takes the lock if it is free; the system lets go of it however its holder ends."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks: one ComfyUI at a time is the rule there.
        return error.errno not in _TAKEN
    return True
