"""Framing, by hand: pixels, shares of the frame, sides, angles, and how many."""

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.quality.lint import framing


def test_resolution_is_of_the_garment_not_of_the_file(take):
    assert framing.resolution(take()).value == 940


def test_resolution_counts_the_pixels_of_a_photo_that_was_reduced(take, photo, parsing):
    large = cv2.resize(photo, None, fx=3, fy=3)
    label_map = cv2.resize(parsing.label_map, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    assert framing.resolution(take(large, label_map)).value == pytest.approx(2820, abs=4)


def test_fill_is_the_larger_share_of_height_and_width(take):
    assert framing.fill(take()).value == pytest.approx(940 / 1200)


def test_whole_garment_is_not_cut_and_has_a_margin(take):
    assert framing.cropping(take()).value == 0
    assert framing.margin(take()).value == pytest.approx(120 / 1200)


def test_cut_garment_tells_the_side_and_its_share_of_the_outline(take, photo, parsing):
    found = framing.cropping(take(photo[:, 250:].copy(), parsing.label_map[:, 250:].copy()))
    assert found.value == pytest.approx(940 / (2 * (940 + 400)), rel=0.02)
    assert [side for side, share in found.details.items() if share] == ["left"]
    assert found.local[600, 0] == 1
    assert framing.margin(take(photo[:, 250:].copy(), parsing.label_map[:, 250:])).value is None


@pytest.mark.parametrize("angle_deg", [-8, -3, 5, 11])
def test_tilt_finds_the_angle_and_its_direction(take, photo, parsing, turned, angle_deg):
    found = framing.tilt(take(turned(photo, angle_deg), turned(parsing.label_map, angle_deg)))
    assert found.details["angle_deg"] == pytest.approx(angle_deg, abs=1)
    assert found.value == pytest.approx(abs(angle_deg), abs=1)


def test_an_upright_figure_does_not_lean(take):
    assert framing.tilt(take()).value == 0


def test_garments_far_apart_are_counted_and_specks_are_not(take, parsing):
    two = parsing.label_map.copy()
    two[200:1000, 20:160] = labels.GARMENT
    two[10:20, 880:890] = labels.GARMENT
    found = framing.count(take(label_map=two))
    assert found.value == 2
    assert found.local[500, 100] == 1
    assert not found.local[500, 400]
    assert framing.count(take()).value == 1


@pytest.mark.parametrize(
    "measure",
    [framing.resolution, framing.fill, framing.cropping, framing.margin, framing.count],
    ids=lambda measure: measure.__name__,
)
def test_without_a_garment_nothing_is_measured(take, parsing, measure):
    found = measure(take(label_map=np.zeros_like(parsing.label_map)))
    assert found.value is None
    assert found.reason == framing.NO_GARMENT
