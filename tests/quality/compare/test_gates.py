import numpy as np
import pytest
from dressform.quality.compare import gates
from dressform.quality.compare.plan import Gate, Plan


def judged(make_table, sample, margin=0.5):
    table = make_table({"s": {"veil": np.asarray(sample, float)}})
    [outcome] = gates.judge(table, Plan((Gate("veil", margin),), resamples=499))
    return outcome


def test_no_change_passes_where_the_sample_is_large_enough(make_table, rng):
    assert judged(make_table, rng.normal(0, 1, 80)).state == "pass"


def test_no_change_straddles_where_it_is_small(make_table):
    outcome = judged(make_table, [1, -1] * 4)
    assert outcome.state == "straddles"
    assert outcome.needed >= 27


def test_loss_beyond_the_margin_is_worse(make_table, rng):
    assert judged(make_table, rng.normal(-1.2, 1, 80)).state == "worse"


def test_loss_within_the_margin_passes(make_table, rng):
    assert judged(make_table, rng.normal(-0.1, 0.3, 80)).state == "pass"


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_fewer_than_five_scenes_never_pass(make_table, count):
    assert judged(make_table, [5.0 + i for i in range(count)]).state == "straddles"


def test_small_samples_are_bounded_by_sign_flips():
    """Of 2^5 sign flips only the one with all signs plus has p below 0.05."""
    [found] = gates.bounds([np.array([1.0, 2.0, 3.0, 4.0, 5.0])], 499)
    assert found.method == "sign flip"
    # p of a mean just below the smallest value is 1/32, above it 2/32.
    assert found.low == pytest.approx(1.0, abs=0.01)
    assert found.high == pytest.approx(5.0, abs=0.01)


def test_bootstrap_bound_covers_the_mean_as_often_as_it_says(rng):
    samples = [sample * 1.0 for sample in rng.standard_t(5, (200, 40))]
    covered = [found.low < 0 for found in gates.bounds(samples, 299)]
    assert 0.9 <= np.mean(covered) <= 0.99


def test_bounds_are_the_same_every_time(rng):
    sample = rng.normal(size=30)
    assert gates.bounds([sample], 499) == gates.bounds([sample.copy()], 499)


def test_constant_gain_has_no_spread(make_table):
    outcome = judged(make_table, [0.0] * 20)
    assert (outcome.state, outcome.gain.method) == ("pass", "no spread")


def test_one_odd_scene_is_no_crash(make_table):
    assert judged(make_table, [0.0] * 19 + [-1.0]).state == "pass"


def test_many_lost_scenes_are_no_measurement(make_table):
    table = make_table({"s": {"veil": np.zeros(20)}})
    lost = {
        key: row._replace(scores={"veil": None})
        for key, row in table.rows.items()
        if key[1] == "candidate" and key[0] in ("s-0", "s-1", "s-2")
    }
    table = table._replace(rows={**table.rows, **lost})
    [outcome] = gates.judge(table, Plan((Gate("veil", 0.5),), resamples=99))
    assert outcome.state == "unmeasurable"
    assert outcome.lost == ("s-0", "s-1", "s-2")
