import numpy as np
from dressform.imaging.drape import tuck

# A person 60 px wide on a field of 200 x 120, with a torso of 100 px: strips are under 6 px wide.
BODY = np.zeros((200, 120), np.float32)
BODY[20:, 30:90] = 1
NOBODY = np.zeros_like(BODY)


def cloth(left, right, top=60, bottom=160):
    alpha = np.zeros_like(BODY)
    alpha[top:bottom, left:right] = 1
    return alpha


def test_a_thin_strip_beside_the_garment_is_found():
    found = tuck.strips(cloth(34, 90), BODY, NOBODY, 100)
    assert found[80:140, 30:34].all()
    assert not found[:, 34:].any()


def test_a_wide_bare_part_is_meant_to_show():
    assert not tuck.strips(cloth(45, 90), BODY, NOBODY, 100).any()


def test_what_stays_in_front_is_no_strip():
    assert not tuck.strips(cloth(34, 90), BODY, np.ones_like(BODY), 100).any()


def test_skin_inside_of_a_neckline_is_no_strip():
    alpha = cloth(30, 90)
    alpha[60:100, 58:61] = 0  # a slit, with cloth on both sides
    alpha[50:60, 30:90] = 1
    assert not tuck.strips(alpha, BODY, NOBODY, 100).any()


def test_a_covered_strip_takes_the_nearest_cloth():
    alpha = cloth(34, 90)
    color = np.where(alpha[..., None] > 0, np.uint8((200, 30, 40)), np.uint8(0))
    strip = np.zeros_like(BODY)
    strip[80:140, 30:34] = 1
    extended, opaque = tuck.over(color, alpha, strip)
    assert (extended[80:140, 30:34] == (200, 30, 40)).all()
    assert (opaque == np.maximum(alpha, strip)).all()
    assert (color[80:140, 30:34] == 0).all()


PLAIN = np.full((*BODY.shape, 3), 120, np.uint8)
JOINTS = {
    "Neck": np.array([60.0, 40]),
    "RShoulder": np.array([35.0, 45]),
    "LShoulder": np.array([85.0, 45]),
    "RHip": np.array([50.0, 140]),
    "LHip": np.array([70.0, 140]),
}


def test_an_old_top_beside_a_new_one_peeks_out():
    old = cloth(32, 88) > 0
    seen = tuck.peeking(old, cloth(50, 88) > 0, JOINTS, "upper", PLAIN)
    assert (seen[60:140, 36:49]).all()


def test_trousers_under_a_top_are_another_garment():
    trousers, top = cloth(40, 80, 160, 200) > 0, cloth(36, 84) > 0
    photo = np.where(top[..., None], np.uint8((220, 60, 40)), np.uint8((40, 50, 120)))
    assert not tuck.peeking(trousers | top, cloth(32, 88) > 0, JOINTS, "upper", photo).any()


def test_trousers_up_to_the_waist_are_another_garment():
    """Their waistband lies above the hip joints, and nothing else is worn."""
    trousers = cloth(40, 80, 135, 200) > 0
    assert not tuck.peeking(trousers, cloth(32, 88, 60, 140) > 0, JOINTS, "upper", PLAIN).any()
    top = cloth(40, 80, 60, 135) > 0
    photo = np.where(top[..., None], np.uint8((220, 60, 40)), np.uint8((40, 50, 120)))
    seen = tuck.peeking(trousers | top, cloth(32, 88, 60, 130) > 0, JOINTS, "upper", photo)
    assert seen[130:135, 40:80].all()
    assert not seen[135:].any()


def test_trousers_under_a_dress_peek_out():
    trousers = cloth(40, 80, 120, 200) > 0
    seen = tuck.peeking(trousers, cloth(38, 82, 60, 170) > 0, JOINTS, "dress", PLAIN)
    assert seen[170:, 40:80].all()


def test_a_long_top_under_a_short_one_peeks_out():
    tunic = cloth(40, 80, 60, 190) > 0
    seen = tuck.peeking(tunic, cloth(32, 88) > 0, JOINTS, "upper", PLAIN)
    assert seen[160:190, 40:80].all()


def test_trousers_under_a_skirt_peek_out_and_the_top_does_not():
    old = cloth(40, 80, 60, 200) > 0
    seen = tuck.peeking(old, cloth(38, 82, 120, 170) > 0, JOINTS, "lower", PLAIN)
    assert seen[170:, 40:80].all()
    assert not seen[:120].any()


def test_clothes_elsewhere_do_not_peek_out():
    scarf = cloth(50, 60, 40, 50) > 0
    assert not tuck.peeking(scarf, cloth(32, 88) > 0, JOINTS, "upper", PLAIN).any()
