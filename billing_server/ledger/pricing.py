"""What GPU time costs: pure functions of a rate and a time."""

from datetime import datetime
from typing import NamedTuple

from .values import MAX_GPU_MS, InvalidError


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
    if isinstance(gpu_ms, bool) or not isinstance(gpu_ms, int) or not 0 <= gpu_ms <= MAX_GPU_MS:
        raise InvalidError(
            f"gpu_ms must be a whole number from 0 to {MAX_GPU_MS}, got {str(gpu_ms)[:40]}. "
            "Measure it again."
        )
    billed_ms = -(-gpu_ms // rate.step_ms) * rate.step_ms
    return max(rate.minimum_micro, -(-billed_ms * rate.micro_per_gpu_s // 1000))
