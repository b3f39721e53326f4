"""What GPU time costs: pure functions of a rate and a time."""

from datetime import datetime
from typing import NamedTuple

from .values import MAX_GPU_MS, whole


class Rate(NamedTuple):
    """A row of the rate card; `version` counts within a GPU class."""

    id: int
    version: int
    gpu_class: str
    valid_from: datetime
    micro_per_gpu_s: int
    minimum_micro: int
    step_ms: int


class Quote(NamedTuple):
    """What a run of that length would cost."""

    amount: int
    gpu_ms: int
    rate: Rate


def price(rate: Rate, gpu_ms: int) -> int:
    """Returns micro-credits: time rounded up to the rate's step, money up to a micro-credit."""
    whole("gpu_ms", gpu_ms, 0, MAX_GPU_MS)
    billed_ms = -(-gpu_ms // rate.step_ms) * rate.step_ms
    return max(rate.minimum_micro, -(-billed_ms * rate.micro_per_gpu_s // 1000))


def affordable_ms(rate: Rate, amount: int) -> int:
    """Returns the longest GPU time, in whole steps of the rate, that costs no more micro-credits.

    0 where even the minimum is more; at most MAX_GPU_MS.
    """
    if amount < rate.minimum_micro:
        return 0
    if not rate.micro_per_gpu_s:
        return MAX_GPU_MS
    steps = amount * 1000 // (rate.step_ms * rate.micro_per_gpu_s)
    return min(MAX_GPU_MS, steps * rate.step_ms)
