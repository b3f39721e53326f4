import json
import re

import numpy as np
import pytest
from dressform.imaging import pose, strokes


def stroke(**changes):
    content = {
        "role": "head",
        "points": [[1, 2, 0.5], [3, 4, 1]],
        "radius_px": 3,
        "color": "#e69f00",
        "closed": True,
        "source": "drawn",
    }
    return content | changes


def text(listed=(), **changes):
    content = {"version": 1, "width": 60, "height": 80, "photo": "", "strokes": list(listed)}
    return json.dumps(content | changes)


def test_a_written_document_reads_back_equal():
    points = np.array([[-12.345, 70.5, 0.333], [100, 159.999, 1]])
    line = strokes.stroke("arm_left", points, 2.71828, closed=False, source="proposed")
    document = strokes.StrokeDocument(60, 80, "00ff", (line,))
    assert strokes.from_json(strokes.to_json(document)) == document


def test_numbers_are_rounded_to_two_decimals():
    line = strokes.stroke("free", np.array([[1.23456, 7.0, 0.5]]), 2.0, closed=False)
    assert line.points == ((1.23, 7.0, 0.5),)
    read = strokes.from_json(text([stroke(points=[[1.23456, 2, 0.999]])]))
    assert read.strokes[0].points == ((1.23, 2.0, 1.0),)


def test_an_empty_document_is_valid():
    assert strokes.from_json(text()) == strokes.StrokeDocument(60, 80)


def test_landmarks_are_kept_and_left_out_where_unknown():
    joints = [[10.5, -70, 0.25]] * 18
    read = strokes.from_json(text(landmarks=joints))
    assert read.landmarks == ((10.5, -70.0, 0.25),) * 18
    assert strokes.from_json(strokes.to_json(read)) == read
    assert "landmarks" not in json.loads(strokes.to_json(read._replace(landmarks=())))
    assert strokes.from_json(text(landmarks=None)).landmarks == ()


def test_a_pose_becomes_landmarks_in_its_order_within_the_limits():
    joints = {name: pose.Keypoint(i + 0.123456, -1e9, 1.2) for i, name in enumerate(pose.NAMES)}
    kept = strokes.landmarks(pose.Pose(80, 60, joints))
    assert kept[:2] == ((0.12, -163840.0, 1.0), (1.12, -163840.0, 1.0))
    document = strokes.StrokeDocument(60, 80, landmarks=kept)
    assert strokes.from_json(strokes.to_json(document)) == document


def test_a_resized_document_keeps_its_place_on_the_photo():
    line = strokes.stroke("free", np.array([[-0.5, -0.5, 1], [59.5, 39.5, 0.5]]), 2, closed=True)
    document = strokes.StrokeDocument(60, 80, "00ff", (line,), ((29.5, 79.5, 0.5),) * 18)
    twice = strokes.resized(document, (160, 240))
    assert (twice.width, twice.height, twice.photo) == (240, 160, "00ff")
    assert twice.strokes[0].points == ((-0.5, -0.5, 1.0), (239.5, 79.5, 0.5))
    assert twice.strokes[0].radius_px == 5.66  # twice the root of two times four
    assert twice.landmarks[0] == (119.5, 159.5, 0.5)
    assert strokes.resized(document, (80, 60)) is document
    assert strokes.from_json(strokes.to_json(twice)) == twice


def test_a_stroke_that_left_the_limits_is_held_within_them():
    line = strokes.Stroke("free", ((-1e9, 1e9, 3.0), (-0.001, 1, -2.0)), 1e9, "#ffffff")
    held = strokes.within(line, (80, 60))
    assert held.points == ((-60.0, 160.0, 1.0), (0.0, 1.0, 0.0))
    assert held.radius_px == 1000.0
    assert str(held.points[1][0]) == "0.0"


def test_a_whole_number_may_carry_a_point():
    assert strokes.from_json(text(version=1.0, width=60.0)).width == 60


def test_points_may_lie_one_photo_outside():
    read = strokes.from_json(text([stroke(points=[[-60, -80, 0], [120, 160, 1]])]))
    assert read.strokes[0].points == ((-60.0, -80.0, 0.0), (120.0, 160.0, 1.0))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (stroke(points=[[121, 0, 1]]), "stroke 1, point 0: x must be a number from -60 to 120"),
        (stroke(points=[[0, -81, 1]]), "stroke 1, point 0: y must be a number from -80 to 160"),
        (stroke(points=[[0, 0, 1], [0, 0, 1.5]]), "stroke 1, point 1: pressure must be"),
        (stroke(points=[[0, 0]]), r"stroke 1, point 0: must be [x, y, pressure]"),
        (stroke(points=[[True, 0, 1]]), "stroke 1, point 0: x must be a number"),
        (stroke(points=[["1", 0, 1]]), "stroke 1, point 0: x must be a number"),
        (stroke(points=[[10**400, 0, 1]]), "got a huge number"),
        (stroke(points=[]), "stroke 1: points must be a list of 1 to 5000, got 0"),
        (stroke(points="line"), "stroke 1: points must be a list of 1 to 5000, got 'line'"),
        (stroke(points=[[0, 0, 1]] * 5001), "got 5001. Split the stroke"),
        (stroke(role="tail"), "stroke 1: role must be one of head, face"),
        (stroke(role=["head"]), "stroke 1: role must be one of head"),
        (stroke(color="red"), "stroke 1: color must be like #e69f00, got 'red'"),
        (stroke(color="#e69f00\n"), "stroke 1: color must be like"),
        (stroke(closed=1), "stroke 1: closed must be true or false, got 1"),
        (stroke(source="found"), "stroke 1: source must be proposed or drawn, got 'found'"),
        (stroke(radius_px=0), "stroke 1: radius_px must be a number from 0.1 to 1000.0, got 0"),
        (stroke(extra=1), "stroke 1 must be an object with role, points"),
        ([], "stroke 1 must be an object"),
        (None, "stroke 1 must be an object"),
    ],
)
def test_a_bad_stroke_is_named_by_its_index(bad, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        strokes.from_json(text([stroke(), bad]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "strokes must have version 1, got 2"),
        ({"version": True}, "strokes must have version 1, got True"),
        ({"width": 0}, "width must be a whole number from 1 to 16384, got 0"),
        ({"height": 1.5}, "height must be a whole number"),
        ({"photo": "../../etc"}, "photo must be up to 64 hex digits"),
        ({"strokes": {}}, "strokes must be a list of at most 500"),
        ({"strokes": [0] * 501}, "strokes must be a list of at most 500, got 501"),
        (
            {"landmarks": [[1, 2, 0.5]] * 17},
            "landmarks must be a list of 18 joints, got a list of 17",
        ),
        ({"landmarks": []}, "landmarks must be a list of 18 joints, got a list of 0"),
        ({"landmarks": [[1, 2]] * 18}, "landmark Nose: must be [x, y, confidence]"),
        ({"landmarks": [[0, 0, 1]] + [[1, 2, 1.5]] * 17}, "landmark Neck: confidence must be"),
        ({"landmarks": [[163841, 2, 1]] * 18}, "landmark Nose: x must be a number from -163840"),
        ({"more": 1}, "strokes must be an object with version, width"),
    ],
)
def test_a_bad_document_says_which_field(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        strokes.from_json(text(**changes))


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "{",
        "[" * 100_000,
        text([stroke()]).replace("[1, 2, 0.5]", "[NaN, 2, 0.5]"),
        text([stroke()]).replace("[1, 2, 0.5]", "[-Infinity, 2, 0.5]"),
        text([stroke()]).replace("[1, 2, 0.5]", "[1e999, 2, 0.5]"),
        text([stroke()]).replace("[1, 2, 0.5]", "[" + "9" * 5000 + ", 2, 0.5]"),
        text([stroke(role="\ud800")]),
        '"{}"',
        "null",
    ],
    ids=["empty", "cut", "deep", "nan", "infinity", "overflow", "digits", "text", "quoted", "null"],
)
def test_hostile_text_is_a_value_error_with_a_short_message(hostile):
    with pytest.raises(ValueError, match="must be") as caught:
        strokes.from_json(hostile)
    assert len(str(caught.value)) < 400


def test_a_huge_text_is_refused_before_it_is_parsed(monkeypatch):
    monkeypatch.setattr(strokes.json, "loads", lambda *_, **__: pytest.fail("was parsed"))
    with pytest.raises(ValueError, match="at most 2000000 bytes, got 100000000"):
        strokes.from_json("x" * 100_000_000)


def test_the_limit_counts_bytes_not_characters():
    with pytest.raises(ValueError, match="at most 2000000 bytes, got 3000000"):
        strokes.from_json("\u20ac" * 1_000_000)


def test_only_text_is_read():
    with pytest.raises(TypeError, match="strokes must be text, got dict"):
        strokes.from_json({})


def test_nothing_but_numbers_is_written():
    line = strokes.Stroke("free", ((float("nan"), 0.0, 1.0),), 1.0, "#ffffff")
    with pytest.raises(ValueError, match="JSON compliant"):
        strokes.to_json(strokes.StrokeDocument(4, 4, "", (line,)))


def test_every_role_has_its_own_colour():
    assert len(set(strokes.ROLES.values())) == len(strokes.ROLES)


def test_fingerprint_tells_photos_and_sizes_apart():
    photo = np.random.default_rng(5).integers(0, 256, (48, 32, 3), dtype=np.uint8)
    same, other = photo.copy(), photo.copy()
    other[:24] = 255 - other[:24]
    assert strokes.fingerprint(photo) == strokes.fingerprint(same)
    assert strokes.fingerprint(photo) != strokes.fingerprint(other)
    assert strokes.fingerprint(photo) != strokes.fingerprint(np.rot90(photo).copy())
    assert re.fullmatch("[0-9a-f]{16}", strokes.fingerprint(photo))
