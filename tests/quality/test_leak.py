import numpy as np
import pytest
from dressform.quality import leak


@pytest.fixture
def person():
    return np.random.default_rng(1).integers(0, 248, (40, 50, 3), np.uint8)


@pytest.fixture
def repaint(person):
    mask = np.zeros(person.shape[:2], bool)
    mask[10:30, 10:40] = True
    return mask


def test_exact_paste_back_scores_zero(person, repaint):
    result = person.copy()
    result[repaint] = 7
    found = leak.measure(result, person, repaint)
    assert found.value == 0
    assert found.details["changed_count"] == 0
    assert found.details["largest_levels"] == 0


def test_one_level_in_one_channel_of_one_pixel_is_counted(person, repaint):
    result = person.copy()
    result[0, 0, 2] += 1
    found = leak.measure(result, person, repaint)
    assert found.value == 0  # not visible
    assert found.details["changed_count"] == 1
    assert found.details["largest_levels"] == 1
    assert found.local[0, 0] == pytest.approx(leak.VISIBLE_DE / leak.VISIBLE_LEVELS)


def test_the_value_is_the_share_of_the_outside_that_changed_visibly(person, repaint):
    result = person.copy()
    result[:10, :, 0] += 8
    found = leak.measure(result, person, repaint)
    assert found.value == pytest.approx(500 / (2000 - 600))
    assert np.isnan(found.local[20, 20])


def test_without_an_outside_it_is_unmeasurable(person):
    everything = np.ones(person.shape[:2], bool)
    assert "whole picture" in leak.measure(person, person, everything).reason


def test_a_person_photo_of_another_size_is_unmeasurable(person, repaint):
    found = leak.measure(person, person[:-1], repaint)
    assert found.value is None
    assert "size" in found.reason
