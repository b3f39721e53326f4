import numpy as np
import pytest
from dressform.imaging import kinds, labels
from dressform.imaging.parsing import Parsing


def scene(*boxes, garment=(60, 45, 110, 75)):
    """A garment box (top, left, bottom, right) over mannequin boxes."""
    map_ = np.zeros((200, 120), np.uint8)
    for top, left, bottom, right in boxes:
        map_[top:bottom, left:right] = labels.MANNEQUIN
    top, left, bottom, right = garment
    map_[top:bottom, left:right] = labels.GARMENT
    return Parsing(map_)


NECK, HEAD = (52, 56, 60, 64), (25, 50, 52, 70)
ARMS = ((65, 30, 110, 38), (65, 82, 110, 90))
LEGS = ((110, 47, 180, 58), (110, 62, 180, 73))
TRUNK = (25, 46, 60, 74)


@pytest.mark.parametrize(
    ("boxes", "kind", "region"),
    [
        ((), "ghost", "upper"),
        ((NECK, (110, 48, 111, 72)), "dressform", "upper"),
        ((NECK, *LEGS), "armless", "upper"),
        ((NECK, *ARMS, *LEGS), "headless", "upper"),
        ((HEAD, NECK, *ARMS, *LEGS), "full", "upper"),
        (((54, 46, 60, 74), *LEGS), "legs", "lower"),
        ((TRUNK, *LEGS), "headless", "lower"),
    ],
)
def test_the_place_of_the_mannequin_tells_the_kind(boxes, kind, region):
    found = kinds.guess(scene(*boxes))
    assert (found.kind, found.region) == (kind, region)


def test_a_long_garment_is_a_dress():
    assert kinds.guess(scene(NECK, garment=(60, 45, 165, 75))).region == "dress"


def test_a_known_kind_is_kept():
    known = scene(HEAD)._replace(kind="dressform", region="layered")
    assert kinds.guess(known) is known


def test_no_garment_is_no_guess():
    bare = Parsing(np.full((20, 20), labels.MANNEQUIN, np.uint8))
    assert kinds.guess(bare) is bare
