import numpy as np
import pytest
from dressform.quality import contour


@pytest.fixture
def square():
    mask = np.zeros((80, 90), bool)
    mask[20:60, 30:70] = True
    return mask


def test_points_lie_on_the_outline_and_look_outwards(square):
    found = contour.points(square, margin_px=5)
    assert len(found.at) == pytest.approx(4 * 39 / contour.SPACING_PX, abs=2)
    x, y = found.at.astype(int).T
    assert square[y, x].all()
    assert np.allclose(np.linalg.norm(found.outward, axis=1), 1, atol=1e-5)
    middle = np.abs(found.at[:, 1] - 40) < 8
    right = middle & (found.at[:, 0] > 50)
    assert np.allclose(found.outward[right], (1, 0), atol=0.05)


def test_an_outline_at_the_frame_is_left_out(square):
    square[:, :30] = square[:, 30:31]  # now it begins at the left of the picture
    found = contour.points(square, margin_px=12)
    assert found.at[:, 0].min() >= 12


def test_a_mask_without_an_outline_has_no_points():
    for fill in (False, True):
        assert len(contour.points(np.full((40, 40), fill), margin_px=3).at) == 0


def test_profiles_go_from_the_inside_to_the_outside(square):
    picture = np.where(square[..., None], 200, 40).astype(np.uint8).repeat(3, axis=2)
    found = contour.points(square, margin_px=8)
    colors = contour.profiles(picture, found, 6)
    assert colors.shape == (len(found.at), 13, 3)
    assert np.allclose(np.median(colors[:, 0], axis=0), 200 / 255, atol=0.02)
    assert np.allclose(np.median(colors[:, -1], axis=0), 40 / 255, atol=0.02)


def test_profiles_of_a_moved_picture_are_fetched_where_it_moved(square):
    picture = np.where(square[..., None], 200, 40).astype(np.uint8).repeat(3, axis=2)
    moved = np.roll(picture, 4, axis=1)
    found = contour.points(square, margin_px=12)
    away = np.tile(np.float32((4, 0)), (len(found.at), 1))
    assert np.allclose(
        contour.profiles(moved, found, 6, away), contour.profiles(picture, found, 6), atol=0.02
    )


def test_the_larger_value_of_two_paints_stays():
    local = np.full((20, 20), np.nan, np.float32)
    contour.paint(local, np.array([[5, 5]]), 2.0, radius_px=2)
    contour.paint(local, np.array([[6, 5]]), 1.0, radius_px=2)
    assert local[5, 5] == 2
    assert local[5, 8] == 1
    assert np.isnan(local[12, 12])
