"""From the network's maps to joints on the right side."""

import numpy as np
import pytest
from dressform.imaging.parser import joints
from dressform.imaging.pose import NAMES

RIGHT, LEFT = NAMES.index("RElbow"), NAMES.index("LElbow")
HEIGHT, WIDTH = 24, 32


def maps(**at):
    """Empty maps but for the named joints' peaks: (row, column, mass) each."""
    places = np.full((18, HEIGHT, WIDTH), 1e-6, np.float32)
    for name, peaks in at.items():
        for row, column, mass in peaks:
            places[NAMES.index(name), row, column] = mass
    return places


TORN = maps(
    RElbow=[(10, 6, 0.4), (10, 25, 0.6)],
    LElbow=[(10, 25, 0.55), (10, 6, 0.45)],
)


@pytest.mark.parametrize(("back", "of_the_right"), [(False, 6), (True, 25)], ids=["front", "back"])
def test_the_view_decides_which_of_two_places_is_the_right_elbow(back, of_the_right):
    found = joints.locate(TORN, back=back)
    assert found[RIGHT, 0] * WIDTH == pytest.approx(of_the_right + 0.5, abs=0.1)
    assert found[LEFT, 0] * WIDTH == pytest.approx(31.5 - of_the_right, abs=0.1)
    assert found[[RIGHT, LEFT], 1] * HEIGHT == pytest.approx([10.5, 10.5], abs=0.1)


def test_joints_that_lie_at_one_place_stay_together():
    together = maps(RElbow=[(10, 15, 0.9)], LElbow=[(10, 16, 0.9)])
    found = joints.locate(together, back=False)
    assert np.ptp(found[[RIGHT, LEFT], 0]) * WIDTH < 2


def test_a_joint_of_its_own_is_read_between_the_cells():
    found = joints.locate(maps(Nose=[(4, 8, 0.5), (4, 9, 0.5)]), back=False)
    assert found[0, :2] * (WIDTH, HEIGHT) == pytest.approx([9, 4.5], abs=0.01)
    assert found[0, 2] == pytest.approx(1, abs=0.01)


def test_masses_are_shares():
    assert joints.locate(TORN, back=True)[:, 2].max() <= 1


def test_flat_maps_give_places_in_the_picture():
    found = joints.locate(np.zeros((18, 1, 1), np.float32), back=False)
    assert np.isfinite(found).all()
    assert ((found[:, :2] >= 0) & (found[:, :2] <= 1)).all()


def test_mirroring_swaps_sides_and_twice_is_nothing():
    assert joints.MIRRORED[RIGHT] == LEFT
    assert joints.MIRRORED[0] == 0
    assert [joints.MIRRORED[other] for other in joints.MIRRORED] == list(range(18))
    for index, other in enumerate(joints.MIRRORED):
        assert NAMES[index][1:] == NAMES[other][1:]
