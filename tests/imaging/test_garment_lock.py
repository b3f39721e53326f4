import numpy as np
import pytest
from dressform.imaging import garment_lock, matting


def _scene():
    mask = np.zeros((90, 80), bool)
    mask[20:70, 20:60] = True
    photo = np.where(mask[..., None], (40, 60, 150), (240, 240, 240)).astype(np.uint8)
    return photo, mask, garment_lock.lock(mask, matting.alpha(photo, mask))


def test_the_garment_stays_bit_for_bit_inside_of_its_edge():
    photo, mask, lock = _scene()
    result = garment_lock.harmonise(photo, np.zeros_like(photo), lock)
    assert lock.kept.sum() > 0.7 * mask.sum()
    assert (result[lock.kept] == photo[lock.kept]).all()
    assert not (lock.kept & ~mask).any()


def test_no_halo_of_the_old_backdrop_is_left_on_a_dark_one():
    photo, mask, lock = _scene()
    result = garment_lock.harmonise(photo, np.zeros_like(photo), lock)
    assert result.max() <= 160
    assert result[~mask & (lock.alpha == 0)].max() == 0


def test_what_must_not_change_does_not():
    photo, mask, _ = _scene()
    allowed = np.zeros_like(mask)
    allowed[:, 40:] = True
    lock = garment_lock.lock(mask, matting.alpha(photo, mask), allowed=allowed)
    result = garment_lock.harmonise(photo, np.zeros_like(photo), lock)
    assert (result[~allowed] == photo[~allowed]).all()


def test_an_empty_garment_mask_is_explained():
    with pytest.raises(ValueError, match="garment_mask must select the garment, got an empty"):
        garment_lock.lock(np.zeros((4, 4), bool), np.zeros((4, 4), np.float32))
