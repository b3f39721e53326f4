import numpy as np
import pytest
from dressform.quality.compare import improvement
from dressform.quality.compare.plan import Gate, Plan, Target


def plan(*targets):
    return Plan((Gate("veil", 1.0),), targets, resamples=499)


def test_named_gain_is_proven(make_table, rng):
    table = make_table({"s": {"edge": rng.normal(0.5, 1, 60)}})
    [found] = improvement.targets(table, plan(Target("edge")))
    assert found.proven
    assert found.needed == 0


def test_holm_asks_more_of_each_of_many_targets(make_table):
    """Five scenes with a gain: p is 1/32 alone, and twice that among two targets."""
    table = make_table({"s": {"edge": np.arange(1.0, 6), "veil": np.array([1, -1, 2, -2, 0.5])}})
    [alone] = improvement.targets(table, plan(Target("edge")))
    both = improvement.targets(table, plan(Target("edge"), Target("veil")))
    assert alone.p == pytest.approx(1 / 32)
    assert alone.proven
    assert both[0].adjusted == pytest.approx(2 / 32)
    assert not both[0].proven


def test_target_in_a_slice_looks_only_there(make_table, rng):
    table = make_table({"s": {"edge": rng.normal(1, 1, 30)}, "t": {"edge": rng.normal(-1, 1, 30)}})
    [found] = improvement.targets(table, plan(Target("edge", "s")))
    assert (found.scenes, found.proven) == (30, True)


def test_loss_needs_no_number_of_scenes(make_table, rng):
    table = make_table({"s": {"edge": rng.normal(-1, 1, 30)}})
    assert improvement.targets(table, plan(Target("edge")))[0].needed is None


def test_alarm_names_the_slice_and_metric_that_became_worse(make_table, rng):
    gains = {
        name: {metric: rng.normal(0, 1, 40) for metric in ("veil", "edge", "texture")}
        for name in ("a", "b", "c")
    }
    gains["b"]["veil"] -= 1.5
    raised = [alarm for alarm in improvement.alarms(make_table(gains)) if alarm.raised]
    assert [(alarm.slice, alarm.metric) for alarm in raised] == [("b", "veil")]


def test_false_alarms_are_rare_over_all_slices_and_metrics(make_table, rng):
    alarmed = 0
    for _ in range(40):
        gains = {
            name: {metric: rng.standard_t(5, 20) for metric in ("veil", "edge", "texture")}
            for name in "abcdef"
        }
        alarmed += any(alarm.raised for alarm in improvement.alarms(make_table(gains)))
    assert alarmed <= 6


def test_certainty_of_masks_is_not_judged(make_table):
    table = make_table({"s": {"masks": np.full(20, -1.0)}})
    assert improvement.alarms(table) == ()


def test_same_small_loss_everywhere_is_an_alarm(make_table):
    [alarm] = improvement.alarms(make_table({"s": {"veil": np.full(20, -0.5)}}))
    assert alarm.raised
