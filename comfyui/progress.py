"""Shows a run: a bar on a terminal, plain lines where there is none."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

from .client import Event, Prompt


class Progress:
    """Follows the events of one prompt; a context manager.

    Attributes:
        seconds: How long each node ran, by id; cached nodes are not in it.
    """

    def __init__(self, prompt: Prompt, stream: TextIO | None = None):
        self._prompt = prompt
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._done: set[str] = set()
        self._current = ""
        self._since = 0.0
        self._bar: tqdm | None = None
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> "Progress":
        if self._live:
            form = "{desc} {bar} {n_fmt} of {total_fmt} nodes, {elapsed}{postfix}"
            self._bar = tqdm(total=len(self._prompt), bar_format=form, file=self._stream)
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        if self._bar is not None:
            self._bar.close()

    def __call__(self, event: Event) -> None:
        """Takes an event of the client."""
        if event.kind == "cached":
            self._finish(event.node)
        elif event.kind == "node":
            self._leave()
            self._enter(event.node)
        elif event.kind == "progress" and event.maximum > 1 and self._bar is not None:
            self._bar.set_postfix_str(f"step {event.value:g} of {event.maximum:g}")

    def _enter(self, node: str) -> None:
        self._current, self._since = node, time.monotonic()
        title = self._title(node)
        if self._bar is not None:
            self._bar.set_postfix_str("", refresh=False)
            self._bar.set_description_str(title)
        else:
            position = min(len(self._done) + 1, len(self._prompt))
            self._stream.write(f"{position} of {len(self._prompt)}: {title}\n")
            self._stream.flush()

    def _leave(self) -> None:
        if self._current:
            spent = time.monotonic() - self._since
            self.seconds[self._current] = self.seconds.get(self._current, 0.0) + spent
            self._finish(self._current)
            self._current = ""

    def _finish(self, node: str) -> None:
        if node in self._prompt and node not in self._done:
            self._done.add(node)
            if self._bar is not None:
                self._bar.update()

    def _title(self, node: str) -> str:
        entry = self._prompt.get(node) or {}
        return (entry.get("_meta") or {}).get("title") or entry.get("class_type") or node
