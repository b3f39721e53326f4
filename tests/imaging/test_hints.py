import cv2
import numpy as np
import pytest
from dressform.imaging import body, hints, labels, scribble, strokes
from dressform.imaging.anatomy import figure
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import Keypoint, Pose

HEIGHT, WIDTH = 400, 300
ROW = np.array([150, 110, np.log(330), 0, 0, 0, 0.07, 0.55, 0.42, 0.55, 0.42, 0])


def located(*, yaw=0.0, back=False):
    row = ROW.copy()
    row[3] = yaw
    joints = figure.build(row, back=back).joints
    sides = ("right", "left") if back else ("left", "right")
    points = {"Nose": Keypoint(*joints["nose"][0], 1), "Neck": Keypoint(*joints["neck"][0], 1)}
    for letter, side in zip("RL", sides, strict=True):
        for name in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Eye", "Ear"):
            points[letter + name] = Keypoint(*joints[f"{name.lower()}_{side}"][0], 1)
    return Pose(HEIGHT, WIDTH, points)


def painted(*, mannequin=False):
    """A tunic from the collar to the hips over a figure that may be there."""
    map_ = np.zeros((HEIGHT, WIDTH), np.uint8)
    if mannequin:
        grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), -1).reshape(-1, 2)
        every = np.ones((len(grid), len(figure.PARTS)), bool)
        inside = figure.distance(figure.build(ROW), grid.astype(float), every)[0] < 0.004
        map_[inside.reshape(HEIGHT, WIDTH)] = labels.MANNEQUIN
    map_[95:225, 112:188] = labels.GARMENT
    return Parsing(map_, "full" if mannequin else "ghost", "upper", "front", 1.0)


def roles(document):
    return {s.role for s in document.strokes}


@pytest.fixture(scope="module")
def proposed():
    return hints.propose(painted(), located(), photo="ab12")


def test_a_ghost_gets_head_arms_and_legs(proposed):
    wanted = {"head", "face", "hair", "neck", "arm_left", "arm_right", "hand_left", "hand_right"}
    wanted |= {"leg_left", "leg_right", "foot_left", "foot_right"}
    assert wanted <= roles(proposed)


def test_the_document_is_valid_and_marked_as_proposed(proposed):
    assert strokes.from_json(strokes.to_json(proposed)) == proposed
    assert {s.source for s in proposed.strokes} == {"proposed"}
    assert (proposed.width, proposed.height, proposed.photo) == (WIDTH, HEIGHT, "ab12")


def test_strokes_stay_off_the_garment(proposed):
    thin = proposed._replace(
        strokes=tuple(s._replace(closed=False, radius_px=0.1) for s in proposed.strokes)
    )
    garment = np.pad(painted().garment[98:222, 115:185], ((98, 178), (115, 115)))
    assert (scribble.mask(thin, (HEIGHT, WIDTH)) & garment).mean() < 0.001


def test_a_present_mannequin_needs_no_strokes():
    assert roles(hints.propose(painted(mannequin=True), located())) == set()


def test_an_arm_that_peeps_out_beside_its_sleeve_is_not_drawn():
    parsing, pose = painted(), located()
    label_map = parsing.label_map.copy()
    for letter in "RL":
        # The sleeve covers the inner two thirds of the arm's width down to the wrist.
        at = [np.array(pose.keypoints[letter + n][:2]) for n in ("Shoulder", "Elbow", "Wrist")]
        inward = np.array([4.0 if letter == "R" else -4.0, 0])
        for start, end in ((at[0], at[1]), (at[1], at[2])):
            ends = [tuple(int(v) for v in np.rint(p + inward)) for p in (start, end)]
            cv2.line(label_map, *ends, labels.GARMENT, 14)
    document = hints.propose(parsing._replace(label_map=label_map, kind="full"), pose)
    assert not roles(document) & {"arm_left", "arm_right"}
    assert {"hand_left", "hand_right"} <= roles(document)


def test_a_mannequin_that_shows_one_hand_needs_no_other():
    parsing = painted(mannequin=True)
    label_map = parsing.label_map.copy()
    x, y = (round(v) for v in located().keypoints["LWrist"][:2])
    cv2.circle(label_map, (x, y + 10), 30, labels.BACKGROUND, -1)
    one = hints.propose(parsing._replace(label_map=label_map), located())
    assert not roles(one) & {"hand_left", "hand_right"}


def test_all_parts_draws_every_role_over_everything():
    document = hints.propose(painted(mannequin=True), located(), all_parts=True)
    assert roles(document) == set(strokes.ROLES) - {"free", *strokes.CORRECTIONS}


def test_the_persons_right_arm_is_at_picture_left_in_front_views(proposed):
    middle = {s.role: np.mean(s.points, axis=0)[0] for s in proposed.strokes}
    assert middle["arm_right"] < 150 < middle["arm_left"]
    assert middle["leg_right"] < 150 < middle["leg_left"]


def test_back_views_have_hair_but_no_face():
    document = hints.propose(painted()._replace(view="back"), located(back=True))
    assert "hair" in roles(document)
    assert "face" not in roles(document)
    middle = {s.role: np.mean(s.points, axis=0)[0] for s in document.strokes}
    assert middle["arm_left"] < 150 < middle["arm_right"]


def test_a_turned_head_has_its_face_off_the_middle():
    def offset(yaw):
        document = hints.propose(painted(), located(yaw=yaw))
        by_role = {}
        for stroke in document.strokes:
            by_role.setdefault(stroke.role, np.mean(stroke.points, axis=0)[0])
        return by_role["face"] - by_role["head"]

    assert offset(0.4) > 2
    assert offset(-0.4) < -2


def test_pressure_tapers_toward_the_ends(proposed):
    for stroke in proposed.strokes:
        pressure = [p for _, _, p in stroke.points]
        assert pressure[0] < max(pressure) <= 1


def test_legs_begin_at_the_hem(proposed):
    top = min(y for s in proposed.strokes if s.role.startswith("leg") for _, y, _ in s.points)
    assert 215 <= top <= 235


@pytest.mark.parametrize("stance", hints.STANCES)
def test_strokes_and_landmarks_are_of_the_same_body(stance):
    options = {"stance": stance, "proportions": "child", "head_turn": "left", "mirrored": True}
    document = hints.propose(painted(), located(), **options)
    posed = hints.settle(painted(), located(), **options).turned
    assert document.landmarks == strokes.landmarks(posed)
    hands = {s.role: np.mean(s.points, axis=0)[:2] for s in document.strokes}
    for letter, role in (("R", "hand_right"), ("L", "hand_left")):
        assert np.hypot(*(hands[role] - posed.keypoints[letter + "Wrist"][:2])) < 0.09 * 330


@pytest.mark.parametrize("stance", hints.STANCES)
def test_every_stance_keeps_off_the_garment(stance):
    document = hints.propose(painted(), located(), stance=stance, proportions="woman")
    thin = document._replace(
        strokes=tuple(s._replace(closed=False, radius_px=0.1) for s in document.strokes)
    )
    garment = np.pad(painted().garment[98:222, 115:185], ((98, 178), (115, 115)))
    assert (scribble.mask(thin, (HEIGHT, WIDTH)) & garment).mean() < 0.001


@pytest.mark.parametrize("stance", hints.STANCES)
def test_a_mannequin_that_is_complete_never_moves(stance):
    options = {"stance": stance, "proportions": "woman", "head_turn": "right"}
    assert hints.settle(painted(mannequin=True), located(), **options).turned == located()
    assert roles(hints.propose(painted(mannequin=True), located(), **options)) == set()


def test_moved_joints_are_no_longer_sure():
    posed = hints.settle(painted(), located(), stance="walking").body.keypoints
    assert posed["RAnkle"].confidence == body.IMPLIED
    assert posed["Neck"].confidence == 1
    wide = located()
    far = {n: j._replace(x=j.x - 110) for n, j in wide.keypoints.items()}
    posed = hints.settle(painted(), Pose(HEIGHT, WIDTH, far), stance="hand on hip").body.keypoints
    assert posed["RElbow"].confidence == body.OUTSIDE


def test_a_turned_head_leaves_the_trunk_as_it_is():
    plain, turned = (
        hints.propose(painted(), located(), all_parts=True, head_turn=turn)
        for turn in ("as the body", "left")
    )
    one, other = ({s.role: s for s in d.strokes} for d in (plain, turned))
    assert one["torso"] == other["torso"]
    assert one["foot_left"] == other["foot_left"]
    middle = [
        next(np.mean(s.points, axis=0)[0] for s in d.strokes if s.role == "face")
        for d in (plain, turned)
    ]
    assert middle[1] > middle[0] + 1


def test_hair_is_longer_on_a_womans_head():
    def lowest(proportions):
        document = hints.propose(painted(), located(), proportions=proportions)
        return max(y for s in document.strokes if s.role == "hair" for _, y, _ in s.points)

    assert lowest("woman") > lowest("man") + 10
    assert lowest("auto") == pytest.approx(lowest("man"), abs=3)


def test_a_childs_head_is_larger():
    def height(proportions):
        document = hints.propose(painted(), located(), proportions=proportions)
        return np.ptp([y for s in document.strokes if s.role == "head" for _, y, _ in s.points])

    assert height("child") > 1.2 * height("auto")


def test_a_high_collar_cuts_the_head_and_the_face_and_leaves_no_scrap_of_neck():
    parsing = painted()
    label_map = parsing.label_map.copy()
    label_map[60:100, 120:180] = labels.GARMENT
    label_map[90:98, 145:155] = labels.INTERIOR
    document = hints.propose(parsing._replace(label_map=label_map), located())
    assert "neck" not in roles(document)
    head = [s for s in document.strokes if s.role in ("head", "face")]
    assert {s.role for s in head} == {"head", "face"}
    assert max(y for s in head for _, y, _ in s.points) < 64


@pytest.mark.parametrize(
    "options", [{"stance": "flying"}, {"proportions": "giant"}, {"head_turn": "up"}], ids=str
)
def test_unknown_options_are_named(options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"{name} must be one of .*, got '{value}'"):
        hints.propose(painted(), located(), **options)


def test_a_pose_of_another_photo_is_refused():
    other = Pose(10, 10, located().keypoints)
    with pytest.raises(ValueError, match="pose must be of the parsed photo, 400x300, got 10x10"):
        hints.propose(painted(), other)
