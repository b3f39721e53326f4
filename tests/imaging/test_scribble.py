import numpy as np
import pytest
from dressform.imaging import pose, scribble, strokes
from dressform.imaging.pose import Keypoint, Pose


def document(*lines, width=40, height=30):
    return strokes.StrokeDocument(width, height, "", lines)


def line(points, *, closed=False, role="free", radius_px=2.0):
    return strokes.stroke(role, np.array(points, float), radius_px, closed=closed)


SQUARE = line([[10, 5, 1], [30, 5, 1], [30, 25, 1], [10, 25, 1]], closed=True)


def test_a_line_is_white_as_wide_as_its_radius_says():
    drawn = scribble.render(document(line([[5, 15, 1], [35, 15, 1]])), (30, 40))
    assert drawn.shape == (30, 40, 3)
    assert drawn.dtype == np.uint8
    column = drawn[:, 20, 0]
    assert (column[14:17] == 255).all()
    assert column[11] == column[19] == 0


def test_pressure_scales_the_width():
    drawn = scribble.render(document(line([[5, 15, 0.4], [35, 15, 1]], radius_px=6)), (30, 40))
    thin, thick = (drawn[:, 8, 0] > 127).sum(), (drawn[:, 32, 0] > 127).sum()
    assert thick > 1.5 * thin


def test_a_closed_stroke_is_joined_in_the_picture_and_filled_in_the_mask():
    drawn = scribble.render(document(SQUARE), (30, 40))[..., 0]
    assert drawn[15, 10] == 255
    assert drawn[15, 20] == 0
    assert scribble.mask(document(SQUARE), (30, 40))[15, 20]


def test_an_open_stroke_covers_only_its_line():
    opened = SQUARE._replace(closed=False)
    covered = scribble.mask(document(opened), (30, 40))
    assert not covered[15, 20]
    assert not covered[15, 10]


def test_the_document_is_scaled_to_the_asked_size():
    small = scribble.mask(document(SQUARE), (30, 40))
    large = scribble.mask(document(SQUARE), (60, 80))
    assert large[::2, ::2].sum() == pytest.approx(small.sum(), rel=0.06)


def test_growing_a_mask_adds_and_never_takes():
    plain = scribble.mask(document(SQUARE), (30, 40))
    grown = scribble.mask(document(SQUARE), (30, 40), grow_px=3)
    assert (grown & plain).sum() == plain.sum() < grown.sum()


def test_strokes_far_outside_leave_the_picture_black():
    away = document(line([[-40, -30, 1], [-20, -25, 1]]))
    assert not scribble.render(away, (30, 40)).any()
    assert not scribble.mask(away, (30, 40)).any()


def test_drawing_on_a_photo_leaves_it_alone_and_uses_the_roles_colour():
    photo = np.full((30, 40, 3), 200, np.uint8)
    drawn = scribble.draw_on(photo, document(line([[5, 15, 1], [35, 15, 1]], role="arm_left")))
    assert (photo == 200).all()
    assert tuple(drawn[15, 20]) == (0x00, 0x72, 0xB2)
    assert tuple(drawn[2, 2]) == (200, 200, 200)


def test_an_empty_document_changes_nothing():
    photo = np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert (scribble.draw_on(photo, document()) == photo).all()


def test_the_skeleton_has_openpose_colours():
    places = {name: Keypoint(64.0, 64.0, 1) for name in pose.NAMES}
    places["Nose"] = Keypoint(64.0, 20.0, 1)
    places |= dict.fromkeys(("RShoulder", "RElbow", "RWrist"), Keypoint(30.0, 64.0, 1))
    drawn = scribble.skeleton(Pose(128, 128, places), (256, 256))
    assert tuple(drawn[40, 128]) == (255, 0, 0)
    red, green, blue = (int(v) for v in drawn[128, 90])
    assert (red, green, blue) == (153, 0, 0)


def test_joints_outside_the_picture_do_not_hurt():
    places = {name: Keypoint(1e9, -1e9, 0.1) for name in pose.NAMES}
    assert not scribble.skeleton(Pose(50, 50, places), (50, 50)).any()


def test_corrections_are_no_hints_and_are_not_drawn():
    hint = line([[5, 15, 1], [35, 15, 1]])
    both = document(hint, *(line([[20, 5, 1], [20, 25, 1]], role=r) for r in strokes.CORRECTIONS))
    alone = document(hint)
    photo = np.full((30, 40, 3), 200, np.uint8)
    assert np.array_equal(scribble.render(both, (30, 40)), scribble.render(alone, (30, 40)))
    assert np.array_equal(scribble.mask(both, (30, 40)), scribble.mask(alone, (30, 40)))
    assert np.array_equal(scribble.draw_on(photo, both), scribble.draw_on(photo, alone))
    assert scribble.stroke_mask(both, 1, (30, 40))[8, 20]
    assert not scribble.stroke_mask(both, 1, (30, 40))[15, 5]


def test_the_mask_of_one_stroke_is_the_mask_of_a_document_with_it_alone():
    lines = (SQUARE, line([[5, 15, 1], [35, 15, 1]]))
    one = scribble.stroke_mask(document(*lines), 0, (60, 80))
    assert np.array_equal(one, scribble.mask(document(SQUARE), (60, 80)))
