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


def blue_on_white(true, seed=3):
    """A (H, W) opacity as a photo of blue cloth on white, with noise."""
    image = true[..., None] * np.array(BLUE) + (1 - true[..., None]) * np.array(WHITE)
    noise = np.random.default_rng(seed).normal(0, 1.5, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def block(rows=slice(60, 140), columns=slice(40, 120), size=160):
    true = np.zeros((size, size), np.float32)
    true[rows, columns] = 1
    return true


@pytest.mark.parametrize("seed", range(3))
def test_no_photo_moves_opacity_farther_than_the_reach(seed):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (90, 120, 3), np.uint8)
    mask = cv2.GaussianBlur(generator.standard_normal((90, 120)), (0, 0), 9) > 0
    alpha = matting.alpha(image, mask)
    reach = matting.reach_px(90, 120)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((2 * reach + 3,) * 2)) > 0
    outer = cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 3,) * 2)) == 0
    assert inner.any() or outer.any()
    assert (alpha[inner] == 1).all()
    assert (alpha[outer] == 0).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1


def test_a_hair_thin_strap_is_found_beside_its_mask():
    true = block()
    true[10:60, 70] = 0.7
    true[10:60, 71] = 0.4
    mask = block() > 0
    mask[10:60, 72:74] = True
    alpha = matting.alpha(blue_on_white(true), mask)
    strap = slice(14, 50), slice(60, 84)
    assert np.abs(alpha - true)[strap].mean() < 0.25 * np.abs(mask - true)[strap].mean()


def test_a_strap_of_another_colour_keeps_its_colour():
    true, mask = block(), block() > 0
    true[10:60, 70:73], mask[10:60, 69:74] = 1, True
    image = blue_on_white(true)
    image[10:60, 70:73] = (190, 40, 60)
    alpha = matting.alpha(image, mask)
    assert alpha[20:50, 71].min() > 0.9
    assert alpha[20:50, 69].max() < 0.2
    assert (matting.foreground(image, alpha)[20:50, 71] == image[20:50, 71]).all()


def test_holes_of_lace_that_the_mask_knows_are_open():
    true = block()
    mask = block() > 0
    for left in range(50, 110, 10):
        true[128:134, left : left + 4] = 0
        mask[129:133, left + 1 : left + 5] = False
    alpha = matting.alpha(blue_on_white(true), mask)
    lace = slice(124, 138), slice(46, 114)
    assert np.abs(alpha - true)[lace].mean() < 0.5 * np.abs(mask - true)[lace].mean()


def test_white_stripes_before_a_white_wall_stay_solid():
    true = block()
    image = blue_on_white(true)
    for top in range(60, 140, 12):
        image[top : top + 6, 40:120] = WHITE
    alpha = matting.alpha(image, true > 0)
    assert alpha[:, 44:116][true[:, 44:116] > 0][400:-400].mean() > 0.97


def test_a_garment_of_the_walls_colour_keeps_its_mask():
    image = np.full((160, 160, 3), 240, np.uint8)
    mask = block() > 0
    alpha = matting.alpha(image, mask)
    assert (np.abs(alpha - mask) < 0.5).all()
    assert (alpha[64:136, 44:116] == 1).all()


def test_sheer_cloth_is_seen_through_only_if_asked():
    size, hem = 400, slice(240, 262)
    true = block(slice(100, 240), slice(100, 300), size)
    true[hem, 100:300] = 0.5
    image, mask = blue_on_white(true), true > 0
    middle = slice(249, 253), slice(120, 280)
    sheer = matting.alpha(image, mask, fabric="sheer")
    assert abs(sheer[middle].mean() - 0.5) < 0.06
    assert (sheer[140:200, 140:260] == 1).all()
    assert matting.alpha(image, mask)[middle].mean() > sheer[middle].mean()
    image[hem, 100:300] = (140, 160, 205)
    pale_trim = matting.alpha(image, mask)[middle]
    assert pale_trim.mean() > 0.8


def test_an_unknown_fabric_is_explained():
    with pytest.raises(ValueError, match="fabric must be one of opaque, sheer, got 'tulle'"):
        matting.alpha(np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6), bool), fabric="tulle")


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_foreground_of_any_opacity_is_a_picture(level):
    image = np.random.default_rng(1).integers(0, 256, (9, 5, 3), np.uint8)
    color = matting.foreground(image, np.full((9, 5), level, np.float32))
    assert color.shape == image.shape
    assert color.dtype == np.uint8


def test_foreground_of_two_cloths_takes_the_nearer_ones_colour():
    image = np.full((120, 120, 3), 255, np.uint8)
    image[40:80, 20:60], image[40:80, 60:100] = (200, 30, 40), BLUE
    alpha = np.zeros((120, 120), np.float32)
    alpha[40:80, 20:100] = 1
    color = matting.foreground(image, alpha)
    assert np.abs(color[39, 24:52].astype(int) - (200, 30, 40)).max() < 12
    assert np.abs(color[39, 68:96].astype(int) - BLUE).max() < 12


def test_a_thread_of_half_the_walls_colour_leaves_no_pinhole():
    image, mask, _ = _disc()
    image = image.copy()
    image[80, 34] = (np.array(BLUE) + WHITE) // 2
    assert mask[76:84, 31:38].all()
    assert matting.alpha(image, mask)[80, 34] > 0.95


def test_a_gap_in_the_wall_of_the_garments_colour_stays_outside():
    image, mask, _ = _disc()
    image = image.copy()
    gap = (slice(0, 31), slice(78, 82))
    image[gap] = BLUE
    alpha = matting.alpha(image, mask)
    assert alpha[:26, 78:82].max() < 0.5
