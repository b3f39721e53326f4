"""Where bytes lie: a folder of this machine. `s3.py` is the same for any S3-compatible store."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import structlog

from ..runs.values import RunError

RETRY_S = 5
CHUNK = 1 << 20
LEFT_S = 24 * 3600  # after which a temporary file is nobody's


class GoneError(Exception):
    """There is nothing under a key."""


class Upload(NamedTuple):
    """An address that takes bytes once, for a while, with these headers."""

    url: str
    headers: dict[str, str]


class Store(Protocol):
    """Keeps bytes under keys `account/name`; a key is written once and has the same bytes for good.

    Every method raises RunError 503 where the store does not answer.

    Attributes:
        most_sent: Bytes that others can send it past this server, in one file.
        places: Folders of this machine that it fills.
    """

    most_sent: int
    places: tuple[Path, ...]

    def writing(self) -> AbstractContextManager[IO[bytes]]:
        """Gives a temporary file to write to; it is gone afterwards unless it was put."""
        ...

    def put(self, file: IO[bytes], key: str) -> None:
        """Keeps a temporary file under a key."""
        ...

    def read(self, key: str) -> Iterator[bytes]:
        """Yields the bytes of a key; raises GoneError."""
        ...

    def where(self, key: str, name: str, content_type: str, seconds: int) -> Path | str:
        """Returns where bytes can be read: a path here, or an address that works for so long."""
        ...

    def upload(self, key: str, size: int, seconds: int) -> Upload:
        """Returns where so many bytes can be sent, once."""
        ...

    def delete(self, key: str) -> None:
        """Forgets a key, if it is there."""
        ...


class Folder:
    """A local folder; files appear in it whole."""

    most_sent = 0

    def __init__(self, root: Path) -> None:
        self._root, self.places = root, (root,)
        for left in root.glob(".new-*"):  # of a server that was killed
            with contextlib.suppress(OSError):
                if left.stat().st_mtime < time.time() - LEFT_S:
                    left.unlink()

    @contextmanager
    def writing(self) -> Iterator[IO[bytes]]:
        """Gives a temporary file to write to; it is gone afterwards unless it was put."""
        with _answering():
            _make(self._root)
            with tempfile.NamedTemporaryFile(dir=self._root, prefix=".new-", delete=False) as file:
                try:
                    yield file
                finally:
                    Path(file.name).unlink(missing_ok=True)

    def put(self, file: IO[bytes], key: str) -> None:
        """Keeps a temporary file under a key, also after a power cut."""
        with _answering():
            file.flush()
            os.fsync(file.fileno())
            path = self._path(key)
            _make(path.parent)
            os.replace(file.name, path)
            _sync(path.parent)

    def read(self, key: str) -> Iterator[bytes]:
        """Yields the bytes of a key; raises GoneError."""
        with _answering(), self._path(key).open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def where(self, key: str, name: str, content_type: str, seconds: int) -> Path | str:
        """Returns the path of a key."""
        del name, content_type, seconds
        path = self._path(key)
        with _answering():
            path.stat()
        return path

    def upload(self, key: str, size: int, seconds: int) -> Upload:
        """Refuses: files come through this server."""
        raise NotImplementedError

    def delete(self, key: str) -> None:
        """Forgets a key, if it is there."""
        with _answering():
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        account, _, name = key.partition("/")
        if not account.isdecimal() or not name.isalnum():
            raise ValueError(
                f"a key account/name is required, got {key!a:.80}. Ask `Blobs` for one."
            )
        return self._root / account / name[:2] / name


def _make(folder: Path) -> None:
    """Makes a folder, and those above it, also after a power cut."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Keeps the names in a folder. Windows lets nobody, and keeps them by itself."""
    if os.name != "nt":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        structlog.get_logger().warning("store_away", error=type(error).__name__, why=error.strerror)
        raise away() from error


def away() -> RunError:
    """Returns the refusal of a call that the store does not let us answer."""
    text = "The store of files does not answer. Ask again with the same key."
    return RunError("unavailable", 503, text, retry_after=RETRY_S)
