"""Money from time: hand-computed."""

from datetime import UTC, datetime

import pytest
from dressform.billing_server.ledger import InvalidError
from dressform.billing_server.ledger.pricing import Rate, affordable_ms, price
from dressform.billing_server.ledger.values import MAX_GPU_MS
from hypothesis import example, given
from hypothesis import strategies as st


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


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(1, 60_000), st.integers(0, 10**12))
@example(0, 0, 1, 0)
@example(0, 5, 1, 4)
@example(10**9, 0, 1, 10**6)
def test_longest_affordable_time_is_paid_and_a_step_more_is_not(micro, minimum, step_ms, amount):
    card = rate(micro, minimum, step_ms)
    longest = affordable_ms(card, amount)
    assert 0 <= longest <= MAX_GPU_MS
    if longest:
        assert price(card, longest) <= amount
    if longest + step_ms <= MAX_GPU_MS:
        assert price(card, longest + step_ms) > amount
