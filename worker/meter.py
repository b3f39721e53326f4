"""Counts how long a run was in each phase; what is executed is what is paid for."""

import time
from collections.abc import Callable, Collection
from typing import Any

from .protocol import PHASES

# Sockets that carry weights: a node that puts out nothing else loads them.
WEIGHTS = frozenset(
    {"CLIP", "CLIP_VISION", "CONTROL_NET", "MODEL", "STYLE_MODEL", "UPSCALE_MODEL", "VAE"}
)


def loaders(schemas: dict[str, Any]) -> frozenset[str]:
    """Returns the node classes whose time is loading: they put out weights and nothing else."""
    return frozenset(
        kind
        for kind, schema in schemas.items()
        if schema.get("output") and WEIGHTS.issuperset(map(str, schema["output"]))
    )


class Meter:
    """Times the phases of one attempt by a clock that is never set back.

    A node of a class in `loaders` counts as loading. ComfyUI moves weights to the device only
    when the first node uses them; that part it does not tell, and it counts as executing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._spent_s = dict.fromkeys(PHASES, 0.0)
        self._since = clock()
        self.phase = PHASES[0]

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
