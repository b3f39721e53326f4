import numpy as np
import pytest
from dressform.imaging import labels, pose, wearer
from dressform.imaging.parsing import Parsing

SIZE = (300, 200)


def blank():
    return Parsing(np.zeros(SIZE, np.uint8))


def frame(**joints):
    flat = [v for n in pose.NAMES for v in ((*joints[n], 1.0) if n in joints else (0.0, 0.0, 0.0))]
    people = [{"pose_keypoints_2d": flat}]
    return {"canvas_width": SIZE[1], "canvas_height": SIZE[0], "people": people}


TRUNK = {
    "Neck": (100, 80),
    "RShoulder": (75, 84),
    "LShoulder": (125, 84),
    "RHip": (88, 160),
    "LHip": (112, 160),
}


def test_given_joints_stay_where_they_are_and_lead_to_the_others():
    found = wearer.locate(blank(), frame(**TRUNK)).keypoints
    for name, place in TRUNK.items():
        assert found[name][:2] == place
    assert found["RKnee"].x < found["LKnee"].x
    assert 180 < found["RKnee"].y < 260
    assert 30 < found["Nose"].y < 75
    assert found["RWrist"].x < 75


def test_a_given_arm_is_followed_where_the_parser_sees_another():
    label_map = np.zeros(SIZE, np.uint8)
    label_map[70:170, 75:125] = labels.GARMENT
    label_map[85:160, 125:140] = labels.MANNEQUIN
    raised = {"LElbow": (150, 70), "LWrist": (170, 40)}
    found = wearer.locate(Parsing(label_map), frame(**TRUNK, **raised)).keypoints
    assert found["LElbow"][:2] == raised["LElbow"]
    assert found["LWrist"][:2] == raised["LWrist"]


def test_without_keypoints_it_is_the_body_that_the_parser_sees():
    from dressform.imaging import body

    label_map = np.zeros(SIZE, np.uint8)
    label_map[80:160, 70:130] = labels.GARMENT
    parsing = Parsing(label_map, "person", "upper", "front", 0.9)
    assert wearer.locate(parsing) == body.locate(parsing)


def test_the_label_map_is_not_changed():
    parsing = blank()
    wearer.locate(parsing, frame(**TRUNK))
    assert not parsing.label_map.any()


@pytest.mark.parametrize("given", [None, frame(Nose=(100, 40))])
def test_nobody_to_be_seen_says_what_to_do(given):
    with pytest.raises(ValueError, match=r"person must show a person .*, got none. Connect pose"):
        wearer.locate(blank(), given)


def test_a_few_stray_pixels_are_nobody():
    label_map = np.zeros(SIZE, np.uint8)
    label_map[10, 10:15] = labels.GARMENT
    with pytest.raises(ValueError, match="person must show a person"):
        wearer.locate(Parsing(label_map))
