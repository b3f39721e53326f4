"""Uploads that are under way: a form is not read before there is room for it on the disk."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..runs.values import RunError

MAX_AT_ONCE = 4  # of an account, in each process of the server
RESERVE = 1 << 30  # bytes of the disk that no upload gets
COPIES = 2  # the form is spooled, then copied to where it is kept or sent from
RETRY_S = 30


class Uploads:
    """What this process is taking: whose, and how many bytes were announced."""

    def __init__(self, *places: Path) -> None:
        """Watches the disks of these folders and the one of temporary files."""
        self._places = places
        self._lock = threading.Lock()
        self._running: list[tuple[int, int]] = []

    @contextmanager
    def admitted(self, account: int, size: int) -> Iterator[None]:
        """Lets an upload of so many bytes be read.

        Raises:
            RunError: The account has too many under way, or the disk has no room.
        """
        with self._lock:
            if sum(whose == account for whose, _ in self._running) >= MAX_AT_ONCE:
                text = f"At most {MAX_AT_ONCE} uploads at once are possible, got more. "
                raise RunError("limit", 429, f"{text}Wait for one to end.", retry_after=RETRY_S)
            announced = COPIES * (size + sum(told for _, told in self._running))
            if self._free() - announced < RESERVE:
                text = "Room for the file is required, got too little. Ask again later."
                raise RunError("unavailable", 503, text, retry_after=RETRY_S)
            self._running.append((account, size))
        try:
            yield
        finally:
            with self._lock:
                self._running.remove((account, size))

    def _free(self) -> int:
        """Returns how much the fullest of the disks has left."""
        return min(
            shutil.disk_usage(next(one for one in (place, *place.parents) if one.exists())).free
            for place in (Path(tempfile.gettempdir()), *self._places)
        )
