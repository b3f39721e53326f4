"""Sharpness, grain, blocks, light and colour: known damage, known answers."""

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.quality.lint import contrast, encoding, exposure, sharpness, surroundings


@pytest.mark.parametrize("sigma_px", [1.0, 2.0, 3.0])
def test_blur_is_measured_in_pixels(take, photo, sigma_px):
    found = sharpness.blur(take(cv2.GaussianBlur(photo, (0, 0), sigma_px)))
    assert found.value == pytest.approx(sigma_px, rel=0.3)


def test_smooth_cloth_is_not_blur(take, photo, parsing):
    plain = photo.copy()
    plain[parsing.garment] = (60, 90, 150)
    found = sharpness.blur(take(plain))
    assert found.value < 0.7
    assert "inside_px" not in found.details


def test_blur_of_a_photo_without_any_contrast_cannot_be_judged(take, photo):
    assert sharpness.blur(take(np.full_like(photo, 128))).value is None


def test_noise_is_measured_in_levels(take, photo):
    grain = np.random.default_rng(1).normal(0, 7, photo.shape[:2])[..., None]
    noisy = np.clip(photo + grain, 0, 255).astype(np.uint8)
    assert encoding.noise(take(noisy)).value == pytest.approx(7, rel=0.2)
    assert encoding.noise(take()).value < 1


@pytest.mark.parametrize("shift_px", [0, 3])
def test_compression_shows_wherever_the_blocks_lie(take, photo, parsing, shift_px):
    noise = np.random.default_rng(5).normal(0, 1, photo.shape[:2]).astype(np.float32)
    folds = cv2.GaussianBlur(noise, (0, 0), 12)
    folded = np.clip(photo * 0.7 + (folds * 15 / folds.std())[..., None], 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", folded, [cv2.IMWRITE_JPEG_QUALITY, 8])
    damaged = cv2.imdecode(data, cv2.IMREAD_COLOR)[:, shift_px:].copy()
    found = encoding.compression(take(damaged, parsing.label_map[:, shift_px:].copy()))
    assert found.value > 1.2
    assert encoding.compression(take(folded)).value < 0.4


def test_clipped_shares_are_of_the_garment(take, photo, parsing):
    clipped = photo.copy()
    clipped[140:375] = 255  # the upper quarter of the garment, and of the wall beside it
    clipped[1033:1080] = 0  # its lowest twentieth
    found = take(clipped)
    assert exposure.blown(found).value == pytest.approx(0.25)
    assert exposure.crushed(found).value == pytest.approx(0.05)
    assert not exposure.blown(found).local[200, 100]


def test_brightness_is_of_the_lightest_part(take, photo):
    assert exposure.brightness(take()).value > 85
    assert exposure.brightness(take((photo * 0.4).astype(np.uint8))).value < 45


def test_black_garment_in_good_light_is_not_dark(take, photo, parsing):
    black = photo.copy()
    black[parsing.garment] = 12
    assert exposure.brightness(take(black)).value > 85


def test_warm_light_on_a_grey_wall_is_a_cast(take, photo, parsing):
    wall = parsing.label_map == labels.BACKGROUND
    warm = photo.copy()
    warm[wall] = (235, 215, 185)
    found = exposure.cast(take(warm))
    assert found.value > 12
    assert found.details["b"] > 0
    assert exposure.cast(take()).value < 2


@pytest.mark.parametrize(
    "wall_rgb", [(90, 160, 90), (230, 170, 190), (30, 30, 34), (255, 255, 255)]
)
def test_coloured_dark_and_clipped_walls_tell_no_cast(take, photo, parsing, wall_rgb):
    other = photo.copy()
    other[parsing.label_map == labels.BACKGROUND] = wall_rgb
    assert exposure.cast(take(other)).value is None


def test_contrast_is_the_distance_of_the_median_colours(take, photo, parsing):
    alike = photo.copy()
    alike[parsing.garment] = (220, 220, 220)
    found = contrast.against_backdrop(take(alike))
    assert found.value == pytest.approx(2.9, abs=0.5)  # L* of 228 less L* of 220
    assert found.local[600, 250] == 1
    assert contrast.against_backdrop(take()).value > 40
    assert contrast.against_mannequin(take()).value > 40


def test_without_a_mannequin_there_is_no_contrast_to_it(take, parsing):
    bare = np.where(parsing.label_map == labels.MANNEQUIN, 0, parsing.label_map).astype(np.uint8)
    assert contrast.against_mannequin(take(label_map=bare)).value is None


def test_clutter_is_a_share_of_the_photo(take, parsing):
    full = parsing.label_map.copy()
    full[:, :90] = labels.CLUTTER
    assert surroundings.clutter(take(label_map=full)).value == pytest.approx(0.1)


def test_planks_are_unrest_and_a_skirting_board_is_not(take, photo, parsing):
    wall = parsing.label_map == labels.BACKGROUND
    planks, skirting = photo.copy(), photo.copy()
    dark = np.zeros_like(wall)
    dark[:, ::18] = dark[:, 1::18] = True
    planks[wall & dark] = 120
    skirting[900:910][wall[900:910]] = 120
    assert surroundings.unrest(take(planks)).value > 0.5
    assert 0 < surroundings.unrest(take(skirting)).value < 0.2
    assert surroundings.unrest(take()).value < 0.02
