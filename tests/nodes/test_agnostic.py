"""Make Agnostic Mask as ComfyUI calls it."""

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import NAMES

HEIGHT, WIDTH = 320, 240
# A person of 280 pixels who stands with the arms a little away from the body.
JOINTS = {
    "Nose": (120, 58), "Neck": (120, 88),
    "RShoulder": (92, 92), "RElbow": (74, 136), "RWrist": (62, 176),
    "LShoulder": (148, 92), "LElbow": (166, 136), "LWrist": (178, 176),
    "RHip": (106, 172), "RKnee": (104, 236), "RAnkle": (102, 292),
    "LHip": (134, 172), "LKnee": (136, 236), "LAnkle": (138, 292),
    "REye": (115, 53), "LEye": (125, 53), "REar": (108, 56), "LEar": (132, 56),
}  # fmt: skip


@pytest.fixture(scope="module")
def torch(nodes):
    import torch

    return torch


@pytest.fixture(scope="module")
def make(torch):
    from dressform.nodes.agnostic import MakeAgnosticMask

    def run(**inputs):
        person = torch.full((1, HEIGHT, WIDTH, 3), 0.6)
        return MakeAgnosticMask.execute(
            **{"person": person, "region": "auto", "extent": "full", **inputs}
        )

    return run


def frame(joints=JOINTS):
    flat = [v for n in NAMES for v in ((*joints[n], 1.0) if n in joints else (0.0, 0.0, 0.0))]
    people = [{"pose_keypoints_2d": flat}]
    return {"canvas_width": WIDTH, "canvas_height": HEIGHT, "people": people}


def parsed(region="upper", kind="person"):
    """A person in a T-shirt, as rectangles and thick lines."""
    label_map = np.zeros((HEIGHT, WIDTH), np.uint8)
    label_map[36:84, 100:140] = labels.MANNEQUIN
    for limb in (("Shoulder", "Elbow", "Wrist"), ("Hip", "Knee", "Ankle")):
        for side in "RL":
            points = np.array([JOINTS[side + name] for name in limb])
            cv2.polylines(label_map, [points], False, labels.MANNEQUIN, 14)
    label_map[86:176, 92:148] = labels.GARMENT
    return Parsing(label_map, kind, region, "front", 0.9)


def test_the_choices_are_those_of_the_function(nodes):
    from dressform.imaging import agnostic
    from dressform.nodes import agnostic as node

    assert node.EXTENTS == agnostic.EXTENTS


def test_mask_and_protected_share_no_pixel_and_the_picture_is_gray_in_the_mask(torch, make):
    mask, image, protected = make(parsing=[parsed()]).args
    assert mask.shape == protected.shape == (1, HEIGHT, WIDTH)
    assert ((mask == 0) | (mask == 1)).all()
    assert 0.1 < mask.mean() < 0.6
    assert not (mask * protected).any()
    assert protected[0, 56, 120] == 1  # the face
    assert mask[0, 130, 120] == 1  # the T-shirt
    assert (image[mask == 1] == 128 / 255).all()
    assert torch.allclose(image[mask == 0], torch.tensor(0.6), atol=0.002)


def test_auto_takes_the_region_of_the_new_garment_before_that_of_the_old(torch, make):
    given = {"parsing": [parsed()], "pose": [frame()]}
    same = make(**given).args[0]
    assert torch.equal(same, make(**given, region="upper").args[0])
    other = make(**given, garment_parsing=[parsed("lower")]).args[0]
    assert not torch.equal(same, other)
    assert other[0, 110, 120] == 0  # the chest
    assert other[0, 240, 104] == 1  # a knee


def test_a_connected_pose_wins_over_what_the_parser_sees(make):
    moved = {name: (x + 40, y) for name, (x, y) in JOINTS.items()}
    there = make(parsing=[parsed()], pose=[frame(moved)]).args[0][0]
    here = make(parsing=[parsed()], pose=[frame()]).args[0][0]
    assert here[146:160, 66].all()
    assert not there[146:160, 66].any()
    assert there[140:150, 206].all()


@pytest.mark.parametrize("missing", [(), ("RKnee", "LKnee", "RAnkle", "LAnkle", "LWrist")])
def test_a_person_whom_the_parser_does_not_see_is_placed_by_the_pose(make, missing):
    nothing = Parsing(np.zeros((HEIGHT, WIDTH), np.uint8), "unknown")
    joints = {name: place for name, place in JOINTS.items() if name not in missing}
    mask, _, protected = make(parsing=[nothing], pose=[frame(joints)]).args
    assert mask[0, 100:170, 120].all()  # from chest to hips
    assert mask[0, 136, 166] == 1  # an elbow
    assert protected[0, 56, 120] == 1
    assert not mask[0, :40].any()
    assert not mask[0, 270:].any()


def test_nobody_to_be_seen_ends_the_branch_with_a_sentence(make):
    nothing = Parsing(np.zeros((HEIGHT, WIDTH), np.uint8), "unknown")
    output = make(parsing=[nothing])
    assert output.block_execution.startswith("person must show a person that Parse")
    assert "Connect pose" in output.block_execution
    assert output.ui["text"] == [output.block_execution]


def test_a_doubtful_person_gets_a_mask_and_a_sentence(make):
    output = make(parsing=[parsed(kind="ghost")])
    assert output.args[0].any()
    [sentence] = output.ui["text"]
    assert "not sure that this is a person (it says ghost)" in sentence
    assert "text" not in make(parsing=[parsed(kind="ghost")], pose=[frame()]).ui


def test_fit_without_a_garment_ends_the_branch_with_a_sentence(make):
    output = make(parsing=[parsed()], extent="fit")
    assert output.block_execution.startswith("garment_parsing must be connected for the extent")
    assert make(parsing=[parsed()], extent="fit", garment_parsing=[parsed()]).args[0].any()


def test_a_parsing_of_another_photo_is_refused_by_the_name_of_the_photo(torch, make):
    with pytest.raises(ValueError, match="parsing must be 64x48 like person, got 320x240"):
        make(person=torch.zeros((1, 64, 48, 3)), parsing=[parsed()])


def test_one_person_and_a_batch_of_garments_give_a_batch_of_masks(torch, make):
    given = {"parsing": [parsed()], "pose": [frame()]}
    both = make(**given, garment_parsing=[parsed(), parsed("dress")]).args[0]
    assert both.shape == (2, HEIGHT, WIDTH)
    alone = [make(**given, garment_parsing=[parsed(r)]).args[0] for r in ("upper", "dress")]
    assert torch.equal(both, torch.cat(alone))


def test_batches_that_do_not_fit_are_refused_with_both_numbers(make):
    with pytest.raises(ValueError, match="same batch size or one of them 1, got 3 and 2"):
        make(parsing=[parsed()] * 3, pose=[frame()] * 2)
