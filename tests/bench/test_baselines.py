"""The baselines find what they can find: one thing on a plain wall, in two colours."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def baselines(bench):
    return bench("baselines")


@pytest.fixture
def photo():
    picture = np.full((120, 90, 3), 230, np.uint8)
    picture[20:40, 35:55] = (190, 150, 110)
    picture[40:100, 25:65] = (30, 60, 140)
    return picture


def test_grabcut_finds_the_thing_on_a_plain_wall(baselines, photo):
    expected = (photo != 230).any(2)
    found = baselines.grabcut(photo)
    assert (found & expected).sum() > 0.95 * (found | expected).sum()


def test_the_larger_colour_is_the_garment(baselines, photo):
    garment, mannequin = baselines.split(photo, (photo != 230).any(2))
    assert np.array_equal(garment, photo[..., 2] == 140)
    assert np.array_equal(mannequin, photo[..., 2] == 110)


def test_an_empty_foreground_stays_empty(baselines, photo):
    garment, mannequin = baselines.split(photo, np.zeros(photo.shape[:2], bool))
    assert not garment.any()
    assert not mannequin.any()
