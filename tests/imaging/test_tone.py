import numpy as np
import pytest
from dressform.imaging import tone


def _scene():
    row, column = np.indices((160, 120), np.float32)
    photo = np.stack([200 - row / 2, 150 + column / 3, 90 + row / 4], -1)
    photo[90:150, 10:110] = (60, 80, 150)
    mask = np.zeros((160, 120), np.float32)
    mask[50:120, 30:90] = 1
    return photo.astype(np.uint8), mask


def test_agreeing_pictures_stay_bit_identical():
    photo, mask = _scene()
    assert (tone.match(photo, photo, mask) == photo).all()


def test_without_surroundings_nothing_changes():
    photo, mask = _scene()
    painted = 255 - photo
    assert (tone.match(painted, photo, np.ones_like(mask)) == painted).all()


def test_a_drift_falls_to_a_third_inside_of_the_mask():
    photo, mask = _scene()
    painted = np.clip(photo * 0.92 + (18, 10, 14), 0, 255).astype(np.uint8)
    before = np.abs(painted.astype(float) - photo)[mask > 0].mean()
    after = np.abs(tone.match(painted, photo, mask).astype(float) - photo)[mask > 0].mean()
    assert before > 5
    assert after < before / 3


def test_what_is_painted_new_inside_of_the_mask_has_no_say():
    photo, mask = _scene()
    painted = photo.copy()
    painted[mask > 0] = (250, 10, 10)
    assert (tone.match(painted, photo, mask) == painted).all()


def test_other_sizes_are_explained():
    photo, _ = _scene()
    with pytest.raises(ValueError, match="must have one size, got 160x120, 160x120 and 9x9"):
        tone.match(photo, photo, np.zeros((9, 9), np.float32))
