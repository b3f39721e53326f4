import numpy as np
import pytest
from dressform.quality.compare import newfails


def fails(names, arm, seeds=(1, 2), metric="veil"):
    return {(name, arm, seed, metric) for name in names for seed in seeds}


@pytest.fixture
def judged(make_table, plan):
    def judge(count, failing=(), **more):
        table = make_table({"s": {"veil": np.zeros(count)}}, fails=set(failing), **more)
        return newfails.judge(table, plan)

    return judge


def test_zero_of_59_is_enough_and_zero_of_58_is_not(judged):
    assert judged(59).state == "pass"
    short = judged(58)
    assert (short.state, short.needed) == ("straddles", 59)
    assert short.upper == pytest.approx(0.0503, abs=1e-4)


def test_fail_on_one_seed_is_no_new_fail(judged):
    assert judged(59, fails(["s-0"], "candidate", seeds=[1])).cases == ()


def test_fail_on_both_seeds_is_one(judged):
    found = judged(100, fails(["s-0"], "candidate"))
    assert [(case.scene, case.check, case.kind) for case in found.cases] == [("s-0", "veil", "new")]
    assert (found.failed, found.fixed, found.state) == (1, 0, "pass")
    assert found.by_slice == {"s": (100, 1)}


def test_scene_that_failed_before_is_not_new(judged):
    failing = fails(["s-0"], "candidate") | fails(["s-0"], "baseline", seeds=[2])
    assert judged(59, failing).failed == 0


def test_fixed_scenes_weigh_against_new_fails(judged):
    new = fails([f"s-{i}" for i in range(6)], "candidate")
    fixed = fails([f"s-{i}" for i in range(6, 12)], "baseline")
    alone, balanced = judged(400, new), judged(400, new | fixed)
    assert alone.p == pytest.approx(2**-6)
    assert (alone.state, balanced.state) == ("worse", "pass")
    assert balanced.fixed == 6


def test_too_many_are_worse(judged):
    assert judged(60, fails([f"s-{i}" for i in range(12)], "candidate")).state == "worse"


def test_one_seed_confirms_nothing(judged):
    assert judged(200, seeds=(1,)).state == "unmeasurable"


def test_measurement_lost_on_every_seed_counts_as_a_fail(make_table, plan):
    table = make_table({"s": {"veil": np.zeros(10)}})
    rows = {
        key: row._replace(states={"veil": "unmeasurable"})
        if key[:2] == ("s-3", "candidate")
        else row
        for key, row in table.rows.items()
    }
    assert newfails.judge(table._replace(rows=rows), plan).cases == (
        newfails.Case("s-3", "veil", "lost"),
    )


def test_left_over_mannequin_blocks_and_haze_does_not(make_table, plan):
    table = make_table(
        {"s": {"veil": np.zeros(9), "residue": np.zeros(9)}},
        fails=fails(["s-0"], "candidate") | fails(["s-1"], "candidate", metric="residue"),
    )
    assert [case.scene for case in newfails.blockers(newfails.judge(table, plan))] == ["s-1"]
