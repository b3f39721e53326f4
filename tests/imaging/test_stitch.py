import numpy as np
import pytest
from dressform.imaging import stitch

SIZES = [(1, 1), (7, 5), (64, 33), (513, 3), (1025, 17)]


def _random(size, seed):
    generator = np.random.default_rng(seed)
    pictures = generator.integers(0, 256, (2, *size, 3), np.uint8)
    mask = generator.random(size, np.float32)
    mask[generator.random(size) < 0.4] = 0
    mask[generator.random(size) < 0.2] = 1
    return pictures[0], pictures[1], mask


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_stitch_leaves_unmasked_pixels_untouched(size):
    person, painted, mask = _random(size, 3)
    result = stitch.stitch(person, painted, mask)
    assert (result[mask == 0] == person[mask == 0]).all()
    assert (result[mask == 1] == painted[mask == 1]).all()


def test_half_a_mask_mixes_halves():
    person, painted = np.full((1, 1, 3), 100, np.uint8), np.full((1, 1, 3), 201, np.uint8)
    result = stitch.stitch(person, painted, np.full((1, 1), 0.5, np.float32))
    assert result.tolist() == [[[150, 150, 150]]]  # 150.5 rounds to even


def test_a_bool_mask_selects():
    person, painted, mask = _random((9, 9), 5)
    chosen = mask > 0.5
    result = stitch.stitch(person, painted, chosen)
    assert (result == np.where(chosen[..., None], painted, person)).all()


def test_stitch_changes_no_argument():
    person, painted, mask = _random((9, 9), 5)
    before = person.copy()
    stitch.stitch(person, painted, mask)
    assert (person == before).all()


def test_another_size_is_explained():
    person = np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(ValueError, match="mask must be 4x6 like person, got 4x5"):
        stitch.stitch(person, person, np.zeros((4, 5), np.float32))
