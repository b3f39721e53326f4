import numpy as np
import pytest
from dressform.quality.compare import eprocess


def test_capital_by_hand():
    # Bets 0.75 at first; then (0.5 + 1) / (0.5 + 1), which is cut to 0.75.
    assert eprocess.evidence([2.0, -1.0], 2.0) == pytest.approx([1.75, 1.75 * (1 - 0.75 / 2)])


def test_watching_after_every_scene_raises_few_false_alarms(rng):
    stops = [eprocess.stop(eprocess.evidence(rng.normal(0, 0.35, 80), 1.0)) for _ in range(400)]
    assert np.mean([stop is not None for stop in stops]) <= 0.05


def test_true_gain_is_seen_early(rng):
    stops = [eprocess.stop(eprocess.evidence(rng.normal(0.15, 0.35, 80), 1.0)) for _ in range(200)]
    seen = [stop for stop in stops if stop]
    assert len(seen) / len(stops) >= 0.8
    assert np.median(seen) < 50


def test_capital_is_never_negative():
    assert (eprocess.evidence([9.0, -9.0, -9.0, -9.0], 1.0) > 0).all()


def test_bound_must_be_above_zero():
    with pytest.raises(ValueError, match="bound must be above 0"):
        eprocess.evidence([1.0], 0.0)
