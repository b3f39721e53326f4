import numpy as np
import pytest
from dressform.imaging.anatomy import figure, holds, outline, stances
from dressform.imaging.anatomy import proportions as p
from dressform.imaging.pose import Keypoint, Pose

HEIGHT, WIDTH, MIDDLE, STATURE = 400, 300, 150.0, 330.0
ALL = frozenset(holds.PARTS)
NOTHING = np.zeros((HEIGHT, WIDTH), bool)
MOVING = [s for s in stances.STANCES if s != "implied"]
SWAPPED = {"R": "L", "L": "R"}


def standing(*, yaw=0.0, back=False):
    row = np.array([MIDDLE, 110, np.log(STATURE), yaw, 0, 0, 0.07, 0.6, 0.5, 0.6, 0.5, 0])
    joints = figure.build(row, back=back).joints
    sides = ("right", "left") if back else ("left", "right")
    points = {name: Keypoint(*joints[name.lower()][0], 1) for name in ("Nose", "Neck")}
    for letter, side in zip("RL", sides, strict=True):
        for name in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Eye", "Ear"):
            points[letter + name] = Keypoint(*joints[f"{name.lower()}_{side}"][0], 1)
    return Pose(HEIGHT, WIDTH, points)


def tunic(half_width):
    worn = NOTHING.copy()
    worn[95:230, round(MIDDLE - half_width) : round(MIDDLE + half_width)] = True
    return worn


def mirror(pose):
    """The pose as a mirror shows it: sides swap, and the picture's."""
    return {
        SWAPPED.get(name[0], name[0]) + name[1:]
        if name[1:] in {n[1:] for n in pose.keypoints if n[0] == "L"}
        else name: (round(2 * MIDDLE - j.x, 6), round(j.y, 6))
        for name, j in pose.keypoints.items()
    }


def places(pose):
    return {name: (round(j.x, 6), round(j.y, 6)) for name, j in pose.keypoints.items()}


def at(pose, name):
    return np.array(pose.keypoints[name][:2])


def test_the_implied_stance_changes_nothing():
    assert stances.take(standing(), "implied", ALL, NOTHING) == standing()


@pytest.mark.parametrize("stance", stances.STANCES)
def test_limbs_that_the_photo_holds_stay(stance):
    assert stances.take(standing(), stance, frozenset(), tunic(30)) == standing()


@pytest.mark.parametrize("stance", MOVING)
def test_limbs_that_are_free_move(stance):
    assert stances.take(standing(), stance, ALL, tunic(30)) != standing()


@pytest.mark.parametrize("stance", MOVING)
@pytest.mark.parametrize(
    ("free", "may_move"),
    [
        (("fore_right",), {"RWrist"}),
        (("upper_left", "fore_left"), {"LElbow", "LWrist"}),
        (("shin_left",), {"LAnkle"}),
        (("thigh_right", "shin_right"), {"RKnee", "RAnkle"}),
        (("head",), set()),
    ],
)
def test_only_free_bones_move(stance, free, may_move):
    moved = stances.take(standing(), stance, frozenset(free), tunic(30))
    changed = {n for n in moved.keypoints if moved.keypoints[n] != standing().keypoints[n]}
    assert changed <= may_move


@pytest.mark.parametrize("stance", MOVING)
@pytest.mark.parametrize("back", [False, True])
def test_mirrored_is_the_mirror_image(stance, back):
    pose = standing(back=back)
    one = stances.take(pose, stance, ALL, NOTHING)
    other = stances.take(pose, stance, ALL, NOTHING, mirrored=True)
    assert places(other) == mirror(one)
    assert (places(other) == places(one)) == (stance == "arms down")


def test_arms_down_hang_straighter_and_lower_than_implied():
    hung = stances.take(standing(), "arms down", ALL, tunic(25))
    for letter, outward in (("R", -1), ("L", 1)):
        before, after = at(standing(), letter + "Wrist"), at(hung, letter + "Wrist")
        assert (before[0] - after[0]) * outward > 0.05 * STATURE
        assert after[1] > before[1]


def test_a_wide_garment_holds_hanging_arms_off():
    def reach(half_width):
        hung = stances.take(standing(), "arms down", ALL, tunic(half_width))
        return at(hung, "LWrist")[0] - MIDDLE

    assert reach(50) > reach(25) + 5


@pytest.mark.parametrize("stance", ["arms down", "walking"])
def test_arms_are_as_long_as_the_table_says(stance):
    posed = stances.take(standing(), stance, ALL, NOTHING)
    for letter in "RL":
        shoulder, elbow, wrist = (at(posed, letter + n) for n in ("Shoulder", "Elbow", "Wrist"))
        assert np.hypot(*(elbow - shoulder)) == pytest.approx(p.UPPER_ARM[0] * STATURE, rel=0.08)
        # A forearm that swings forward is foreshortened.
        assert 0.7 < np.hypot(*(wrist - elbow)) / (p.FOREARM[0] * STATURE) < 1.08


@pytest.mark.parametrize("half_width", [25, 45])
def test_a_hand_rests_beside_the_clothed_waist(half_width):
    worn = tunic(half_width)
    posed = stances.take(standing(), "hand on hip", ALL, worn)
    elbow, wrist = at(posed, "RElbow"), at(posed, "RWrist")
    floor = 110 + p.NECK_HEIGHT[0] * STATURE
    assert (floor - wrist[1]) / STATURE == pytest.approx(stances.HIP_BONE, abs=0.02)
    assert not worn[round(wrist[1]), round(wrist[0])]
    trunk = max(half_width, 0.08 * STATURE)
    assert 0 < MIDDLE - trunk - wrist[0] < 0.06 * STATURE
    assert elbow[0] < wrist[0]
    assert at(posed, "LWrist")[1] > wrist[1] + 0.05 * STATURE


def test_a_sleeve_leaves_only_the_forearm_to_rest():
    free = ALL - {"upper_right"}
    posed = stances.take(standing(), "hand on hip", free, tunic(30))
    assert at(posed, "RElbow") == pytest.approx(at(standing(), "RElbow"))
    before, after = at(standing(), "RWrist"), at(posed, "RWrist")
    assert abs(after[0] - MIDDLE) < abs(before[0] - MIDDLE)
    length = np.hypot(*(after - at(posed, "RElbow")))
    assert 0.75 < length / (p.FOREARM[0] * STATURE) <= 1.001


def test_a_step_sets_one_foot_before_the_other_on_one_line():
    posed = stances.take(standing(), "walking", ALL, NOTHING)
    lead, rear = at(posed, "RAnkle"), at(posed, "LAnkle")
    assert lead[1] > rear[1] + 0.03 * STATURE  # nearer to the camera is lower in the picture
    assert abs(lead[0] - rear[0]) < 0.08 * STATURE
    assert lead[0] < MIDDLE < rear[0]


def test_arms_swing_against_the_legs():
    posed = stances.take(standing(), "walking", ALL, NOTHING)
    # The right leg leads, so the left arm is ahead, with its elbow bent.
    assert at(posed, "LWrist")[1] < at(posed, "RWrist")[1]


@pytest.mark.parametrize("back", [False, True])
def test_the_trunk_never_moves(back):
    for stance in MOVING:
        posed = stances.take(standing(back=back), stance, ALL, NOTHING)
        for name in ("Neck", "RShoulder", "LShoulder", "RHip", "LHip", "Nose"):
            assert posed.keypoints[name] == standing(back=back).keypoints[name]


@pytest.mark.parametrize(
    ("turn", "back", "sign"),
    [("left", False, 1), ("right", False, -1), ("left", True, -1), ("right", True, 1)],
)
def test_a_head_turns_to_the_persons_own_side(turn, back, sign):
    turned = stances.turn_head(standing(back=back), turn)
    assert outline.frame(turned).yaw == pytest.approx(sign * stances.TURN, abs=0.01)
    ears = (at(turned, "REar") + at(turned, "LEar")) / 2
    assert sign * (at(turned, "Nose")[0] - ears[0]) > 0.02 * STATURE


def test_a_turned_head_keeps_its_place_and_size():
    before, after = (outline.frame(q) for q in (standing(), stances.turn_head(standing(), "left")))
    assert after.head == pytest.approx(before.head, abs=0.01 * STATURE)
    assert after.stature == pytest.approx(before.stature, rel=0.01)
    assert after.child == pytest.approx(before.child, abs=0.05)


def test_front_turns_a_head_to_the_camera():
    aside = standing(yaw=0.4)
    assert abs(outline.frame(aside).yaw) > 0.3
    assert outline.frame(stances.turn_head(aside, "front")).yaw == pytest.approx(0, abs=0.01)


def test_a_head_seen_from_behind_does_not_turn_to_the_front():
    assert stances.turn_head(standing(back=True), "front") == standing(back=True)


def test_a_head_as_the_body_stays():
    assert stances.turn_head(standing(yaw=0.3), "as the body") == standing(yaw=0.3)


def test_unknown_choices_are_named():
    with pytest.raises(ValueError, match=r"stance must be one of implied, .*, got 'sitting'"):
        stances.take(standing(), "sitting", ALL, NOTHING)
    with pytest.raises(ValueError, match=r"head_turn must be one of as the body, .*, got 'up'"):
        stances.turn_head(standing(), "up")
