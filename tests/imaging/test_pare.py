import numpy as np
from dressform.imaging import pare

WALL, CLOTH = (90, 110, 150), (180, 40, 50)


def scene(cloth=CLOTH):
    """A garment with a slit of 12 x 30 px at its hem, which the mask took for cloth."""
    image = np.full((400, 300, 3), WALL, np.uint8)
    image[100:300, 80:220] = cloth
    image[270:300, 140:152] = WALL
    mask = np.zeros((400, 300), bool)
    mask[100:300, 80:220] = True
    return image, mask


def test_backdrop_in_a_slit_is_found():
    image, mask = scene()
    found = pare.backdrop(image, mask, ~mask)
    assert found[288:300, 142:150].all()
    assert not found[100:260].any()
    assert not found[:, :130].any()
    assert (found <= mask).all()


def test_cloth_of_the_walls_colour_stays():
    image, mask = scene(WALL)
    assert not pare.backdrop(image, mask, ~mask).any()


def test_a_patch_of_the_walls_colour_that_is_enclosed_stays():
    image, mask = scene()
    image[270:300, 140:152] = CLOTH
    image[280:292, 140:152] = WALL
    assert not pare.backdrop(image, mask, ~mask).any()


def test_without_a_backdrop_nothing_is_found():
    image, _ = scene()
    everything = np.ones(image.shape[:2], bool)
    assert not pare.backdrop(image, everything, ~everything).any()
