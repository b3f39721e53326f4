from itertools import pairwise

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import Keypoint, Pose
from dressform.inference import engine

WALL, SKIN, OLD, CLOTH = (235, 235, 230), (200, 150, 120), (60, 60, 150), (30, 140, 60)
# A standing body of 240x180 with both arms down and apart, seen from the front.
JOINTS = {
    "Nose": (90, 32),
    "Neck": (90, 60),
    "RShoulder": (66, 62),
    "RElbow": (48, 96),
    "RWrist": (36, 126),
    "LShoulder": (114, 62),
    "LElbow": (132, 96),
    "LWrist": (144, 126),
    "RHip": (78, 130),
    "RKnee": (77, 175),
    "RAnkle": (76, 215),
    "LHip": (102, 130),
    "LKnee": (103, 175),
    "LAnkle": (104, 215),
    "REye": (86, 28),
    "LEye": (94, 28),
    "REar": (80, 30),
    "LEar": (100, 30),
}


def _pose(scale=1.0, shift=(0, 0), **moved):
    joints = {**JOINTS, **moved}
    keypoints = {
        name: Keypoint(x * scale + shift[0], y * scale + shift[1], 1.0)
        for name, (x, y) in joints.items()
    }
    return Pose(round(240 * scale), round(180 * scale), keypoints)


def _limbs(canvas, pose, names, value, thickness):
    points = [(round(pose.keypoints[n].x), round(pose.keypoints[n].y)) for n in names]
    for start, end in pairwise(points):
        cv2.line(canvas, start, end, value, thickness)


def _person(scale=1.0):
    pose = _pose(scale)
    label_map = np.zeros((pose.height, pose.width), np.uint8)
    wide = round(13 * scale)
    for side in "RL":
        _limbs(label_map, pose, [side + n for n in ("Shoulder", "Elbow", "Wrist")], 2, wide)
        _limbs(label_map, pose, [side + n for n in ("Hip", "Knee", "Ankle")], 2, 2 * wide)
    nose = pose.keypoints["Nose"]
    cv2.ellipse(
        label_map, (round(nose.x), round(nose.y)), (wide, 2 * wide), 0, 0, 360, labels.MANNEQUIN, -1
    )
    corners = [(round(x * scale), round(y * scale)) for x, y in ((68, 58), (112, 134))]
    cv2.rectangle(label_map, *corners, labels.GARMENT, -1)
    colors = np.array([WALL, OLD, SKIN, SKIN, SKIN, WALL], np.uint8)
    return colors[label_map], pose, Parsing(label_map)


def _garment(scale=1.0, *, sleeves=True):
    pose = _pose(scale)
    mask = np.zeros((pose.height, pose.width), np.uint8)
    corners = [(round(x * scale), round(y * scale)) for x, y in ((62, 54), (118, 140))]
    cv2.rectangle(mask, *corners, 1, -1)
    for side in "RL" if sleeves else "":
        _limbs(mask, pose, [side + n for n in ("Shoulder", "Elbow", "Wrist")], 1, round(20 * scale))
    image = np.where(mask[..., None] > 0, np.uint8(CLOTH), np.uint8((250, 250, 250)))
    return image, mask > 0, pose


def _request(garment_scale=1.0, person_scale=1.0, **changes):
    person, person_pose, _ = _person(person_scale)
    image, mask, pose = _garment(garment_scale)
    request = engine.TryOnRequest(person, image, mask, person_pose, pose)
    return request._replace(**changes)


def _run(request):
    return engine.load("warp").run(request, lambda done, total: None)


def _near(image, color, tolerance=8):
    return (np.abs(image.astype(int) - color) <= tolerance).all(-1)


SIZES = [(1, 1), (2.5, 1), (0.3, 1), (1, 0.4), (1, 1.37), (0.4, 3)]


@pytest.mark.parametrize(("garment", "person"), SIZES)
def test_outside_the_repainted_mask_the_person_is_untouched(garment, person):
    request = _request(garment, person)
    result = _run(request)
    assert result.image.shape == request.person.shape
    assert result.image.dtype == np.uint8
    assert result.repainted.shape == result.garment.shape == request.person.shape[:2]
    assert result.repainted.dtype == result.garment.dtype == np.float32
    assert result.repainted.min() == 0
    assert result.repainted.max() <= 1
    kept = result.repainted == 0
    assert 0.2 < kept.mean() < 0.9
    assert (result.image[kept] == request.person[kept]).all()


@pytest.mark.parametrize(("garment", "person"), SIZES)
def test_the_garment_lands_on_the_torso_in_its_own_colour(garment, person):
    result = _run(_request(garment, person))
    chest = result.image[round(90 * person), round(90 * person)]
    assert _near(chest[None, None], CLOTH, 1).all()


def test_the_same_request_gives_the_same_bytes():
    first, second = _run(_request(1, 1.3)), _run(_request(1, 1.3))
    assert first.image.tobytes() == second.image.tobytes()
    assert first.repainted.tobytes() == second.repainted.tobytes()


def test_a_garment_of_the_same_pose_stays_in_place():
    request = _request()
    result = _run(request)
    hidden = request.garment_mask & (result.garment < 0.5)
    hidden[:70] = False  # the face and neck stay in front
    assert hidden.sum() < 0.02 * request.garment_mask.sum()
    assert (
        (result.garment > 0.5) & ~request.garment_mask
    ).sum() < 0.12 * request.garment_mask.sum()


@pytest.mark.parametrize("elbow_x", [30, 48, 60])
def test_sleeves_follow_the_arms(elbow_x):
    """The person's right arm, from raised to close to the body; the garment's stays."""
    wrist = (2 * elbow_x - 60, 124)
    pose = _pose(RElbow=(elbow_x, 94), RWrist=wrist)
    person = np.full((240, 180, 3), WALL, np.uint8)
    result = _run(_request(person=person, person_pose=pose))
    assert result.garment[94, elbow_x] > 0.9
    middle = round((elbow_x + wrist[0]) / 2), 109
    assert result.garment[middle[1], middle[0]] > 0.9
    if elbow_x == 30:
        assert result.garment[118, 40] < 0.1  # where the sleeve was


def test_a_top_without_sleeves_leaves_the_arms_bare():
    image, mask, pose = _garment(sleeves=False)
    request = _request(garment=image, garment_mask=mask, garment_pose=pose)
    result = _run(request)
    assert _near(result.image[100:126, 36:46], SKIN).sum() > 50
    assert (result.garment[96:126, 30:50] < 0.1).all()


def test_no_light_fringe_comes_along():
    person = np.full((240, 180, 3), (20, 20, 20), np.uint8)
    result = _run(_request(person=person))
    assert result.image.max() <= max(CLOTH) + 4


def test_the_face_stays_in_front():
    image, mask, _ = _garment()
    mask = mask.copy()
    mask[10:60, 80:100] = True
    image = image.copy()
    image[mask] = CLOTH
    result = _run(_request(garment=image, garment_mask=mask))
    assert (result.garment[28:36, 86:94] == 0).all()


def test_a_soft_shadow_falls_on_skin_and_not_on_the_wall():
    person, _, parsing = _person()
    result = _run(_request(person_parsing=parsing, person=person))
    shadow = (result.repainted > 0) & (result.garment == 0)
    assert shadow.any()
    darker = result.image.astype(int).sum(-1) < person.astype(int).sum(-1)
    assert darker[shadow].mean() > 0.8
    assert not (shadow & (parsing.label_map == labels.BACKGROUND)).any() or (
        result.repainted[shadow & (parsing.label_map == labels.BACKGROUND)].max() < 0.1
    )


def test_only_the_repaint_mask_is_painted():
    allowed = np.zeros((240, 180), bool)
    allowed[80:120, 60:110] = True
    request = _request(repaint_mask=allowed)
    result = _run(request)
    assert (result.repainted[~allowed] == 0).all()
    assert (result.image[~allowed] == request.person[~allowed]).all()
    assert (result.image[90:110, 80:100] == CLOTH).all()


def test_an_old_garment_that_looks_out_is_reported():
    person, _, parsing = _person()
    label_map = parsing.label_map.copy()
    label_map[134:200, 70:110] = labels.GARMENT
    person = person.copy()
    person[134:200, 70:110] = OLD
    result = _run(_request(person=person, person_parsing=Parsing(label_map)))
    assert any("own clothes stay visible" in text for text in result.warnings)


def test_a_given_pose_goes_before_the_outline():
    """The outline holds a garment in place, unless the pose is the user's own."""
    person, _, parsing = _person()
    lower = _pose(shift=(0, 9))

    def top(by_outline):
        request = _request(
            person=person, person_parsing=parsing, person_pose=lower, by_outline=by_outline
        )
        return int(np.flatnonzero((_run(request).garment[:, 66:74] > 0.5).any(1))[0])

    at_body = _request(person=person, person_parsing=parsing, by_outline=False)
    before = int(np.flatnonzero((_run(at_body).garment[:, 66:74] > 0.5).any(1))[0])
    assert top(False) - before == 9
    assert top(True) < top(False)


def test_a_covered_old_garment_is_not_reported():
    assert _run(_request(person_parsing=_person()[2])).warnings == ()


def test_front_on_back_is_reported_and_not_turned_upside_down():
    swapped = {
        name: JOINTS[("L" if name[0] == "R" else "R") + name[1:]]
        for name in JOINTS
        if name[0] in "RL" and name[1].isupper()
    }
    result = _run(_request(garment_pose=_pose(**swapped)))
    assert any("face different ways" in text for text in result.warnings)
    assert result.garment[90, 90] == 1
    assert result.garment[136, 90] > 0.9


def test_a_skirt_is_laid_on_the_hips():
    mask = np.zeros((240, 180), bool)
    mask[122:180, 66:114] = True
    image = np.where(mask[..., None], np.uint8(CLOTH), np.uint8((250, 250, 250)))
    result = _run(_request(garment=image, garment_mask=mask, region="lower"))
    assert (result.garment[130:170, 74:106] > 0.99).all()
    assert (result.garment[:115] == 0).all()


def test_trouser_legs_follow_the_legs():
    mask = np.zeros((240, 180), np.uint8)
    cv2.rectangle(mask, (66, 122), (114, 140), 1, -1)
    for side in "RL":
        _limbs(mask, _pose(), [side + n for n in ("Hip", "Knee", "Ankle")], 1, 20)
    image = np.where(mask[..., None] > 0, np.uint8(CLOTH), np.uint8((250, 250, 250)))
    pose = _pose(RKnee=(66, 174), RAnkle=(54, 212), LKnee=(114, 174), LAnkle=(126, 212))
    person = np.full((240, 180, 3), WALL, np.uint8)
    request = _request(garment=image, garment_mask=mask > 0, region="lower", person=person)
    result = _run(request._replace(person_pose=pose))
    assert result.garment[205, 56] > 0.9
    assert result.garment[205, 124] > 0.9
    assert (result.garment[205, 80:100] == 0).all()


def test_progress_counts_to_the_end():
    seen = []
    engine.load("warp").run(_request(), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_no_argument_is_changed():
    request = _request()
    before = [array.copy() for array in request[:3]]
    _run(request)
    assert all((now == then).all() for now, then in zip(request[:3], before, strict=True))


def test_an_empty_garment_mask_is_explained():
    request = _request(garment_mask=np.zeros((240, 180), bool))
    with pytest.raises(ValueError, match="garment mask must select the garment, got an empty"):
        _run(request)


def test_a_mask_of_another_photo_is_explained():
    with pytest.raises(ValueError, match="garment mask must be 240x180 like garment, got 5x5"):
        _run(_request(garment_mask=np.ones((5, 5), bool)))


def test_a_repaint_mask_of_another_photo_is_explained():
    with pytest.raises(ValueError, match="repaint mask must be 240x180 like person, got 5x5"):
        _run(_request(repaint_mask=np.ones((5, 5), bool)))


def test_a_garment_outside_of_the_person_photo_is_explained():
    with pytest.raises(ValueError, match="must land inside the person photo"):
        _run(_request(person_pose=_pose(shift=(0, 5000))))


@pytest.mark.parametrize("size", [(12, 9), (30, 22), (24, 60)])
def test_a_tiny_person_photo_ends_in_a_picture(size):
    person = np.zeros((*size, 3), np.uint8)
    result = _run(_request(person=person, person_pose=_pose(size[0] / 240)))
    assert result.image.shape == person.shape
    assert result.image.any()


def _in_place(kind="full", **moved):
    """A sleeved garment photographed before the same wall as the person, in the same place."""
    person, _, parsing = _person()
    image, mask, pose = _garment()
    image = np.where(mask[..., None], image, np.uint8(WALL))
    label_map = np.where(mask, labels.GARMENT, labels.BACKGROUND).astype(np.uint8)
    return _request(
        person=person,
        person_parsing=parsing,
        person_pose=_pose(**moved),
        garment=image,
        garment_mask=mask,
        garment_pose=pose,
        garment_parsing=Parsing(label_map, kind=kind),
    )


def test_what_joints_are_wrong_by_moves_no_sleeve():
    exact = _run(_in_place())
    wrong = _run(_in_place(RElbow=(46, 97), RShoulder=(67, 63), LWrist=(146, 125)))
    # Above the hands, which stay in front where the pose says they are.
    assert np.abs(exact.garment - wrong.garment)[:112].max() < 0.05


def test_a_raised_arm_in_the_same_place_is_followed():
    result = _run(_in_place(RElbow=(30, 76), RWrist=(4, 76)))
    assert result.garment[76, 30] > 0.9
    assert result.garment[76, 16] > 0.9


def test_an_empty_sleeve_turns_to_the_arm_and_a_filled_one_keeps_its_distance():
    """The sleeve hangs lower than the joints of its photo; the person's arm is where they are."""
    told = {kind: _in_place(kind) for kind in ("dressform", "full")}
    mask = np.zeros((240, 180), np.uint8)
    cv2.rectangle(mask, (62, 54), (118, 140), 1, -1)
    hanging = _pose(RElbow=(55, 99), RWrist=(50, 132), LElbow=(125, 99), LWrist=(130, 132))
    for side in "RL":
        _limbs(mask, hanging, [side + n for n in ("Shoulder", "Elbow", "Wrist")], 1, 14)
    image = np.where(mask[..., None] > 0, np.uint8(CLOTH), np.uint8(WALL))
    found = {}
    for kind, request in told.items():
        label_map = np.where(mask > 0, labels.GARMENT, labels.BACKGROUND).astype(np.uint8)
        parsing = Parsing(label_map, kind=kind)
        changed = request._replace(garment=image, garment_mask=mask > 0, garment_parsing=parsing)
        found[kind] = _run(changed).garment
    elbow_to_wrist = (114, 40)
    assert found["dressform"][elbow_to_wrist] > 0.9
    assert found["full"][elbow_to_wrist] < 0.1
