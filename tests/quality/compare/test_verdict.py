import numpy as np
import pytest
from dressform.quality.compare import verdict
from dressform.quality.compare.plan import Gate, Plan, Target

SLICES = ("garment=dress", "garment=shirt", "garment=skirt")


@pytest.fixture
def world(rng):
    """A function: mean gains by slice and metric on top of noise."""

    def make(count=60, **shifts):
        return {
            name: {
                metric: rng.normal(shifts.get(f"{name[8:]}_{metric}", 0.0), 1, count)
                for metric in ("veil", "edge")
            }
            for name in SLICES
        }

    return make


@pytest.fixture
def decide(make_table, plan):
    def run(gains, *, rules=plan, **more):
        return verdict.decide(make_table(gains, **more), rules)

    return run


def test_harmless_change_that_does_what_it_promised_ships(decide, world):
    found = decide(world(dress_edge=0.8, shirt_edge=0.8, skirt_edge=0.8))
    assert (found.decision, found.is_worse, found.reasons) == ("SHIP", False, ("proven",))


def test_haze_in_one_slice_ships_to_the_others(decide, world):
    found = decide(world(dress_edge=0.8, shirt_edge=0.8, skirt_veil=-1.5))
    assert (found.decision, found.slices) == ("SHIP TO SLICE", SLICES[:2])
    assert found.is_worse
    assert found.part is not None
    assert found.part.is_harmless


def test_haze_everywhere_is_held(decide, world):
    found = decide(world(dress_veil=-1.5, shirt_veil=-1.5, skirt_veil=-1.5, dress_edge=2))
    assert (found.decision, found.is_worse) == ("HOLD", True)
    assert {"gate_worse", "alarm"} <= set(found.reasons)


def test_few_scenes_ask_for_more(decide, world):
    found = decide(world(count=12, dress_edge=0.8, shirt_edge=0.8, skirt_edge=0.8))
    assert (found.decision, found.is_worse) == ("NEED MORE", False)
    assert found.more >= 59 - 3 * 12  # so many without a new fail bound their share


def test_change_without_its_promise_is_held_but_not_called_worse(decide):
    found = decide({"s": dict.fromkeys(("veil", "edge"), np.tile([1.0, -1.0], 40))})
    assert (found.decision, found.is_worse) == ("HOLD", False)
    assert "no_improvement" in found.reasons


def test_no_worse_is_enough_where_that_is_the_claim(decide, world):
    rules = Plan((Gate("veil", 0.5),), (), "no worse", 499)
    assert decide(world(), rules=rules).decision == "SHIP"


def test_left_over_mannequin_holds_what_would_ship(decide, world):
    gains = world(dress_edge=0.8, shirt_edge=0.8, skirt_edge=0.8)
    for by_metric in gains.values():
        by_metric["residue"] = np.zeros(60)
    fails = {("garment=dress-7", "candidate", seed, "residue") for seed in (1, 2)}
    found = decide(gains, fails=fails)
    assert (found.decision, found.reasons[0]) == ("HOLD", "blocker")


def test_one_scene_only_asks_for_more_without_a_crash(decide):
    found = decide({"a": {"veil": np.zeros(1), "edge": np.ones(1)}})
    assert found.decision == "NEED MORE"
    assert found.more >= 58


def test_one_seed_never_ships(decide, world):
    found = decide(world(dress_edge=0.8, shirt_edge=0.8, skirt_edge=0.8), seeds=(1,))
    assert found.decision == "HOLD"
    assert "new_fails_unmeasurable" in found.reasons


def test_baseline_worse_than_itself_is_no_ground_to_decide(make_table, plan, world):
    good = make_table(world(dress_edge=0.8, shirt_edge=0.8, skirt_edge=0.8))
    noise = make_table(world(dress_veil=-2.0), arms=("baseline", "baseline_again"))
    found = verdict.decide(good, plan, noise=noise)
    assert (found.decision, found.reasons) == ("HOLD", ("unstable",))
    assert found.unstable == (("garment=dress", "veil"),)


def test_gate_that_was_measured_nowhere_never_ships(decide, world):
    rules = Plan((Gate("seam", 0.5),), (Target("edge"),), resamples=499)
    found = decide(world(dress_edge=0.8, shirt_edge=0.8, skirt_edge=0.8), rules=rules)
    assert (found.decision, found.reasons) == ("HOLD", ("gate_unmeasurable",))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(()), "1 to 3 different gate metrics"),
        (Plan(tuple(Gate(m, 1.0) for m in "abcd")), "got 4: a, b, c, d"),
        (Plan((Gate("veil", 0.0),), (Target("edge"),)), "margin of veil must be above 0"),
        (Plan((Gate("veil", 1.0),)), "an improvement target is required"),
        (Plan((Gate("veil", 1.0),), (), "best"), "claim must be one of"),
    ],
)
def test_plan_that_decides_nothing_is_refused(decide, world, plan, message):
    with pytest.raises(ValueError, match=message):
        decide(world(), rules=plan)
