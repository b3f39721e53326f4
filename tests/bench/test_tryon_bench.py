"""The benchmark of try-on measures inside the garment only, and shows the engine no answer."""

import json

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.pose import NAMES, Keypoint, Pose

# A standing body of 100 x 80: head above, hands beside, feet below.
JOINTS = {
    "Nose": (40, 10),
    "Neck": (40, 22),
    "RElbow": (20, 40),
    "RWrist": (14, 52),
    "LElbow": (60, 40),
    "LWrist": (66, 52),
    "RShoulder": (30, 24),
    "LShoulder": (50, 24),
    "RHip": (34, 52),
    "LHip": (46, 52),
    "RKnee": (34, 70),
    "LKnee": (46, 70),
    "RAnkle": (34, 88),
    "LAnkle": (46, 88),
}
WALL, SKIN, CLOTH = (220, 225, 230), (200, 150, 120), (30, 140, 60)


@pytest.fixture(scope="session")
def tryon(bench):
    return bench("tryon")


def scene(tryon, *, hem=60):
    """A person whose garment hangs past the body; `hem` is where it ends."""
    body = np.zeros((100, 80), np.uint8)
    cv2.rectangle(body, (28, 3), (52, 96), 1, -1)
    cloth = np.zeros((100, 80), bool)
    cloth[24:hem, 20:60] = True
    worn = np.full((100, 80, 3), WALL, np.uint8)
    worn[body > 0] = SKIN
    worn[cloth] = CLOTH
    joints = {name: np.array(place, float) for name, place in JOINTS.items()}
    return tryon.Scene("s", "full", worn, worn, cloth, cloth, body > 0, joints)


def pose(shift=(0.0, 0.0), linear=((1.0, 0.0), (0.0, 1.0)), confidence=1.0):
    places = {
        name: np.array(JOINTS.get(name, (40, 8)), float) @ np.array(linear).T for name in NAMES
    }
    moved = {
        name: Keypoint(x + shift[0], y + shift[1], confidence) for name, (x, y) in places.items()
    }
    return Pose(100, 80, moved)


def row(tryon, ours, theirs, name="a"):
    def numbers(pair):
        return {"ssim": pair[0], "color": pair[1], "overlap": 0.9}

    return tryon.Row(name, "full", numbers(ours), numbers(theirs), 1.0)


def test_the_neutral_person_shows_nothing_of_the_garment(tryon):
    shown = tryon.neutral(scene(tryon))
    assert (np.abs(shown.astype(int) - CLOTH).max(-1) > 60).all()
    assert np.abs(shown[40, 24].astype(int) - WALL).max() < 8  # beside the body
    assert (shown[40, 40] == tryon.GREY).all()


def test_the_neutral_body_is_the_same_under_any_garment(tryon):
    short, long = scene(tryon, hem=40), scene(tryon, hem=85)
    body = short.body
    assert (tryon.neutral(short)[body] == tryon.neutral(long)[body]).all()


def test_head_and_feet_of_the_neutral_person_stay(tryon):
    shown = tryon.neutral(scene(tryon))
    assert (shown[8, 40] == SKIN).all()
    assert (shown[93, 34] == SKIN).all()


def test_equal_pictures_are_alike(tryon):
    luma = np.random.default_rng(1).random((30, 40))
    mask = np.zeros((30, 40), bool)
    mask[5:25, 8:30] = True
    assert tryon.ssim(luma, luma, mask)[mask] == pytest.approx(1)


def test_similarity_of_flat_pictures_is_that_of_their_means(tryon):
    mask = np.ones((20, 20), bool)
    found = tryon.ssim(np.full((20, 20), 0.4), np.full((20, 20), 0.8), mask)
    assert found == pytest.approx((2 * 0.32 + 1e-4) / (0.16 + 0.64 + 1e-4))


def test_nothing_outside_of_the_mask_counts(tryon):
    rng = np.random.default_rng(2)
    mask = np.zeros((40, 40), bool)
    mask[10:30, 12:28] = True
    first, second = rng.random((2, 40, 40))
    other = np.where(mask, second, rng.random((40, 40)))
    inside = tryon.ssim(first, second, mask)[mask]
    assert tryon.ssim(first, other, mask)[mask] == pytest.approx(inside)
    unlike = tryon.ssim(first, np.where(mask, 1 - second, second), mask)[mask]
    assert np.abs(unlike - inside).max() > 0.1


def test_the_worn_picture_itself_has_no_error(tryon):
    told = scene(tryon)
    alpha = told.truth.astype(np.float32)
    found = tryon.measure(told.worn, alpha, told.worn, told.truth)
    assert found == pytest.approx({"ssim": 1, "color": 0, "overlap": 1})


def test_painting_beyond_the_garment_shows_in_the_overlap_alone(tryon):
    told = scene(tryon)
    image, alpha = told.worn.copy(), np.ones((100, 80), np.float32)
    image[~told.truth] = CLOTH
    found = tryon.measure(image, alpha, told.worn, told.truth)
    assert (found["ssim"], found["color"]) == pytest.approx((1, 0))
    assert found["overlap"] == pytest.approx(told.truth.mean())


@pytest.mark.parametrize("region", ["upper", "lower"])
def test_the_baseline_finds_an_affine_map_exactly(tryon, region):
    linear = ((1.2, 0.1), (-0.2, 0.8))
    found = tryon.affine(pose(), pose((5, -3), linear), region)
    assert found == pytest.approx(np.array([[1.2, 0.1, 5], [-0.2, 0.8, -3]]), abs=1e-9)


def test_better_means_on_both(tryon):
    assert tryon.better(row(tryon, (0.6, 3), (0.5, 4)))
    assert not tryon.better(row(tryon, (0.6, 4), (0.5, 3)))
    assert not tryon.better(row(tryon, (0.5, 3), (0.6, 4)))
    assert not tryon.better(row(tryon, (0.5, 3), (0.5, 3)))


def test_four_scenes_of_five_meet_the_bar(tryon):
    rows = [row(tryon, (0.6, 3), (0.5, 4))] * 4 + [row(tryon, (0.4, 3), (0.5, 4))]
    told = tryon.conclude(rows)
    assert told["bars"] == {"better_on_both": {"value": 0.8, "bar": 0.8, "ok": True}}
    assert told["ssim"] == {"engine": 0.56, "affine": 0.5}
    assert not tryon.conclude(rows[1:])["bars"]["better_on_both"]["ok"]


@pytest.mark.parametrize("own", [False, True])
def test_labels_of_the_worn_picture_go_before_those_of_the_photo(tryon, tmp_path, own, monkeypatch):
    grey = np.full((64, 48, 3), 128, np.uint8)
    for name in ("photo.jpg", "model.jpg"):
        cv2.imwrite(str(tmp_path / name), grey)
    first, second = np.zeros((2, 64, 48), np.uint8)
    first[10:20, 10:20], second[30:50, 5:40] = labels.GARMENT, labels.GARMENT
    cv2.imwrite(str(tmp_path / "labels.png"), first)
    cv2.imwrite(str(tmp_path / "body.png"), first * 255)
    if own:
        cv2.imwrite(str(tmp_path / "worn.png"), second)
    (tmp_path / "meta.json").write_text('{"mannequin_type": "full"}', encoding="utf-8")
    told = {"keypoints": [{"name": name, "x": 1, "y": 2} for name in NAMES]}
    (tmp_path / "keypoints.json").write_text(json.dumps(told), encoding="utf-8")
    seen = tryon.parse.Parsing(np.full((64, 48), labels.GARMENT, np.uint8))
    monkeypatch.setattr(tryon.parse, "parse", lambda image: seen)
    found = tryon.read(tmp_path)
    assert found.truth.sum() == (700 if own else 100)
    assert found.joints["Neck"] == pytest.approx((1, 2))
