import numpy as np
import pytest
from dressform.imaging.drape import anchors
from dressform.imaging.pose import Keypoint, Pose

IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
# Neck to hips: 100 px, so that cloth lies 1.2 px off the skin.
PLACES = {
    "Neck": (100, 60),
    "RShoulder": (70, 60),
    "LShoulder": (130, 60),
    "RHip": (85, 160),
    "LHip": (115, 160),
}
POSE = Pose(300, 200, {name: Keypoint(x, y, 1.0) for name, (x, y) in PLACES.items()})
EASE = anchors.EASE * 100


def block(left, right, top=40, bottom=260):
    mask = np.zeros((300, 200), bool)
    mask[top:bottom, left:right] = True
    return mask


def laid(mask, body, *, settled=False):
    return anchors.Placement(IDENTITY, mask, POSE, body, POSE, settled=settled)


def test_a_narrow_garment_is_brought_out_to_the_sides():
    body = block(60, 141).astype(np.float32)
    pairs = anchors.sides(laid(block(65, 136), body))
    assert len(pairs) == 2 * len(anchors.SIDE_HEIGHTS)
    moves = {float(np.sign(s[0] - 100)): float(t[0] - s[0]) for s, t in pairs}
    assert moves[-1.0] == pytest.approx(-5 - EASE)
    assert moves[1.0] == pytest.approx(5 + EASE)


def test_a_wide_garment_stays_wide():
    body = block(70, 131).astype(np.float32)
    assert anchors.sides(laid(block(60, 141), body)) == []


def test_an_arm_at_the_side_is_no_side():
    body = block(30, 171).astype(np.float32)
    assert anchors.sides(laid(block(65, 136), body)) == []


@pytest.mark.parametrize(("left", "right"), [(65, 136), (55, 146)])
def test_a_waistband_is_as_wide_as_the_waist(left, right):
    body = block(60, 141).astype(np.float32)
    pairs = anchors.waist(laid(block(left, right, 140), body))
    ends = sorted(float(target[0]) for _, target in pairs)
    assert ends == pytest.approx([60 - 1 - EASE, 140 + 1 + EASE], abs=1.1)


def test_a_waistband_of_another_place_is_left_alone():
    body = block(10, 191).astype(np.float32)
    assert anchors.waist(laid(block(65, 136, 140), body)) == []


def test_sunken_shoulders_are_raised():
    body = block(60, 141, 45).astype(np.float32)
    garment = block(60, 141, 52)
    raised = [t - s for s, t in anchors.shoulders(laid(garment, body))]
    assert raised
    assert min(move[1] for move in raised) == pytest.approx(-7 - EASE)


def test_in_the_same_place_what_edges_are_wrong_by_moves_nothing():
    body = block(60, 141).astype(np.float32)
    assert anchors.sides(laid(block(60, 141), body))
    assert anchors.sides(laid(block(60, 141), body, settled=True)) == []
    told = laid(block(60, 141, 140), body, settled=True)
    still = [t - s for s, t in anchors.waist(told)]
    assert np.abs(still).max() < 0.1


def test_a_lack_on_one_side_is_an_arm():
    body = block(50, 136).astype(np.float32)
    moves = [float(t[0] - s[0]) for s, t in anchors.sides(laid(block(62, 139), body))]
    assert moves
    assert min(moves) >= -100 * anchors.ONE_SIDED


def test_where_the_mannequin_looks_out_the_person_may():
    body, mask = block(60, 141).astype(np.float32), block(66, 135)
    place = laid(mask, body)
    assert anchors.sides(place)
    assert anchors.sides(place._replace(figure=block(60, 141))) == []
    assert anchors.sides(place._replace(figure=mask))


def test_shoulders_are_compared_where_the_garment_lies():
    """A person's joint that is 5 px wrong must not raise a garment that covers the shoulder."""
    body = block(60, 141, 45).astype(np.float32)
    wrong = POSE._replace(keypoints={n: p._replace(y=p.y + 5) for n, p in POSE.keypoints.items()})
    place = laid(block(58, 143, 43), body)._replace(person_pose=wrong)
    assert anchors.shoulders(place) == []
