import cv2
import numpy as np
import pytest
from dressform.imaging import body, labels, pose
from dressform.imaging.anatomy import figure, fitting, habits, outline
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import Keypoint

HEIGHT, WIDTH = 320, 240
STATURE_PX = 270
TRUE = np.array([120, 70, np.log(STATURE_PX), 0, 0.1, 0, 0.07, 0.55, 0.42, 0.55, 0.42, 0])


def paint(*, parts=None, garment_rows=(56, 165), yaw=0.0, back=False):
    """A label map of a known figure: its parts as mannequin, a garment over some rows."""
    row = TRUE.copy()
    row[3] = yaw
    built = figure.build(row, back=back)
    grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), -1).reshape(-1, 2)
    names = np.array(figure.PARTS)
    chosen = np.isin(names, figure.PARTS if parts is None else parts)
    inside = figure.distance(built, grid.astype(float), np.tile(chosen, (len(grid), 1)))[0] < 0
    painted = inside.reshape(HEIGHT, WIDTH).astype(np.uint8) * labels.MANNEQUIN
    trunk = np.isin(names, ["torso", "shoulders", "leg_left", "leg_right"])
    cloth = figure.distance(built, grid.astype(float), np.tile(trunk, (len(grid), 1)))[0] < 0.015
    cloth = cloth.reshape(HEIGHT, WIDTH)
    rows = np.arange(HEIGHT)[:, None]
    painted[cloth & (rows >= garment_rows[0]) & (rows < garment_rows[1])] = labels.GARMENT
    return painted, built.joints


def distance(found, joints, name, joint):
    return np.hypot(found.keypoints[name].x - joints[joint][0, 0],
                    found.keypoints[name].y - joints[joint][0, 1])  # fmt: skip


TOLERANCE_PX = 0.1 * 0.29 * STATURE_PX  # a tenth of the torso, as the benchmark counts hits


@pytest.fixture(scope="module")
def whole():
    painted, joints = paint()
    return body.locate(Parsing(painted, "full", "upper", "front", 1.0)), joints


@pytest.mark.parametrize("joint", ["Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Eye"])
def test_the_joints_of_a_whole_mannequin_are_found(whole, joint):
    found, joints = whole
    assert distance(found, joints, "R" + joint, joint.lower() + "_left") < TOLERANCE_PX
    assert distance(found, joints, "L" + joint, joint.lower() + "_right") < TOLERANCE_PX


def test_all_eighteen_joints_come_in_order(whole):
    assert tuple(whole[0].keypoints) == pose.NAMES


def test_confidence_tells_seen_from_covered(whole):
    found, _ = whole
    assert found.keypoints["Nose"].confidence == body.SEEN
    assert found.keypoints["RHip"].confidence == body.COVERED


def test_the_head_of_a_headless_dressform_follows_from_proportions():
    painted, joints = paint(parts=["neck", "shoulders", "torso"])
    painted[:50] = labels.BACKGROUND
    found = body.locate(Parsing(painted, "dressform", "upper", "front", 1.0))
    assert distance(found, joints, "Nose", "nose") < TOLERANCE_PX
    assert found.keypoints["Nose"].confidence == body.IMPLIED
    assert distance(found, joints, "RHip", "hip_left") < 1.5 * TOLERANCE_PX


def test_in_a_back_view_right_is_at_picture_right():
    painted, _ = paint(back=True)
    found = body.locate(Parsing(painted, "full", "upper", "back", 1.0)).keypoints
    assert found["RShoulder"].x > found["Neck"].x > found["LShoulder"].x


@pytest.mark.parametrize("kind", ["ghost", "hanger", "flatlay", "unknown", "person"])
def test_a_garment_alone_gets_a_body(kind):
    painted, joints = paint(parts=[])
    painted[56:72, 108:132] = labels.BACKGROUND  # a neckline: a straight edge is a waistband
    found = body.locate(Parsing(painted, kind, "upper", "front", 0.4))
    assert distance(found, joints, "Neck", "neck") < 2 * TOLERANCE_PX
    assert found.keypoints["Nose"].y < 56


def test_joints_may_lie_outside_the_photo():
    painted, _ = paint(parts=["neck", "shoulders", "torso"])
    cropped = Parsing(painted[52:180], "dressform", "upper", "front", 1.0)
    found = body.locate(cropped)
    assert found.keypoints["Nose"].y < 0
    assert found.keypoints["RAnkle"].y > cropped.size[0]
    assert found.keypoints["RAnkle"].confidence == body.OUTSIDE


def test_the_same_photo_gives_the_same_body(whole):
    painted, _ = paint()
    assert body.locate(Parsing(painted, "full", "upper", "front", 1.0)) == whole[0]


def test_stray_labels_hardly_move_the_body(whole):
    painted, joints = paint()
    painted[300:312, 10:40] = labels.MANNEQUIN
    painted[5:15, 220:235] = labels.GARMENT
    found = body.locate(Parsing(painted, "full", "upper", "front", 0.3))
    assert distance(found, joints, "Neck", "neck") < TOLERANCE_PX
    assert distance(found, joints, "RHip", "hip_left") < TOLERANCE_PX


def test_an_empty_label_map_says_what_to_do():
    empty = Parsing(np.zeros((40, 30), np.uint8))
    with pytest.raises(ValueError, match="must be labelled to locate a body, got 0 pixels") as e:
        body.locate(empty)
    assert "Mark the garment" in str(e.value)


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (900, 2)])
def test_odd_sizes_still_give_finite_joints(shape):
    found = body.locate(Parsing(np.full(shape, labels.GARMENT, np.uint8)))
    assert np.isfinite([k[:2] for k in found.keypoints.values()]).all()


def test_labels_are_not_changed():
    painted, _ = paint()
    before = painted.copy()
    body.locate(Parsing(painted, "full"))
    assert (painted == before).all()


def test_the_silhouette_is_the_figure_it_came_from(whole):
    painted, _ = paint(garment_rows=(0, 0))
    true, drawn = painted > 0, body.silhouette(whole[0])
    assert drawn.shape == (HEIGHT, WIDTH)
    assert (true & drawn).sum() / (true | drawn).sum() > 0.75
    assert cv2.connectedComponents(drawn.astype(np.uint8))[0] == 2


def turned(yaw, *, back=False):
    """The pose of the known figure, turned."""
    row = TRUE.copy()
    row[3], row[4] = yaw, 0.0
    placed = fitting.named(figure.build(row, back=back), back=back)
    return pose.Pose(HEIGHT, WIDTH, {n: Keypoint(*at[0], 1) for n, at in placed.items()})


def test_the_frame_reads_size_and_turn_from_the_joints():
    f = outline.frame(turned(0.4))
    assert f.stature == pytest.approx(STATURE_PX, rel=0.03)
    assert f.facing == 1
    assert f.yaw == pytest.approx(0.4, abs=0.12)


@pytest.mark.parametrize("back", [False, True], ids=["front", "back"])
@pytest.mark.parametrize("yaw", [-0.5, 0.5], ids=["left", "right"])
def test_toes_point_where_the_nose_does(yaw, back):
    one = turned(yaw, back=back)
    joints, shapes = one.keypoints, outline.parts(one)
    ahead = np.sign(joints["Nose"].x - (joints["REar"].x + joints["LEar"].x) / 2)
    feet = [
        shapes[f"foot_{side}"][:, 0].mean() - joints[f"{side[0].upper()}Ankle"].x
        for side in ("left", "right")
    ]
    assert np.sign(np.mean(feet)) == ahead


def test_what_the_frame_cuts_off_at_the_top_is_not_bare():
    painted, joints = paint(parts=["torso", "leg_left", "leg_right"], garment_rows=(125, 200))
    found = body.locate(Parsing(painted[118:225], "armless", "lower", "front", 1.0))
    place = joints["hip_left"][0] - (0, 118)
    assert np.hypot(found.keypoints["RHip"].x - place[0], found.keypoints["RHip"].y - place[1]) < (
        1.5 * TOLERANCE_PX
    )
    assert found.keypoints["Neck"].y < 0


def test_sure_joints_of_the_network_are_followed_and_unsure_ones_are_not():
    painted, _ = paint(parts=["neck", "shoulders", "torso"])
    parsing = Parsing(painted, "dressform", "upper", "front", 1.0)
    alone = body.locate(parsing).keypoints
    seen = np.array([[*alone[name][:2], 0.95] for name in pose.NAMES], np.float32)
    seen[pose.NAMES.index("RElbow"), 0] -= 5
    seen[pose.NAMES.index("RWrist"), 0] -= 8
    followed = body.locate(parsing._replace(joints=seen)).keypoints["RWrist"]
    assert followed.x < alone["RWrist"].x - 2
    seen[:, 2] = 0.01
    unsure = body.locate(parsing._replace(joints=seen)).keypoints["RWrist"]
    assert abs(unsure.x - alone["RWrist"].x) < 5


def test_the_view_says_which_side_a_joint_belongs_to():
    painted, _ = paint(back=True)
    parsing = Parsing(painted, "full", "upper", "back", 1.0)
    alone = body.locate(parsing).keypoints
    mirrored = [name.replace("R", "?").replace("L", "R").replace("?", "L") for name in pose.NAMES]
    seen = np.array([[*alone[name][:2], 0.9] for name in mirrored], np.float32)
    found = body.locate(parsing._replace(joints=seen)).keypoints
    assert found["RShoulder"].x > found["LShoulder"].x
    assert abs(found["RShoulder"].x - alone["RShoulder"].x) < TOLERANCE_PX


def test_a_measured_sleeve_pulls_the_arm_to_its_angle():
    rows = np.array([TRUE, TRUE])
    rows[1, [7, 9]] = 0.8
    figures = figure.build(rows)
    costs = []
    for angle in (0.5, 0.8):
        usual = habits.Habits("front", "upper", 60.0, 165.0, sleeves=np.array([angle, angle]))
        away, bound = habits.deviations(usual, rows, figures)
        costs.append((np.minimum(away**2, bound)).sum(1))
    assert costs[0][0] < costs[0][1]
    assert costs[1][1] - costs[0][1] < costs[1][0] - costs[0][0]
