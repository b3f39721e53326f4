"""Where a garment comes to lie on a person."""

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.drape import outlines, placing, skinning
from dressform.imaging.drape.placing import Photo
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import NAMES, Keypoint, Pose

# Neck to hips: 100 px.
PLACES = {
    "Nose": (150, 50),
    "Neck": (150, 80),
    "RShoulder": (115, 85),
    "RElbow": (85, 130),
    "RWrist": (65, 175),
    "LShoulder": (185, 85),
    "LElbow": (215, 130),
    "LWrist": (235, 175),
    "RHip": (133, 180),
    "RKnee": (128, 265),
    "RAnkle": (125, 345),
    "LHip": (167, 180),
    "LKnee": (172, 265),
    "LAnkle": (175, 345),
}
SIZE = (400, 300)


def pose(shift=(0.0, 0.0), scale=1.0, confidence=1.0, **moved):
    places = {name: {**PLACES, **moved}.get(name, (150, 50)) for name in NAMES}
    keypoints = {
        name: Keypoint(x * scale + shift[0], y * scale + shift[1], confidence)
        for name, (x, y) in places.items()
    }
    return Pose(round(SIZE[0] * scale), round(SIZE[1] * scale), keypoints)


def figure(at, shape=SIZE):
    """A body around the joints of a pose."""
    drawn = np.zeros(shape, np.uint8)
    for start, end in outlines.BONES:
        ends = [tuple(np.rint(skinning.point(at, name)).astype(int)) for name in (start, end)]
        cv2.line(drawn, *ends, 1, 26 if "Hip" in end else 18)
    return drawn > 0


def photo(at=None, *, body_at=None, wall=(200, 205, 215)):
    at = at or pose()
    shape = (at.height, at.width)
    body = figure(body_at or at, shape)
    label_map = np.where(body, labels.MANNEQUIN, labels.BACKGROUND).astype(np.uint8)
    image = np.where(body[..., None], np.uint8((150, 120, 100)), np.uint8(wall))
    return Photo(image, at, Parsing(label_map, kind="full"))


def silhouette(taken):
    return taken.parsing.mannequin.astype(np.float32)


def test_joints_that_are_a_little_wrong_move_nothing():
    person = photo(pose((2.5, -3), 1.0), body_at=pose())
    found = placing.place(photo(), person, "upper", silhouette(person))
    assert found.settled
    assert found.matrix == pytest.approx(np.array([[1.0, 0, 0], [0, 1, 0]]))


def test_a_person_who_stands_elsewhere_is_followed():
    person = photo(pose((14, 3)))
    found = placing.place(photo(), person, "upper", silhouette(person))
    assert not found.settled
    assert found.matrix == pytest.approx(np.array([[1.0, 0, 14], [0, 1, 3]]), abs=1e-6)


def test_outlines_tell_a_small_step_from_an_error_of_the_joints():
    person = photo(pose((0, 5)))
    assert not placing.place(photo(), person, "upper", silhouette(person)).settled
    assert placing.place(photo(), person, "upper", None).settled


def test_before_plain_white_the_joints_alone_are_doubted_less():
    person = photo(pose((0, 9)), body_at=pose())
    assert not placing.place(photo(), person, "upper", None).settled
    assert placing.place(before_boards(photo()), before_boards(person), "upper").settled


def test_outlines_tell_a_large_error_of_the_joints_from_a_step():
    person = photo(pose((0, 16)), body_at=pose())
    assert placing.place(photo(), person, "upper", silhouette(person)).settled
    assert not placing.place(photo(), person, "upper", None).settled


@pytest.mark.parametrize("wall", [(200, 205, 235), (120, 125, 130)])
def test_another_backdrop_is_another_camera(wall):
    person = photo(pose((2.5, -3)), body_at=pose(), wall=wall)
    assert not placing.place(photo(), person, "upper", silhouette(person)).settled


def test_a_larger_copy_of_the_photo_is_of_the_same_camera():
    person = photo(pose(scale=2))
    found = placing.place(photo(), person, "upper", silhouette(person))
    assert found.settled
    # Centres of pixels: 0 lies at 0.5 of a picture twice as large.
    assert found.matrix == pytest.approx(np.array([[2.0, 0, 0.5], [0, 2, 0.5]]))


def test_a_photo_of_another_shape_is_not():
    person = photo(pose()._replace(width=360))
    assert not placing.place(photo(), person, "upper").settled


def test_a_photo_without_a_parsing_is_followed_by_its_joints():
    person = photo(pose((2.5, -3)), body_at=pose())._replace(parsing=None)
    found = placing.place(photo(), person, "upper")
    assert found.matrix == pytest.approx(np.array([[1.0, 0, 2.5], [0, 1, -3]]), abs=1e-6)


def before_boards(taken):
    """The same photo before a wall that shows where the camera stands."""
    boards = np.where(np.arange(SIZE[1]) % 60 < 30, 200, 185)[None, :, None].astype(np.uint8)
    free = taken.parsing.label_map == labels.BACKGROUND
    return taken._replace(image=np.where(free[..., None], boards, taken.image))


def test_a_body_nobody_sees_is_placed_with_more_doubt_where_the_wall_proves_the_camera():
    hidden = photo(pose(confidence=0.6))
    person = photo(pose((0, 18)), body_at=pose())
    assert placing.place(before_boards(hidden), before_boards(person), "upper").settled
    assert not placing.place(hidden, person, "upper").settled
    assert not placing.place(before_boards(photo()), before_boards(person), "upper").settled


def test_an_outline_finds_its_way_onto_its_own_body():
    taken = photo()
    edge = outlines.find(taken.parsing, taken.pose)
    assert len(edge) >= outlines.LEAST_POINTS
    moved = photo(pose((3, -4), 1.01))
    inside = silhouette(moved).astype(np.uint8)
    far = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    far = (far - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)) / 100
    start = np.array([[1.0, 0, 0], [0, 1, 0]])
    found = outlines.fit(edge, far, start, 1.0)
    names = ("Neck", "RShoulder", "LShoulder", "RHip", "LHip", "RElbow", "LElbow")
    joints = np.array([PLACES[name] for name in names], float)
    wanted = joints * 1.01 + (3, -4)
    assert skinning.transform(found, joints) == pytest.approx(wanted, abs=1.5)


def test_heads_hands_and_feet_are_no_outline_to_compare():
    taken = photo()
    edge = outlines.find(taken.parsing, taken.pose)
    assert edge[:, 1].max() <= PLACES["RAnkle"][1] + 1
    assert (edge[edge[:, 0] < 80][:, 1] < PLACES["RWrist"][1] + 4).all()


def test_outlines_of_nothing_prove_nothing():
    empty = Parsing(np.zeros(SIZE, np.uint8))
    edge = outlines.find(empty, pose())
    assert edge.shape == (0, 2)
    still = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert outlines.agreement(edge, np.zeros(SIZE, np.float32), still, still, pose()) is None
