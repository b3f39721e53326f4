"""Hard versions of a photo do what they are called after."""

import cv2
import numpy as np
import pytest
from dressform.imaging import labels


@pytest.fixture(scope="session")
def degradations(bench):
    return bench("degradations")


@pytest.fixture
def scene():
    truth = np.zeros((90, 60), np.uint8)
    truth[30:70, 20:40] = labels.GARMENT
    photo = np.full((90, 60, 3), 220, np.uint8)
    photo[truth == labels.GARMENT] = (40, 80, 160)
    return photo, truth


def test_every_hard_version_keeps_photo_and_truth_together(degradations, scene):
    before = [array.copy() for array in scene]
    for harden in degradations.hard_versions().values():
        photo, truth = harden(*scene)
        assert photo.dtype == np.uint8
        assert photo.shape[:2] == truth.shape
        assert (truth == labels.GARMENT).any()
        assert not np.array_equal(photo, scene[0])
    assert all(np.array_equal(old, new) for old, new in zip(before, scene, strict=True))


def test_one_stop_doubles_the_light(degradations):
    gray = np.full((2, 2, 3), 100, np.uint8)
    linear = ((100 / 255 + 0.055) / 1.055) ** 2.4
    expected = round((1.055 * (2 * linear) ** (1 / 2.4) - 0.055) * 255)
    assert np.unique(degradations.exposed(gray, 1)) == [expected]
    assert np.array_equal(degradations.exposed(gray, 0), gray)


def test_crop_cuts_the_asked_shares(degradations):
    picture = np.arange(200).reshape(20, 10)
    assert degradations.cropped(picture, left=0.2, top=0.1, bottom=0.5).shape == (8, 8)


def test_wall_takes_the_garments_colour_and_leaves_the_garment(degradations, scene):
    photo, truth = scene
    moved = degradations.before_own_color(photo, truth)
    assert np.abs(moved[0, 0].astype(int) - photo[50, 30]).max() <= 3
    assert np.array_equal(moved[40:60, 25:35], photo[40:60, 25:35])


def test_blur_is_meant_for_a_size(degradations):
    line = np.zeros((512, 512, 3), np.uint8)
    line[:, 256:] = 255
    small = degradations.blurred(line, 4)
    large = degradations.blurred(cv2.resize(line, (1024, 1024)), 4)
    assert np.abs(small[100].astype(int) - cv2.resize(large, (512, 512))[100]).max() < 12
