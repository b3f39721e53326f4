import numpy as np
import pytest
from dressform.imaging import labels, shadow
from dressform.imaging.parsing import Parsing

HEIGHT, WIDTH = 200, 160


@pytest.fixture
def scene():
    """A garment before a wall with a floor, its shadow to the right, a pole below it."""
    label_map = np.zeros((HEIGHT, WIDTH), np.uint8)
    label_map[40:120, 55:95] = labels.GARMENT
    label_map[120:180, 73:77] = labels.SUPPORT
    light = np.full((HEIGHT, WIDTH), 0.8)
    light[150:] = 0.55  # the floor
    light[60:115, 97:112] *= 0.6  # the garment's shadow
    light[125:180, 80:82] *= 0.6  # the pole's
    level = 255 * light ** (1 / shadow.GAMMA)
    image = np.repeat(np.rint(level).astype(np.uint8)[..., None], 3, axis=2)
    image[label_map == labels.GARMENT] = (90, 30, 30)
    image[label_map == labels.SUPPORT] = (20, 20, 20)
    return image, Parsing(label_map)


def test_the_shadow_beside_the_garment_is_kept(scene):
    level = shadow.cast(*scene)
    assert level.dtype == np.uint8
    assert level.shape == (HEIGHT, WIDTH)
    assert level[70:105, 101:108].max() < 235
    assert level.min() >= 150


def test_neither_floor_nor_far_wall_is_a_shadow(scene):
    level = shadow.cast(*scene)
    assert (level[:, :20] == 255).all()
    assert (level[:, 140:] == 255).all()
    assert (level[150:, 100:] == 255).all()


def test_the_pole_leaves_no_shadow(scene):
    assert shadow.cast(*scene)[135:175, 70:86].min() > 245


def test_a_patterned_wall_leaves_none(scene):
    image, parsing = scene
    image = image.copy()
    image[::2] //= 2
    image[1::8, ::3] = 20
    checks = (np.indices(image.shape[:2]) // 10).sum(0) % 2 == 0
    image[checks] //= 2
    assert (shadow.cast(image, parsing) == 255).all()


def test_where_no_backdrop_is_seen_there_is_none():
    label_map = np.full((30, 20), labels.GARMENT, np.uint8)
    assert (shadow.cast(np.zeros((30, 20, 3), np.uint8), Parsing(label_map)) == 255).all()


def test_a_shadow_away_from_the_garment_goes(scene):
    image, parsing = scene
    image = image.copy()
    image[125:150, 105:130] = image[125:150, 105:130] * 0.75
    assert (shadow.cast(image, parsing)[128:148, 108:128] >= 250).all()
