import cv2
import numpy as np
import pytest
from dressform.quality import comparison


def compared(result, source, parsing, **options):
    return comparison.measure(result, source, parsing.garment, parsing.garment, **options)


def test_all_measures_have_a_value_or_a_reason(model, source, parsing):
    found = compared(model, source, parsing)
    assert list(found) == list(comparison.MEASURES)
    assert all(one.value is not None or one.reason for one in found.values())


def test_maps_are_as_large_as_the_result(model, source, parsing):
    for one in compared(model, source, parsing).values():
        assert one.local is None or one.local.shape == model.shape[:2]


def test_large_pictures_are_measured_on_a_reduced_copy_alike(monkeypatch, source, parsing, damage):
    result = damage.veil(source, 0.15)
    whole = compared(result, source, parsing, only=("veil", "color"))
    monkeypatch.setattr(comparison, "COARSE_SIDE_PX", 200)
    reduced = compared(result, source, parsing, only=("veil", "color"))
    assert reduced["veil"].value == pytest.approx(whole["veil"].value, abs=0.02)
    assert reduced["color"].value == pytest.approx(whole["color"].value, abs=0.5)
    assert reduced["veil"].local.shape == source.shape[:2]


def test_a_shift_of_some_pixels_is_no_fault(source, parsing, damage):
    found = compared(damage.move(source, 3), source, parsing)
    assert found["veil"].value < 0.02
    assert found["outline"].value < 1
    assert found["color"].value < 1
    assert found["veil"].local is not None  # they correspond


def test_another_place_is_compared_by_statistics_only(source, parsing, damage):
    result, mask = damage.move(source, 40), damage.move(parsing.garment, 40)
    found = comparison.measure(result, source, mask, parsing.garment)
    assert found["outline"].value is None
    assert "same place" in found["outline"].reason
    assert found["veil"].value < 0.02
    assert found["veil"].local is None


@pytest.mark.parametrize("which", ["result", "source"])
def test_without_a_garment_nothing_is_measured(source, parsing, which):
    empty = np.zeros_like(parsing.garment)
    masks = (empty, parsing.garment) if which == "result" else (parsing.garment, empty)
    found = comparison.measure(source, source, *masks)
    assert {one.reason for one in found.values()} == {"No garment was found."}
    unknown = comparison.measure(source, source, None, parsing.garment)
    assert {one.reason for one in unknown.values()} == {comparison.NO_PLACE}


@pytest.mark.parametrize(
    ("size", "other", "same"),
    [((100, 50), (200, 100), True), ((100, 50), (201, 100), True), ((100, 50), (50, 100), False)],
)
def test_proportions_are_the_same_to_a_rounding(size, other, same):
    assert comparison.alike(size, other) is same


def test_a_picture_is_scaled_to_the_same_proportions_only(source):
    larger = cv2.resize(source, None, fx=2, fy=2)
    assert comparison.scaled(larger, source).shape == source.shape
    assert comparison.scaled(source[:-40], source) is None
