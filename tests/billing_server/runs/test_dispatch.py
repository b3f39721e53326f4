"""Which run a worker gets: priority, then fairness after a while, then what is warm."""

from datetime import UTC, datetime, timedelta

import pytest
from dressform.billing_server.runs.dispatch import AGE_CAP, Waiting, delay_s, order

NOW = datetime(2026, 3, 14, tzinfo=UTC)
BASE, LORA = "checkpoints/a", "loras/b"


def waiting(name, *, account=1, priority=0, age_s=1.0, share=1, served=0.0, models=()):
    created = NOW - timedelta(seconds=age_s)
    return Waiting(name, account, priority, created, share, served, models)


def names(runs, resident=(), tenant=None):
    return "".join(one.id for one in order(runs, frozenset(resident), tenant, NOW))


def test_older_runs_come_first():
    assert names([waiting("a", age_s=1), waiting("b", age_s=2)]) == "ba"


def test_warm_runs_overtake_younger_than_the_cap():
    cold, warm = waiting("c", age_s=9, models=(BASE,)), waiting("w", models=(LORA,))
    assert names([cold, warm], resident=[LORA]) == "wc"
    late = cold._replace(created_at=NOW - AGE_CAP)
    assert names([late, warm], resident=[LORA]) == "cw"


def test_priority_comes_before_all():
    assert names([waiting("a", age_s=99), waiting("b", priority=1, models=(BASE,))]) == "ba"


def test_accounts_take_turns():
    greedy = [waiting(str(n), share=n, age_s=50 - n) for n in (1, 2, 3)]
    other = waiting("o", account=2, age_s=20)
    assert names([*greedy, other]) == "1o23"
    served = [one._replace(served=5.0) for one in greedy]
    assert names([*served, other]) == "o123"


@pytest.mark.parametrize(
    ("resident", "tenant", "expected_s"),
    [((), None, 11.0), ((BASE,), 1, 2.5), ((BASE, LORA), 1, 0.0), ((BASE, LORA), 2, 12.0)],
)
def test_delay_is_what_must_be_loaded_and_cleaned(resident, tenant, expected_s):
    assert delay_s(waiting("a", models=(BASE, LORA)), frozenset(resident), tenant) == expected_s
