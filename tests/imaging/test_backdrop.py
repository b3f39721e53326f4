import numpy as np
from dressform.imaging import backdrop


def _hole(size=96):
    hole = np.zeros((size, size), bool)
    hole[30:70, 30:70] = True
    return hole


def test_a_plain_wall_is_continued():
    image = np.full((96, 96, 3), (120, 140, 90), np.uint8)
    hole = _hole()
    image[hole] = (255, 0, 0)
    filled = backdrop.fill(image, hole)
    assert (filled[hole] == (120, 140, 90)).all()


def test_pixels_outside_of_the_hole_stay():
    image = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)
    filled = backdrop.fill(image, _hole())
    assert (filled[~_hole()] == image[~_hole()]).all()


def test_a_gradient_is_continued_smoothly():
    ramp = np.linspace(60, 200, 96)
    image = np.repeat(np.tile(ramp[:, None], (1, 96))[..., None], 3, 2).astype(np.uint8)
    true, hole = image.copy(), _hole()
    image[hole] = 0
    error = np.abs(backdrop.fill(image, hole).astype(int) - true)[hole]
    assert error.max() < 14


def test_the_line_of_a_skirting_runs_through():
    image = np.full((96, 96, 3), 200, np.uint8)
    image[50:] = 60
    true, hole = image.copy(), _hole()
    image[hole] = 255
    error = np.abs(backdrop.fill(image, hole).astype(int) - true)[hole]
    assert error.mean() < 5


def test_noise_is_as_strong_as_the_walls():
    generator = np.random.default_rng(2)
    image = np.clip(128 + 6 * generator.standard_normal((200, 200, 3)), 0, 255).astype(np.uint8)
    hole = np.zeros((200, 200), bool)
    hole[60:140, 60:140] = True
    filled = backdrop.fill(image, hole)
    assert 3 < filled[hole].std() < 9


def test_without_a_source_the_picture_stays():
    image = np.full((8, 8, 3), 7, np.uint8)
    assert (backdrop.fill(image, np.ones((8, 8), bool)) == image).all()
    assert (backdrop.fill(image, np.zeros((8, 8), bool)) == image).all()
