import numpy as np
import pytest
from dressform.imaging import masks
from dressform.quality import seam


@pytest.fixture
def repaint(parsing):
    return masks.grow(parsing.garment, 16)


def pasted(person, repaint, factor):
    return np.where(repaint[..., None], person * factor, person).astype(np.uint8)


def test_an_untouched_picture_has_no_seam(source, parsing, repaint):
    found = seam.measure(source, repaint, garment_mask=parsing.garment, person=source)
    assert found.value == 0


def test_a_darker_paste_is_a_seam_and_a_darker_one_is_worse(source, parsing, repaint):
    values = [
        seam.measure(
            pasted(source, repaint, f), repaint, garment_mask=parsing.garment, person=p
        ).value
        for p in (source, None)
        for f in (0.98, 0.96, 0.92)
    ]
    assert values[:3] == sorted(values[:3])
    assert values[3:] == sorted(values[3:])
    assert min(values[1], values[4]) > 1


def test_noise_and_jpeg_are_no_seam(source, parsing, repaint, damage):
    noisy = source + np.random.default_rng(2).normal(0, 1.5, source.shape)
    for result in (noisy.clip(0, 255).astype(np.uint8), damage.jpeg(source, 80)):
        found = seam.measure(result, repaint, garment_mask=parsing.garment, person=source)
        assert found.value < 0.5


def test_a_seam_on_one_side_counts_and_shows_there(source, parsing, repaint):
    left = repaint & (np.arange(source.shape[1]) < 120)
    result = pasted(source, left, 0.9)
    found = seam.measure(result, repaint, garment_mask=parsing.garment, person=source)
    assert found.value > 0.5
    edge = masks.bounds(repaint)
    assert np.nanmedian(found.local[100:200, edge.left - 2 : edge.left + 2]) > 1
    assert np.nanmedian(found.local[100:200, edge.right - 2 : edge.right + 2]) < 0.5


def test_an_edge_that_the_person_photo_has_is_no_seam(source, repaint):
    person = pasted(source, repaint, 0.9)
    assert seam.measure(person, repaint).value > 0.5
    assert seam.measure(person, repaint, person=person).value == 0


def test_a_border_along_the_garments_outline_is_unmeasurable(source, parsing):
    found = seam.measure(source, parsing.garment, garment_mask=parsing.garment)
    assert found.value is None
    assert "own outline" in found.reason


@pytest.mark.parametrize("fill", [False, True])
def test_a_mask_without_a_border_is_unmeasurable(source, fill):
    assert seam.measure(source, np.full(source.shape[:2], fill)).value is None


def test_an_edge_of_the_picture_that_moved_with_it_is_no_seam(source, parsing, damage):
    person = source.copy()
    person[:, 205:] = (150, 146, 140)  # a door frame beside the border of the mask
    repaint = masks.grow(parsing.garment, 13)
    found = seam.measure(damage.move(person, 2), repaint, person=person)
    assert found.details["whole"] < 0.5
    assert found.value < 1
