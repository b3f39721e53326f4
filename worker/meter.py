"""Counts how long a run was in each phase; what is executed is what is paid for."""

import time
from collections.abc import Callable, Collection
from typing import Any

from ..comfyui import widgets
from .protocol import PHASES

# Sockets that carry weights.
WEIGHTS = frozenset(
    {"CLIP", "CLIP_VISION", "CONTROL_NET", "MODEL", "STYLE_MODEL", "UPSCALE_MODEL", "VAE"}
)
FILES = (".safetensors", ".sft", ".gguf")


def loaders(schemas: dict[str, Any]) -> frozenset[str]:
    """Returns the node classes whose time is loading and not paid for.

    They put out weights and nothing else, and choose among files of weights: a node that merges
    or trains computes.
    """
    return frozenset(
        kind
        for kind, schema in schemas.items()
        if schema.get("output")
        and WEIGHTS.issuperset(map(str, schema["output"]))
        and any(_chooses_a_file(entry) for entry in widgets.declared(schema))
    )


def _chooses_a_file(entry: widgets.Input) -> bool:
    """Tells whether an input lists weights; a list of nothing is one of a folder that is empty."""
    choices = entry.options.get("options")
    if entry.kind != "COMBO" or choices is None:
        return False
    return not choices or any(str(choice).endswith(FILES) for choice in choices)


class Meter:
    """Times the phases of one attempt by a clock that is never set back.

    A node of a class in `loaders` counts as loading. ComfyUI moves weights to the device only
    when the first node uses them; that part it does not tell, and it counts as executing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._spent_s: dict[str, float] = {phase: 0.0 for phase in PHASES}
        self._since = clock()
        self.phase: str = PHASES[0]

    def enter(self, phase: str) -> None:
        """Begins a phase, or goes on with one."""
        now = self._clock()
        self._spent_s[self.phase] += max(0.0, now - self._since)
        self._since, self.phase = now, phase

    def node(self, kind: str, loading: Collection[str]) -> None:
        """Takes note that a node of this class runs now."""
        self.enter("loading" if kind in loading else "executing")

    def phases(self) -> dict[str, int]:
        """Returns the milliseconds of every phase so far."""
        self.enter(self.phase)
        return {phase: round(1000 * spent) for phase, spent in self._spent_s.items()}

    @property
    def gpu_ms(self) -> int:
        """Milliseconds of execution so far."""
        return self.phases()["executing"]
