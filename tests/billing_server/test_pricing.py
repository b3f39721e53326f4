"""Money from time: hand-computed."""

from datetime import UTC, datetime

import pytest
from dressform.billing_server.ledger import InvalidError
from dressform.billing_server.ledger.pricing import Rate, price


def rate(micro_per_gpu_s, minimum_micro=0, step_ms=1):
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    return Rate(1, 1, "h100", begins, micro_per_gpu_s, minimum_micro, step_ms)


@pytest.mark.parametrize(
    ("terms", "gpu_ms", "amount"),
    [
        ((1000,), 0, 0),
        ((1000,), 1500, 1500),
        ((1,), 1, 1),  # a part of a micro-credit costs a whole one
        ((333,), 1000, 333),
        ((333,), 1001, 334),
        ((1000, 0, 100), 1, 100),
        ((1000, 0, 100), 100, 100),
        ((1000, 0, 100), 101, 200),
        ((1000, 50), 49, 50),
        ((1000, 50), 51, 51),
        ((1000, 50), 0, 50),
        ((2_080_000,), 3_600_000, 7_488_000_000),  # an H100 at 7.49 an hour, in hundredths
        ((10**15,), 1, 10**12),
    ],
)
def test_price(terms, gpu_ms, amount):
    assert price(rate(*terms), gpu_ms) == amount


@pytest.mark.parametrize("gpu_ms", [-1, 1.0, True, None, "1", 10**12])
def test_absurd_time_is_refused(gpu_ms):
    with pytest.raises(InvalidError, match="gpu_ms must be a whole number"):
        price(rate(1), gpu_ms)
