import itertools

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.anatomy import figure, holds, outline, sleeves
from dressform.imaging.anatomy.stage import Stage
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import Keypoint, Pose

HEIGHT, WIDTH = 400, 300
ROW = np.array([150, 110, np.log(330), 0, 0, 0, 0.07, 0.55, 0.42, 0.55, 0.42, 0])
ARMS = {"upper_right", "fore_right", "upper_left", "fore_left"}
LEGS = {"thigh_right", "shin_right", "thigh_left", "shin_left"}


@pytest.fixture(scope="module")
def pose():
    joints = figure.build(ROW).joints
    points = {name: Keypoint(*joints[name.lower()][0], 1) for name in ("Nose", "Neck")}
    for letter, side in (("R", "left"), ("L", "right")):
        for name in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Eye", "Ear"):
            points[letter + name] = Keypoint(*joints[f"{name.lower()}_{side}"][0], 1)
    return Pose(HEIGHT, WIDTH, points)


def figure_mask():
    grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), -1).reshape(-1, 2)
    every = np.ones((len(grid), len(figure.PARTS)), bool)
    inside = figure.distance(figure.build(ROW), grid.astype(float), every)[0] < 0.004
    return inside.reshape(HEIGHT, WIDTH)


def top(pose, *, bones=0, mannequin=None, kind="ghost"):
    """A sleeveless top, with sleeves over so many bones of each arm."""
    map_ = np.zeros((HEIGHT, WIDTH), np.uint8)
    if mannequin is not None:
        map_[mannequin] = labels.MANNEQUIN
    map_[95:225, 115:185] = labels.GARMENT
    for letter in "RL":
        joints = [pose.keypoints[letter + n][:2] for n in ("Shoulder", "Elbow", "Wrist")]
        chain = np.rint(joints[: bones + 1]).astype(int)
        for start, end in itertools.pairwise(chain):
            cv2.line(map_, start.tolist(), end.tolist(), labels.GARMENT, 26)
    return Parsing(map_, kind)


def free(parsing, pose):
    return holds.free(Stage(parsing, outline.frame(pose).stature), parsing, pose)


def test_a_sleeveless_ghost_leaves_every_limb_free(pose):
    found = free(top(pose), pose)
    assert found >= ARMS | LEGS | {"head"}
    assert found <= set(holds.PARTS)


def test_long_sleeves_hold_the_arms(pose):
    assert not free(top(pose, bones=2), pose) & ARMS


def test_short_sleeves_leave_the_forearms(pose):
    assert free(top(pose, bones=1), pose) & ARMS == {"fore_right", "fore_left"}


def test_a_complete_mannequin_holds_everything(pose):
    assert not free(top(pose, mannequin=figure_mask(), kind="full"), pose)


def test_a_headless_mannequin_leaves_only_the_head(pose):
    headless = figure_mask()
    headless[:90] = False
    assert free(top(pose, mannequin=headless, kind="headless"), pose) == {"head"}


def test_arm_stumps_leave_the_arms_free(pose):
    stumps = figure_mask()
    for side in ("left", "right"):
        x, y = figure.build(ROW).joints[f"shoulder_{side}"][0]
        away = np.hypot(*(np.indices(stumps.shape)[::-1] - np.array([x, y])[:, None, None]))
        limb = np.abs(np.arange(WIDTH) - 150) > 38
        stumps[(away > 25) & limb[None]] = False
    assert free(top(pose, mannequin=stumps, kind="armless"), pose) & ARMS == ARMS


def test_trouser_legs_hold_the_legs(pose):
    map_ = np.zeros((HEIGHT, WIDTH), np.uint8)
    for letter in "RL":
        chain = np.rint([pose.keypoints[letter + n][:2] for n in ("Hip", "Knee", "Ankle")])
        for start, end in itertools.pairwise(chain.astype(int)):
            cv2.line(map_, start.tolist(), end.tolist(), labels.GARMENT, 40)
    found = free(Parsing(map_, "hanger", "lower"), pose)
    assert not found & LEGS
    assert "hips" not in found
    assert found >= ARMS | {"head", "shoulders"}


def test_a_skirt_leaves_the_shins(pose):
    map_ = np.zeros((HEIGHT, WIDTH), np.uint8)
    map_[170:300, 105:195] = labels.GARMENT
    assert free(Parsing(map_, "ghost", "lower"), pose) & LEGS == {"shin_right", "shin_left"}


def test_sleeves_tell_the_bones_in_them(pose):
    assert sleeves.held(top(pose), pose) == frozenset()
    assert sleeves.held(top(pose, bones=1), pose) == {"upper_right", "upper_left"}
    assert sleeves.held(top(pose, bones=2), pose) == ARMS
