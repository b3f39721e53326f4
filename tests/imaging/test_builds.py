import numpy as np
import pytest
from dressform.imaging.anatomy import builds, figure, holds, outline
from dressform.imaging.pose import Keypoint, Pose

ALL = frozenset(holds.PARTS)


@pytest.fixture
def adult():
    row = np.array([150, 110, np.log(330), 0, 0, 0, 0.07, 0.6, 0.5, 0.6, 0.5, 0])
    joints = figure.build(row).joints
    points = {name: Keypoint(*joints[name.lower()][0], 1) for name in ("Nose", "Neck")}
    for letter, side in (("R", "left"), ("L", "right")):
        for name in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Eye", "Ear"):
            points[letter + name] = Keypoint(*joints[f"{name.lower()}_{side}"][0], 1)
    return Pose(400, 300, points)


def breadth(pose, joint):
    return abs(pose.keypoints["L" + joint].x - pose.keypoints["R" + joint].x)


def head_height(pose):
    return np.ptp(outline.head(outline.frame(pose))[:, 1])


def test_auto_keeps_what_was_located(adult):
    assert builds.fit(adult, builds.named("auto"), ALL) == adult


@pytest.mark.parametrize("name", builds.BUILDS)
def test_nothing_changes_where_the_photo_shows_all(adult, name):
    assert builds.fit(adult, builds.named(name), frozenset()) == adult


def test_a_child_has_a_larger_head_on_the_same_trunk(adult):
    child = builds.fit(adult, builds.named("child"), ALL)
    assert 1.2 < head_height(child) / head_height(adult) < 1.5
    for name in ("Neck", "RHip", "LHip", "RShoulder", "LShoulder"):
        assert child.keypoints[name] == adult.keypoints[name]
    assert outline.frame(child).child == pytest.approx(0.6, abs=0.05)


def test_an_adult_build_makes_a_childs_head_smaller(adult):
    child = builds.fit(adult, builds.named("child"), ALL)
    again = builds.fit(child, builds.named("woman"), frozenset({"head"}))
    assert outline.frame(again).child == pytest.approx(0, abs=0.02)
    assert head_height(again) == pytest.approx(head_height(adult), rel=0.03)


def test_shoulders_and_hips_tell_woman_from_man(adult):
    woman, man = (builds.fit(adult, builds.named(n), ALL) for n in ("woman", "man"))
    assert breadth(woman, "Shoulder") < breadth(adult, "Shoulder") < breadth(man, "Shoulder")
    assert breadth(woman, "Hip") > breadth(adult, "Hip") > breadth(man, "Hip")


def test_limbs_go_with_their_joint_and_keep_their_length(adult):
    man = builds.fit(adult, builds.named("man"), ALL)
    for a, b in (("LShoulder", "LElbow"), ("LElbow", "LWrist"), ("RHip", "RKnee")):
        before, after = (np.subtract(q.keypoints[b][:2], q.keypoints[a][:2]) for q in (adult, man))
        assert after == pytest.approx(before)


def test_thickening_moves_an_outline_away_from_its_axis():
    axis = np.array([[0.0, 0.0], [0.0, 10.0]])
    outline_ = np.array([[1.0, 5.0], [-2.0, 5.0], [0.0, 12.0], [0.0, -1.0]])
    wanted = np.array([[2.0, 5.0], [-4.0, 5.0], [0.0, 14.0], [0.0, -2.0]])
    assert builds.thicken(outline_, axis, 2.0) == pytest.approx(wanted)
    assert (builds.thicken(outline_, axis, 1.0) == outline_).all()


def test_factors_of_woman_and_man_lie_around_the_middle():
    woman, man = builds.BUILDS["woman"], builds.BUILDS["man"]
    for a, b in zip(woman[1:6], man[1:6], strict=True):
        assert a + b == pytest.approx(2, abs=0.002)


def test_an_unknown_choice_is_named():
    with pytest.raises(ValueError, match=r"proportions must be one of auto, .*, got 'giant'"):
        builds.named("giant")
