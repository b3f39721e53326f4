"""Which openings of a garment are found, and where the back edge runs across them."""

import cv2
import numpy as np
import pytest
from dressform.imaging.hollow import openings

NOTHING = np.zeros((200, 160), bool)


def _polygon(*points):
    mask = np.zeros((200, 160), np.uint8)
    cv2.fillPoly(mask, [np.array(points)], 1)
    return mask > 0


def _block(top, bottom, left, right):
    mask = NOTHING.copy()
    mask[top:bottom, left:right] = True
    return mask


def _with_neck(cloth, depth=30, width=17):
    neck = np.zeros((200, 160), np.uint8)
    cv2.ellipse(neck, (80, 40), (width, depth), 0, 0, 360, 1, -1)
    body = (neck > 0) | _block(10, 60, 64, 97)
    return cloth & ~(neck > 0), body & ~(cloth & ~(neck > 0))


def _shoulders():
    return _with_neck(_block(40, 170, 20, 140))


def _straps():
    return _with_neck(_block(40, 90, 56, 105) | _block(90, 170, 40, 121), depth=40)


def _main(found):
    return max(found, key=lambda opening: opening.region.sum())


def _first_row(found, column=80):
    return int(openings.area(found, NOTHING.shape)[:, column].argmax())


def test_a_back_neckline_between_shoulders_hangs_a_little():
    cloth, body = _shoulders()
    assert 43 <= _first_row(openings.find(cloth, NOTHING, body)) <= 47


def test_a_back_neckline_between_straps_hangs_half_way_down():
    cloth, body = _straps()
    assert 56 <= _first_row(openings.find(cloth, NOTHING, body)) <= 64


def test_photographed_inside_tells_how_deep_it_hangs():
    cloth, body = _shoulders()
    seen = (_block(40, 70, 62, 99) & body) & ~_block(0, 200, 70, 91)
    seen[:56] = False
    room = body & ~seen & ~_block(0, 200, 70, 91)
    found = openings.find(cloth, seen, body & ~seen & ~room)
    assert _main(found).edge.sag_px > 8
    assert _first_row(found) > 48


def test_an_opening_lies_between_its_collar_points():
    cloth, body = _shoulders()
    opening = _main(openings.find(cloth, NOTHING, body))
    left = opening.edge.left[0] + opening.box.left
    right = opening.edge.right[0] + opening.box.left
    assert abs(left - 63) <= 2
    assert abs(right - 97) <= 2


def test_a_higher_collar_is_climbed():
    cloth, body = _shoulders()
    cloth |= _polygon((40, 40), (60, 26), (63, 26), (63, 40))
    opening = _main(openings.find(cloth, NOTHING, body & ~cloth))
    assert opening.edge.left[1] + opening.box.top <= 28
    assert opening.edge.right[1] + opening.box.top >= 38


def test_an_open_front_is_one_opening_down_to_the_hem():
    cloth = _block(40, 150, 20, 70) | _block(40, 150, 90, 140)
    body = _block(10, 190, 70, 90)
    region = openings.area(openings.find(cloth, NOTHING, body), NOTHING.shape)
    assert region[50:149, 72:88].all()
    assert not region[151:].any()
    assert not region[:40].any()


@pytest.mark.parametrize(
    ("cloth", "body"),
    [
        (_block(40, 90, 40, 120) | _block(90, 180, 40, 70) | _block(90, 180, 90, 120), NOTHING),
        (_block(40, 150, 40, 120), _block(150, 200, 50, 110)),
        (_block(40, 150, 40, 120), NOTHING),
        (NOTHING, _block(10, 190, 70, 90)),
    ],
    ids=["between legs", "below a hem", "no mannequin", "no garment"],
)
def test_what_is_no_opening(cloth, body):
    assert openings.find(cloth, NOTHING, body) == []


def test_necks_are_not_looked_for_from_behind():
    cloth, body = _shoulders()
    assert openings.find(cloth, NOTHING, body, necks=False) == []


def _sleeve():
    """A sleeve that ends at column 100, the arm that leaves it, inside above and below the arm."""
    cloth = _block(60, 120, 20, 100)
    arm = _block(75, 105, 100, 160)
    seen = _block(62, 75, 100, 112) | _block(105, 118, 100, 112)
    return cloth, arm, seen


def test_a_sleeve_is_filled_between_the_inside_on_both_sides_of_the_arm():
    cloth, arm, seen = _sleeve()
    region = openings.area(openings.find(cloth, seen, arm), NOTHING.shape)
    assert region[76:104, 101:110].all()
    assert not region[:, 114:].any()
    assert not (region & ~arm).any()


def test_inside_on_one_side_goes_on_and_tapers_off():
    cloth, arm, seen = _sleeve()
    seen[100:] = False
    region = openings.area(openings.find(cloth, seen, arm), NOTHING.shape)
    lengths = region.sum(1)
    assert lengths[77] >= 6
    assert lengths[100] < lengths[77]


def test_a_sleeve_whose_inside_was_not_photographed_stays_closed():
    cloth, arm, _ = _sleeve()
    assert openings.find(cloth, NOTHING, arm) == []
