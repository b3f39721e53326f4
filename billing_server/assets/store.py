"""Where bytes lie: a folder of this machine. Another store has the same four methods."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol


class Store(Protocol):
    """Keeps bytes under keys `account/hash`; the same key has the same bytes for good."""

    def writing(self) -> AbstractContextManager[IO[bytes]]:
        """Gives a temporary file to write to; it is gone afterwards unless it was put."""
        ...

    def put(self, file: IO[bytes], key: str) -> None:
        """Keeps a temporary file under a key."""
        ...

    def path(self, key: str) -> Path:
        """Returns where the bytes can be read."""
        ...

    def delete(self, key: str) -> None:
        """Forgets a key, if it is there."""
        ...


class Folder:
    """A local folder; files appear in it whole."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def writing(self) -> Iterator[IO[bytes]]:
        """Gives a temporary file to write to; it is gone afterwards unless it was put."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._root, prefix=".new-", delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)

    def put(self, file: IO[bytes], key: str) -> None:
        """Keeps a temporary file under a key, also after a power cut."""
        file.flush()
        os.fsync(file.fileno())
        path = self.path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.replace(file.name, path)

    def path(self, key: str) -> Path:
        """Returns where the bytes can be read."""
        account, _, hash_ = key.partition("/")
        if not account.isdecimal() or not hash_.isalnum():
            raise ValueError(f"a key account/hash is required, got {key!a:.80}. Use `key`.")
        return self._root / account / hash_[:2] / hash_

    def delete(self, key: str) -> None:
        """Forgets a key, if it is there."""
        self.path(key).unlink(missing_ok=True)


def key(account: int, hash_: str) -> str:
    """Returns the key of bytes: accounts share nothing, so that none learns what another has."""
    return f"{account}/{hash_}"
