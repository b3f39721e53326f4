"""The benchmark of the hints measures joints and silhouettes as its words say."""

import json

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import NAMES, Keypoint, Pose


@pytest.fixture(scope="session")
def hints(bench):
    return bench("hints")


def joints():
    """Neck at (50, 10), hips about (50, 60): a torso of 50 pixels; the rest in a row below."""
    found = np.array([[50.0, 70.0]] * 18)
    found[NAMES.index("Neck")] = (50, 10)
    found[NAMES.index("RHip")], found[NAMES.index("LHip")] = (40, 60), (60, 60)
    return found


def scene(hints, *, missing=(), framed=(), kind="headless"):
    names = np.array(NAMES)
    return hints.Scene(
        "s",
        np.zeros((100, 100, 3), np.uint8),
        joints(),
        ~np.isin(names, framed),
        np.isin(names, missing),
        np.zeros((100, 100), bool),
        kind,
    )


def pose(places):
    found = {name: Keypoint(x, y, 1.0) for name, (x, y) in zip(NAMES, places, strict=True)}
    return Pose(100, 100, found)


def test_distances_count_in_torso_lengths(hints):
    found = joints()
    found[NAMES.index("LWrist"), 0] += 10
    away = hints.distances(found, joints())
    assert away[NAMES.index("LWrist")] == pytest.approx(0.2)
    assert away.sum() == pytest.approx(0.2)


def test_a_joint_at_the_limit_is_found_and_one_beyond_is_not(hints):
    found = joints()
    found[NAMES.index("RKnee"), 0] += 5
    found[NAMES.index("LKnee"), 0] += 5.1
    measured = hints.measure(pose(found), scene(hints))
    assert measured["pck"] == pytest.approx(17 / 18)
    assert measured["error"] == pytest.approx((0.1 + 0.102) / 18)


def test_joints_outside_of_the_photo_do_not_count(hints):
    found = joints()
    found[NAMES.index("Nose")] = (500, 500)
    told = scene(hints, missing=("Nose", "LEye"), framed=("Nose",))
    measured = hints.measure(pose(found), told)
    assert measured["pck"] == 1
    assert measured["pck_missing"] == 1


def test_missing_joints_are_told_apart(hints):
    found = joints()
    found[NAMES.index("Nose")] += 30
    measured = hints.measure(pose(found), scene(hints, missing=("Nose", "LEye")))
    assert measured["pck_missing"] == 0.5
    assert hints.measure(pose(found), scene(hints))["pck_missing"] is None


def test_the_silhouettes_bar_is_about_hollow_scenes(hints):
    for kind, told in (("full", False), ("legs", False), ("ghost", True), ("armless", True)):
        measured = hints.measure(pose(joints()), scene(hints, kind=kind))
        assert (measured["silhouette"] is not None) == told
        assert measured["silhouette_all"] == 0


def test_the_mean_body_is_scaled_to_the_garments_box(hints):
    label_map = np.zeros((400, 300), np.uint8)
    label_map[100:200, 110:190] = labels.GARMENT
    found = hints.mean_body(Parsing(label_map)).keypoints  # a torso of 71 pixels
    assert found["Neck"][:2] == pytest.approx((150, 115))
    assert found["RShoulder"][:2] == pytest.approx((150 - 0.34 * 71, 115))
    assert found["LAnkle"][:2] == pytest.approx((150 + 0.25 * 71, 115 + 2.6 * 71))
    skirt = hints.mean_body(Parsing(label_map, region="lower")).keypoints
    assert skirt["Neck"][:2] == pytest.approx((150, 54))


def test_the_networks_joints_pass_unchanged(hints):
    places = np.arange(54, dtype=np.float32).reshape(18, 3)
    found = hints.seen(Parsing(np.zeros((5, 5), np.uint8), joints=places)).keypoints
    assert found["RShoulder"] == (6, 7, 8)


def test_a_photo_without_labels_gets_the_mean_body(hints):
    found = hints.located(Parsing(np.zeros((100, 80), np.uint8), "ghost"))
    assert found.keypoints["Neck"][:2] == pytest.approx((40, 15))


def test_conclusions_are_means_over_scenes_that_can_tell(hints):
    told = dict.fromkeys(hints.COLUMNS) | {"pck": 0.5}
    rows = [hints.Row("a", "full", told), hints.Row("b", "ghost", told | {"pck": 1.0})]
    assert hints.conclude(rows) == {"pck": 0.75}
    assert list(hints.by_kind(rows)) == ["full", "ghost"]


def test_bars_have_two_sides(hints):
    assert hints.ok("pck", 0.92)
    assert not hints.ok("pck", 0.91)
    assert hints.ok("seconds", 0.15)
    assert not hints.ok("seconds", 0.16)
    assert not hints.ok("silhouette", None)


def test_a_scene_is_read_in_the_order_of_the_joints(hints, tmp_path):
    points = [
        {"name": name, "x": index, "y": 2 * index, "in_frame": index != 3, "state": "missing"}
        for index, name in enumerate(NAMES)
    ]
    told = json.dumps({"keypoints": points[::-1]})
    (tmp_path / "keypoints.json").write_text(told, encoding="utf-8")
    (tmp_path / "meta.json").write_text('{"mannequin_type": "ghost"}', encoding="utf-8")
    cv2.imwrite(str(tmp_path / "photo.jpg"), np.zeros((8, 6, 3), np.uint8))
    silhouette = np.zeros((8, 6), np.uint8)
    silhouette[2] = 255
    cv2.imwrite(str(tmp_path / "body.png"), silhouette)
    found = hints.read(tmp_path)
    assert (found.joints[:, 0] == np.arange(18)).all()
    assert np.flatnonzero(~found.framed) == [3]
    assert found.silhouette.sum() == 6
    assert found.kind == "ghost"
