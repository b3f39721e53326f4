"""Batches drawn in the background, while the network learns from the ones before."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# Batches that wait to be learned from.
WAITING = 6


def drawn(draw: Callable[[np.random.Generator], Any], steps: int, seed: int) -> Iterator[Any]:
    """Yields `draw`'s batches in order; every step has a generator of its own.

    Raises:
        Whatever `draw` raises.
    """
    made: queue.Queue = queue.Queue(WAITING)

    def run() -> None:
        try:
            for step in range(steps):
                made.put((draw(np.random.default_rng([seed, step])), None))
        except BaseException as error:  # the learner waits for this thread
            made.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    for _ in range(steps):
        batch, error = made.get()
        if error is not None:
            raise error
        yield batch
