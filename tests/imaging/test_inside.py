import cv2
import numpy as np
from dressform.imaging.drape import inside

CLOTH = (40, 90, 60)


def _cut():
    """A block of cloth with a round neckline, 36 px wide and 30 deep: mask 240 x 180."""
    mask = np.zeros((240, 180), np.uint8)
    cv2.rectangle(mask, (45, 50), (135, 170), 1, -1)
    cv2.ellipse(mask, (90, 50), (18, 30), 0, 0, 360, 0, -1)
    return mask > 0


def test_the_neck_is_an_opening_below_the_sagging_back_edge():
    hole = inside.find(_cut())
    rows = np.flatnonzero(hole[:, 90])
    assert 52 <= rows[0] <= 58
    assert 77 <= rows[-1] <= 80
    assert not (hole & _cut()).any()


def test_a_hole_lower_down_is_no_opening():
    mask = _cut()
    mask[120:140, 80:100] = False
    assert not inside.find(mask)[120:140].any()


def test_nothing_has_no_opening():
    assert not inside.find(np.zeros((9, 9), bool)).any()


def test_an_opening_is_painted_darker_and_nothing_else_is():
    mask = _cut()
    image = np.where(mask[..., None], np.uint8(CLOTH), np.uint8(200))
    hole = inside.find(mask)
    painted = inside.fill(image, mask, hole)
    assert (painted[~hole] == image[~hole]).all()
    assert (painted[hole] < 0.7 * np.array(CLOTH)).all()
