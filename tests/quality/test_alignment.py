import numpy as np
import pytest
from dressform.quality import alignment


def test_damage_does_not_move_a_garment(source, parsing, damage):
    for result in (
        damage.veil(source, 0.3),
        damage.blur(source, 2),
        damage.jpeg(source, 60),
        damage.expose(source, -0.5),
    ):
        assert alignment.aligned(result, source, parsing.garment)


def test_a_moved_or_other_garment_is_not_aligned(source, parsing, damage):
    other = np.random.default_rng(4).integers(0, 255, source.shape, np.uint8)
    for result in (damage.move(source, 12), other):
        assert not alignment.aligned(result, source, parsing.garment)


@pytest.mark.parametrize("case", ["size", "empty", "flat"])
def test_what_cannot_be_compared_is_not_aligned(source, parsing, case):
    mask = parsing.garment
    result = source[:-1] if case == "size" else source
    source = np.full_like(source, 90) if case == "flat" else source
    mask = np.zeros_like(mask) if case == "empty" else mask
    assert alignment.correlation(result, source, mask) is None
    assert not alignment.aligned(result, source, mask)


def test_the_motion_that_places_a_picture_is_its_shift(source, parsing, damage):
    placed = alignment.place(
        damage.move(source, 4), source, damage.move(parsing.garment, 4), parsing.garment
    )
    inside = parsing.garment & placed.mask
    assert np.median(placed.motion[inside], axis=0) == pytest.approx((-4, 0), abs=0.3)
    moved = damage.move(source, 4).astype(int)
    assert np.median(np.abs(placed.picture - moved)[inside]) <= 2
    assert (placed.mask == damage.move(parsing.garment, 4)).mean() > 0.98


def test_another_garment_another_place_and_other_sizes_are_not_placed(source, parsing, damage):
    garment = parsing.garment
    other = np.random.default_rng(4).integers(0, 255, source.shape, np.uint8)
    assert alignment.place(other, source, garment, garment) is None
    far = damage.move(source, 60), source, damage.move(garment, 60), garment
    assert alignment.place(*far) is None
    assert alignment.place(source[:-2], source, garment[:-2], garment) is None
    assert alignment.place(source, source, garment, np.zeros_like(garment)) is None


def test_a_picture_too_small_for_a_flow_has_none():
    assert alignment.flow(np.zeros((20, 90, 3), np.uint8), np.zeros((20, 90, 3), np.uint8)) is None


def test_the_bounds_around_garments_have_a_margin_and_stay_inside(parsing):
    box = alignment.around(parsing.garment, parsing.garment)
    assert box == (46, 26, 274, 214)
    assert alignment.around(np.ones((9, 9), bool)) == (0, 0, 9, 9)
    assert alignment.around(np.zeros((9, 9), bool)) == (0, 0, 9, 9)
