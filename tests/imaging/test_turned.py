"""The view, from the angle that the figure is turned by."""

import numpy as np
import pytest
from dressform.imaging.parser import network
from dressform.imaging.parsing import VIEWS


@pytest.mark.parametrize(
    ("degrees", "view"),
    [
        (0, "front"),
        (-7, "front"),
        (14, "three-quarter"),
        (-35, "three-quarter"),
        (160, "back"),
        (-170, "back"),
    ],
)
def test_the_angle_names_the_view(degrees, view):
    odds = network.turned(np.array([np.sin(np.radians(degrees)), np.cos(np.radians(degrees))]))
    assert odds.sum() == pytest.approx(1)
    assert VIEWS[odds.argmax()] == view


def test_a_turn_between_two_views_leaves_both_open():
    between = np.radians(network.FRONT_DEG)
    odds = dict(
        zip(VIEWS, network.turned(np.array([np.sin(between), np.cos(between)])), strict=True)
    )
    assert odds["front"] == pytest.approx(odds["three-quarter"])
