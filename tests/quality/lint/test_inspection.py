"""From measures to findings, sentences and a grade."""

import json

import cv2
import numpy as np
import pytest
from dressform.imaging.parsing import Parsing
from dressform.quality.lint import inspection, limits, marks, wording


def test_a_good_photo_has_nothing_to_object(photo, parsing):
    report = inspection.inspect(photo, parsing)
    assert [one.name for one in report.remarks] == []
    assert report.grade == "A"
    assert report.score == 1
    assert not report.places


def test_every_check_has_a_limit_a_measure_and_words(photo, parsing):
    names = [one.name for one in inspection.inspect(photo, parsing).findings]
    assert names == list(limits.CHECKS) == list(inspection.MEASURES) == list(wording.WORDING)


def test_a_spoilt_photo_is_told_what_to_do(photo, parsing, states):
    spoilt = cv2.GaussianBlur((photo * 0.25).astype(np.uint8), (0, 0), 4)
    report = inspection.inspect(spoilt, parsing)
    assert states(report).blur == "fail"
    assert states(report).brightness == "fail"
    assert report.grade == "E"
    assert {"blur", "brightness"} <= {one.name for one in report.remarks}
    assert "use a tripod" in inspection.text(report)
    assert "三脚架" in inspection.text(report)


def test_a_cut_garment_names_the_sides(photo, parsing):
    report = inspection.inspect(
        photo[200:, 300:].copy(), parsing._replace(label_map=parsing.label_map[200:, 300:].copy())
    )
    cut = next(one for one in report.findings if one.name == "cropping")
    assert cut.state == "fail"
    assert "at the top and left" in cut.sentence
    assert "上边、左边" in cut.sentence_zh
    assert report.places["cropping"].any()


def test_no_garment_is_the_worst_grade_and_never_a_pass(photo, parsing):
    report = inspection.inspect(photo, Parsing(np.zeros_like(parsing.label_map)))
    assert report.grade == "E"
    assert next(one for one in report.findings if one.name == "fill").state == "unmeasurable"


@pytest.mark.parametrize(
    ("states", "grade"),
    [
        (["pass", "unmeasurable"], "A"),
        (["warn", "pass"], "B"),
        (["warn"] * 5, "C"),
        (["fail", "warn", "warn"], "D"),
        (["fail", "fail"], "E"),
    ],
)
def test_grades_follow_the_written_rule(states, grade):
    assert inspection.grade(states) == grade


def test_score_counts_a_warning_half_and_leaves_out_what_is_unknown():
    assert inspection.score(["pass", "warn", "fail", "unmeasurable"]) == 0.5
    assert inspection.score(["unmeasurable"]) == 0


def test_grades_have_an_order():
    assert inspection.reaches("B", "C")
    assert not inspection.reaches("D", "C")
    assert inspection.worst(["B", "D", "A"]) == "D"


def test_report_is_plain_json(photo, parsing):
    document = inspection.to_json(inspection.inspect(photo, parsing))
    assert document["schema"] == inspection.SCHEMA
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@pytest.mark.parametrize(
    ("height", "width", "level"), [(1, 1, 0), (3, 700, 255), (24, 24, 128), (300, 5, 90)]
)
@pytest.mark.parametrize("label", [0, 1, 2, 5])
def test_bare_pictures_of_any_size_get_a_report(height, width, level, label):
    picture = np.full((height, width, 3), level, np.uint8)
    report = inspection.inspect(picture, Parsing(np.full((height, width), label, np.uint8)))
    assert report.grade == "E"
    assert marks.annotate(picture, report).shape[0] > height


def test_parsing_of_another_photo_is_refused(photo, parsing):
    with pytest.raises(ValueError, match="parsing must be 10x10 bool like its picture"):
        inspection.inspect(photo[:10, :10].copy(), parsing)


def test_nothing_is_mutated(photo, parsing):
    before = photo.copy(), parsing.label_map.copy()
    marks.annotate(photo, inspection.inspect(photo, parsing))
    assert np.array_equal(photo, before[0])
    assert np.array_equal(parsing.label_map, before[1])


def test_annotation_marks_the_place_and_no_other(photo, parsing):
    clipped = photo.copy()
    clipped[140:600, 250:650] = 255
    report = inspection.inspect(clipped, parsing)
    shown = marks.annotate(clipped, report)
    changed = (shown[:1200] != clipped).any(2)
    assert changed[300:600, 300:600].mean() > 0.1
    assert not changed[700:, :240].any()
    assert shown.shape == marks.annotate(photo, inspection.inspect(photo, parsing)).shape


def test_limits_of_ones_own_are_used(tmp_path, photo, parsing, states):
    text = limits.SHIPPED.read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(text.replace("warn = 850.0", "warn = 2000.0"), encoding="utf-8")
    assert states(inspection.inspect(photo, parsing, limits_path=own)).resolution == "warn"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("schema = 1", "schema = 2", "must have schema = 1, got 2"),
        ("warn = 850.0", "warn = 100.0", r"\[resolution\] must have worse = more or less"),
        ("warn = 850.0", "", r"must have worse, unit, warn and fail under \[resolution\]"),
        ("[tilt]", "[tilt", "limits must be TOML"),
    ],
)
def test_wrong_limits_say_what_is_wrong(tmp_path, old, new, sentence):
    own = tmp_path / "own.toml"
    text = limits.SHIPPED.read_text(encoding="utf-8")
    own.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=sentence):
        limits.load(own)


def test_missing_limits_say_where_to_start(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Copy quality/lint/limits\.toml"):
        limits.load(tmp_path / "gone.toml")
