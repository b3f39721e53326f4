import tracemalloc

import cv2
import numpy as np
import pytest
from dressform.imaging import pen, pose, scribble, strokes
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
    # A radius that no pixel's centre lies on, so that no rounding decides.
    drawn = document(SQUARE._replace(radius_px=2.3))
    small, large = (scribble.mask(drawn, size) for size in ((30, 40), (60, 80)))
    assert small.sum() == pytest.approx(24.6**2, rel=0.05)
    assert large.sum() == pytest.approx(4 * 24.6**2, rel=0.02)


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


def exact(drawn, size, fine=16):
    """The union of discs and quadrilaterals as the share of fine pixels, drawn by OpenCV."""
    canvas = np.zeros((size[0] * fine, size[1] * fine), np.uint8)
    for one in drawn.strokes:
        rows = np.array(one.points)
        points = (rows[:, :2] + 0.5) * fine - 0.5
        radii = np.maximum(one.radius_px * rows[:, 2], scribble.MIN_RADIUS_PX) * fine
        for point, radius in zip(points, radii, strict=True):
            cv2.circle(canvas, fixed(point).tolist(), round(radius * 16), 255, -1, cv2.LINE_8, 4)
        ends = range(len(points)) if one.closed else range(1, len(points))
        for b in ends:
            step = points[b] - points[b - 1]
            side = np.array([-step[1], step[0]]) / np.hypot(*step)
            half = [side * radii[b - 1], side * radii[b]]
            corners = [points[b - 1] + half[0], points[b] + half[1]]
            corners += [points[b] - half[1], points[b - 1] - half[0]]
            cv2.fillConvexPoly(canvas, fixed(corners), 255, cv2.LINE_8, 4)
    return cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA)


def fixed(points):
    return np.rint(np.array(points) * 16).astype(np.int32)


@pytest.mark.parametrize("seed", range(4))
def test_strokes_look_as_specified_to_a_fraction_of_a_percent(seed):
    draw = np.random.default_rng(seed)
    lines = []
    for closed in (False, True, False, True, False):
        rows = np.cumsum(draw.normal(0, 9, (12, 2)), 0) + draw.uniform(0, 150, 2)
        pressed = draw.uniform(0.2, 1, (12, 1))
        lines.append(line(np.hstack([rows, pressed]), closed=closed, radius_px=draw.uniform(1, 7)))
    drawn = document(*lines, width=150, height=150)
    difference = np.abs(scribble.render(drawn, (150, 150))[..., 0] - exact(drawn, (150, 150)) * 1.0)
    assert (difference > 32).mean() < 0.004


def test_crossing_strokes_are_no_brighter_than_one_and_leave_no_seam():
    edge = [[5, 15.5, 1], [35, 15.5, 1]]
    once = scribble.render(document(line(edge)), (30, 40))
    cut = line([*edge[:1], [12, 15.5, 1], [12.4, 15.5, 1], [20, 15.5, 1], *edge[1:]])
    assert np.array_equal(scribble.render(document(line(edge), line(edge)), (30, 40)), once)
    seam = np.abs(scribble.render(document(cut), (30, 40)) - once.astype(int))
    assert seam.max() <= 1


def test_one_point_is_a_disc_and_the_first_pixels_centre_is_zero():
    drawn = scribble.render(document(line([[0, 0, 1]], radius_px=3)), (30, 40))[..., 0]
    assert drawn[0, 2] == 255
    assert drawn[0, 3] == drawn[3, 0] == 128
    assert not drawn[4:].any()
    double = scribble.render(document(line([[0, 0, 1]], radius_px=3)), (60, 80))[..., 0]
    assert double[0, 5] == 255
    assert 0 < double[0, 6] < 255  # centre at 0.5, radius 6


@pytest.mark.parametrize("pressure", [0.0, 0.01])
def test_no_line_is_thinner_than_a_pixel_and_a_half(pressure):
    drawn = scribble.render(document(line([[5, 15, pressure], [35, 15, pressure]])), (30, 40))
    assert drawn[:, 20, 0].sum() / 255 == pytest.approx(1.5, abs=0.01)


def test_an_even_width_ignores_pressure_and_radius():
    faint = document(line([[5, 15, 0.1], [35, 15, 0.9]], radius_px=1))
    drawn = scribble.render(faint, (60, 80), line_px=8)[..., 0] / 255
    assert drawn[:, 20].sum() == pytest.approx(drawn[:, 60].sum()) == pytest.approx(8)


def test_strokes_across_the_borders_of_the_squares_they_are_drawn_in_have_no_seam():
    long = line([[10, 150.0, 1], [390, 150.0, 1]], radius_px=4)
    drawn = scribble.render(document(long, width=400, height=300), (300, 400))[..., 0]
    assert (np.diff(drawn[:, 20:380].astype(int), axis=1) == 0).all()
    filled = scribble.mask(document(SQUARE, width=40, height=30), (300, 400))
    assert filled[60:240, 110:290].all()


def test_a_loop_that_runs_over_its_own_beginning_has_no_hole():
    around = np.linspace(0, 2.3 * np.pi, 60)
    rows = np.stack([20 + 10 * np.cos(around), 15 + 8 * np.sin(around), 0 * around + 1], -1)
    rows[40:, 0] += 3  # the end lies inside of the beginning
    covered = scribble.mask(document(line(rows, closed=True, radius_px=0.5)), (90, 120))
    assert covered[30:60, 45:75].all()


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (128, 128), (129, 257)], ids=str)
def test_every_size_has_every_picture(size):
    drawn = document(SQUARE, line([[5, 15, 1], [35, 15, 1]], role="arm_left"))
    assert scribble.render(drawn, size).shape == (*size, 3)
    assert scribble.roles(drawn, size).shape == (*size, 3)
    assert scribble.mask(drawn, size).shape == size
    photo = np.zeros((*size, 3), np.uint8)
    assert scribble.draw_on(photo, drawn).shape == (*size, 3)


def test_a_photo_of_144_megapixels_is_drawn_square_by_square():
    across = pen.Line(np.array([[9_000, 9_000], [11_990, 9_900]]), np.array([9, 99]), closed=False)
    tracemalloc.start()
    squares = sum(1 for _ in pen.cover(pen.cut([across]), (12_000, 12_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 24 <= squares < 120
    assert peak < 1_000_000  # the picture has 144,000,000 pixels


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((4000, 3000), 0, (4000, 3000)),
        ((4000, 3000), 1152, (1152, 864)),
        ((3000, 4000), 1024, (768, 1024)),
        ((1001, 997), 1000, (1000, 1000)),
        ((5000, 3), 512, (512, 8)),
        ((100, 100), 13, (16, 16)),
    ],
)
def test_working_sizes_are_multiples_of_eight(size, long_side, expected):
    assert scribble.working_size(size, long_side) == expected


class TestRoles:
    HEAD = line(
        [[12, 4, 1], [28, 4, 1], [28, 16, 1], [12, 16, 1]], closed=True, role="head", radius_px=0.5
    )
    HAIR = line(
        [[12, 2, 1], [28, 2, 1], [28, 6, 1], [12, 6, 1]], closed=True, role="hair", radius_px=0.5
    )
    FACE = line([[20, 8, 1], [20, 14, 1]], role="face", radius_px=1)

    def color(self, role):
        return tuple(bytes.fromhex(strokes.ROLES[role][1:]))

    def test_areas_are_flat_in_their_roles_colour_on_plain_grey(self):
        drawn = scribble.roles(document(self.HEAD._replace(color="#123456")), (120, 160))
        assert tuple(drawn[40, 80]) == self.color("head")
        assert tuple(drawn[115, 5]) == (scribble.GROUND,) * 3

    def test_small_areas_and_lines_lie_above_large_areas(self):
        drawn = scribble.roles(document(self.FACE, self.HAIR, self.HEAD), (120, 160))
        assert tuple(drawn[16, 80]) == self.color("hair")
        assert tuple(drawn[44, 82]) == self.color("face")
        assert tuple(drawn[54, 60]) == self.color("head")

    def test_the_figure_lies_below_everything(self):
        figure = np.zeros((30, 40), bool)
        figure[10:, 15:25] = True
        drawn = scribble.roles(document(self.HEAD), (60, 80), figure)
        assert tuple(drawn[50, 40]) == (scribble.FIGURE,) * 3
        assert tuple(drawn[22, 40]) == self.color("head")
        assert tuple(drawn[50, 10]) == (scribble.GROUND,) * 3


def test_joints_that_a_detector_left_out_are_not_drawn():
    found = {"Neck": Keypoint(10.0, 20.0, 1), "RShoulder": Keypoint(40.0, 20.0, 1)}
    drawn = scribble.skeleton(Pose(50, 50, found), (100, 100))
    assert drawn[41, 50].any()
    assert not drawn[60:].any()
    assert not scribble.skeleton(Pose(50, 50, {}), (100, 100)).any()
