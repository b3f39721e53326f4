"""Where a person is repainted: on drawn people in drawn clothes, whose bodies are known exactly."""

import itertools

import cv2
import numpy as np
import pytest
from dressform.imaging import agnostic, body, labels, protection, rooms, zones
from dressform.imaging.anatomy import figure, fitting
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import NAMES, Keypoint, Pose

HEIGHT, WIDTH = 320, 240
STATURE_PX = 280
SIDES = ("right", "left")


def standing(yaw=0.0, arms=0.5):
    """The pose of a known figure."""
    row = np.array([120, 65, np.log(STATURE_PX), yaw, 0.1, 0, 0.07, arms, arms - 0.1, arms,
                    arms - 0.1, 0])  # fmt: skip
    named = fitting.named(figure.build(row, back=False), back=False)
    return Pose(HEIGHT, WIDTH, {n: Keypoint(*map(float, named[n][0]), 1.0) for n in NAMES})


POSE = standing()
BODY = zones.draw(POSE)


def dressed(pose=POSE, *, region="upper", sleeve=0.0, hem=0.05, loose=0.015, flare=0.0, waist=0.0):
    """A person in a garment that ends where it is told, and stands off as much, in statures."""
    around = zones.draw(pose)
    arms = np.logical_or.reduce([
        (rooms.off(around, f"arm_{side}") <= loose) & (around.along[f"arm_{side}"] <= sleeve)
        for side in SIDES
    ])  # fmt: skip
    trunk = (around.away["torso"] <= loose) & (around.along["torso"] > waist)
    fall = np.clip(around.along["legs"], 0, None)
    below = (around.away["legs"] <= loose + flare * fall) & (fall > 0) & (fall <= hem)
    ends = [around.away[f"{end}_{side}"] <= 0 for end in ("hand", "foot") for side in SIDES]
    cloth = {"lower": below | (trunk & (around.along["torso"] > 0.18))}.get(
        region, trunk | below | (arms if sleeve else False)
    )
    cloth &= ~np.logical_or.reduce([*ends, around.away["head"] <= 0])
    label_map = np.where(body.silhouette(pose), labels.MANNEQUIN, labels.BACKGROUND)
    large = cv2.resize(cloth.astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    label_map = np.where(large > 0, labels.GARMENT, label_map).astype(np.uint8)
    return Parsing(label_map, "person", region, "front", 0.9)


def difference(first, second):
    return np.count_nonzero(first ^ second) / np.count_nonzero(first | second)


OLD = {
    "upper": {
        "camisole": dressed(loose=0.01),
        "tee": dressed(sleeve=0.4, loose=0.03),
        "long-sleeved shirt": dressed(sleeve=1.0, loose=0.03),
        "tunic": dressed(sleeve=0.6, hem=0.22, loose=0.03),
        "cropped top": dressed(sleeve=0.2, hem=0.0, loose=0.02),
    },
    "lower": {
        "shorts": dressed(region="lower", hem=0.35),
        "trousers": dressed(region="lower", hem=0.97, loose=0.012),
        "short skirt": dressed(region="lower", hem=0.3, flare=0.1),
        "long skirt": dressed(region="lower", hem=0.9, flare=0.07),
    },
    "dress": {
        "short and sleeveless": dressed(region="dress", hem=0.35, flare=0.1),
        "long-sleeved and long": dressed(
            region="dress", sleeve=1.0, hem=0.85, loose=0.03, flare=0.05
        ),
        "tee": dressed(sleeve=0.4, loose=0.03),
    },
}
PAIRS = [
    pytest.param(region, *pair, id=f"{region}: {pair[0]}, {pair[1]}")
    for region, worn in OLD.items()
    for pair in itertools.combinations(worn, 2)
]


@pytest.mark.parametrize(("region", "first", "second"), PAIRS)
def test_the_mask_does_not_tell_what_the_same_person_wore(region, first, second):
    worn = [OLD[region][name] for name in (first, second)]
    assert difference(worn[0].garment, worn[1].garment) > 0.08  # else nothing is shown
    masks = [agnostic.mask(one, POSE, region) for one in worn]
    # What is left are cuffs about a wrist and hems about an ankle, where hands and shoes begin.
    assert difference(*masks) < 0.015


@pytest.mark.parametrize("region", OLD)
def test_the_body_that_is_found_beneath_tells_hardly_more(region):
    # As in use: the pose comes from the labels, too, and is a little another for each garment.
    masks = [agnostic.mask(one, body.locate(one), region) for one in OLD[region].values()]
    assert max(difference(*pair) for pair in itertools.combinations(masks, 2)) < 0.12


def test_loose_clothes_widen_the_mask_by_whole_steps_only():
    close, loose, looser = (
        agnostic.mask(dressed(sleeve=1.0, loose=width), POSE, "upper")
        for width in (0.03, 0.062, 0.067)
    )
    assert difference(loose, looser) < 0.01
    assert 0.03 < difference(close, loose) < 0.3
    assert not (close & ~loose).any()


@pytest.mark.parametrize("region", OLD)
def test_the_old_garment_is_covered_with_a_margin(region):
    for worn in OLD[region].values():
        area = agnostic.area(worn, POSE, region)
        grown = cv2.dilate(worn.garment.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert not (grown & ~area.mask & ~area.protected).any()
        assert not (worn.garment & area.protected).any()


@pytest.mark.parametrize("region", OLD)
@pytest.mark.parametrize(
    "pose", [POSE, standing(0.4), standing(arms=0.2)], ids=["in front", "turned", "arms down"]
)
def test_hands_face_and_shoes_stay(region, pose):
    worn = dressed(pose, region=region, sleeve=1.0, hem=0.8, loose=0.03)
    # A pixel at the edge of the cloth shows both.
    beside = cv2.dilate(worn.garment.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    around = zones.draw(pose)
    area = agnostic.area(worn, pose, region)
    for name in ("head", "hand_right", "hand_left", "foot_right", "foot_left"):
        end = (around.away[name] <= 0) & ~beside
        if name.startswith("foot"):
            end &= around.along[name] > protection.INSTEP
        assert np.count_nonzero(end) > 50
        assert np.count_nonzero(area.mask & end) <= 0.02 * np.count_nonzero(end), name


def test_hands_in_front_of_old_trousers_stay_whole():
    pose = standing(arms=0.08)
    worn = dressed(pose, region="lower", hem=1.0, loose=0.03)
    near = cv2.dilate(worn.garment.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    around, area = zones.draw(pose), agnostic.area(worn, pose, "lower")
    for side in SIDES:
        hand = (around.away[f"hand_{side}"] <= 0) & (around.along[f"hand_{side}"] > 0)
        assert (hand & near).any()  # else nothing is shown
        assert area.protected[hand & ~near].all()
        assert area.protected[hand].mean() > 0.8


def test_a_hand_in_front_of_an_old_skirt_stays():
    worn = dressed(region="dress", hem=0.6, flare=0.05)
    behind = (BODY.away["hand_left"] <= 0.05) & (BODY.away["hand_left"] > 0)
    behind |= (BODY.away["hand_left"] <= 0) & (BODY.along["hand_left"] > 0.75)
    skirt = behind & (BODY.along["hand_left"] > 0.1)
    area = agnostic.area(
        worn._replace(label_map=np.where(skirt, labels.GARMENT, worn.label_map)), POSE, "dress"
    )
    hand = (BODY.away["hand_left"] <= 0) & (BODY.along["hand_left"] > 0.05) & ~skirt
    edge = cv2.dilate(skirt.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert area.protected[hand & ~edge].all()
    assert area.mask[skirt].all()


def test_a_sleeve_over_the_hand_goes_and_the_fingers_stay():
    worn = dressed(sleeve=1.0, loose=0.03)
    over = (BODY.away["hand_left"] <= 0.01) & (BODY.along["hand_left"] < 0.4)
    hidden = worn._replace(label_map=np.where(over, labels.GARMENT, worn.label_map))
    area = agnostic.area(hidden, POSE, "upper")
    assert area.mask[over & (BODY.along["hand_left"] > 0)].all()
    fingers = (BODY.away["hand_left"] <= 0) & (BODY.along["hand_left"] > 0.6)
    assert area.protected[fingers].all()


def test_above_the_arm_the_border_is_close_and_below_it_leaves_room_for_a_sleeve():
    mask = agnostic.mask(OLD["upper"]["tee"], POSE, "upper")
    around = (BODY.along["arm_left"] > 0.4) & (BODY.along["arm_left"] < 0.9) & ~mask
    outer = around & (BODY.below["arm_left"] < -0.3)
    assert BODY.away["arm_left"][outer].min() == pytest.approx(0.028, abs=0.004)
    inside = (BODY.below["arm_left"] > 0.3) & (BODY.along["arm_left"] > 0.4) & mask
    room = inside & (BODY.away["arm_left"] > 0.055) & (BODY.away["arm_left"] < 0.065)
    assert room.sum() > 20


def test_beside_the_head_nothing_is_painted_but_an_old_hood():
    worn = OLD["upper"]["tee"]
    beside = (BODY.away["head"] < 0.05) & (BODY.along["torso"] < -0.11)
    assert not agnostic.mask(worn, POSE, "upper")[beside].any()
    hood = (BODY.away["head"] > 0.005) & (BODY.away["head"] < 0.025) & (BODY.along["torso"] < -0.05)
    hooded = worn._replace(label_map=np.where(hood, labels.GARMENT, worn.label_map))
    mask = agnostic.mask(hooded, POSE, "upper")
    assert mask[hood].all()
    assert not mask[BODY.away["head"] <= 0].any()


def test_the_new_garment_gets_room():
    worn, coat = OLD["upper"]["tee"], dressed(sleeve=1.0, hem=0.5, loose=0.1)
    new = agnostic.reach(coat, POSE)
    assert new.sleeve > 0.95
    assert new.hem == pytest.approx(0.5, abs=0.03)
    assert new.rooms["arm_left"] == pytest.approx(0.1, abs=0.01)
    alone = agnostic.mask(worn, POSE, "upper")
    assert not (alone & ~agnostic.mask(worn, POSE, "upper", garment=new)).any()
    assert (coat.garment & ~alone).sum() > 500
    fitted = agnostic.mask(worn, POSE, "upper", garment=new, extent="fit")
    arms_and_chest = coat.garment & (BODY.along["legs"] < 0)
    assert (fitted[arms_and_chest]).mean() > 0.99


def test_fit_leaves_arms_that_neither_garment_covers():
    tee = OLD["upper"]["tee"]
    new = agnostic.reach(tee, POSE)
    full = agnostic.area(tee, POSE, "upper", garment=new)
    fit = agnostic.area(tee, POSE, "upper", garment=new, extent="fit")
    forearm = (BODY.away["arm_left"] <= 0) & (BODY.along["arm_left"] > 0.75)
    assert full.mask[forearm & (BODY.along["arm_left"] < 0.95)].mean() > 0.95
    assert fit.protected[forearm].all()


def test_arms_and_top_stay_when_trousers_change():
    worn = OLD["lower"]["trousers"]
    area = agnostic.area(worn, POSE, "lower")
    assert not area.mask[BODY.along["torso"] < 0.12].any()
    assert area.protected[(BODY.away["arm_right"] <= 0) & (BODY.along["arm_right"] > 0.1)].all()


def test_long_hair_over_the_shoulder_stays():
    worn = OLD["upper"]["tee"]
    hair = np.zeros((HEIGHT, WIDTH), bool)
    box = np.argwhere(BODY.away["head"] <= 0)
    top, left = box.min(0)
    chin = box[:, 0].max()
    hair[top : chin + 45, left - 6 : left + 8] = True
    hair[top - 4 : top + (chin - top) // 3, left - 6 : box[:, 1].max() + 6] = True
    photo = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    label_map = np.where(hair, labels.MANNEQUIN, worn.label_map).astype(np.uint8)
    photo[label_map == labels.MANNEQUIN] = (222, 178, 150)
    photo[label_map == labels.GARMENT] = (30, 60, 160)
    photo[hair] = (60, 38, 20)
    person = worn._replace(label_map=label_map)
    hanging = hair & (np.arange(HEIGHT)[:, None] > chin + 5)
    hanging[:, : left - 3] = hanging[:, left + 5 :] = False
    hanging[chin + 38 :] = False  # the cloth's edge is widened over its ends
    assert agnostic.area(person, POSE, "upper", image=photo).protected[hanging].mean() > 0.9
    assert agnostic.area(person, POSE, "upper").mask[hanging].any()


def test_a_shoe_that_is_taken_for_a_stand_stays():
    worn = OLD["lower"]["shorts"]
    foot = (BODY.away["foot_left"] <= 0.01) & (BODY.along["foot_left"] > 0.3)
    taken = worn._replace(label_map=np.where(foot, labels.SUPPORT, worn.label_map))
    assert not agnostic.mask(taken, POSE, "lower")[foot].any()


def test_without_labels_the_pose_alone_makes_a_mask():
    nothing = Parsing(np.zeros((HEIGHT, WIDTH), np.uint8))
    area = agnostic.area(nothing, POSE, "upper")
    assert difference(area.mask, agnostic.mask(OLD["upper"]["tee"], POSE, "upper")) < 0.05
    assert area.protected[BODY.away["hand_left"] <= 0].mean() > 0.9


def test_a_large_photo_gets_the_same_mask_as_its_small_copy():
    small = OLD["upper"]["tee"]
    large = small._replace(label_map=np.kron(small.label_map, np.ones((4, 4), np.uint8)))
    joints = {n: Keypoint(4 * k.x + 1.5, 4 * k.y + 1.5, 1.0) for n, k in POSE.keypoints.items()}
    mask = agnostic.mask(large, Pose(4 * HEIGHT, 4 * WIDTH, joints), "upper")
    again = cv2.resize(mask.astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST) > 0
    assert difference(again, agnostic.mask(small, POSE, "upper")) < 0.03


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_tiny_photos_get_a_mask_of_their_size(size):
    pose = Pose(*size, POSE.keypoints)
    for region in agnostic.PARTS:
        assert agnostic.mask(Parsing(np.ones(size, np.uint8)), pose, region).shape == size


def test_the_picture_is_gray_in_the_mask_and_the_photo_elsewhere():
    photo = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    mask = agnostic.mask(OLD["upper"]["tee"], POSE, "upper")
    picture = agnostic.picture(photo, mask)
    assert (picture[mask] == agnostic.GRAY).all()
    assert (picture[~mask] == photo[~mask]).all()


def test_the_same_photo_gives_the_same_mask_and_nothing_is_changed():
    worn = OLD["dress"]["short and sleeveless"]
    before = worn.label_map.copy()
    first = agnostic.area(worn, POSE, "dress")
    again = agnostic.area(worn, POSE, "dress")
    assert (first.mask == again.mask).all()
    assert (worn.label_map == before).all()
    assert not (first.mask & first.protected).any()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"region": "hat"}, "region must be one of upper, lower, dress, layered, got 'hat'"),
        ({"extent": "all"}, "extent must be one of full, fit, got 'all'"),
        (
            {"image": np.zeros((4, 4, 3), np.uint8)},
            f"person must be {HEIGHT}x{WIDTH} like parsing, got 4x4. Connect the one of the same",
        ),
        ({"pose": POSE._replace(height=9)}, f"pose must be {HEIGHT}x{WIDTH} like parsing, got 9x"),
        ({"extent": "fit"}, "garment must be given for the extent fit, got nothing. Give"),
    ],
)
def test_what_is_wrong_is_said(arguments, sentence):
    given = {"pose": POSE, "region": "upper", **arguments}
    with pytest.raises(ValueError, match=sentence):
        agnostic.area(OLD["upper"]["tee"], **given)
