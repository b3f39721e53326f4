import numpy as np
import pytest
from dressform.imaging.pose import NAMES
from dressform.quality import alignment, outline, zones


@pytest.fixture(scope="module")
def body():
    """Shoulders at the upper corners of the shirt, seen from the front: its left is our right."""
    places = {
        "Neck": (120, 72),
        "RShoulder": (70, 80),
        "RElbow": (45, 150),
        "RWrist": (45, 200),
        "LShoulder": (170, 80),
        "LElbow": (195, 150),
        "LWrist": (195, 200),
        "RHip": (95, 240),
        "LHip": (145, 240),
    }
    joints = np.array([places.get(name, (120, 40)) for name in NAMES], np.float32)
    return zones.Body(joints, "upper")


def pushed(source, distance_px):
    """Repaints the right edge of the picture's shirt outwards between rows 110 and 170."""
    result = source.copy()
    result[110:170, 190 : 190 + distance_px] = source[110:170, 190 - distance_px : 190]
    return result


def measured(result, source, parsing, **options):
    return outline.measure(result, source, parsing.garment, **options)


def test_an_untouched_outline_has_not_moved(source, parsing):
    assert measured(source, source, parsing).value == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("distance_px", [3, 6])
def test_the_value_is_the_distance_and_the_place_has_a_name(source, parsing, body, distance_px):
    found = measured(pushed(source, distance_px), source, parsing, body=body)
    assert found.value == pytest.approx(distance_px, abs=1)
    assert found.where == "left_sleeve"
    assert found.details["zone:right_sleeve"] < 1
    assert np.nanmedian(found.local[125:155, 186:194]) == pytest.approx(distance_px, abs=1)


def test_without_a_body_the_place_is_told_by_a_grid(source, parsing):
    assert measured(pushed(source, 6), source, parsing).where == "middle right"


def test_a_picture_that_has_moved_as_a_whole_has_no_moved_edge(source, parsing, damage):
    result = damage.move(source, 3)
    placed = alignment.place(result, source, parsing.garment, parsing.garment)
    assert measured(result, source, parsing, motion=placed.motion).value < 1


@pytest.mark.parametrize("harmless", ["veil", "jpeg", "expose", "blur"])
def test_harmless_changes_move_nothing(source, parsing, damage, harmless):
    amount = {"veil": 0.1, "jpeg": 75, "expose": 0.3, "blur": 1}[harmless]
    result = getattr(damage, harmless)(source, amount)
    assert measured(result, source, parsing).value < 1


def test_pictures_of_two_sizes_are_unmeasurable(source, parsing):
    assert "differ in size" in measured(source[:-2], source, parsing).reason


def test_a_garment_that_fills_the_picture_has_no_outline(source):
    found = outline.measure(source, source, np.ones(source.shape[:2], bool))
    assert "no outline" in found.reason


def test_a_garment_of_the_walls_colour_is_unmeasurable(source, parsing):
    plain = np.full_like(source, 230)
    assert "hardly stands out" in measured(plain, plain, parsing).reason


def test_a_hem_before_other_legs_is_not_compared(source, parsing, body):
    """What shines through at a few points of it says nothing of the rest."""
    other = source.copy()
    other[250:, :] = (60, 70, 90)
    other[250:256, 60:120] = source[244:250, 60:120]  # as if the hem hung lower
    found = measured(other, source, parsing, body=body)
    assert "zone:hem" not in found.details
    assert found.value < 1
