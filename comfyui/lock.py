"""One process at a time: a lock on a file, let go by the system however its holder ends."""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

POLL_S = 0.2
_TAKEN = frozenset({errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK})


@contextlib.contextmanager
def held(path: Path, waits: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock while the block runs; waits for another process that holds it.

    Where no lock can be had (a read-only folder, a file system without locks) the block runs
    without one: what it does stays whole or undone, it may only be done twice.

    Args:
        path: Of the lock file; it stays, empty.
        waits: Called once where another process has the lock.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("ab"))
            told = False
            while not _take(file.fileno()):
                if not told:
                    waits()
                told = True
                time.sleep(POLL_S)
        yield


def _take(file: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True
