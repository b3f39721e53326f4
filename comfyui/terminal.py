"""One live line on a terminal, plain lines where there is none."""

import shutil
import sys
from typing import TextIO


class Line:
    """Shows what is going on, in place. Use as a context manager; it leaves a clean line."""

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._last = ""

    def show(self, text: str) -> None:
        """Replaces the live line; without a terminal, writes a line for each new subject.

        What stands in brackets at the end is not a new subject: a log is not flooded by seconds.
        """
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r\x1b[K" + text[:width])
        elif text.partition(" (")[0] != self._last.partition(" (")[0]:
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
