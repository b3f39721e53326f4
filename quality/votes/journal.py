"""The file of votes: one line of JSON each, on the disk before it is confirmed."""

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SCHEMA = "dressform.votes/1"
CHOICES = ("left", "right", "same", "skip")


class Vote(NamedTuple):
    """One answer of one person.

    Attributes:
        ticket: The question that it answers.
        rater: Who.
        pair, scene: What was shown.
        left, right: The arms, as they were shown.
        choice: One of CHOICES: which is better, neither, or cannot tell.
        asked: 1 for the first time, 2 for the repetition.
        seconds: From showing to answering.
        at: UTC, ISO 8601.
    """

    ticket: str
    rater: str
    pair: str
    scene: str
    left: str
    right: str
    choice: str
    asked: int
    seconds: float
    at: str


class Journal:
    """Votes in a file that is only ever appended to; safe for several threads.

    A line that a crash cut off was never confirmed to anybody: it is cut away on opening. Of two
    answers to one ticket the later one counts, so that an answer can be taken back.
    """

    def __init__(self, path: Path):
        """Opens or makes the file.

        Raises:
            ValueError: it is not a file of votes.
        """
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY, 0o600)
        try:
            _cut_torn_end(self._file)
            self._votes = {vote.ticket: vote for vote in read(path)}
        except BaseException:
            os.close(self._file)
            raise
        if is_new:
            _sync_folder(path.parent)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def votes(self) -> tuple[Vote, ...]:
        """Returns the votes that count."""
        with self._lock:
            return tuple(self._votes.values())

    def of(self, ticket: str) -> Vote | None:
        """Returns the vote on a ticket; None where there is none."""
        with self._lock:
            return self._votes.get(ticket)

    def add(self, vote: Vote, *, revise: bool = False) -> bool:
        """Writes a vote to the disk; a second one on the same ticket is dropped unless it revises.

        Returns:
            Whether it was written; when this returns, it survives a crash of the machine.

        Raises:
            OSError: The disk does not take it; it does not count then.
        """
        with self._lock:
            before = self._votes.get(vote.ticket)
            if before is not None and (not revise or before.choice == vote.choice):
                return False
            line = json.dumps({"schema": SCHEMA, **vote._asdict()}, ensure_ascii=False)
            _append(self._file, line.encode() + b"\n")
            self._votes[vote.ticket] = vote
            return True


def read(path: Path) -> Iterable[Vote]:
    """Yields the votes of a file in the order in which they were given.

    Raises:
        ValueError: a line is no vote.
    """
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            document = json.loads(line)
            if document["schema"] != SCHEMA or document["choice"] not in CHOICES:
                raise ValueError
            yield Vote(**{name: document[name] for name in Vote._fields})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} must hold a vote of {SCHEMA} on each line, got something else on line "
                f"{number}. Move the file away, or remove that line."
            ) from error


_BINARY = getattr(os, "O_BINARY", 0)  # Windows would turn \n into \r\n


def _append(file: int, data: bytes) -> None:
    end = os.lseek(file, 0, os.SEEK_END)
    try:
        if os.write(file, data) != len(data):
            raise OSError("the disk is full: a vote was not saved. Free some space, vote again.")
        os.fsync(file)
    except OSError:
        os.ftruncate(file, end)  # half a line would spoil the next one
        raise


def _cut_torn_end(file: int) -> None:
    size = os.lseek(file, 0, os.SEEK_END)
    os.lseek(file, 0, os.SEEK_SET)
    data = b""
    while len(data) < size and (part := os.read(file, size - len(data))):
        data += part
    kept = data.rfind(b"\n") + 1
    if kept < size:
        os.ftruncate(file, kept)
        os.fsync(file)


def _sync_folder(folder: Path) -> None:
    """A new file's name is on the disk only once its folder is; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
