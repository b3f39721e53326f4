import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.anatomy import figure, sleeves
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import Keypoint, Pose

HEIGHT, WIDTH = 400, 300


def arms_out():
    joints = figure.build(
        np.array([150, 110, np.log(330), 0, 0, 0, 0.07, 0.7, 0.6, 0.7, 0.6, 0])
    ).joints
    points = {"Nose": Keypoint(*joints["nose"][0], 1), "Neck": Keypoint(*joints["neck"][0], 1)}
    for letter, side in (("R", "left"), ("L", "right")):
        for name in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Eye", "Ear"):
            points[letter + name] = Keypoint(*joints[f"{name.lower()}_{side}"][0], 1)
    return Pose(HEIGHT, WIDTH, points)


def shirt(kind="dressform", *, hanging=True):
    map_ = np.zeros((HEIGHT, WIDTH), np.uint8)
    map_[95:230, 112:188] = labels.GARMENT
    if hanging:
        for shoulder, cuff in (((118, 110), (95, 215)), ((182, 110), (205, 215))):
            cv2.line(map_, shoulder, cuff, labels.GARMENT, 22)
    return Parsing(map_, kind)


@pytest.mark.parametrize("letter", ["R", "L"])
def test_an_arm_is_lowered_into_a_hanging_sleeve(letter):
    before, parsing = arms_out(), shirt()
    after = sleeves.follow(parsing, before)
    old, new = before.keypoints[letter + "Elbow"], after.keypoints[letter + "Elbow"]
    assert parsing.label_map[round(old.y), round(old.x)] == labels.BACKGROUND
    assert parsing.label_map[round(new.y), round(new.x)] == labels.GARMENT


def test_bones_keep_their_length():
    before, after = arms_out(), sleeves.follow(shirt(), arms_out())

    def length(pose, a, b):
        a, b = pose.keypoints[a], pose.keypoints[b]
        return np.hypot(a.x - b.x, a.y - b.y)

    for bone in (("RShoulder", "RElbow"), ("LShoulder", "LElbow")):
        assert length(after, *bone) == pytest.approx(length(before, *bone))
    # Forearms end at the cuff, which is near the wrist.
    assert length(after, "LElbow", "LWrist") == pytest.approx(
        length(before, "LElbow", "LWrist"), rel=0.5
    )


@pytest.mark.parametrize("letter", ["R", "L"])
def test_a_hand_begins_inside_of_its_cuff(letter):
    parsing = shirt()
    after = sleeves.follow(parsing, arms_out())
    elbow, wrist = (np.array(after.keypoints[letter + n][:2]) for n in ("Elbow", "Wrist"))
    along = (wrist - elbow) / np.hypot(*(wrist - elbow))
    for step, label in ((0, labels.GARMENT), (6, labels.BACKGROUND)):
        x, y = np.rint(wrist + step * along).astype(int)
        assert parsing.label_map[y, x] == label


def with_hands(parsing):
    label_map = parsing.label_map.copy()
    for name in ("RWrist", "LWrist"):
        x, y = (round(value) for value in arms_out().keypoints[name][:2])
        cv2.circle(label_map, (x, y), 10, labels.MANNEQUIN, -1)
    return parsing._replace(label_map=label_map)


@pytest.mark.parametrize("kind", sleeves.FILLED)
def test_arms_whose_hands_show_stay(kind):
    assert sleeves.follow(with_hands(shirt(kind)), arms_out()) == arms_out()


@pytest.mark.parametrize("kind", sleeves.FILLED)
def test_sleeves_without_a_hand_are_empty_whatever_the_kind(kind):
    assert sleeves.follow(shirt(kind), arms_out()) == sleeves.follow(shirt(), arms_out())


def test_without_sleeves_the_arms_stay():
    assert sleeves.follow(shirt(hanging=False), arms_out()) == arms_out()


def test_without_a_garment_the_arms_stay():
    empty = Parsing(np.zeros((HEIGHT, WIDTH), np.uint8), "ghost")
    assert sleeves.follow(empty, arms_out()) == arms_out()


def test_a_large_photo_is_followed_like_a_small_one():
    small = sleeves.follow(shirt(), arms_out())
    label_map = np.kron(shirt().label_map, np.ones((6, 6), np.uint8))
    joints = {
        name: Keypoint((x + 0.5) * 6 - 0.5, (y + 0.5) * 6 - 0.5, c)
        for name, (x, y, c) in arms_out().keypoints.items()
    }
    large = sleeves.follow(shirt()._replace(label_map=label_map), Pose(2400, 1800, joints))
    for name, (x, y, _) in small.keypoints.items():
        assert large.keypoints[name][:2] == pytest.approx((6 * x, 6 * y), abs=18)
