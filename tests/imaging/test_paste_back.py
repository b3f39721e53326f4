"""Painted pictures back on their photos: exact outside of the mask and inside of the garment."""

import numpy as np
import pytest
from dressform.imaging import crop, paste_back


@pytest.fixture
def photo():
    """(96, 72, 3): noise, so that every pixel shows whether it was touched."""
    return np.random.default_rng(5).integers(0, 256, (96, 72, 3), np.uint8)


@pytest.fixture
def mask(photo):
    """The upper half."""
    mask = np.zeros(photo.shape[:2], np.float32)
    mask[:48] = 1
    return mask


def blue(height, width):
    return np.full((height, width, 3), (20, 40, 200), np.uint8)


@pytest.mark.parametrize("size", [(96, 72), (48, 36), (193, 144), (128, 96)])
@pytest.mark.parametrize("colors", paste_back.COLORS)
def test_pixels_outside_the_mask_are_the_photos_own(photo, mask, size, colors):
    pasted = paste_back.paste(photo, blue(*size), mask, colors=colors)
    assert (pasted.image[48:] == photo[48:]).all()
    assert crop.changed_outside(photo, pasted.image, pasted.repainted) == 0
    assert (pasted.image[:30] != photo[:30]).any(-1).mean() > 0.9
    assert (pasted.repainted > 0).sum() == 48 * 72
    assert (pasted.generated == pasted.repainted).all()


def test_the_mask_is_feathered_inward(photo, mask):
    share = paste_back.paste(photo, blue(96, 72), mask).repainted
    assert (share[48:] == 0).all()
    assert 0 < share[47, 30] < share[44, 30] < share[30, 30] == 1


def test_the_garment_keeps_its_photographed_pixels(photo, mask):
    alpha = np.zeros(mask.shape, np.float32)
    alpha[20:70, 20:50] = 1
    pasted = paste_back.paste(photo, blue(96, 72), mask, garment=alpha, colors="as painted")
    inside = np.s_[24:66, 24:46]
    assert (pasted.image[inside] == photo[inside]).all()
    assert (pasted.repainted[inside] == 0).all()
    assert (pasted.image[5:15, 5:15] == (20, 40, 200)).all()
    assert pasted.generated[10, 10] == 1
    assert pasted.generated[alpha == 1].max() == 0  # laid over the new picture, not generated


def test_no_rim_of_the_old_background_stays_between_garment_and_new_picture():
    photo = np.full((200, 160, 3), 250, np.uint8)
    alpha = np.zeros((200, 160), np.float32)
    alpha[60:140, 40:120] = 1
    photo[alpha == 1] = (30, 90, 60)
    mask = 1 - alpha  # what is no garment, as the nodes select it
    mask[:, 130:] = 0
    pasted = paste_back.paste(photo, blue(200, 160), mask, garment=alpha, colors="as painted")
    assert pasted.image[30:170, 20:110].max() <= 200  # neither white nor a mixture with white
    assert (pasted.image[70:130, 50:110] == (30, 90, 60)).all()
    assert (pasted.image[:, 135:] == photo[:, 135:]).all()


def test_a_garment_that_is_nowhere_locks_nothing(photo, mask):
    nothing = np.zeros_like(mask)
    with_it = paste_back.paste(photo, blue(96, 72), mask, garment=nothing)
    assert (with_it.image == paste_back.paste(photo, blue(96, 72), mask).image).all()


def test_an_empty_mask_gives_the_photo(photo, mask):
    pasted = paste_back.paste(photo, blue(96, 72), np.zeros_like(mask))
    assert (pasted.image == photo).all()
    assert pasted.generated.max() == 0


def test_match_undoes_a_drift_of_colour_and_as_painted_leaves_it():
    grey = np.full((120, 120, 3), 120, np.uint8)
    mask = np.zeros((120, 120), np.float32)
    mask[40:80, 40:80] = 1
    drifted = grey + np.uint8(9)  # what an autoencoder does to a picture that it should keep
    matched = paste_back.paste(grey, drifted, mask).image[60, 60]
    left = paste_back.paste(grey, drifted, mask, colors="as painted").image[60, 60]
    assert abs(matched.astype(int) - 120).max() <= 1
    assert (left == 129).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"mask": np.ones((9, 9), np.float32)}, "mask must be 96x72 like photo, got 9x9"),
        ({"garment": np.ones((9, 9), np.float32)}, "garment must be 96x72 like photo, got 9x9"),
        ({"painted": blue(64, 64)}, "painted must have the shape of photo, 96x72, got 64x64"),
        ({"colors": "warm"}, "colors must be one of match, as painted, got 'warm'"),
    ],
)
def test_what_does_not_fit_is_refused(photo, mask, change, sentence):
    given = {"photo": photo, "painted": blue(96, 72), "mask": mask, **change}
    with pytest.raises(ValueError, match=sentence):
        paste_back.paste(**given)


def test_nothing_given_is_changed(photo, mask):
    before = photo.copy(), mask.copy()
    alpha = mask[::-1].copy()
    paste_back.paste(photo, blue(96, 72), mask, garment=alpha)
    assert (photo == before[0]).all()
    assert (mask == before[1]).all()
    assert (alpha == before[1][::-1]).all()
