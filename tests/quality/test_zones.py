import numpy as np
import pytest
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import NAMES
from dressform.quality import zones

UP, DOWN, LEFT, RIGHT = (0, -1), (0, 1), (-1, 0), (1, 0)


def body(region, *, back=False):
    """A person of 400 px from the front, whose right is at the left of the picture."""
    sides = {"R": -1, "L": 1} if not back else {"R": 1, "L": -1}
    places = {"Neck": (200, 100)}
    for side, sign in sides.items():
        places |= {
            f"{side}Shoulder": (200 + 50 * sign, 105),
            f"{side}Elbow": (200 + 90 * sign, 180),
            f"{side}Wrist": (200 + 110 * sign, 250),
            f"{side}Hip": (200 + 30 * sign, 260),
        }
    joints = np.array([places.get(name, (200, 50)) for name in NAMES], np.float32)
    return zones.Body(joints, region)


def name(at, outward, wearer, box=(90, 80, 310, 300)):
    mask = np.zeros((400, 400), bool)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = True
    [found] = zones.name_points(
        np.array([at], np.float32), np.array([outward], np.float32), mask, wearer
    )
    return str(found)


@pytest.mark.parametrize(
    ("at", "outward", "place"),
    [
        ((95, 200), LEFT, "right_sleeve"),
        ((305, 200), RIGHT, "left_sleeve"),
        ((200, 95), UP, "neckline"),
        ((200, 298), DOWN, "hem"),
        ((160, 255), LEFT, "right_side"),
        ((240, 255), RIGHT, "left_side"),
    ],
)
def test_places_of_a_shirt_have_the_wearers_names(at, outward, place):
    assert name(at, outward, body("upper")) == place


def test_from_behind_left_and_right_change_places():
    assert name((95, 200), LEFT, body("upper", back=True)) == "left_sleeve"


@pytest.mark.parametrize(
    ("at", "outward", "place"),
    [((200, 262), UP, "waist"), ((180, 390), DOWN, "hem"), ((150, 330), LEFT, "right_side")],
)
def test_trousers_have_a_waist_and_a_hem(at, outward, place):
    assert name(at, outward, body("lower"), box=(150, 260, 250, 392)) == place


@pytest.mark.parametrize(("at", "place"), [((95, 85), "upper left"), ((200, 190), "middle middle")])
def test_without_a_body_places_have_the_names_of_a_grid(at, place):
    assert name(at, UP, None) == place


def test_every_name_has_words_for_people():
    from dressform.quality import wording

    assert set(wording.PLACES) == set(zones.NAMED)
    sentence = wording.sentence("outline", "fail", "left_sleeve")
    assert sentence.startswith("The left sleeve has moved")
    assert "(upper left)" in wording.sentence("outline", "warn", "upper left")


def test_the_networks_joints_are_taken_as_they_are():
    joints = np.arange(54, dtype=np.float32).reshape(18, 3)
    found = zones.locate(Parsing(np.zeros((9, 9), np.uint8), "full", "dress", joints=joints))
    assert np.array_equal(found.joints, joints[:, :2])
    assert found.region == "dress"
    assert np.array_equal(found.moved(-2, 3).joint("Nose"), (-2, 4))


def test_what_lies_or_hangs_has_no_body(parsing):
    assert zones.locate(parsing._replace(kind="flatlay")) is None


def test_without_joints_the_body_is_fitted_and_nothing_has_none(parsing):
    assert zones.locate(parsing).joints.shape == (18, 2)
    empty = parsing._replace(label_map=np.zeros_like(parsing.label_map))
    assert zones.locate(empty) is None
