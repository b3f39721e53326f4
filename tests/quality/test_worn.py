"""The garment is found in pictures that came without a mask."""

from pathlib import Path

import numpy as np
import pytest
from dressform.imaging import parse, pictures
from dressform.quality import worn
from dressform.quality.compare import scoring

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def photo():
    return pictures.open_picture(SAMPLES / "headless" / "photo.jpg")


@pytest.fixture(scope="module")
def parsing(photo):
    return parse.parse(photo)


@pytest.fixture(scope="module")
def elsewhere(photo):
    """The photo on a wider canvas, so that the garment lies elsewhere."""
    return np.pad(photo, ((0, 0), (120, 0), (0, 0)), mode="edge")


def test_a_garment_in_its_place_needs_no_mask(photo, parsing):
    assert worn.garment(photo, photo, parsing.garment) is None


def test_a_garment_that_lies_elsewhere_is_found_there(photo, parsing, elsewhere):
    found = worn.garment(elsewhere, photo, parsing.garment)
    there = np.pad(parsing.garment, ((0, 0), (120, 0)))
    assert (found & there).sum() / (found | there).sum() > 0.9


def test_where_nothing_is_worn_there_is_no_mask(photo, parsing):
    assert worn.garment(np.full((64, 48, 3), 128, np.uint8), photo, parsing.garment) is None


def test_versions_are_compared_where_the_garment_lies_elsewhere(photo, parsing, elsewhere):
    material = scoring.Material(photo, parsing, None, None, None)
    found = scoring.measure(elsewhere, elsewhere, material, "default", "shirt 1")
    told = {name for name, state in found["states"].items() if state != "unmeasurable"}
    assert {"veil", "edge", "color", "texture"} <= told
