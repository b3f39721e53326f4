import numpy as np
import pytest
from dressform.quality import alignment


def test_damage_does_not_move_a_garment(source, parsing, damage):
    for result in (
        damage.veil(source, 0.3),
        damage.blur(source, 2),
        damage.jpeg(source, 60),
        damage.expose(source, -0.5),
    ):
        assert alignment.aligned(result, source, parsing.garment)


def test_a_moved_or_other_garment_is_not_aligned(source, parsing, damage):
    other = np.random.default_rng(4).integers(0, 255, source.shape, np.uint8)
    for result in (damage.move(source, 12), other):
        assert not alignment.aligned(result, source, parsing.garment)


@pytest.mark.parametrize("case", ["size", "empty", "flat"])
def test_what_cannot_be_compared_is_not_aligned(source, parsing, case):
    mask = parsing.garment
    result = source[:-1] if case == "size" else source
    source = np.full_like(source, 90) if case == "flat" else source
    mask = np.zeros_like(mask) if case == "empty" else mask
    assert alignment.correlation(result, source, mask) is None
    assert not alignment.aligned(result, source, mask)
