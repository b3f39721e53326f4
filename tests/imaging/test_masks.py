"""The algebra of masks, by hand and by property."""

import numpy as np
import pytest
from dressform.imaging import masks


@pytest.fixture
def noise():
    return np.random.default_rng(3).random((40, 50)) > 0.7


def test_grow_turns_a_dot_into_a_disc():
    dot = np.zeros((5, 5), bool)
    dot[2, 2] = True
    plus = [[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
    assert np.array_equal(masks.grow(dot, 1), np.array(plus, bool))


def test_grow_by_zero_is_identity_in_fresh_memory(noise):
    same = masks.grow(noise, 0)
    assert np.array_equal(same, noise)
    assert same is not noise


def test_grow_is_extensive_and_monotone(noise):
    smaller = noise & (np.arange(50) < 20)
    assert (masks.grow(noise, 2) | ~noise).all()
    assert (masks.grow(noise, 2) | ~masks.grow(smaller, 2)).all()


def test_shrink_is_the_dual_of_grow(noise):
    assert np.array_equal(masks.shrink(noise, 2), ~masks.grow(~noise, 2))


def test_feather_keeps_zero_to_one_and_ends_at_its_radius():
    half = np.zeros((21, 41), bool)
    half[:, 20:] = True
    soft = masks.feather(half, 6)
    assert soft.dtype == np.float32
    assert soft.min() >= 0
    assert soft.max() <= 1
    assert soft[10, 10] < 0.01
    assert soft[10, 30] > 0.99
    assert np.array_equal(masks.feather(half, 0), half.astype(np.float32))


def test_bounds_are_tight_and_none_when_empty():
    mask = np.zeros((8, 9), bool)
    assert masks.bounds(mask) is None
    mask[2:5, 3:7] = True
    box = masks.bounds(mask)
    assert box == (2, 3, 5, 7)
    assert (box.height, box.width) == (3, 4)


def test_largest_keeps_one_component():
    mask = np.zeros((6, 9), bool)
    mask[1, 1:3] = True
    mask[3:5, 5:8] = True
    kept = masks.largest(mask)
    assert kept.sum() == 6
    assert kept[3, 5]
    assert not masks.largest(np.zeros((3, 3), bool)).any()


def test_fill_holes_fills_what_is_enclosed_only():
    ring = np.zeros((7, 7), bool)
    ring[1:6, 1:6] = True
    ring[3, 3] = False
    filled = masks.fill_holes(ring)
    assert filled[3, 3]
    assert filled.sum() == 25
    ring[1:4, 3] = False  # now the hole is open to the outside
    assert np.array_equal(masks.fill_holes(ring), ring)
