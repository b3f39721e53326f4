"""One live line on a terminal, plain lines where there is none."""

import shutil
import sys
from typing import TextIO

PLAIN_EVERY_CHARACTERS = 60  # a log is not flooded with lines that differ in their tails only


class Line:
    """Shows what is going on, in place. Use as a context manager; it leaves a clean line."""

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._last = ""

    def show(self, text: str) -> None:
        """Replaces the live line; without a terminal, writes a line where the start changed."""
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r\x1b[K" + text[:width])
        elif text[:PLAIN_EVERY_CHARACTERS] != self._last[:PLAIN_EVERY_CHARACTERS]:
            self._stream.write(text + "\n")
        self._last = text
        self._stream.flush()

    def clear(self) -> None:
        """Empties the live line."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
