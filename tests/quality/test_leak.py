import numpy as np
import pytest
from dressform.imaging.color import to_lab
from dressform.quality import color, leak


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


@pytest.fixture(scope="module")
def street():
    """A larger photo with edges and a plain wall, and a mask in its middle."""
    rows, columns = np.mgrid[:320, :240]
    photo = np.full((320, 240, 3), (190, 185, 175), np.float32)
    photo[220:] = (90, 95, 100)
    photo[::, 40:60] = (120, 60, 50)
    photo += 6 * np.sin(columns / 7)[..., None] + np.random.default_rng(5).normal(
        0, 1, (320, 240, 1)
    )
    mask = (rows - 150) ** 2 + (columns - 140) ** 2 < 50**2
    return photo.clip(0, 255).astype(np.uint8), mask


def blobbed(photo, levels):
    result = photo.astype(np.int16)
    result[20:50, 180:220] += levels
    return result.clip(0, 255).astype(np.uint8)


def test_an_area_is_found_behind_a_change_of_the_whole_picture(street, damage):
    photo, mask = street
    for change in (lambda p: damage.expose(p, -0.3), lambda p: damage.jpeg(p, 80)):
        clean, leaked = (change(p) for p in (photo, blobbed(photo, -12)))
        assert leak.measure(clean, photo, mask).value == 0
        found = leak.measure(leaked, photo, mask)
        assert found.value == pytest.approx(1200 / (~mask).sum(), rel=0.5)
        assert found.local[35, 200] >= leak.VISIBLE_DE


def test_a_picture_that_has_moved_is_no_leak(street, damage):
    photo, mask = street
    assert leak.measure(damage.move(photo, 2), photo, mask).value < 0.01


def test_a_change_of_all_colours_beyond_light_is_a_leak(street):
    photo, mask = street
    assert leak.measure(255 - photo, photo, mask).value > 0.5


def test_a_person_photo_of_another_size_is_told_with_both(person, repaint):
    reason = leak.measure(person, person[:-1], repaint).reason
    assert "40x50" in reason
    assert "39x50" in reason


@pytest.mark.parametrize(("bluer", "is_leak"), [(4, False), (8, True)])
def test_colours_that_are_rounded_are_no_leak_and_a_sure_area_is(bluer, is_leak):
    """JPEG moves the colours of whole blocks of a pale wall by a little more than 2 dE."""
    rng = np.random.default_rng(5)
    wall = np.full((320, 240, 3), (214, 210, 204), np.uint8)
    wall += rng.integers(0, 4, wall.shape, np.uint8)
    mask = np.zeros(wall.shape[:2], bool)
    mask[100:220, 80:160] = True
    result = wall + rng.integers(0, 2, wall.shape, np.uint8)
    result[30:60, 20:50, 2] += bluer
    found = leak.measure(result, wall, mask)
    before, after = (np.uint8([[[216, 212, 206 + more]]]) for more in (0, bluer))
    difference = color.ciede2000(to_lab(after)[0], to_lab(before)[0])[0]
    assert leak.VISIBLE_DE < difference
    assert (difference > leak.SURE_DE) == is_leak
    assert (found.value > 0.005) == is_leak
