"""What an engine needs is completed from what is connected."""

import numpy as np
import pytest
from dressform.imaging import body, labels
from dressform.imaging import pose as poses
from dressform.imaging.parsing import Parsing
from dressform.inference import request

SIZE = 256, 192


def parsed(label_map, kind="person"):
    return Parsing(label_map, kind, 1.0, "upper", "front", 1.0)


@pytest.fixture
def standing():
    found = np.zeros(SIZE, np.uint8)
    found[20:60, 84:108] = labels.MANNEQUIN
    found[60:150, 60:132] = labels.GARMENT
    found[150:240, 70:122] = labels.MANNEQUIN
    return found


def prepare(of_person, pose=None):
    picture = np.zeros((*SIZE, 3), np.uint8)
    mask = np.zeros(SIZE, np.float32)
    mask[60:150, 60:132] = 1
    garment = parsed(np.where(mask > 0, labels.GARMENT, 0).astype(np.uint8), "ghost")
    return request.prepare(
        picture, picture, mask, person_parsing=of_person, garment_parsing=garment, pose=pose
    )


def frame(located, shift_px=0.0):
    moved = {
        name: joint._replace(x=joint.x + shift_px) for name, joint in located.keypoints.items()
    }
    return poses.to_openpose(located._replace(keypoints=moved))


def test_without_a_pose_the_outline_counts(standing):
    made = prepare(parsed(standing))
    assert made.by_outline
    assert made.person_pose == body.locate(parsed(standing))


def test_a_pose_elsewhere_wins_over_the_outline(standing):
    located = body.locate(parsed(standing))
    assert prepare(parsed(standing), frame(located)).by_outline
    made = prepare(parsed(standing), frame(located, 30))
    assert not made.by_outline
    assert made.person_pose.keypoints["Neck"].x == pytest.approx(
        located.keypoints["Neck"].x + 30, abs=0.5
    )


def test_a_pose_stands_in_for_a_person_whom_the_parser_misses(standing):
    nobody = parsed(np.zeros(SIZE, np.uint8), "flatlay")
    made = prepare(nobody, frame(body.locate(parsed(standing))))
    assert not made.by_outline
    assert made.person_pose.keypoints["Neck"].x == pytest.approx(96, abs=8)


def test_nobody_at_all_is_said(standing):
    with pytest.raises(ValueError, match=r"person must show a person .* Connect pose"):
        prepare(parsed(np.zeros(SIZE, np.uint8), "flatlay"))
