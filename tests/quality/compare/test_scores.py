import math

import pytest
from dressform.quality.compare import scores
from dressform.quality.compare.scores import Row


def rows(scene="a", values=((1.0, 3.0), (2.0, 2.0)), metric="veil"):
    return [
        Row(scene, arm, seed, {metric: value})
        for arm, arm_values in zip(("baseline", "candidate"), values, strict=True)
        for seed, value in enumerate(arm_values, 1)
    ]


def test_seeds_are_averaged_to_one_number_per_scene():
    table = scores.table(rows() + rows("b", ((5, 7), (1, 2))), {"a": [], "b": []})
    assert dict(scores.gains(table, "veil").by_scene) == {"a": 0.0, "b": 4.5}
    assert len(scores.gains(table, "veil").values) == 2


def test_more_seeds_never_make_more_samples():
    few = scores.table(rows(), {"a": []})
    many = scores.table(rows(values=((1.0,) * 50, (2.0,) * 50)), {"a": []})
    assert len(scores.gains(few, "veil").values) == len(scores.gains(many, "veil").values) == 1


def test_same_picture_twice_is_refused():
    with pytest.raises(ValueError, match="got two of a, baseline, seed 1"):
        scores.table([*rows(), rows()[0]], {"a": []})


def test_missing_seed_names_scene_and_arm():
    with pytest.raises(ValueError, match="got 1 of 2 for a, candidate"):
        scores.table(rows()[:-1], {"a": []})


def test_scene_without_any_picture_is_missed():
    with pytest.raises(ValueError, match="got 0 of 2 for b, baseline"):
        scores.table(rows(), {"a": [], "b": []})


def test_other_seeds_in_the_candidate_are_refused():
    changed = [row._replace(seed=row.seed + (row.arm == "candidate")) for row in rows()]
    with pytest.raises(ValueError, match="a, candidate must have the seeds"):
        scores.table(changed, {"a": []})


def test_no_scene_is_refused():
    with pytest.raises(ValueError, match="at least one scene"):
        scores.table([], {})


def test_scene_without_slices_is_in_the_slice_of_all():
    assert scores.slice_names(scores.table(rows(), {"a": []})) == ("all",)


def test_what_only_the_baseline_has_is_lost_and_what_it_lacks_is_unknown():
    given = rows(values=((1, 1), (2, None))) + rows("b", ((None, 1), (2, 2)))
    gains = scores.gains(scores.table(given, {"a": [], "b": []}), "veil")
    assert (dict(gains.by_scene), gains.lost, gains.unknown) == ({}, ("a",), ("b",))


def test_not_a_number_is_no_measurement():
    table = scores.table(rows(values=((1, 1), (math.nan, 1))), {"a": []})
    assert scores.gains(table, "veil").lost == ("a",)


def test_subset_keeps_only_its_scenes():
    table = scores.subset(scores.table(rows() + rows("b"), {"a": ["x"], "b": ["y"]}), ["b"])
    assert table.scenes == ("b",)
    assert {key[0] for key in table.rows} == {"b"}
    assert scores.slice_names(table) == ("y",)
