import numpy as np
import pytest
from dressform.imaging import crop

SIZES = [(1, 1), (5, 7), (64, 33), (513, 70), (40, 900), (301, 299)]


def _region(size):
    mask = np.zeros(size, np.float32)
    height, width = size
    mask[height // 3 : height // 3 + 1 + height // 3, width // 4 : width // 4 + 1 + width // 3] = 1
    return mask


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_crop_fits_the_engine_and_stretches_by_a_pixel_at_most(size):
    found = crop.plan(_region(size), pixels=256 * 256, multiple=16)
    assert found.height % 16 == found.width % 16 == 0
    assert 0.8 < found.height * found.width / 256**2 < 1.25
    ideal = found.bounds.width * found.height / found.width
    assert abs(found.bounds.height - ideal) <= 1 + found.height / found.width


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_what_lies_outside_of_the_mask_stays_bit_identical(size):
    photo = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    mask = crop.feather(_region(size), 4)
    found = crop.plan(mask, pixels=128 * 128, multiple=8)
    result, share = crop.paste(photo, 255 - crop.cut(photo, found), found, mask)
    assert crop.changed_outside(photo, result, mask) == 0
    assert ((share > 0) == (mask > 0)).all()


def test_a_picture_that_is_not_painted_comes_back_nearly_equal():
    photo = np.zeros((120, 90, 3), np.uint8)
    photo[...] = np.linspace(0, 200, 120, dtype=np.uint8)[:, None, None]
    mask = _region((120, 90))
    found = crop.plan(mask, pixels=256 * 256, multiple=16)
    result, _ = crop.paste(photo, crop.cut(photo, found), found, mask)
    assert np.abs(result.astype(int) - photo).max() <= 2


def test_a_feather_goes_inward_only():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    soft = crop.feather(mask, 4)
    assert ((soft > 0) == mask).all()
    assert soft[20, 20] == 1
    assert 0 < soft[10, 20] < 0.2


def test_changes_outside_are_counted_by_pixel():
    before = np.zeros((3, 3, 3), np.uint8)
    after = before.copy()
    after[0, 0], after[1, 1], after[2, 2, 0] = 9, 9, 1
    mask = np.zeros((3, 3), np.float32)
    mask[1, 1] = 0.1
    assert crop.changed_outside(before, after, mask) == 2


def test_an_empty_mask_is_explained():
    with pytest.raises(ValueError, match="mask must select what to repaint, got an empty mask"):
        crop.plan(np.zeros((4, 4), bool), pixels=64, multiple=8)


def test_a_painting_of_another_size_is_explained():
    photo, mask = np.zeros((32, 32, 3), np.uint8), np.ones((32, 32), np.float32)
    found = crop.plan(mask, pixels=64 * 64, multiple=8)
    with pytest.raises(ValueError, match="painted must be 64x64 like the crop, got 32x32"):
        crop.paste(photo, photo, found, mask)
