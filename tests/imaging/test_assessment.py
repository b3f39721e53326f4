"""Kind, region, view and confidence, on drawn label maps."""

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.parser import assessment, measures
from dressform.imaging.parser.network import Look
from dressform.imaging.parsing import Parsing

# Boxes (top, left, bottom, right) on a 400x240 map; the garment has sleeves and a neckline.
NECK, HEAD = (100, 112, 124, 128), (52, 100, 102, 140)
STUMPS = ((125, 76, 150, 84), (125, 156, 150, 164))
ARMS = ((125, 60, 225, 76), (125, 164, 225, 180))
LEGS = ((228, 92, 370, 114), (228, 126, 370, 148))
TRUNK = (52, 90, 124, 150)
POLE = ((222, 116, 350, 124), (350, 90, 358, 150))
TOP = (120, 84, 225, 156)


def drawn(*mannequin, garment=TOP, support=(), neckline=18):
    label_map = np.zeros((400, 240), np.uint8)
    for boxes, label in ((mannequin, labels.MANNEQUIN), (support, labels.SUPPORT)):
        for top, left, bottom, right in boxes:
            label_map[top:bottom, left:right] = label
    top, left, bottom, right = garment
    label_map[top:bottom, left:right] = labels.GARMENT
    label_map[top : top + neckline, 108:132] = labels.MANNEQUIN if mannequin else labels.INTERIOR
    return label_map


def concluded(label_map):
    parsing = assessment.complete(Parsing(label_map))
    return parsing.kind, parsing.region, parsing.view


SURE_LOOK = Look({"full": 0.95, "headless": 0.05}, {"upper": 1.0}, {"front": 1.0})


def certain(label_map, sure):
    """Shares that give `sure` to the map's label, and the rest to all others alike."""
    shares = np.full((*label_map.shape, 6), (1 - sure) / 5, np.float32)
    np.put_along_axis(shares, label_map[..., None].astype(np.intp), sure, axis=2)
    return shares


def test_a_garment_alone_shows_no_mannequin():
    assert concluded(drawn())[0] in assessment.BARE


def test_a_head_tells_a_full_mannequin():
    assert concluded(drawn(HEAD, NECK, *ARMS, *LEGS))[0] == "full"


def test_arms_without_a_head_tell_a_headless_mannequin():
    assert concluded(drawn(NECK, *ARMS, *LEGS))[0] == "headless"


def test_a_neck_over_a_pole_tells_a_dressform():
    assert concluded(drawn(NECK, support=POLE))[0] == "dressform"


def test_a_trunk_above_tells_a_lower_garment():
    skirt = (120, 88, 225, 152)
    assert concluded(drawn(HEAD, TRUNK, *ARMS, *LEGS, garment=skirt, neckline=0))[1] == "lower"


@pytest.mark.parametrize("mannequin", [(NECK,), (NECK, *ARMS, *LEGS), (HEAD, NECK, *ARMS, *LEGS)])
def test_a_long_garment_is_a_dress(mannequin):
    long = drawn(*mannequin)
    cut = [[88, 120], [152, 120], [150, 170], [165, 310], [75, 310], [90, 170]]
    bodice = np.zeros_like(long)
    cv2.fillPoly(bodice, [np.array(cut)], 1)
    long[(bodice > 0) & (long != labels.MANNEQUIN)] = labels.GARMENT
    long[170:311][bodice[170:311] > 0] = labels.GARMENT
    assert concluded(long)[1] == "dress"
    short = drawn(NECK, *ARMS, *LEGS)
    assert concluded(short)[1] == "upper"


def test_measurements_of_a_mirrored_map_are_the_same():
    label_map = drawn(HEAD, NECK, *ARMS, *LEGS)
    label_map[125:225, 164:180] = labels.BACKGROUND  # one arm is missing
    found, mirrored = (measures.measure(m) for m in (label_map, label_map[:, ::-1]))
    assert mirrored == pytest.approx(found, abs=0.06)


def test_a_map_without_garment_is_not_measured():
    assert measures.measure(np.full((20, 20), labels.MANNEQUIN, np.uint8)) == {}


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 3)])
def test_every_garment_is_measured_however_small(size):
    found = measures.measure(np.full(size, labels.GARMENT, np.uint8))
    assert np.isfinite(list(found.values())).all()
    assert found


def test_an_unknown_kind_is_completed_and_a_known_one_kept():
    label_map = drawn(NECK, *ARMS, *LEGS)
    assert assessment.complete(Parsing(label_map)).kind == "headless"
    known = Parsing(label_map, kind="dressform", region="layered", view="back")
    assert assessment.complete(known) is known
    bare = Parsing(np.zeros((20, 20), np.uint8))
    assert assessment.complete(bare) is bare


def test_the_kind_is_the_likeliest_of_those_with_or_without_a_mannequin():
    bare_together = {"headless": 0.35, "ghost": 0.25, "hanger": 0.2, "flatlay": 0.2}
    assert assessment.kind(bare_together) == "ghost"
    one_bare = {"headless": 0.3, "armless": 0.25, "ghost": 0.45, "hanger": 0.0, "flatlay": 0.0}
    assert assessment.kind(one_bare) == "headless"


def test_where_no_mannequin_can_be_the_next_likely_label_takes_its_place():
    shares = np.zeros((1, 2, 6), np.float32)
    shares[0, 0] = (0.1, 0.3, 0.6, 0, 0, 0)
    shares[0, 1] = (0.1, 0.2, 0, 0.7, 0, 0)
    assert assessment.without_impossible(shares, "full") is shares
    assert assessment.without_impossible(shares, "flatlay").argmax(-1).tolist() == [[1, 1]]
    assert assessment.without_impossible(shares, "hanger").argmax(-1).tolist() == [[1, 3]]
    assert shares[0, 0, 2] == np.float32(0.6)


def test_the_expected_overlap_of_certain_shares_is_one_and_of_doubtful_ones_less():
    label_map = drawn(NECK, *ARMS, *LEGS)
    assert assessment.expected_iou(certain(label_map, 1.0)) == 1
    assert 0.3 < assessment.expected_iou(certain(label_map, 0.7)) < 0.7
    assert assessment.expected_iou(certain(np.zeros((4, 4), np.uint8), 1.0)) == 0


def test_confidence_grows_with_the_networks_certainty_and_that_of_the_mirrored_photo():
    shares = certain(drawn(NECK, *ARMS, *LEGS), 0.97)
    sure = assessment.confidence(shares, 0.99, SURE_LOOK)
    assert sure > assessment.confidence(certain(drawn(NECK, *ARMS, *LEGS), 0.6), 0.99, SURE_LOOK)
    assert sure > assessment.confidence(shares, 0.5, SURE_LOOK)
    assert 0 < sure < 1


HOOK = (80, 116, 119, 122)


@pytest.mark.parametrize(
    ("label_map", "named"),
    [
        (drawn(support=[HOOK]), "hanger"),
        (drawn(support=[(118, 100, 130, 140)]), "flatlay"),
        (drawn(), "flatlay"),
        (drawn(garment=(0, 84, 225, 156)), "hanger"),
        (np.zeros((9, 9), np.uint8), "hanger"),
    ],
    ids=["with a hook", "collar called a hanger", "nothing", "cut off above", "empty"],
)
def test_a_hanger_has_a_hook_above_the_garment(label_map, named):
    assert assessment.hung_or_laid("hanger", label_map) == named


def test_other_kinds_need_no_hook():
    assert assessment.hung_or_laid("ghost", drawn()) == "ghost"
