"""What editors look at, and what they are told of it."""

import numpy as np
import pytest
from dressform.inference import prompts, references
from dressform.inference.painter import TASKS, PaintRequest
from hypothesis import given
from hypothesis import strategies as st

TRY_ON, MANNEQUIN_TO_MODEL = TASKS
PICTURE = np.full((8, 8, 3), 200, np.uint8)


def request(**changes):
    mask = np.zeros((8, 8), np.float32)
    mask[2:4, 2:4] = 0.5
    return PaintRequest(PICTURE, mask)._replace(**changes)


def test_try_on_hides_what_shall_be_painted_and_nothing_else():
    seen = references.crop(request(task=TRY_ON))
    assert (seen[2:4, 2:4] == references.GREY).all()
    seen[2:4, 2:4] = 200
    assert np.array_equal(seen, PICTURE)
    assert (PICTURE == 200).all()


def test_a_mannequin_stays_visible():
    assert references.crop(request(task=MANNEQUIN_TO_MODEL)) is PICTURE


def test_pictures_come_in_the_order_of_the_words():
    full = request(garments=(PICTURE, PICTURE), person=PICTURE, roles=PICTURE, skeleton=PICTURE)
    shown = references.shown(full)
    assert {what: len(found) for what, found in shown.items()} == {
        "crop": 1,
        "garment": 2,
        "person": 1,
        "roles": 1,
    }
    told = prompts.compose(TRY_ON, "upper", " With a belt. ", shown)
    assert "the person of image 1 in the top of image 2 and image 3." in told
    assert "The person is the one of image 4:" in told
    assert "Image 5 marks the pose" in told
    assert told.endswith(" With a belt.")
    assert "{" not in told


def test_the_skeleton_stands_in_where_no_stroke_is_drawn():
    empty = np.zeros_like(PICTURE)
    assert list(references.shown(request(roles=empty, skeleton=PICTURE))) == ["crop", "skeleton"]
    assert list(references.shown(request(roles=empty, skeleton=empty))) == ["crop"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("region", ["upper", "lower", "dress", "layered", ""])
def test_every_task_and_region_has_words(task, region):
    told = prompts.compose(task, region, "", {"crop": [0]}, name="Picture")
    assert "Picture 1" in told
    assert "Picture 2" not in told
    assert "{" not in told
    assert prompts.CLOTHES.get(region, "garment") in told
    # The sentence about a picture that is not there is left out.
    assert ("shows it again" in told) is False


def test_a_cell_is_painted_where_any_of_it_is_masked():
    mask = np.zeros((8, 12), np.float32)
    mask[3, 4] = 0.01
    grown = references.whole_cells(mask, 4)
    assert grown[:4, 4:8].all()
    assert grown.sum() == 16


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([64 * 64, 100 * 100]))
def test_a_fitted_picture_is_not_stretched(height, width, area):
    fitted = references.fitted(np.zeros((height, width, 3), np.uint8), area=area, multiple=16)
    rows, columns = fitted.shape[:2]
    assert rows % 16 == 0
    assert columns % 16 == 0
    assert rows * columns <= max(area, 16 * max(16, 16 * max(height / width, width / height)))
    scale = max(min(1.0, (area / (height * width)) ** 0.5), 16 / min(height, width))
    # Less than a multiple is cut off, and rounding takes less than a pixel.
    assert rows > height * scale - 17
    assert columns > width * scale - 17


def test_a_picture_that_fits_stays_as_it_is():
    draw = np.random.default_rng(0).integers(0, 255, (66, 80, 3), np.uint8)
    assert np.array_equal(references.fitted(draw, area=10**6, multiple=16), draw[1:65])


def test_a_garment_beside_a_person_lies_in_the_middle_of_white():
    canvas = references.beside(np.zeros((10, 20, 3), np.uint8), (40, 40))
    assert canvas.shape == (40, 40, 3)
    assert (canvas[10:30] == 0).all()
    assert (canvas[:10] == 255).all()
    assert (canvas[30:] == 255).all()
