import math

import numpy as np
import pytest
from dressform.imaging import pose, refit, strokes
from dressform.imaging.anatomy import outline
from dressform.imaging.pose import Keypoint, Pose

# A front view, arms a little out; the person's right is at picture left.
STANDING = {
    "Nose": (200, 80),
    "Neck": (200, 140),
    "RShoulder": (160, 145),
    "RElbow": (140, 215),
    "RWrist": (130, 280),
    "LShoulder": (240, 145),
    "LElbow": (260, 215),
    "LWrist": (270, 280),
    "RHip": (178, 270),
    "RKnee": (174, 370),
    "RAnkle": (172, 460),
    "LHip": (222, 270),
    "LKnee": (226, 370),
    "LAnkle": (228, 460),
    "REye": (193, 72),
    "LEye": (207, 72),
    "REar": (182, 78),
    "LEar": (218, 78),
}
HAND_ON_HIP = STANDING | {
    "RElbow": (100, 205),
    "RWrist": (165, 245),
    "LKnee": (245, 365),
    "LAnkle": (262, 450),
}
ROLES = tuple(role for role in strokes.ROLES if role not in strokes.CORRECTIONS)


def body(places, *, size=(520, 400), sure=0.6):
    return Pose(*size, {name: Keypoint(*places[name], sure) for name in pose.NAMES})


def mapped(located, change, *, size=(520, 400)):
    """The body with every joint moved by a function of (N, 2) points."""
    rows = np.array([located.keypoints[name][:2] for name in pose.NAMES], float)
    return body(dict(zip(pose.NAMES, change(rows).tolist(), strict=True)), size=size)


def similarity(scale, degrees, shift, *, mirrored=False):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = scale * np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    return lambda points: points @ matrix.T + shift


def outlines(located):
    """A document with the outline of every part of the body, as a patient user would draw it."""
    drawn = tuple(
        strokes.stroke(role, np.column_stack([points, np.ones(len(points))]), 3, closed=True)
        for role, points in outline.parts(located).items()
    )
    return strokes.StrokeDocument(
        located.width, located.height, "00ff", drawn, strokes.landmarks(located)
    )


def every_role():
    """One slanted line of each role across the whole figure."""
    line = np.column_stack([np.linspace(120, 280, 9), np.linspace(60, 470, 9), np.full(9, 0.5)])
    drawn = tuple(strokes.stroke(role, line, 4, closed=False) for role in strokes.ROLES)
    return strokes.StrokeDocument(400, 520, "00ff", drawn, strokes.landmarks(body(STANDING)))


def points(document):
    return np.concatenate([np.array(stroke.points)[:, :2] for stroke in document.strokes])


def test_the_same_pose_leaves_every_stroke_where_it_is():
    document = every_role()
    moved = refit.refit(document, body(STANDING), photo="00ee")
    assert np.abs(points(moved) - points(document)).max() <= 0.01
    assert moved._replace(strokes=document.strokes, photo="00ff") == document
    assert moved.photo == "00ee"


@pytest.mark.parametrize(
    ("scale", "degrees", "mirrored"),
    [(0.5, 0, False), (1.8, 0, False), (0.9, 12, False), (1.1, -170, False), (0.7, 5, True)],
)
def test_a_similar_body_takes_the_strokes_along_exactly(scale, degrees, mirrored):
    change = similarity(scale, degrees, (900, 700), mirrored=mirrored)
    document = every_role()
    new = mapped(body(STANDING), change, size=(1800, 1800))
    moved = refit.refit(document, new)
    assert np.abs(points(moved) - change(points(document))).max() < 0.05
    assert [s.radius_px for s in moved.strokes] == [pytest.approx(4 * scale, abs=0.01)] * 18
    assert [s.points[0][2] for s in moved.strokes] == [0.5] * 18
    assert strokes.from_json(strokes.to_json(moved)) == moved


def test_limbs_land_on_the_limbs_of_another_pose():
    start, other = outlines(body(STANDING)), outlines(body(HAND_ON_HIP))
    moved = refit.refit(start, body(HAND_ON_HIP))
    length = 130  # of the trunk
    for found, true, before in zip(moved.strokes, other.strokes, start.strokes, strict=True):
        assert found.role == true.role
        miss = gaps(found, true).mean() / length
        # Outlines bend otherwise than strokes do at an elbow that closes; a tenth is a hit.
        assert miss < 0.05, found.role
        if found.role in ("arm_right", "hand_right", "leg_left", "foot_left"):
            assert miss < gaps(before, true).mean() / length / 2


def gaps(found, true):
    """Distance of each point of one stroke from the nearest of another."""
    a, b = (np.array(stroke.points)[:, :2] for stroke in (found, true))
    return np.linalg.norm(a[:, None] - b[None], axis=2).min(axis=1)


def test_a_free_stroke_follows_the_limb_beside_it():
    line = np.array([[132, 215, 1], [122, 280, 1]])  # beside the right forearm
    document = every_role()._replace(strokes=(strokes.stroke("free", line, 2, closed=False),))
    start, end = points(refit.refit(document, body(HAND_ON_HIP)))
    assert np.linalg.norm(start - HAND_ON_HIP["RElbow"]) < 20
    assert np.linalg.norm(end - HAND_ON_HIP["RWrist"]) < 20


def test_a_face_goes_with_the_nose():
    turned = STANDING | {"Nose": (186, 80)}
    line = np.array([[200, 70, 1], [200, 95, 1]])
    drawn = tuple(strokes.stroke(role, line, 2, closed=False) for role in ("face", "head"))
    face, head = refit.refit(every_role()._replace(strokes=drawn), body(turned)).strokes
    assert face.points[0][0] == pytest.approx(186, abs=0.01)
    assert head.points[0][0] == pytest.approx(200, abs=0.01)


def test_a_line_that_was_whole_is_not_torn():
    dense = np.column_stack([np.linspace(100, 300, 401), np.full(401, 250.0), np.ones(401)])
    document = every_role()._replace(strokes=(strokes.stroke("free", dense, 2, closed=False),))
    moved = points(refit.refit(document, body(HAND_ON_HIP)))
    steps = np.linalg.norm(np.diff(moved, axis=0), axis=1)
    assert steps.max() < 10  # it was half a pixel from point to point


def test_a_limb_toward_the_camera_is_neither_crushed_nor_torn():
    short = STANDING | {"RElbow": (160, 146), "RWrist": (160, 146)}
    moved = refit.refit(outlines(body(STANDING)), body(short))
    (arm,) = (np.array(s.points) for s in moved.strokes if s.role == "arm_right")
    assert np.isfinite(arm).all()
    assert np.ptp(arm[:, 1]) > 20
    back = refit.refit(outlines(body(short)), body(STANDING))
    assert np.abs(points(back) - 200).max() < 800


def test_a_joint_that_nobody_knows_follows_the_trunk():
    wild = body(STANDING | {"RWrist": (4000, -4000)})
    wild.keypoints["RWrist"] = wild.keypoints["RWrist"]._replace(confidence=0)
    line = np.array([[132, 240, 1], [130, 270, 1]])
    document = every_role()._replace(strokes=(strokes.stroke("arm_right", line, 2, closed=False),))
    assert np.abs(points(refit.refit(document, wild)) - line[:, :2]).max() < 5


def test_a_limb_of_which_the_photo_shows_nothing_keeps_its_stance():
    implied = body(STANDING)
    for name in ("RElbow", "RWrist"):
        implied.keypoints[name] = implied.keypoints[name]._replace(confidence=0.3)
    start = outlines(body(HAND_ON_HIP))
    moved = refit.refit(start, implied)
    for found, before in zip(moved.strokes, start.strokes, strict=True):
        if found.role in ("arm_right", "hand_right"):
            assert np.abs(np.array(found.points) - np.array(before.points)).max() < 0.1


def test_without_landmarks_strokes_are_scaled_about_the_middle_and_it_is_said():
    document = every_role()._replace(landmarks=())
    moved = refit.refit(document, body(STANDING, size=(1040, 1000)))
    expected = (points(document) - (199.5, 259.5)) * 2 + (499.5, 519.5)
    assert np.abs(points(moved) - expected).max() <= 0.01
    assert "only scaled" in refit.doubts(document)[0]
    assert refit.doubts(every_role()) == ()
    assert refit.doubts(document._replace(strokes=())) == ()


def test_a_body_without_extent_counts_as_unknown():
    document = every_role()._replace(landmarks=((5.0, 5.0, 1.0),) * 18)
    assert refit.doubts(document)
    assert refit.refit(document, body(STANDING)).strokes == document.strokes
    nowhere = mapped(body(STANDING), lambda rows: rows * 0 + 7)
    assert refit.refit(every_role(), nowhere).strokes == document.strokes


def test_strokes_that_would_leave_the_limits_are_held_within_them():
    far = mapped(body(STANDING), similarity(3, 0, (4000, -4000)))
    moved = refit.refit(every_role(), far)
    assert strokes.from_json(strokes.to_json(moved)) == moved
    assert points(moved)[:, 0].max() == 800


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_carried(role):
    moved = refit.refit(every_role(), mapped(body(STANDING), similarity(1, 0, (10, 20))))
    (found,) = (s for s in moved.strokes if s.role == role)
    assert found.points[0][:2] == pytest.approx((130, 80), abs=0.01)
