import pytest
from dressform.quality.compare import power


@pytest.mark.parametrize(
    ("margin", "share", "gates", "scenes"),
    [
        (0.5, 0.8, 1, 27),
        (0.5, 0.9, 1, 36),
        (0.3, 0.8, 1, 71),
        (0.2, 0.9, 1, 216),
        (0.5, 0.9, 24, 75),
    ],
)
def test_scenes_for_a_margin_are_those_of_the_t_test(margin, share, gates, scenes):
    assert power.scenes_for(margin, 1.0, power=share, gates=gates) == scenes


@pytest.mark.parametrize(("limit", "scenes"), [(0.1, 29), (0.05, 59), (0.02, 149)])
def test_scenes_without_a_new_fail_that_bound_their_share(limit, scenes):
    assert power.scenes_without_new_fail(limit) == scenes


def test_provable_margin_is_the_inverse():
    assert power.provable_margin(27, 2.0) == pytest.approx(1.0, rel=0.03)


def test_provable_margin_falls_with_scenes():
    found = [power.provable_margin(count, 1.0) for count in (5, 10, 40, 160)]
    assert found == sorted(found, reverse=True)


def test_too_few_scenes_prove_nothing():
    assert power.provable_margin(4, 1.0) is None


def test_loss_near_the_margin_needs_more_scenes():
    assert power.needed(0.5, 1.0, -0.3, 20) > power.needed(0.5, 1.0, 0.1, 20) > 20
