import cv2
import numpy as np
import pytest
from dressform.imaging import body, labels, repaint
from dressform.imaging.parsing import Parsing

TEE = [(150, 110), (250, 110), (300, 170), (275, 195), (250, 170), (250, 300)]
TEE += [(150, 300), (150, 170), (125, 195), (100, 170)]
SKIRT = [(165, 250), (235, 250), (260, 420), (140, 420)]


def parsing_of(outline, region):
    label_map = np.zeros((700, 400), np.uint8)
    cv2.fillPoly(label_map, [np.array(outline)], labels.GARMENT)
    return Parsing(label_map, kind="ghost", region=region)


def area(parsing):
    return repaint.area(parsing, parsing.garment)


def test_around_a_tee_head_arms_and_legs_should_appear():
    found = area(parsing_of(TEE, "upper"))
    assert found[60:105, 200].any(), "neck and head"
    assert found[310:340, 200].all(), "hips"
    assert found[200:330, :145].any(), "an arm"
    assert found[200:330, 255:].any(), "the other arm"


def test_around_a_skirt_torso_and_legs_should_appear():
    found = area(parsing_of(SKIRT, "lower"))
    assert found[225:248, 200].all(), "waist"
    assert found[425:470, 140:260].any(), "legs"


@pytest.mark.parametrize(("outline", "region"), [(TEE, "upper"), (SKIRT, "lower")])
def test_the_garment_itself_is_never_repainted(outline, region):
    parsing = parsing_of(outline, region)
    assert not (area(parsing) & parsing.garment).any()


def test_mannequin_and_stand_are_repainted():
    parsing = parsing_of(TEE, "upper")
    label_map = parsing.label_map.copy()
    label_map[20:80, 10:30] = labels.SUPPORT
    label_map[500:560, 300:360] = labels.MANNEQUIN
    found = area(parsing._replace(label_map=label_map))
    assert found[20:80, 10:30].all()
    assert found[500:560, 300:360].all()


def test_the_inside_is_repainted_only_where_the_body_stands_before_it():
    parsing = parsing_of(TEE, "upper")
    label_map = parsing.label_map.copy()
    label_map[100:125, 190:210] = labels.INTERIOR
    label_map[650:690, 5:25] = labels.INTERIOR
    parsing = parsing._replace(label_map=label_map)
    found = repaint.area(parsing, parsing.garment | parsing.interior)
    assert found[105:115, 198:202].all()
    assert not found[650:690, 5:25].any()


def test_no_torso_looks_out_beside_a_narrow_garment(monkeypatch):
    pose = body.locate(parsing_of(TEE, "upper"))
    monkeypatch.setattr(body, "locate", lambda parsing: pose)
    found = area(parsing_of([(190, 110), (210, 110), (210, 300), (190, 300)], "upper"))
    assert body.silhouette(pose)[220:280, 175:185].all()
    assert not found[220:280, 175:185].any()


def test_a_speck_of_garment_implies_no_body():
    label_map = np.zeros((400, 300), np.uint8)
    label_map[200, 150] = labels.GARMENT
    assert not area(Parsing(label_map)).any()


def test_the_body_of_a_large_photo_is_that_of_a_small_one(monkeypatch):
    parsing = parsing_of(TEE, "upper")
    large = np.kron(parsing.label_map, np.ones((3, 3), np.uint8))
    seen, locate = [], body.locate

    def recorded(parsing):
        seen.append(parsing.joints)
        return locate(parsing._replace(joints=None))

    monkeypatch.setattr(body, "locate", recorded)
    joints = np.full((18, 3), (300, 600, 0.9), np.float32)
    found = area(parsing._replace(label_map=large, joints=joints))
    scale = repaint.LONG_SIDE / 2100
    assert np.allclose(seen[0], (300 * scale, 600 * scale, 0.9))
    assert (found[1::3, 1::3] != area(parsing)).mean() < 0.01
