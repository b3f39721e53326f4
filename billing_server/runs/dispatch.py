"""Which waiting run a worker gets: what is fair, and of that what it can begin soonest. Pure."""

from collections.abc import Iterable, Set
from datetime import datetime, timedelta
from typing import NamedTuple

AGE_CAP = timedelta(seconds=15)  # after which a run no longer waits for a warmer worker
LOAD_S = {  # to load a model from the worker's disk, by folder: GenTD26, median host loads
    "checkpoints": 8.5,
    "diffusion_models": 8.5,
    "text_encoders": 4.0,
    "controlnet": 3.9,
    "loras": 2.5,
}
LOAD_OTHER_S = 1.0
CLEAN_S = 12.0  # between customers: a fresh ComfyUI, measured on two cores (docs/worker.md)


class Waiting(NamedTuple):
    """A run at the head of the queue."""

    id: str
    account: int
    priority: int
    created_at: datetime
    share: int  # runs of its account that are under way or waiting before it
    served: float  # when its account last got a worker; seconds, 0 if never
    models: tuple[str, ...]  # folder/name


def delay_s(run: Waiting, resident: Set[str], tenant: int | None) -> float:
    """Estimates what passes on a worker before a run begins."""
    loads = (LOAD_S.get(one.partition("/")[0], LOAD_OTHER_S) for one in run.models)
    missing = (s for s, one in zip(loads, run.models, strict=True) if one not in resident)
    return sum(missing) + (0.0 if tenant in (None, run.account) else CLEAN_S)


def order(
    waiting: Iterable[Waiting], resident: Set[str], tenant: int | None, now: datetime
) -> list[Waiting]:
    """Sorts runs: by priority; then those that waited too long, fairly; then the warmest.

    Args:
        waiting: What the worker is able to run.
        resident: Models in its memory, as folder/name.
        tenant: Whose run it had last.
        now: The time.
    """

    def key(run: Waiting) -> tuple[float, ...]:
        late = now - run.created_at >= AGE_CAP
        warmth = 0.0 if late else delay_s(run, resident, tenant)
        return -run.priority, not late, warmth, run.share, run.served, run.created_at.timestamp()

    return sorted(waiting, key=key)
