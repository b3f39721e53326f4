import cv2
import numpy as np
import pytest
from dressform.imaging import matting
from dressform.imaging.matting import opacity

BLUE, WHITE = (30, 60, 160), (255, 255, 255)


def _disc(size=160, radius=50):
    """An antialiased blue disc on white, and its hard mask."""
    large = np.zeros((size * 8, size * 8), np.uint8)
    cv2.circle(large, (size * 4, size * 4), radius * 8, 255, -1)
    true = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    image = true[..., None] * np.array(BLUE) + (1 - true[..., None]) * np.array(WHITE)
    return np.rint(image).astype(np.uint8), true > 0.5, true


def test_alpha_follows_an_antialiased_edge_better_than_the_mask():
    image, mask, true = _disc()
    error = np.abs(matting.alpha(image, mask) - true).mean()
    assert error < 0.7 * np.abs(mask - true).mean()


def test_alpha_equals_the_mask_away_from_its_border():
    image, mask, _ = _disc()
    alpha = matting.alpha(image, mask)
    assert alpha.dtype == np.float32
    assert alpha[80, 80] == 1
    assert (alpha[:20] == 0).all()


def test_alpha_of_strips_equals_alpha_in_one(monkeypatch):
    image, mask, _ = _disc()
    whole = matting.alpha(image, mask)
    monkeypatch.setattr(opacity, "STRIP_PIXELS", 1)
    assert np.allclose(matting.alpha(image, mask), whole, atol=1e-5)


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_without_border_stays(value):
    image = np.zeros((20, 30, 3), np.uint8)
    assert (matting.alpha(image, np.full((20, 30), value)) == value).all()


def test_foreground_carries_no_background_to_a_new_one():
    image, mask, true = _disc()
    alpha = matting.alpha(image, mask)
    color = matting.foreground(image, alpha)
    fringe = (alpha > 0) & (true < 0.9)
    assert fringe.any()
    assert np.abs(image[fringe].astype(int) - BLUE).max() > 100
    assert np.abs(color[fringe].astype(int) - BLUE).max() < 12


def test_foreground_keeps_pure_garment():
    image, mask, _ = _disc()
    color = matting.foreground(image, matting.alpha(image, mask))
    assert (color[60:100, 60:100] == image[60:100, 60:100]).all()


def test_another_size_is_explained():
    with pytest.raises(ValueError, match="mask must be 4x6 like image, got 3x6"):
        matting.alpha(np.zeros((4, 6, 3), np.uint8), np.zeros((3, 6), bool))
